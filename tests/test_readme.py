"""README.md is read, and every command in it is executed, in the order of the text, in an empty folder.

What is changed, so that it takes two minutes and touches nothing else:
- `.venv/bin/` is the folder of this Python, whichever environment that is;
- `make ...` is run with `-n`, which prints what would be done (the main job and all tests are run by the
  other tests);
- what trains gets QUICK: forty nodules, two folds, four context vectors, one epoch;
- `download` gets `--dry-run`;
- `params.yaml` is a small file of PyRadiomics' settings;
- `reproduce --source lidc` becomes `extract`, on a tree with one scan (the whole way from DICOM is
  tests/test_lidc_reproduce.py);
- papermill and the Python block write to runs/phantom here, not to that of the clone.
A command that is none of these fails the test until a line for it stands below."""
import contextlib, io, json, re, shlex, shutil, subprocess, sys
from pathlib import Path
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from lidc_tree import choose_scans, write_scan
from autorad_lung import cli
from autorad_lung.study import Study
from autorad_lung.scores.predictions import PROBABILITIES

TEXT = (ROOT/'README.md').read_text(encoding='utf-8')
BIN, SMALL = Path(sys.executable).parent, ['limit=40', 'n_folds=2', 'n_ctx=4', 'epochs=1']
QUICK = ['--quick', '--workers', '1', *[x for s in SMALL for x in ('--set', s)]]

PARAMS = 'featureClass: {shape: , firstorder: , glcm: [MCC, Imc1]}'

def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', TEXT, re.M | re.S)

def commands() -> list[list[str]]:
    "The commands of all sh blocks, as lists of words."
    lines = [shlex.split(l, comments=True) for b in blocks('sh') for l in b.splitlines()]
    return [words for words in lines if words]

def nodule_files(folder: Path, study: Study):
    "The study's nodules as a user would have them: nodules.csv, images, masks."
    folder.mkdir(); rows = []
    for name in study.ids:
        n = study.input.load(name)
        dz, dy, dx = n.spacing_mm
        mask = (n.masks.sum(0) * 2 >= len(n.masks)).astype('u1')
        files = dict(image=f'{name}-image.nii.gz', mask=f'{name}-mask.nii.gz')
        for kind, a in ('image', n.hu), ('mask', mask):
            image = nib.Nifti1Image(np.ascontiguousarray(a.T), np.diag([-dx, -dy, dz, 1.]))
            nib.save(image, folder/files[kind])
        malignancy = study.input.row(name)['malignancy']
        rows.append(dict(nodule_id=name, patient_id=n.patient_id, **files, malignancy=malignancy))
    pd.DataFrame(rows).to_csv(folder/'nodules.csv', index=False)
    return rows[0]

@pytest.fixture
def place(tmp_path, clustered, monkeypatch):
    """The folder where it all happens, with what the README says that a user has: nodules as files, one
    CT with its mask, a DICOM tree."""
    monkeypatch.chdir(tmp_path)
    study = Study(out='runs/phantom', quick=True, settings=' '.join(SMALL), workers=1)
    first = nodule_files(Path('my_nodules'), study)
    for kind, name in ('image', 'ct.nii.gz'), ('mask', 'nodule.nii.gz'):
        shutil.copy(Path('my_nodules')/first[kind], name)
    write_scan(Path('lidc'), choose_scans(1, study.store)[0], study.store)
    Path('params.yaml').write_text(PARAMS)
    (tmp_path/'nbs').symlink_to(ROOT/'nbs')
    return tmp_path

def autorad(*args) -> str:
    "What the command line prints, in this process: that spares the seconds that torch takes to load."
    out, err = io.StringIO(), io.StringIO()
    redirected = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with pytest.MonkeyPatch.context() as m, redirected[0], redirected[1]:
        m.setattr(sys, 'argv', ['autorad-lung', *args])
        try: cli.main()
        except SystemExit as e: assert not e.code, (args, e.code, err.getvalue())
    if '--quiet' in args: assert err.getvalue() == ''
    return out.getvalue()

def shell(*words, cwd=None) -> str:
    r = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True)
    assert r.returncode == 0, (words, r.stdout[-2000:], r.stderr[-3000:])
    return r.stdout

MAKES = dict(reproduce='autorad-lung reproduce --source phantom --preset mini', test='-m pytest tests')

def do(words: list[str]):
    "One command of the README, changed as the head of this file says, with a look at what it made."
    *folder, program = Path(words[0]).parts
    args = words[1:]
    if folder: assert folder[:2] == ['.venv', 'bin'] and (BIN/program).exists(), words
    match [program, *args]:
        case ['make', target]: assert MAKES[target] in shell('make', '-n', target, cwd=ROOT)
        case ['autorad-lung', 'reproduce', '--source', 'nifti', *_]:
            said = autorad(*args, *QUICK, '--only', 'table1', '--quiet')
            page = Path(args[args.index('--out') + 1])/'report'/'index.html'
            assert str(page) in said and 'Real CT (my_nodules' in page.read_text()
        case ['autorad-lung', 'train', *_]:
            assert 'accuracy' in autorad(*args, *QUICK, '--hold-out', '.4', '--confidence', '.8')
            assert Path(args[-1], 'README.md').exists()
        case ['autorad-lung', 'predict', *_]:
            assert 'not for diagnosis' in autorad(*args)
            assert len(pd.read_csv('predictions.csv')) == 1
            [row] = json.loads(autorad(*args, '--json'))
            assert abs(sum(row[c] for c in PROBABILITIES) - 1) < 1e-6 and row['problem'] == ''
        case ['autorad-lung', 'similar', *_]:
            assert len(json.loads(autorad(*args, '--json'))) == 5 and 'LIDC-IDRI-' in autorad(*args)
        case ['autorad-lung', 'report', *_]:
            autorad(*args)
            assert json.loads(autorad(*args, '--check', 'reports/nodule.txt', '--json'))['ok']
        case ['autorad-lung', 'radiomics', *_]:
            autorad(*args)
            [row] = pd.read_csv('features.csv').to_dict('records')
            assert row['original_shape_VoxelVolume'] > 0 and row['original_glcm_MCC'] <= 1
        case ['autorad-lung', 'download', *_]:
            pytest.importorskip('idc_index_data', reason='idc-index is not installed')
            assert re.search(r'scans of 20 patients, \d+\.\d GB', autorad(*args, '--dry-run'))
            assert json.loads(autorad(*args, '--dry-run', '--json'))['patients'] == 20
        case ['autorad-lung', 'reproduce', '--source', 'lidc', *rest]:
            args = ['--source', 'lidc', *rest, '--workers', '1', '--json']
            said = json.loads(autorad('extract', *args))
            assert said['features each'] == 1500
            assert said['nodules'] == len(pd.read_parquet(said['features'])) > 0
        case ['papermill', _, made, *_]:
            given = dict(out=Path('runs/phantom').resolve(), settings=' '.join(SMALL), workers=1)
            shell(BIN/program, *args, *(x for k, v in given.items() for x in ('-p', k, v)))
            assert Path(made).exists()
            assert len(list(Path('runs/phantom/figures').glob('figure2*.png'))) == 3
        case _: raise AssertionError(f'not known to tests/test_readme.py: {shlex.join(words)}')

def drop_in(code: str):
    "The script with PyRadiomics' names; and PyRadiomics itself, with the import that its comment tells."
    exec(code, made := {})
    mine = {k: v for k, v in made['features'].items() if not k.startswith('diagnostics_')}
    assert len(mine) == 14 + 9 * 20 and sum(k.startswith('wavelet-') for k in mine) == 8 * 20
    try: import radiomics
    except ImportError: return
    radiomics.setVerbosity(60)
    import_line = next(line for line in code.splitlines() if line.startswith('from autorad_lung'))
    theirs = 'from radiomics.featureextractor import RadiomicsFeatureExtractor'
    assert import_line.split('# ')[1].startswith(theirs[:theirs.index(' import') + 7])
    exec(code.replace(import_line, theirs), made := {})
    found = {k: float(v) for k, v in made['features'].items() if k in mine}
    assert list(found) == list(mine)
    np.testing.assert_allclose(list(mine.values()), list(found.values()), rtol=1e-6, atol=1e-9)

def test_every_command_of_the_readme_works(place):
    found = commands()
    assert len(found) >= 8
    assert [w[:2] for w in found[:2]] == [['make', 'reproduce'], ['make', 'test']]
    for words in found: do(words)
    code, radiomics = blocks('python')
    drop_in(radiomics)
    small = {
        'Study(': 'Study(out="runs/phantom", quick=True, workers=1, ',
        'settings="': f'settings="{" ".join(SMALL)} ',
    }
    for a, b in small.items():
        assert code.count(a) == 1
        code = code.replace(a, b)
    exec(code, made := {})
    study = made['study']
    assert len(study.ledger) == 2651
    assert study.radiomics.arrays['features'].shape == (len(study.ids), 1500)
    predictions = study.predictions(['size', 'autorad'])
    assert len(predictions) == 2 * len(study.ids)
    assert predictions.groupby('patient_id').fold.nunique().max() == 1

def test_what_the_readme_names_is_there():
    for target in set(re.findall(r'`make (\w+)`', TEXT)): shell('make', '-n', target, cwd=ROOT)
    links = re.findall(r'\]\(([^)]+)\)', TEXT)
    links = [l.split('#')[0] for l in links if not re.match(r'https?:|#|mailto:', l)]
    assert len(links) > 10 and [l for l in links if not (ROOT/l).exists()] == []
