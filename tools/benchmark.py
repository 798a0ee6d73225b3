"""The benchmark in the package, made anew from the readers' marks: python tools/benchmark.py [--data FOLDER] [--keep]

Writes autorad_lung/published/lidc3-v1: nodules, folds, labels, reference rows, ceilings, and the manifest with their
hashes. FOLDER is real CT of LIDC's nodules (NIfTI, as `--source nifti` reads it) for the rows that read CT; without
it these stay as they are. --keep leaves the ceilings as they are, whose resamples take minutes. Another
cohort, label or fold is another version of the benchmark."""
import argparse, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.artifacts import CompanionError, Store
from autorad_lung.published.benchmark import FOLDER
from autorad_lung.published.references import make
from autorad_lung.study import Study

def main(args: argparse.Namespace) -> Path:
    "Write the benchmark's folder; the path of its manifest."
    study = Study(source='nifti', data=args.data, workers=1) if args.data else None
    FOLDER.mkdir(exist_ok=True)
    return make(FOLDER, Store(), study, n_boot=None if args.keep else 200, workers=1)

if __name__ == '__main__':
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument('--data', help='folder of real CT of nodules of LIDC-IDRI')
    given.add_argument('--keep', action='store_true', help='leave the ceilings as they are')
    try: print(main(given.parse_args()))
    except CompanionError as e: sys.exit(f'Error: {e}')
