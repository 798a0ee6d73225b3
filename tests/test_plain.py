"The plain install, without torch and what belongs to it: what works there, and what it says where it does not."
import json, os
import pandas as pd
import pytest
from conftest import QUICK, autorad

BLOCK = '''import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('torch', 'transformers', 'tokenizers', 'huggingface_hub'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Blocked())
'''
REMEDY = "Remedy: pip install 'autorad-lung[towers]'"

@pytest.fixture
def plain(tmp_path, clustered) -> dict:
    "An environment whose processes find no torch."
    (tmp_path/'blocked').mkdir(); (tmp_path/'blocked'/'sitecustomize.py').write_text(BLOCK)
    path = [str(tmp_path/'blocked'), *filter(None, [os.environ.get('PYTHONPATH')])]
    return os.environ | {'PYTHONPATH': os.pathsep.join(path)}

def test_cohort_and_features_need_no_torch(plain, tmp_path):
    out = ['--out', tmp_path/'run', '--workers', '1']
    assert 'included' in autorad('cohort', *out, env=plain).stdout or (tmp_path/'run'/'ledger.csv').exists()
    autorad('extract', '--set', 'limit=30', *out, env=plain)
    features = pd.read_parquet(tmp_path/'run'/'features.parquet')
    assert len(features) >= 30 and features.shape[1] > 1500

@pytest.mark.parametrize('command', [
    ['reproduce', *QUICK], ['train', '--quick'], ['pretrain'], ['predict', '--model', 'm', '--csv', 't.csv'],
    ['bench', 'towers']])
def test_what_needs_torch_says_so_before_anything_is_computed(command, plain, tmp_path):
    r = autorad(*command, check=False, env=plain, cwd=tmp_path)
    assert r.returncode == 2 and 'Traceback' not in r.stderr, r.stderr
    assert 'needs torch, which is not installed' in r.stderr and REMEDY in r.stderr, r.stderr
    assert [p.name for p in tmp_path.iterdir()] == ['blocked']

def test_the_towers_are_listed_or_say_what_they_need(plain):
    r = autorad('towers', '--json', check=False, env=plain)
    if r.returncode: assert 'which is not installed' in r.stderr and REMEDY in r.stderr and r.returncode == 2
    else: assert json.loads(r.stdout)

def test_doctor_names_what_lacks(plain):
    r = autorad('doctor', '--json', check=False, env=plain)
    lack = {f['name']: f['remedy'] for f in json.loads(r.stdout)['findings'] if f['needed'] and not f['ok']}
    assert r.returncode == 1 and lack['torch'] == REMEDY.removeprefix('Remedy: ')
    assert set(lack) <= {'torch', 'towers'}, lack
