"""The benchmark by its commands: a cohort and a reference row are written, submitted, and come back with the row's own
numbers; what is wrong with a file is told by row and column; the package's files are made anew."""
import json
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, inside
from autorad_lung.artifacts import Store
from autorad_lung.published import benchmark, references
from autorad_lung.scores.predictions import PROBABILITIES
from autorad_lung.study import Study

FEW = ('--resamples', '50')

def refusal(path, *more) -> str:
    "What the command says to a file that it must refuse."
    r = inside('score', path, *FEW, *more, check=False)
    assert r.returncode == 2 and r.stdout == ''
    return r.stderr

def scores_of(told: dict, model: str) -> list:
    return [[s[k] for k in ('metric', 'estimate', 'low', 'high', 'n')] for s in told['scores'] if s['model'] == model]

def test_a_reference_row_comes_back(tmp_path, row='radiomics_l2', cohort='4-unsure-open'):
    "Written by one command, scored by the other: its own numbers, to the last digit (all rows: 06_score)."
    path = tmp_path/'theirs.csv'
    inside('benchmark', '--reference', row, '--cohort', cohort, '--out', path)
    pd.read_csv(path).drop(columns=['model', 'seed', 'protocol']).to_csv(path, index=False)
    out = tmp_path/'scored'
    told = json.loads(inside('score', path, *FEW, '--cohort', cohort, '--partial', '--json', '--out', out).stdout)
    assert scores_of(told, 'theirs') == scores_of(told, row) and len(scores_of(told, row)) == 20
    assert all(t['difference'] == 0 and t['p'] == 1 for t in told['tests'] if t['model'] == row)
    assert told['row']['folds_stated'] and told['row']['benchmark'] == f'lidc3-v1/{cohort}'
    assert json.loads((out/'row.json').read_text()) == told['row']
    assert '| theirs |' in (out/'row.md').read_text() and (out/'row.tex').read_text().endswith('\\\\\n')

def test_what_is_wrong_is_told_by_row_and_column(tmp_path):
    path = tmp_path/'mine.csv'
    inside('benchmark', '--out', path)
    good = pd.read_csv(path)[['nodule_id', 'patient_id', 'fold']].assign(**dict(zip(PROBABILITIES, (.25, .5, .25))))
    def said(t, *more): t.to_csv(path, index=False); return refusal(path, *more)
    second = good.index[good.patient_id.duplicated()][0]
    other = good.fold.where(good.index != second, (good.fold + 1) % 5)
    assert f'mine.csv, row {second + 2}, fold: a leak' in said(good.assign(fold=other))
    by_lot = pd.factorize(good.patient_id)[0] % 5
    assert 'has seen patients that it is tested on' in said(good.assign(fold=by_lot))
    assert 'nodule_id: 1 of 1,392 nodules are missing' in said(good.iloc[1:])
    assert 'row 2, p_*: the probabilities sum to 0.9, not to 1' in said(good.assign(p_benign=.15))
    assert 'row 3, nodule_id' in said(good.replace(good.nodule_id[1], 'LIDC-IDRI-0001-s1-n1'))
    assert 'column p_unsure is missing' in said(good.drop(columns='p_unsure'))

def test_files_are_whole_and_small():
    "What the manifest names is there, nothing else is, all of it goes into a wheel, and it stays small."
    about = benchmark.read_manifest()
    there = {p.name for p in benchmark.FOLDER.iterdir()}
    assert there == {*about['files'], benchmark.MANIFEST} and {n.rpartition('.')[2] for n in there} == {'csv', 'json'}
    assert "'published/*/*.csv', 'published/*/*.json'" in (ROOT/'setup.py').read_text()
    assert sum(p.stat().st_size for p in benchmark.FOLDER.iterdir()) < 1.5e6
    assert {f for r in about['references'].values() for f in r['files'].values()} < {*about['files']}

def fits(made, kept):
    "Probabilities of the same nodules, to the last digit or the one before it."
    a, b = (pd.read_csv(p).set_index('nodule_id') for p in (made, kept))
    return a.index.equals(b.index) and np.abs(a - b).max().max() <= 2 * 10**-references.DIGITS

@pytest.mark.slow
def test_the_marks_make_it_anew(tmp_path):
    "All that is made from the marks: the table byte for byte, every size row; the ceilings without their intervals."
    references.make(tmp_path, Store(), n_boot=2, quiet=True)
    assert (tmp_path/benchmark.NODULES).read_bytes() == (benchmark.FOLDER/benchmark.NODULES).read_bytes()
    made = [p.name for p in tmp_path.glob('size.*.csv')]
    assert len(made) == 4 and all(fits(tmp_path/n, benchmark.FOLDER/n) for n in made)
    tops = [pd.read_csv(d/references.CEILINGS).estimate for d in (tmp_path, benchmark.FOLDER)]
    assert np.abs(tops[0] - tops[1]).max() < .003

@pytest.mark.slow
def test_ct_makes_its_rows_anew(tmp_path, lidc_voi):
    study = Study('nifti', str(lidc_voi), out=tmp_path/'run', workers=1)
    cohort = benchmark.open_cohort('3-half-down')
    for name, rows in references.train_ct(study, cohort, quiet=True).groupby('model'):
        file = references.file_of(name, 'half-down')
        (tmp_path/file).write_text(benchmark.as_csv(references.written(rows)))
        assert fits(tmp_path/file, benchmark.FOLDER/file), name
