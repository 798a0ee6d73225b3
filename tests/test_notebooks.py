"Each module notebook is a test of its own process: `nbdev_test` runs its cells from top to bottom."
import os, subprocess, sys
from pathlib import Path
import pytest
from conftest import ROOT

MODULES = sorted(p.name for p in (ROOT/'nbs').glob('*.ipynb') if 'skip_exec: true' not in p.read_text())

@pytest.mark.parametrize('name', MODULES)
def test_notebook(name):
    r = subprocess.run([Path(sys.executable).with_name('nbdev_test'), '--n_workers', '0', '--path', f'nbs/{name}'], cwd=ROOT, capture_output=True, text=True)
    assert r.returncode == 0 and 'Success' in r.stdout + r.stderr, (r.stdout + r.stderr)[-6000:]
