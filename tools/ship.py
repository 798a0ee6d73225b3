"""Make the model that comes with the package: python tools/ship.py DATA [FOLDER]

DATA holds images, masks and nodules.csv of real CT. Without FOLDER the package's own is written anew; its gallery lets
`similar` and `report` name neighbours."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.cases.similar import keep
from autorad_lung.study import Study
from autorad_lung.use.shipped import ship

def main(data: str, folder: str = str(ROOT/'autorad_lung'/'use'/'model'), run: str = 'runs/shipped'):
    study = Study(source='nifti', data=data, out=run)
    trained = ship(study, folder)
    keep(study, trained, folder)
    print(trained.about['model'], trained.about['chosen'], (Path(folder)/'model.json').stat().st_size)

if __name__ == '__main__': main(*sys.argv[1:])
