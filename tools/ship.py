"""Make the model that comes with the package: python tools/ship.py DATA [FOLDER]

DATA holds images, masks and nodules.csv of real CT. Without FOLDER the package's own is written anew; its gallery lets
`similar` and `report` name neighbours. python tools/ship.py --card [FOLDER] trains nothing: it writes the card anew
from `model.json`, whose numbers stay."""
import json, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.artifacts import write_json, write_text
from autorad_lung.cases.similar import keep
from autorad_lung.study import Study
from autorad_lung.use.shipped import ship
from autorad_lung.use.use import card

LICENCE = 'apache-2.0'      # of the model that comes with the package
OWN = str(ROOT/'autorad_lung'/'use'/'model')

def say(folder: str = OWN):
    "The licence into `model.json`, and the card from it."
    about = json.loads((Path(folder)/'model.json').read_text(encoding='utf-8')) | {'licence': LICENCE}
    write_text(Path(folder)/'README.md', card(about))
    write_json(Path(folder)/'model.json', about)

def main(data: str, folder: str = OWN, run: str = 'runs/shipped'):
    study = Study(source='nifti', data=data, out=run)
    trained = ship(study, folder)
    keep(study, trained, folder)
    say(folder)
    print(trained.about['model'], trained.about['chosen'], (Path(folder)/'model.json').stat().st_size)

if __name__ == '__main__':
    first, *rest = sys.argv[1:]
    if first == '--card': say(*rest)
    else: main(first, *rest)
