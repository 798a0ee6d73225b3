"""Shared by the whole-program tests: the command line, one cache for all of them, and one quick run on the embedded
source, made once for all workers of pytest-xdist.

No test writes into the user's own cache. What one test computed, the others find; a test that counts computations,
kills a run or resumes one takes a cache of its own. `AUTORAD_TEST_CACHE=folder` keeps the common one for next time."""
import contextlib, fcntl, io, os, shutil, subprocess, sys, tempfile
from pathlib import Path
import pytest

if 'PYTEST_XDIST_WORKER' not in os.environ:           # its workers are started later, and are handed these
    SESSION = tempfile.TemporaryDirectory(prefix='autorad-lung-cache-', ignore_cleanup_errors=True)
    CACHE = os.path.abspath(os.environ.get('AUTORAD_TEST_CACHE') or SESSION.name)
    os.environ['AUTORAD_LUNG_CACHE'] = CACHE
    os.environ['NUMBA_CACHE_DIR'] = os.path.join(CACHE, 'compiled')   # also where a test has a cache of its own
    LIGHTER = str(Path(__file__).resolve().parent/'lighter')          # before what is slow to import and not needed
    sys.path.insert(0, LIGHTER)
    os.environ['PYTHONPATH'] = os.pathsep.join(filter(None, [LIGHTER, os.environ.get('PYTHONPATH')]))

from autorad_lung import cli
from autorad_lung.artifacts import Store
from autorad_lung.cohort.cohort import lidc_nodules

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get('AUTORAD_SHARED', ROOT.parent/'shared'))
os.environ.setdefault('OMP_NUM_THREADS', '1')   # two pytest workers on two cores

QUICK = ['--quick', '--set', 'limit=60', '--set', 'n_ctx=4', '--set', 'n_folds=3', '--workers', '1']
SETTINGS = ' '.join(x for x in QUICK if '=' in x)

def pytest_addoption(parser):
    parser.addoption('--slow', action='store_true', help='also the tests that take minutes each')

EARLY = {'test_browser.py': 0, 'test_wheel.py': 1}     # makes the quick run; is long, and finds what that computed

def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda i: EARLY.get(i.path.name, 2))    # a long test that begins last leaves a worker idle
    if not config.getoption('--slow'):
        for i in items:
            if 'slow' in i.keywords: i.add_marker(pytest.mark.skip(reason='slow: run with --slow'))

def pytest_configure(config):
    config.addinivalue_line('markers', 'slow: takes minutes; runs with --slow')

def autorad(*args, check=True, **kw) -> subprocess.CompletedProcess:
    "Run the command line as a user would."
    args = [str(a) for a in args]
    program = Path(sys.executable).with_name('autorad-lung')
    r = subprocess.run([program, *args], capture_output=True, text=True, **kw)
    if check and r.returncode:
        said = f'exited with {r.returncode}\n{r.stdout}\n{r.stderr}'
        raise AssertionError(f'autorad-lung {" ".join(args)} {said}')
    return r

def inside(*args, check=True, cwd=None) -> subprocess.CompletedProcess:
    "The same command in this process, which spares the seconds that the libraries take to load."
    args, out, err = [str(a) for a in args], io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as m, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        m.setattr(sys, 'argv', ['autorad-lung', *args])
        if cwd: m.chdir(cwd)
        with pytest.raises(SystemExit) as end: cli.main()       # any other end is an error, with its traceback
    r = subprocess.CompletedProcess(args, end.value.code or 0, out.getvalue(), err.getvalue())
    assert not (check and r.returncode), r
    return r

def once(factory, name: str, make) -> Path:
    "A folder that `make` fills once for all workers; who writes to it copies it first."
    base = factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ: base = base.parent
    with open(base/f'{name}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (base/f'{name}.made').exists():
            shutil.rmtree(base/name, ignore_errors=True); make(base/name)
            (base/f'{name}.made').touch()
    return base/name

@pytest.fixture(scope='session')
def clustered(tmp_path_factory) -> Path:
    "A cache in which only the readers' marks are grouped: a copy of it spares twelve seconds."
    def make(d):
        lidc_nodules(Store(), quiet=True)                 # for all tests that take the common cache, too
        shutil.copytree(Store().root/'cohort', d/'cohort')
        shutil.copy(Store().root/'FORMAT', d)
    return once(tmp_path_factory, 'clustered', make)

@pytest.fixture(scope='session')
def quick_run(tmp_path_factory, clustered) -> Path:
    "One uninterrupted quick run of the main job, to be read only."
    return once(tmp_path_factory, 'quick', lambda d: autorad('reproduce', *QUICK, '--out', d))

@pytest.fixture(scope='session')
def lidc_voi() -> Path:
    "The folder of real CT, where it is at hand."
    folder = SHARED/'data'/'lidc_voi'
    if not (folder/'nodules.csv').exists():
        pytest.skip('no real CT at hand (set AUTORAD_SHARED to the folder that has data/lidc_voi)')
    return folder

BLOCK = '''import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'transformers', 'tokenizers', 'huggingface_hub'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Blocked())
'''

@pytest.fixture
def plain(tmp_path, clustered) -> dict:
    "An environment whose processes find no torch."
    (tmp_path/'blocked').mkdir(); (tmp_path/'blocked'/'sitecustomize.py').write_text(BLOCK)
    path = [str(tmp_path/'blocked'), *filter(None, [os.environ.get('PYTHONPATH')])]
    return os.environ | {'PYTHONPATH': os.pathsep.join(path)}
