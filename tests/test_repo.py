"The repository keeps its promises: modules are what the notebooks export, notebooks are clean, the README is the index, nothing forbidden is tracked."
import ast, json, re, shutil, subprocess, sys
from pathlib import Path
import pytest
from conftest import ROOT

BIN = Path(sys.executable).parent
NOTEBOOKS = sorted((ROOT/'nbs').rglob('*.ipynb'))
tracked = lambda: [ROOT/f for f in subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True).stdout.split('\n') if f]

@pytest.fixture(scope='module')
def copy(tmp_path_factory):
    "A copy of what nbdev reads, so that export and clean change nothing here."
    to = tmp_path_factory.mktemp('repo')
    for name in ['nbs', 'autorad_lung']: shutil.copytree(ROOT/name, to/name, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ['settings.ini', 'setup.py', 'README.md']: shutil.copy(ROOT/name, to/name)
    return to

def test_modules_are_what_the_notebooks_export(copy):
    for p in (copy/'autorad_lung').glob('*.py'):
        if p.name != '__init__.py': p.unlink()
    subprocess.run([BIN/'nbdev_export'], cwd=copy, check=True, capture_output=True)
    ours, theirs = ({p.name: p.read_text() for p in (r/'autorad_lung').glob('*.py')} for r in (ROOT, copy))
    assert ours.keys() == theirs.keys()
    assert [n for n in ours if ours[n] != theirs[n]] == [], 'run nbdev_export'

def test_notebooks_are_clean(copy):
    subprocess.run([BIN/'nbdev_clean'], cwd=copy, check=True, capture_output=True)
    dirty = [p.name for p in NOTEBOOKS if p.read_bytes() != (copy/p.relative_to(ROOT)).read_bytes()]
    assert dirty == [], 'run nbdev_clean'

def test_a_notebook_imports_only_from_lower_floors():
    number = {}
    for p in (ROOT/'nbs').glob('[0-9]*.ipynb'):
        text = ''.join(''.join(c['source']) + '\n' for c in json.loads(p.read_text())['cells'])
        number[re.search(r'^#\| *default_exp (\S+)', text, re.M)[1]] = (p.stem, text)
    for module, (stem, _) in number.items():
        for node in ast.walk(ast.parse((ROOT/'autorad_lung'/f'{module}.py').read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                for m in ([node.module] if node.module else [a.name for a in node.names]): assert number[m][0] < stem, f'{stem} imports {m}'

def test_readme_is_the_index():
    sys.path.insert(0, str(ROOT/'tools'))
    import readme
    assert readme.markdown(ROOT/'nbs'/'index.ipynb') == (ROOT/'README.md').read_text(), 'run make readme'

@pytest.mark.parametrize('pattern, what', [
    (r'import pickle|pickle\.load|torch\.load\(|allow_pickle *= *True|trust_remote_code *= *True', 'pickle or remote code'),
    (r'import torchvision|from torchvision', 'torchvision'),
    (r'/(?:home|Users|root|work)/[a-z]', "a machine's path"),
])
def test_nothing_forbidden_is_tracked(pattern, what):
    found = [f'{p.relative_to(ROOT)}: {m[0]}' for p in tracked() if p.suffix in {'.py', '.ipynb', '.md', '.yml', '.yaml', '.cff', '.ini', '.toml', '.j2', '.txt', ''} and p.name != 'test_repo.py'
             and p.is_file() for m in re.finditer(pattern, p.read_text(errors='ignore'))]
    assert found == [], what

def test_files_are_small(): assert [p.name for p in tracked() if p.is_file() and p.stat().st_size > 2 << 20] == []
