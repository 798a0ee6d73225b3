"Pre-training as a user runs it: killed and resumed, and as a part of the main job."
import hashlib, json, os, re, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd
import pytest
from conftest import QUICK, autorad, inside, once
from autorad_lung.questions import comparisons
from autorad_lung.study import Study

def towers(text: str) -> dict[str, str]:
    "Kind -> key of the run, from what the command prints."
    found = re.findall(r'--set (image|text)_tower=(\S+)', text)
    return {kind: name.partition('@')[2] for kind, name in found}

def weights(out: Path, key: str) -> str:
    return hashlib.sha256((out/'cache'/'tower'/key/'model.safetensors').read_bytes()).hexdigest()

MAE = ['pretrain', '--objective', 'mae', '--steps', '24', '--workers', '1']

def own(out: Path) -> list[str]:
    "Options for a run with a cache of its own: to see what it writes."
    return ['--out', str(out), '--cache', str(out/'cache')]

def pretrained(out: Path, by=autorad) -> str:
    "What the command says at its end."
    return by(*MAE, *own(out)).stdout

def copied(out: Path, to: Path, *stages: str):
    for stage in stages: shutil.copytree(out/'cache'/stage, to/'cache'/stage)
    shutil.copy(out/'cache'/'FORMAT', to/'cache')

@pytest.fixture(scope='module')
def whole(tmp_path_factory, clustered):
    "One uninterrupted run, and its tower."
    def make(d):
        shutil.copytree(clustered, d/'cache')
        (d/'said').write_text(pretrained(d))
    out = once(tmp_path_factory, 'pretrained', make)
    return out, towers((out/'said').read_text())

def test_killed_after_a_checkpoint_ends_in_the_same_bytes(whole, tmp_path):
    out, made = whole
    copied(out, tmp_path, 'cohort', 'slices')      # so that the kill falls into the training
    command = [Path(sys.executable).with_name('autorad-lung'), *MAE, *own(tmp_path)]
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    p = subprocess.Popen(command, **silent, env=os.environ | {'AUTORAD_LUNG_CHECKPOINT_S': '.2'})
    until, checkpoints = time.monotonic() + 240, tmp_path/'cache'/'checkpoints'
    def written(): return any(checkpoints.glob('[!.]*'))
    while not written() and p.poll() is None and time.monotonic() < until: time.sleep(.2)
    assert p.poll() is None, 'it ended before a checkpoint was written'
    os.killpg(p.pid, signal.SIGKILL); p.wait()
    assert not (tmp_path/'cache'/'tower'/made['image']).exists()
    assert towers(pretrained(tmp_path)) == made
    assert weights(tmp_path, made['image']) == weights(out, made['image'])

def test_again_it_is_found(whole):
    out, made = whole
    start = time.monotonic()
    assert towers(pretrained(out, inside)) == made and time.monotonic() - start < 60

def test_wrong_input_is_answered_clearly(quick_run, tmp_path):
    r = inside('pretrain', '--objective', 'dino', '--out', tmp_path, check=False)
    assert r.returncode == 2 and 'aimv2' in r.stderr and 'Traceback' not in r.stderr
    tower = ['--set', 'image_tower=mini-image-mae@0123']
    r = inside('reproduce', *QUICK, *tower, '--out', tmp_path/'o', check=False)
    assert r.returncode == 2 and 'autorad-lung pretrain' in r.stderr and 'Traceback' not in r.stderr

def test_the_main_job_reads_the_pair_of_the_package(quick_run):
    "Nothing is trained, and the report names what was read."
    page = (quick_run/'report'/'index.html').read_text()
    assert all(name in page and f'{name}@' not in page for name in ('mini-image-aimv2', 'mini-text-clip'))

@pytest.mark.slow
def test_a_remade_tower_gives_the_same_probe(tmp_path):
    "The recipe of the image tower in the package, run again: the probe on it is neither better nor worse."
    said = autorad('pretrain', '--objective', 'aimv2', *own(tmp_path)).stdout
    remade = re.search(r'--set image_tower=(\S+)', said)[1]
    found = []
    for model, name in (('shipped', 'mini-image-aimv2'), ('remade', remade)):
        study = Study(out=tmp_path, cache=tmp_path/'cache', settings=dict(image_tower=name))
        found.append(study.predictions(['linear_probe']).assign(model=model, protocol=''))
    tests = comparisons.compare(pd.concat(found, ignore_index=True), 'shipped')
    r = tests[(tests.test == 'bootstrap') & (tests.metric == 'balanced_accuracy')].iloc[0]
    print(r.to_dict())
    assert r.low <= 0 <= r.high
