"Each module notebook is a test of its own process: `nbdev_test` runs its cells from top to bottom."
import pytest
from conftest import ROOT
from notebook import by_nbdev, outcome

NOTEBOOKS = (p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
MODULES = sorted(p.relative_to(ROOT/'nbs').as_posix() for p in NOTEBOOKS if 'skip_exec: true' not in p.read_text())

@pytest.mark.parametrize('name', MODULES)
def test_notebook(name, tmp_path):
    status, said = outcome(by_nbdev, f'nbs/{name}', ROOT, tmp_path/'said')
    assert status == 0 and 'Success' in said, said[-6000:]
