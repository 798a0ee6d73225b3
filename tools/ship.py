"""Make a model that comes with the package: python tools/ship.py DATA [FOLDER] [--name autorad]

DATA holds images, masks and nodules.csv of real CT. Without FOLDER the package's own is written anew; its gallery lets
`similar` and `report` name neighbours."""
import argparse, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.artifacts import file_digest
from autorad_lung.cases.similar import keep
from autorad_lung.study import Study
from autorad_lung.use.shipped import MODELS, TRIALS, ship, ship_method

def main(data: str, folder: str | None = None, name: str = 'radiomics', run: str = 'runs/shipped'):
    folder = Path(folder or ROOT/'autorad_lung'/'use'/MODELS[name])
    make, settings = (ship_method, f'trials={TRIALS}') if name == 'autorad' else (ship, None)
    study = Study(source='nifti', data=data, out=run, settings=settings)
    trained = make(study, folder)
    keep(study, trained, folder)
    print(trained.about['model'], trained.about['chosen'])
    for p in sorted(folder.iterdir()): print(file_digest(p), p.stat().st_size, p.name)

if __name__ == '__main__':
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument('data'); asked.add_argument('folder', nargs='?')
    asked.add_argument('--name', default='radiomics', choices=MODELS)
    asked.add_argument('--run', default='runs/shipped')
    main(**vars(asked.parse_args()))
