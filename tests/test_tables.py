"Tables as people write them, nodules that fail, ledgers that add up: by the commands, and in Python."
import contextlib, io, sys
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from conftest import QUICK
from autorad_lung import cli, preprocessing
from autorad_lung.sources import sources
from autorad_lung.artifacts import CompanionError
from autorad_lung.cohort.cohort import ledger_summary
from autorad_lung.cohort.diagnosis import read_diagnosis
from autorad_lung.sources.given import Given
from autorad_lung.study import Study, write_features
from autorad_lung.scores.predictions import COLUMNS, read_predictions, synthetic_predictions
from autorad_lung.sources.sources import read_nodules_csv

SCORES = ['1;2;2', '2;2;1', '3;3;3', '3;2;4', '5;4;5', '4;5;4']
FEW = ('--source', 'nifti', '--workers', '1', '--set', 'n_folds=2')

def nodule_files(folder, k: int, empty: bool = False):
    "Image and mask of a ball of k + 5 pixels in noise."
    z, y, x = np.ogrid[:14, :48, :48]
    ball = (2 * (z - 7))**2 + (y - 24)**2 + (x - 24)**2 < ((k + 5) / 2)**2
    hu = np.random.default_rng(k).normal(-850, 40, ball.shape).round() + 880 * ball
    for name, a in (('image', hu.astype('i2')), ('mask', (ball & (not empty)).astype('u1'))):
        nib.save(nib.Nifti1Image(np.ascontiguousarray(a.T), np.diag([-.7, -.7, 1.4, 1.])), folder/f'{name}{k}.nii.gz')

def rows(scores=SCORES) -> pd.DataFrame:
    at = range(len(scores))
    def named(form): return [form.format(k) for k in at]
    return pd.DataFrame(dict(nodule_id=named('00{}'), patient_id=named('0{}'), image=named('image{}.nii.gz'),
                             mask=named('mask{}.nii.gz'), malignancy=scores))

@pytest.fixture
def folder(tmp_path):
    "Six nodules of six patients, two of each class."
    d = tmp_path/'data'; d.mkdir()
    for k in range(6): nodule_files(d, k)
    rows().to_csv(d/'nodules.csv', index=False)
    return d

def study(folder, out, cache=None, **settings) -> Study:
    "A test that replaces what computes takes a cache of its own: in the common one another test's nodules may lie."
    return Study('nifti', str(folder), out=out, settings=dict(n_folds=2) | settings, workers=1, cache=cache)

def added_up(out) -> tuple[pd.DataFrame, pd.DataFrame]:
    "Ledger and quarantine as written: every nodule has one line, and whoever is in quarantine says so there."
    ledger, lost = (pd.read_csv(out/f'{n}.csv', dtype=str, keep_default_na=False) for n in ('ledger', 'quarantine'))
    assert ledger.nodule_id.is_unique and lost['item'].is_unique
    said = ledger[ledger.reason.str.startswith('quarantine: ')].set_index('nodule_id').reason
    assert said.str.removeprefix('quarantine: ').to_dict() == dict(zip(lost['item'], lost.reason))
    assert ledger.included.isin(['True', 'False']).all()
    assert ((ledger.included == 'True') == (ledger.reason == '')).all()
    return ledger, lost

def autorad(*args, code: int = 0) -> str:
    """What the command says, in this process: standard output, or its error's last line.
    Nothing but an exit is let through."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as m, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        m.setattr(sys, 'argv', ['autorad-lung', *map(str, args)])
        with pytest.raises(SystemExit) as end: cli.main()
    assert (end.value.code or 0) == code, err.getvalue()
    return err.getvalue().strip().splitlines()[-1] if code else out.getvalue()

def refused(*args) -> str: return autorad(*args, code=2)

WIDE = {
    'nodules': 'malignancy,nodule_id,patient_id,image,mask\n3,2,4,004,p,i.nii,m.nii\n',
    'given': 'diameter_mm,image,mask\n24,5,i.nii,m.nii\n',
    'diagnosis': 'patient_id,diagnosis,method,note\np,1,2,benign, stable\n',
    'predictions': ','.join(COLUMNS) + '\n' + ','.join('a' * len(COLUMNS)) + ',b\n',
}
READERS = dict(nodules=read_nodules_csv, given=lambda p: Given(csv=p), diagnosis=read_diagnosis,
               predictions=read_predictions)

@pytest.mark.parametrize('kind', WIDE)
@pytest.mark.parametrize('change', [lambda t: t, lambda t: t.splitlines()[0] + '\na,b\n'], ids=['more fields', 'fewer'])
def test_a_row_that_does_not_fit_its_header_is_refused_by_every_reader(kind, change, tmp_path):
    path = tmp_path/'table.csv'; path.write_text(change(WIDE[kind]))
    with pytest.raises(CompanionError) as e: READERS[kind](path)
    found, due = (len(line.split(',')) for line in path.read_text().splitlines()[1::-1])
    assert e.value.reason == f'row 2 has {found} fields, the header {due}'
    assert 'quotes' in e.value.remedy and e.value.where == str(path)

def test_a_row_that_does_not_fit_is_refused_by_every_command(tmp_path):
    (tmp_path/'nodules.csv').write_text(WIDE['nodules'])
    for command in ('cohort', 'extract', 'reproduce'):
        assert 'row 2 has 7 fields, the header 5' in refused(command, *FEW, '--data', tmp_path, '--out', tmp_path/'out')

def written(t: pd.DataFrame, sep: str = ',', end: str = '\n') -> str:
    return t.to_csv(index=False, sep=sep, lineterminator=end)

SHAPES = {
    'semicolons': lambda t: written(t, ';'), 'tabs': lambda t: written(t, '\t'),
    'Windows': lambda t: '\ufeff' + written(t, end='\r\n'), 'capitals': lambda t: written(t.rename(columns=str.upper)),
    'spaces': lambda t: written(t).replace(',', ' , ').replace('\n', ' \n '),
    'an index and blank lines': lambda t: t.to_csv().replace('\n', '\n\n'),
    'decimal commas': lambda t: written(t.assign(diameter_mm='8,5'), ';'),
}

@pytest.mark.parametrize('shape', SHAPES)
def test_the_same_table_in_other_shapes_gives_the_same_rows(shape, tmp_path):
    t = rows().assign(diameter_mm='8.5')
    for name, text in ('plain', written(t)), ('other', SHAPES[shape](t)):
        (tmp_path/f'{name}.csv').write_bytes(text.encode())
    plain, other = (read_nodules_csv(tmp_path/f'{n}.csv') for n in ('plain', 'other'))
    pd.testing.assert_frame_equal(plain, other)
    assert plain.nodule_id[0] == '000' and plain.diameter_mm[0] == 8.5

def test_tables_of_predictions_and_of_diagnoses_are_read_in_those_shapes_too(tmp_path):
    p = synthetic_predictions({'size': 1.}, 30)
    for name, sep in ('a', ','), ('b', ';'): (tmp_path/f'{name}.csv').write_text(written(p, sep))
    a, b = (read_predictions(tmp_path/f'{n}.csv') for n in 'ab')
    pd.testing.assert_frame_equal(a, b)
    assert np.array_equal(a.p_benign.sort_values(), p.p_benign.sort_values())           # to the last bit
    (tmp_path/'d.csv').write_text('Patient_ID ;diagnosis;method\n007;1;2\n')
    assert read_diagnosis(tmp_path/'d.csv').values.tolist() == [['007', 1, 2]]

def all_missing(d): [p.unlink() for p in d.glob('image*')]
def all_empty(d): [nodule_files(d, k, empty=True) for k in range(6)]
def one_score(d): rows([s[0] for s in SCORES]).to_csv(d/'nodules.csv', index=False)

@pytest.mark.parametrize('harm, words, lost', [
    (all_missing, 'there is no such file (6)', 6), (all_empty, 'the mask is empty (6)', 6),
    (one_score, 'fewer than 3 readers (6)', 0)])
def test_where_every_nodule_fails_each_command_says_why_and_loses_no_reason(harm, words, lost, folder, tmp_path):
    harm(folder)
    for command in ('cohort', 'extract', 'reproduce'):
        out = tmp_path/command
        assert words in refused(command, *FEW, '--data', folder, '--out', out)
        ledger, quarantine = added_up(out)
        assert len(ledger) == 6 and (ledger.included == 'False').all() and len(quarantine) == lost

def test_where_a_later_stage_fails_for_all(folder, tmp_path, monkeypatch):
    def odd(*a, **k): raise TypeError('an odd array')
    for place in ('preprocessing.prepare', 'radiomics.nodule_features'):
        monkeypatch.setattr(f'autorad_lung.{place}', odd)
    for folds in (False, True):
        with pytest.raises(CompanionError, match='TypeError: an odd array'):
            write_features(study(folder, tmp_path/'out', tmp_path/'cache'), folds)
        ledger, lost = added_up(tmp_path/'out')
        assert len(lost) == 6 and set(lost['where']) == set(ledger.nodule_id) and set(lost.stage) == {'images'}
    for part in ('dataset', 'embeddings'):
        with pytest.raises(CompanionError, match='no nodule is left'):
            getattr(study(folder, tmp_path/'out', tmp_path/'cache'), part)

def test_one_nodule_that_nobody_foresaw_does_not_end_the_run(folder, tmp_path, monkeypatch):
    rgb = np.zeros((48, 48, 14), dtype=[('R', 'u1'), ('G', 'u1'), ('B', 'u1')])
    nib.save(nib.Nifti1Image(rgb, np.diag([-.7, -.7, 1.4, 1.])), folder/'image1.nii.gz')
    prepare = preprocessing.prepare
    def hungry(nodule, *a, **k):
        if nodule.nodule_id == '003': raise MemoryError('no room')
        return prepare(nodule, *a, **k)
    monkeypatch.setattr(preprocessing, 'prepare', hungry)
    write_features(study(folder, tmp_path/'out', tmp_path/'cache'))
    ledger, lost = added_up(tmp_path/'out')
    assert lost['item'].tolist() == ['001', '003'] and 'MemoryError: no room' in lost.reason[1]
    assert len(ledger) == 6 and ledger.included.eq('True').sum() == 4
    monkeypatch.undo()
    write_features(study(folder, tmp_path/'out', tmp_path/'cache'))
    assert added_up(tmp_path/'out')[1]['item'].tolist() == ['001']                      # it is not held against it

def test_a_refusal_ends_with_its_cause(folder, tmp_path, monkeypatch):
    read, lacks = sources.read_nifti, {'image2.nii.gz'}
    def decoder_lacks(path):
        if path.name in lacks: raise CompanionError('the decoder is not installed', path, 'install it')
        return read(path)
    monkeypatch.setattr(sources, 'read_nifti', decoder_lacks)
    (folder/'image4.nii.gz').rename(folder/'elsewhere')
    def lost():
        write_features(study(folder, tmp_path/'out', tmp_path/'cache'))       # where no other test has read them
        return added_up(tmp_path/'out')[1]['item'].tolist()
    assert lost() == lost() == ['002', '004']
    lacks.clear(); assert lost() == ['004']                       # the same bytes, hence the same key
    (folder/'elsewhere').rename(folder/'image4.nii.gz'); assert lost() == []
    assert len(pd.read_parquet(tmp_path/'out'/'features.parquet')) == 6

def test_a_nodule_counts_once(folder, tmp_path):
    (folder/'image5.nii.gz').unlink()
    said = autorad('extract', *FEW, '--data', folder, '--out', tmp_path/'out')
    assert 'nodules: 5\n' in said and 'in quarantine: 1\n' in said and len(added_up(tmp_path/'out')[1]) == 1
    said = autorad('cohort', *FEW, '--data', folder, '--out', tmp_path/'out')
    assert [line.split()[-2:] for line in said.splitlines()[2:4]] == [['1', '1'], ['5', '5']]
    assert 'there is no such file' in said
    added_up(tmp_path/'out')

def test_who_has_no_scores_is_out_and_has_features(folder, tmp_path):
    rows(['', *SCORES[1:]]).to_csv(folder/'nodules.csv', index=False)
    said = autorad('extract', *FEW, '--data', folder, '--out', tmp_path/'out')
    ledger, _ = added_up(tmp_path/'out')
    assert 'nodules: 6\n' in said and ledger.reason.tolist() == ['no scores', *[''] * 5]
    whole = autorad('cohort', *FEW, '--data', folder, '--out', tmp_path/'out')
    assert 'out: no scores' in whole and 'folds: none' in whole and 'class benign has 1 patients' in whole
    s = study(folder, tmp_path/'python')
    assert (len(s.everyone().radiomics.table), len(s.radiomics.table)) == (6, 5)
    assert ledger_summary(s.selected).nodules.tolist()[:3] == [6, 1, 5]

@pytest.mark.parametrize('scores', [dict(malignancy=''), None], ids=['empty', 'no column'])
def test_features_need_no_scores_at_all(scores, folder, tmp_path):
    t = rows().drop(columns='malignancy') if scores is None else rows().assign(**scores)
    t.to_csv(folder/'nodules.csv', index=False); (folder/'mask3.nii.gz').unlink()
    paths = write_features(study(folder, tmp_path/'out'))
    ledger, lost = added_up(tmp_path/'out')
    assert pd.read_parquet(paths['features']).nodule_id.tolist() == ['000', '001', '002', '004', '005']
    assert lost['item'].tolist() == ['003']
    assert set(ledger.reason[ledger.nodule_id != '003']) == {'no scores'}
    for command in ('reproduce', 'cohort'):
        said = refused(command, *FEW, '--data', folder, '--out', tmp_path/command)
        assert 'no scores (6)' in said and 'malignancy' in said and len(added_up(tmp_path/command)[0]) == 6

def test_a_patient_without_slices_is_in_quarantine(clustered, tmp_path):
    (tmp_path/'lidc'/'LIDC-IDRI-0001').mkdir(parents=True)
    for command in ('cohort', 'extract'):
        out = tmp_path/command
        said = refused(command, '--source', 'lidc', '--data', tmp_path/'lidc', '--out', out, '--workers', '1')
        assert 'no slice of this series is in LIDC-IDRI-0001' in said
        assert len(added_up(out)[1]) == 1

def test_predict_writes_every_reason_where_none_is_predicted(clustered, folder, tmp_path):
    run = tmp_path/'run'
    more = ('--hold-out', '.4', '--confidence', '.8', *QUICK)
    autorad('train', '--model', 'size', '--run', run, '--out', tmp_path/'model', *more)
    rows().drop(columns='malignancy').to_csv(folder/'new.csv', index=False)
    where = ('--csv', folder/'new.csv', '--out', tmp_path/'answers.csv', '--cache', tmp_path/'cache')
    ask = ('predict', '--model', tmp_path/'model', *where)
    def answers(): return pd.read_csv(tmp_path/'answers.csv', dtype=str, keep_default_na=False)
    files = {p: p.read_bytes() for p in folder.glob('*.nii.gz')}
    all_missing(folder); nodule_files(folder, 0, empty=True)
    said = refused(*ask)
    for words in ('none of 6 nodules can be used', 'there is no such file (5)', 'the mask is empty (1)'):
        assert words in said
    assert len(answers()) == 6 and answers().problem.ne('').all()
    for p, b in files.items(): p.write_bytes(b)
    autorad(*ask); assert answers().problem.eq('').all()          # mended, with the same cache
    (folder/'new.csv').write_text('diameter_mm,image,mask\n24,5,image0.nii.gz,mask0.nii.gz\n')
    assert 'row 2 has 4 fields, the header 3' in refused(*ask)
