"The same numbers on any processor: what is trained here, under instructions that the libraries can be held to."
import os, platform, shutil, subprocess, sys
import numpy as np
import pandas as pd
import pytest
from conftest import SETTINGS
from autorad_lung.artifacts import Store
from autorad_lung.metrics import scores

MODELS = ['linear_probe', 'coop', 'autorad', 'additive']
OLDER = dict(ATEN_CPU_CAPABILITY='avx2', OPENBLAS_CORETYPE='Haswell', MKL_ENABLE_INSTRUCTIONS='AVX2',
             ONEDNN_MAX_CPU_ISA='AVX2')      # torch, NumPy's and SciPy's BLAS, torch's BLAS, its convolutions
if platform.machine() not in ('x86_64', 'AMD64'): OLDER = {}
RUNS = {'as it is': ({}, 1), 'two workers': ({}, 2), 'ten years old': (OLDER, 1),
        'no vectors': (dict(ATEN_CPU_CAPABILITY='default'), 1)}
SCRIPT = f'''
import sys
import torch
from autorad_lung.study import Study
print(torch.backends.cpu.get_cpu_capability(), file=sys.stderr)
study = Study(out=sys.argv[1], cache=sys.argv[1], settings={SETTINGS!r}, quick=True, workers=int(sys.argv[3]))
study.predictions({MODELS!r}, folds=(0,)).to_parquet(sys.argv[2])
'''

@pytest.fixture(scope='module')
def predicted(tmp_path_factory, quick_run):
    "Capability -> what was predicted, embeddings and runs made anew from the same pictures and features."
    def run(name, held, workers):
        out = tmp_path_factory.mktemp(name.replace(' ', '_'))
        for stage in ('cohort', 'images', 'radiomics'): shutil.copytree(Store().root/stage, out/stage)
        shutil.copy(Store().root/'FORMAT', out)
        env = {k: v for k, v in os.environ.items() if k not in OLDER} | held
        command = [sys.executable, '-c', SCRIPT, out, out/'p.parquet', workers]
        r = subprocess.run(list(map(str, command)), env=env, capture_output=True, text=True)
        assert r.returncode == 0, r.stderr
        return pd.read_parquet(out/'p.parquet'), r.stderr.splitlines()[0]
    return {name: run(name, *how) for name, how in RUNS.items()}

def test_probabilities_agree_to_what_is_far_below_a_printed_digit(predicted):
    first = predicted['as it is'][0]
    p = [c for c in first if c.startswith('p_')]
    for name, (df, capability) in predicted.items():
        assert df.drop(columns=p).equals(first.drop(columns=p)), name
        apart = np.abs(df[p].to_numpy() - first[p].to_numpy()).max()
        assert apart < 1e-5, (name, capability, apart)
        pd.testing.assert_frame_equal(scores(df), scores(first), rtol=0, atol=1e-6)

def test_the_number_of_workers_changes_no_bit(predicted):
    assert predicted['two workers'][0].equals(predicted['as it is'][0])

def test_the_instructions_were_really_others(predicted):
    "Where torch has vector instructions at all."
    had = {name: said for name, (_, said) in predicted.items()}
    assert had['no vectors'] in ('DEFAULT', 'NO AVX') or had['as it is'] == had['no vectors'], had
