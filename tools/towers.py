"""Puts the pair of small towers of a cache into the package, as the preset `mini` loads it:

    autorad-lung pretrain --objective aimv2 && autorad-lung pretrain --objective clip && python tools/towers.py

Weights are kept in float16, beside a manifest of recipe, seed, patients, losses and the digest of every file."""
import json, shutil, sys
from pathlib import Path
import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from autorad_lung.artifacts import Store, file_digest, write_json
from autorad_lung.towers import runs
from autorad_lung.towers.weights import PACKAGED, trained_folder
from autorad_lung.towers.towers import tower

ABOUT = ('objective', 'recipe', 'seed', 'pictures', 'nodules', 'patients')

def losses(store: Store, objective: str) -> list[float]:
    "Of the run's steps; they lie beside its image tower."
    names = runs.tower_names(objective, runs.spare_key(), runs.SHIPPED_RECIPE, runs.SHIPPED_SEED)
    return pd.read_parquet(trained_folder(tower(names['image']), store)/'objective'/'curve.parquet').loss.tolist()

def ship(name: str, objective: str, store: Store, out: Path = PACKAGED):
    "One tower of the cache, in half precision, into the package."
    made = runs.tower_names(objective, runs.spare_key(), runs.SHIPPED_RECIPE, runs.SHIPPED_SEED)
    full = next(n for n in made.values() if n.startswith(name + '@'))
    source, folder = trained_folder(tower(full), store), out/name
    shutil.rmtree(folder, ignore_errors=True); folder.mkdir(parents=True)
    for p in source.glob('*.json'):
        if p.name != 'manifest.json': shutil.copyfile(p, folder/p.name)
    half = {k: v.to(torch.float16) for k, v in load_file(source/'model.safetensors').items()}
    save_file(half, folder/'model.safetensors', metadata={'format': 'pt'})
    (folder/'model.safetensors').chmod(0o644)
    about = json.loads((source/'manifest.json').read_text(encoding='utf-8'))
    files = {p.name: file_digest(p) for p in sorted(folder.iterdir())}
    write_json(folder/'manifest.json', {k: about[k] for k in ABOUT} | {
        'name': name, 'run': full, 'losses': [round(x, 6) for x in losses(store, objective)], 'files': files})

if __name__ == '__main__':
    store = Store(sys.argv[1] if sys.argv[1:] else None)
    for name, objective in runs.SHIPPED.items(): ship(name, objective, store)
