"The plain install, without torch and what belongs to it: what works there, and what it says where it does not."
import json, os, subprocess, sys
import pandas as pd
import pytest
from conftest import QUICK, autorad, inside

REMEDY = "Remedy: pip install 'autorad-lung[towers]'"

def test_cohort_and_features_need_no_torch(plain, tmp_path):
    out = ['--out', tmp_path/'run', '--workers', '1']
    assert 'included' in autorad('cohort', *out, env=plain).stdout or (tmp_path/'run'/'ledger.csv').exists()
    autorad('extract', '--set', 'limit=30', *out, env=plain)
    features = pd.read_parquet(tmp_path/'run'/'features.parquet')
    assert len(features) >= 30 and features.shape[1] > 1500

@pytest.mark.parametrize('command', [
    ['reproduce', *QUICK], ['train', '--quick'], ['pretrain'], ['bench', 'towers']])
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

def test_what_reads_no_tower_is_cross_validated(plain, tmp_path):
    args = ['score', '--model', 'size', '--model', 'radiomics_l2', '--model', 'forest', *QUICK, '--out', tmp_path/'run']
    said = json.loads(autorad(*args, '--json', env=plain).stdout)
    predictions = pd.read_csv(said['predictions table'])
    assert predictions.groupby('model').nodule_id.nunique().loc[['size', 'radiomics_l2', 'forest']].min() >= 60
    assert {r['model'] for r in said['scores']} == {'size', 'radiomics_l2', 'forest'}
    # the same numbers where torch is installed: nothing is fitted again, and nothing else is found
    with_torch = json.loads(inside(*args, '--json').stdout)
    assert with_torch == said and pd.read_csv(with_torch['predictions table']).equals(predictions)

@pytest.mark.parametrize('models, lacks', [
    (['autorad'], 'the model autorad needs torch'), (['size', 'clip_lung'], 'the model clip_lung needs torch'),
    (['linear_probe'], 'an embedding needs torch')])
def test_a_model_that_needs_torch_says_so_before_anything_is_computed(models, lacks, plain, tmp_path):
    asked = [x for m in models for x in ('--model', m)]
    r = autorad('score', *asked, *QUICK, '--out', tmp_path/'run', check=False, env=plain)
    assert r.returncode == 2 and 'Traceback' not in r.stderr, r.stderr
    assert lacks in r.stderr and REMEDY in r.stderr and not (tmp_path/'run').exists(), r.stderr

IN_PYTHON = '''
import sys
import numpy as np
import pandas as pd
from autorad_lung import training
from autorad_lung.artifacts import Store
from autorad_lung.baselines.dataset import Dataset
from autorad_lung.protocol import preset
rng, n = np.random.default_rng(0), 90
label = rng.integers(0, 3, n)
table = pd.DataFrame(dict(nodule_id=[f'n{i}' for i in range(n)], patient_id=[f'p{i}' for i in range(n)], label=label,
                          fold=np.arange(n) % 3, diameter_mm=label + 1., volume_mm3=rng.random(n)))
radiomics, readers = rng.normal(size=(n, 8)) + 2 * rng.normal(size=(3, 8))[label], .7 * np.eye(3)[label] + .1
data = Dataset(table, radiomics, tuple('abcdefgh'), readers=readers)
models = ['majority', 'size', 'radiomics_l2', 'radiomics_l1', 'forest', 'soft_forest', 'soft_l2', 'ordinal']
found = training.cross_validate_all(models, data, preset('mini'), Store(sys.argv[1]), workers=2, quiet=True)
right = (found.filter(like='p_').to_numpy().argmax(1) == found.label).groupby(found.model).mean()
assert 'torch' not in sys.modules and len(found) == n * len(models)
print(right.drop('majority').min() > .6)
'''

def test_eight_models_are_cross_validated_in_a_process_without_torch(plain, tmp_path):
    r = subprocess.run([sys.executable, '-c', IN_PYTHON, tmp_path], env=plain, capture_output=True, text=True)
    assert r.stdout.strip() == 'True', r.stdout + r.stderr
