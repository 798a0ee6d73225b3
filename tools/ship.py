"""Make a model that comes with the package: python tools/ship.py DATA [FOLDER] [--name autorad]

DATA holds images, masks and nodules.csv of real CT. Without FOLDER the package's own is written anew; its gallery lets
`similar` and `report` name neighbours; with --gallery the model stays, and its gallery alone is written anew.
python tools/ship.py --card [--name autorad] trains nothing either: it writes the card anew from `model.json`, whose
numbers stay."""
import argparse, json, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.artifacts import file_digest, write_json, write_text
from autorad_lung.cases.similar import keep
from autorad_lung.study import Study
from autorad_lung.use.shipped import MODELS, TRIALS, ship, ship_method
from autorad_lung.use.use import card, load_model

LICENCE = 'apache-2.0'      # of the models that come with the package

def say(folder: Path):
    "The licence into `model.json`, and the card from it."
    about = json.loads((folder/'model.json').read_text(encoding='utf-8')) | {'licence': LICENCE}
    write_text(folder/'README.md', card(about))
    write_json(folder/'model.json', about)

def make(data: str, folder: Path, name: str, run: str, trained: bool):
    "Train it, or take it as it is; keep its gallery, and say what was written."
    train, settings = (ship_method, f'trials={TRIALS}') if name == 'autorad' else (ship, None)
    study = Study(source='nifti', data=data, out=run, settings=settings)
    trained = load_model(folder, study.store) if trained else train(study, folder)
    keep(study, trained, folder)
    say(folder)
    print(trained.about['model'], trained.about['chosen'])
    for p in sorted(folder.iterdir()): print(file_digest(p), p.stat().st_size, p.name)

if __name__ == '__main__':
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument('data', nargs='?'); asked.add_argument('folder', nargs='?', type=Path)
    asked.add_argument('--name', default='radiomics', choices=MODELS)
    asked.add_argument('--run', default='runs/shipped')
    asked.add_argument('--card', action='store_true')
    asked.add_argument('--gallery', action='store_true')
    a = asked.parse_args()
    folder = a.folder or ROOT/'autorad_lung'/'use'/MODELS[a.name]
    if a.card: say(folder)
    elif a.data: make(a.data, folder, a.name, a.run, a.gallery)
    else: asked.error('name the folder of real CT, or --card')
