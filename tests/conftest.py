"Shared by the whole-program tests: one quick run on the embedded source, made once for all workers of pytest-xdist."
import os, subprocess, sys
from pathlib import Path
import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get('AUTORAD_SHARED', ROOT.parent/'shared'))
os.environ.setdefault('OMP_NUM_THREADS', '1')   # two pytest workers on two cores

def pytest_addoption(parser): parser.addoption('--slow', action='store_true', help='also the tests that take minutes each')

def pytest_collection_modifyitems(config, items):
    if not config.getoption('--slow'):
        for i in items:
            if 'slow' in i.keywords: i.add_marker(pytest.mark.skip(reason='slow: run with --slow'))

def pytest_configure(config): config.addinivalue_line('markers', 'slow: takes minutes; runs with --slow')

def autorad(*args, check=True, **kw) -> subprocess.CompletedProcess:
    "Run the command line as a user would."
    r = subprocess.run([Path(sys.executable).with_name('autorad-lung'), *map(str, args)], capture_output=True, text=True, **kw)
    if check and r.returncode: raise AssertionError(f'autorad-lung {" ".join(map(str, args))} exited with {r.returncode}\n{r.stdout}\n{r.stderr}')
    return r

@pytest.fixture(scope='session')
def lidc_voi() -> Path:
    "The folder of real CT, where it is at hand."
    if not (SHARED/'data'/'lidc_voi'/'nodules.csv').exists(): pytest.skip('real CT is not at hand (set AUTORAD_SHARED to the folder that has data/lidc_voi)')
    return SHARED/'data'/'lidc_voi'
