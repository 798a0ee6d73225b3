"Each module notebook is a test of its own process: `nbdev_test` runs its cells from top to bottom."
import os, subprocess, sys
from pathlib import Path
import pytest
from conftest import ROOT

NOTEBOOKS = (p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
MODULES = sorted(p.relative_to(ROOT/'nbs').as_posix() for p in NOTEBOOKS if 'skip_exec: true' not in p.read_text())

@pytest.mark.parametrize('name', MODULES)
def test_notebook(name):
    command = [Path(sys.executable).with_name('nbdev_test'), '--n_workers', '0']
    r = subprocess.run([*command, '--path', f'nbs/{name}'], cwd=ROOT, capture_output=True, text=True)
    said = r.stdout + r.stderr
    assert r.returncode == 0 and 'Success' in said, said[-6000:]
