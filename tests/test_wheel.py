"""A wheel in a new environment, in an empty folder, without compiler, git or clone: `pip install`, `autorad-lung
reproduce --quick`, a report."""
import json, os, shutil, subprocess, sys, sysconfig, venv
from pathlib import Path
import pytest
from conftest import QUICK, ROOT

SOURCES = ('autorad_lung', 'nbs', 'templates', 'setup.py', 'settings.ini', 'MANIFEST.in', 'README.md', 'LICENSE')

def run(*command, **kw) -> str:
    r = subprocess.run(list(map(str, command)), capture_output=True, text=True, **kw)
    assert r.returncode == 0, (command, r.stdout[-3000:], r.stderr[-3000:])
    return r.stdout

@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    "Built from a copy: a build leaves folders behind."
    source, to = tmp_path_factory.mktemp('source'), tmp_path_factory.mktemp('wheel')
    leave = shutil.ignore_patterns('__pycache__', '.ipynb_checkpoints', 'runs')
    for name in SOURCES:
        if (ROOT/name).is_dir(): shutil.copytree(ROOT/name, source/name, ignore=leave)
        else: shutil.copy(ROOT/name, source/name)
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check']
    run(*pip, 'wheel', '--no-deps', '--no-build-isolation', '--no-index', '-w', to, source)
    (found,) = to.glob('autorad_lung-*.whl')
    return found

@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> Path:
    "A new environment with the wheel, which sees the libraries of this one, and not the clone."
    home = tmp_path_factory.mktemp('installed')/'venv'
    venv.create(home, with_pip=False, symlinks=True)
    python = home/'bin'/'python'
    pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--python', python]
    run(*pip, 'install', '--no-deps', '--no-index', wheel)
    # a .pth file in a folder that a .pth file names is not processed: the editable install stays out of sight
    own = Path(sysconfig.get_path('purelib', vars=dict(base=str(home), platbase=str(home))))
    (own/'libraries.pth').write_text(sysconfig.get_path('purelib') + '\n')
    templates = Path('share')/'jupyter'/'nbconvert'              # a library's data, which lie outside of that folder
    shutil.copytree(Path(sys.prefix)/templates, home/templates)
    return home

@pytest.fixture
def environment(installed, tmp_path) -> dict:
    "No compiler, no git, no clone."
    hidden = ('PYTHONPATH', 'VIRTUAL_ENV', 'PYTHONHOME')
    env = {k: v for k, v in os.environ.items() if k not in hidden}
    env |= {'PATH': str(installed/'bin'), 'HOME': str(tmp_path)}
    assert not any(shutil.which(p, path=env['PATH']) for p in ('gcc', 'cc', 'git'))
    return env

def files(folder: Path) -> set[Path]:
    "What lies there, but for Python's own compiled files."
    return {p for p in folder.rglob('*') if '__pycache__' not in p.parts and p.is_file()}

def test_a_wheel_in_an_empty_folder_gives_a_report(installed, environment, tmp_path):
    (here := tmp_path/'empty').mkdir()
    def inside(*command): return run(installed/'bin'/command[0], *command[1:], env=environment, cwd=here)
    code = 'import autorad_lung, autorad_lung.study as s; print(autorad_lung.__file__); print(s.notebooks())'
    package, notebooks = map(Path, inside('python', '-c', code).split())
    assert package.is_relative_to(installed) and notebooks == package.parent/'_notebooks'
    before = files(installed)
    said = json.loads(inside('autorad-lung', 'doctor', '--json'))
    assert said['ok'], said
    inside('autorad-lung', 'reproduce', *QUICK, '--only', 'table1')
    report = here/'runs'/'phantom'/'report'/'index.html'
    assert 'Simulated CT' in report.read_text() and 'Table 1' in report.read_text()
    executed = (here/'runs'/'phantom'/'notebooks'/'table1.ipynb').read_text()
    assert str(ROOT) not in executed
    assert files(installed) == before and [p.name for p in here.iterdir()] == ['runs']
    assert not [p for p in package.parent.rglob('*') if p.suffix in ('.nbi', '.nbc')]

def test_the_wheel_holds_what_a_run_needs(wheel):
    import zipfile
    names = {n.removeprefix('autorad_lung/') for n in zipfile.ZipFile(wheel).namelist()}
    paper = {f'_notebooks/paper/{p.name}' for p in (ROOT/'nbs'/'paper').glob('*.ipynb')}
    assert paper and paper | {'_notebooks/references.bib', 'pages/report.html.j2', '_templates/model_card.md'} <= names
    data = [p for p in (ROOT/'autorad_lung').rglob('*') if p.is_file() and '__pycache__' not in p.parts]
    assert {p.relative_to(ROOT/'autorad_lung').as_posix() for p in data} <= names
    assert not [n for n in names if n.startswith(('nbs', 'tests'))]
