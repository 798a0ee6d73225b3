"The main job as a user runs it: end to end, again, killed, with wrong input, and through papermill alone."
import hashlib, json, os, random, shutil, signal, subprocess, sys, time
from pathlib import Path
import pandas as pd
import pytest
from conftest import QUICK, ROOT, SETTINGS, autorad
from autorad_lung.report import MORE

def digests(out: Path) -> dict[str, str]:
    "Tables, figures and features of a run."
    files = [p for d in ('tables', 'figures') for p in (out/d).glob('*')] + [out/'features.parquet', out/'ledger.csv', out/'folds.csv', out/'quarantine.csv']
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

@pytest.fixture(scope='module')
def run(quick_run, tmp_path_factory):
    "A copy of the quick run, for this worker to write to."
    return shutil.copytree(quick_run, tmp_path_factory.mktemp('run')/'run')

def test_the_report_is_whole(run):
    page = (run/'report'/'index.html').read_text()
    for words in ['Table 1', 'Table 2', 'Figure 2', 'Simulated CT', 'a quick look', 'Not a medical device', 'readers_min']: assert words in page
    assert 'http://' not in page and 'https://' not in page.replace('https://www.w3.org', '')      # nothing is asked of the network
    for name in ('table1', 'table2', 'figure2'): assert (run/'notebooks'/f'{name}.html').exists()
    ledger = pd.read_csv(run/'ledger.csv')
    assert len(ledger) == 2651 and (ledger.reason.isna() == ledger.included).all()

def test_again_is_quick_and_changes_no_byte(run):
    before, start = digests(run), time.monotonic()
    autorad('reproduce', *QUICK, '--out', run)
    assert digests(run) == before and time.monotonic() - start < 60

def test_killed_at_three_points_ends_in_the_same_bytes(run, tmp_path):
    out, rng = tmp_path/'killed', random.Random(0)
    shutil.copytree(run/'cache'/'cohort', out/'cache'/'cohort')                                      # the clustering, so that the kills fall into the rest
    for wait in (8, 14, 22):
        p = subprocess.Popen([Path(sys.executable).with_name('autorad-lung'), 'reproduce', *QUICK, '--out', str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(wait + rng.random())
        os.killpg(p.pid, signal.SIGKILL); p.wait()
    left = out/'notebooks'/'.tmp1.table1.ipynb'; left.parent.mkdir(exist_ok=True); left.write_text('half a notebook')
    autorad('reproduce', *QUICK, '--out', out)
    assert digests(out) == digests(run) and not left.exists()

def test_an_altered_output_is_made_again(run):
    table = run/'tables'/'table1.csv'; before = table.read_bytes()
    table.write_bytes(before.replace(b'0.', b'1.', 1))
    autorad('reproduce', *QUICK, '--out', run)
    assert table.read_bytes() == before

def papermill(name, run, tmp_path, *more):
    "A notebook alone, on the quick run's cache."
    args = ['-k', 'python3', '-p', 'out', run, '-p', 'quick', 'True', '-p', 'settings', SETTINGS, '-p', 'workers', '1', *more]
    return subprocess.run([Path(sys.executable).with_name('papermill'), ROOT/'nbs'/name, tmp_path/'t.ipynb', *map(str, args)], capture_output=True, text=True)

@pytest.mark.parametrize('name', [*(f'paper/{n}.ipynb' for n in ('table1', *MORE)), 'tour.ipynb'])
def test_a_notebook_works_alone(name, run, tmp_path):
    few = ['-p', 'confidence', '0.5'] if 'trust' in name else []        # sixty nodules cannot support more, and the page says so
    r = papermill(name, run, tmp_path, *few)
    assert r.returncode == 0 and 'unknown parameter' not in r.stderr and 'Unable to parse' not in r.stderr, r.stderr[-3000:]

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
    r = autorad('reproduce', '--out', tmp_path/'o', *args, check=False)
    assert r.returncode == 2 and 'Traceback' not in r.stderr and all(w in r.stderr for w in words), r.stderr

def test_the_paper_preset_goes_as_far_as_the_weights_and_says_which(clustered, tmp_path):
    shutil.copytree(clustered, tmp_path/'o')
    r = autorad('reproduce', '--preset', 'paper', *QUICK, '--out', tmp_path/'o', check=False, env=os.environ | {'HF_HOME': str(tmp_path/'none')})
    assert r.returncode == 2 and 'Traceback' not in r.stderr and (tmp_path/'o'/'features.parquet').exists(), r.stderr
    for name in ('apple/aimv2-large-patch14-224', 'openai/clip-vit-base-patch16'): assert f'hf download {name}' in r.stderr, r.stderr

def test_a_bad_csv_is_answered_clearly(tmp_path):
    (tmp_path/'nodules.csv').write_text('nodule_id,patient_id,image,malignancy\na,p,x.nii.gz,3\n')
    r = autorad('reproduce', '--source', 'nifti', '--data', tmp_path, '--out', tmp_path/'o', check=False)
    assert r.returncode == 2 and 'mask' in r.stderr and 'nodules.csv' in r.stderr, r.stderr

def test_an_interrupt_says_how_to_go_on(tmp_path):
    p = subprocess.Popen([Path(sys.executable).with_name('autorad-lung'), 'reproduce', '--workers', '1', '--out', str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))      # a shell in the background hands an ignored SIGINT down to all that it starts
    seen = ''
    while 'cohort' not in seen: seen += p.stderr.read(1)          # the work has begun
    time.sleep(1); p.send_signal(signal.SIGINT)
    try: _, err = p.communicate(timeout=60)
    finally: p.kill()
    assert p.returncode == 130 and 'the same command goes on' in err, err

@pytest.mark.parametrize('command', ['reproduce', 'cohort', 'extract'])
def test_help_has_an_example(command): assert f'Example: autorad-lung {command}' in ' '.join(autorad(command, '--help', env=os.environ | {'COLUMNS': '200', 'NO_COLOR': '1', 'TERM': 'dumb'}).stdout.split())
