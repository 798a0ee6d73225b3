"The main job as a user runs it: end to end, again, killed, with wrong input, by papermill alone."
import hashlib, json, os, random, re, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd
import papermill as execution
import pytest
from conftest import QUICK, ROOT, SETTINGS, autorad, inside
from notebook import cell_by_cell, outcome
from autorad_lung.pages.report import MORE
from autorad_lung.published.crate import CRATE

AUTORAD = [Path(sys.executable).with_name('autorad-lung'), 'reproduce']

def digests(out: Path) -> dict[str, str]:
    "Tables, figures and features of a run."
    files = [p for d in ('tables', 'figures') for p in (out/d).glob('*')]
    files += [out/n for n in ('features.parquet', 'ledger.csv', 'folds.csv', 'quarantine.csv')]
    digest = lambda p: hashlib.sha256(p.read_bytes()).hexdigest()
    return {p.relative_to(out).as_posix(): digest(p) for p in files}

@pytest.fixture(scope='module')
def run(quick_run, tmp_path_factory):
    "A copy of the quick run, for this worker to write to."
    return shutil.copytree(quick_run, tmp_path_factory.mktemp('run')/'run')

def test_the_report_is_whole(run):
    page = (run/'report'/'index.html').read_text()
    said = ['Simulated CT', 'a quick look', 'Not a medical device', 'readers_min']
    for words in ['Table 1', 'Table 2', 'Figure 2', *said]: assert words in page
    # nothing is asked of the network: other places are named by links alone
    named = re.sub(r'<a\b[^>]*\bhref="https://[^"]*"', '<a', page).replace('https://www.w3.org', '')
    assert not re.search(r'https?://', named)
    for name in ('table1', 'table2', 'figure2'): assert (run/'notebooks'/f'{name}.html').exists()
    ledger = pd.read_csv(run/'ledger.csv')
    assert len(ledger) == 2651 and (ledger.reason.isna() == ledger.included).all()

def test_again_executes_nothing_and_changes_no_byte(run):
    def notebooks(): return {p.name: p.stat().st_mtime_ns for p in (run/'notebooks').iterdir()}
    before, made, crate = digests(run), notebooks(), (run/CRATE).read_bytes()
    inside('reproduce', *QUICK, '--out', run)
    assert digests(run) == before and notebooks() == made          # none was executed again
    assert (run/CRATE).read_bytes() == crate

def test_machines_find_the_run(quick_run):
    "Every table, figure and notebook is in the RO-Crate, with the caption and the digest of what is the same anywhere."
    read = pytest.importorskip('rocrate.rocrate', reason='rocrate is not installed').ROCrate(quick_run)
    listed = {e.id for e in read.data_entities if e.type == 'File'}
    there = {f'{d}/{p.name}' for d in ('tables', 'figures') for p in (quick_run/d).glob('*[!t]')}
    assert there <= listed and {'notebooks/table1.ipynb', 'run.json', 'report/index.html', 'ledger.csv'} <= listed
    assert all((quick_run/e).is_file() for e in listed)
    hashes = {e.id: e['sha256'] for e in read.data_entities if e.get('sha256')}
    assert {f: d for f, d in digests(quick_run).items() if not f.endswith('.txt')} == hashes
    said = [e['description'] for e in (read.root_dataset, read.get('tables/table1.csv'))]
    assert all('Simulated CT' in s for s in said)
    assert str(quick_run) not in (quick_run/CRATE).read_text()

def test_killed_at_three_points_ends_in_the_same_bytes(run, clustered, tmp_path):
    out, rng = tmp_path/'killed', random.Random(0)
    shutil.copytree(clustered, out/'cache')                  # so that the kills fall into the rest
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    own = ['--out', str(out), '--cache', str(out/'cache')]
    less = [*QUICK, '--only', 'table1', *own]                # what the kills fall into, and one notebook
    command = [*AUTORAD, *less]
    for wait in (8, 14, 22):
        p = subprocess.Popen(command, **silent, start_new_session=True)
        time.sleep(wait + rng.random())
        os.killpg(p.pid, signal.SIGKILL); p.wait()
    left = out/'notebooks'/'.tmp1.table1.ipynb'
    left.parent.mkdir(exist_ok=True); left.write_text('half a notebook')
    autorad('reproduce', *less)
    others = ('tables/table2', 'tables/figure2', 'figures/table2', 'figures/figure2')
    wanted = {name: d for name, d in digests(run).items() if not name.startswith(others)}
    assert digests(out) == wanted and 'tables/table1.csv' in wanted and not left.exists()

def test_an_altered_output_is_made_again(run):
    table = run/'tables'/'table1.csv'; before = table.read_bytes()
    table.write_bytes(before.replace(b'0.', b'1.', 1))
    inside('reproduce', *QUICK, '--out', run)
    assert table.read_bytes() == before

def papermill(name, run, tmp_path, *more):
    "A notebook alone, on the quick run's cache."
    given = dict(out=run, quick=True, settings=SETTINGS, workers=1)
    args = [x for k, v in given.items() for x in ('-p', k, str(v))]
    files = [Path(sys.executable).with_name('papermill'), ROOT/'nbs'/name, tmp_path/'t.ipynb']
    return subprocess.run([*files, '-k', 'python3', *args, *more], capture_output=True, text=True)

def test_a_notebook_works_alone_by_papermill(run, tmp_path):
    r = papermill('paper/table1.ipynb', run, tmp_path)
    assert r.returncode == 0, r.stderr[-3000:]
    assert not re.search('unknown parameter|Unable to parse', r.stderr), r.stderr[-3000:]

@pytest.mark.parametrize('name', [*(f'paper/{n}.ipynb' for n in MORE), 'tour.ipynb'])
def test_a_notebook_works_alone(name, run, tmp_path, caplog, capsys):
    "Prepared by papermill, as above; its cells are run without a kernel, which takes twelve seconds to load."
    given = dict(out=str(run), quick=True, settings=SETTINGS, workers=1)
    if 'trust' in name: given |= dict(confidence=.5)          # sixty nodules cannot support more, and the page says so
    if 'stability' in name: given |= dict(nodules=16)         # of the sixty, for each kind of perturbation
    if 'aggregation' in name: given |= dict(volumes=12)       # radiomics of the volume are dear
    made, known = tmp_path/'t.ipynb', execution.inspect_notebook(str(ROOT/'nbs'/name))
    assert given.keys() <= known.keys()
    execution.execute_notebook(str(ROOT/'nbs'/name), str(made), given, prepare_only=True)
    assert not re.search('unknown parameter|Unable to parse', caplog.text + ''.join(capsys.readouterr()))
    status, said = outcome(cell_by_cell, made, tmp_path, tmp_path/'said')
    assert status == 0, said[-3000:]

def test_a_notebook_refuses_an_unknown_parameter(run, tmp_path):
    r = papermill('paper/table1.ipynb', run, tmp_path, '-p', 'quik', 'True')
    assert r.returncode != 0 and 'this notebook has no such parameter' in r.stderr

@pytest.mark.parametrize('args, words', [
    (['--preset', 'maxi'], ['maxi', 'mini, paper']),
    (['--source', 'pet'], ['pet', 'phantom', 'nifti']),
    (['--source', 'nifti'], ['--data']),
    (['--source', 'nifti', '--data', 'nowhere'], ['nowhere']),
    (['--set', 'n_ctxt=10'], ['n_ctxt', 'did you mean n_ctx']),
    (['--set', 'n_ctx=100'], ['n_ctx', '72']),
    (['--only', 'table9'], ['table9', 'table1']),
    (['--only', 'pathology', '-p', 'diagnosys=t.csv'], ['diagnosys', 'diagnosis']),
])
def test_wrong_input_is_answered_clearly(args, words, tmp_path):
    r = inside('reproduce', '--out', tmp_path/'o', *args, check=False)
    assert r.returncode == 2 and 'Traceback' not in r.stderr, r.stderr
    assert all(w in r.stderr for w in words), r.stderr

def test_the_paper_preset_goes_as_far_as_the_weights_and_says_which(quick_run, tmp_path):
    no_weights = os.environ | {'HF_HOME': str(tmp_path/'none')}
    command = ['reproduce', '--preset', 'paper', *QUICK, '--out', tmp_path/'o']
    r = autorad(*command, check=False, env=no_weights)
    assert r.returncode == 2 and 'Traceback' not in r.stderr, r.stderr
    assert (tmp_path/'o'/'features.parquet').exists(), r.stderr
    for name in ('apple/aimv2-large-patch14-224', 'openai/clip-vit-base-patch16'):
        assert f'hf download {name}' in r.stderr, r.stderr

def test_a_bad_csv_is_answered_clearly(tmp_path):
    (tmp_path/'nodules.csv').write_text('nodule_id,patient_id,image,malignancy\na,p,x.nii.gz,3\n')
    given = ['--source', 'nifti', '--data', tmp_path]
    r = autorad('reproduce', *given, '--out', tmp_path/'o', check=False)
    assert r.returncode == 2 and 'mask' in r.stderr and 'nodules.csv' in r.stderr, r.stderr

def test_an_interrupt_says_how_to_go_on(tmp_path):
    # a shell in the background hands an ignored SIGINT down to all that it starts
    def heed(): signal.signal(signal.SIGINT, signal.SIG_DFL)
    pipes = dict(stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    p = subprocess.Popen([*AUTORAD, '--workers', '1', '--out', str(tmp_path)], **pipes, preexec_fn=heed)
    seen = ''
    while 'cohort' not in seen: seen += p.stderr.read(1)               # the work has begun
    time.sleep(1); p.send_signal(signal.SIGINT)
    try: _, err = p.communicate(timeout=60)
    finally: p.kill()
    assert p.returncode == 130 and 'the same command goes on' in err, err

@pytest.mark.parametrize('command', ['reproduce', 'cohort', 'extract'])
def test_help_has_an_example(command):
    plain = os.environ | {'COLUMNS': '200', 'NO_COLOR': '1', 'TERM': 'dumb'}
    words = ' '.join(autorad(command, '--help', env=plain).stdout.split())
    assert f'Example: autorad-lung {command}' in words
