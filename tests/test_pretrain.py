"Pre-training as a user runs it: killed and resumed, and as a part of the main job."
import hashlib, json, os, re, shutil, signal, subprocess, sys, time
from pathlib import Path
import pytest
from conftest import QUICK, autorad, once

def towers(text: str) -> dict[str, str]:
    "Kind -> key of the run, from what the command prints."
    return {kind: name.partition('@')[2] for kind, name in re.findall(r'--set (image|text)_tower=(\S+)', text)}

def weights(out: Path, key: str) -> str: return hashlib.sha256((out/'cache'/'tower'/key/'model.safetensors').read_bytes()).hexdigest()

@pytest.fixture(scope='module')
def whole(tmp_path_factory, clustered):
    "One uninterrupted run, and its tower."
    def make(d):
        shutil.copytree(clustered, d)
        (d/'said').write_text(autorad('pretrain', '--objective', 'mae', '--steps', '60', '--out', d, '--workers', '1').stdout)
    out = once(tmp_path_factory, 'pretrained', make)
    return out, towers((out/'said').read_text())

def test_killed_after_a_checkpoint_ends_in_the_same_bytes(whole, tmp_path):
    out, made = whole
    for stage in ('cohort', 'slices'): shutil.copytree(out/'cache'/stage, tmp_path/'cache'/stage)        # so that the kill falls into the training
    p = subprocess.Popen([Path(sys.executable).with_name('autorad-lung'), 'pretrain', '--objective', 'mae', '--steps', '60', '--out', str(tmp_path), '--workers', '1'],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env=os.environ | {'AUTORAD_LUNG_CHECKPOINT_S': '1'})
    start = time.monotonic()
    while not list((tmp_path/'cache'/'checkpoints').glob('[!.]*')) and p.poll() is None and time.monotonic() - start < 240: time.sleep(.2)
    assert p.poll() is None, 'it ended before a checkpoint was written'
    os.killpg(p.pid, signal.SIGKILL); p.wait()
    assert not (tmp_path/'cache'/'tower').exists() or not (tmp_path/'cache'/'tower'/made['image']).exists()
    assert towers(autorad('pretrain', '--objective', 'mae', '--steps', '60', '--out', tmp_path, '--workers', '1').stdout) == made
    assert weights(tmp_path, made['image']) == weights(out, made['image'])

def test_again_it_is_found(whole):
    out, made = whole
    start = time.monotonic()
    assert towers(autorad('pretrain', '--objective', 'mae', '--steps', '60', '--out', out, '--workers', '1').stdout) == made and time.monotonic() - start < 60

def test_wrong_input_is_answered_clearly(quick_run, tmp_path):
    r = autorad('pretrain', '--objective', 'dino', '--out', tmp_path, check=False)
    assert r.returncode == 2 and 'aimv2' in r.stderr and 'Traceback' not in r.stderr
    shutil.copytree(quick_run/'cache', tmp_path/'o'/'cache')                                            # so that it soon comes to the tower
    r = autorad('reproduce', *QUICK, '--set', 'image_tower=mini-image-mae@0123', '--out', tmp_path/'o', check=False)
    assert r.returncode == 2 and 'autorad-lung pretrain' in r.stderr and 'Traceback' not in r.stderr

def test_the_main_job_trains_the_towers_it_names(whole, tmp_path):
    for stage in ('cohort', 'slices'): shutil.copytree(whole[0]/'cache'/stage, tmp_path/'cache'/stage)
    autorad('reproduce', '--quick', '--set', 'limit=60', '--set', 'n_ctx=4', '--set', 'image_tower=mini-image-aimv2', '--set', 'text_tower=mini-text-clip', '--set', 'pretrain_steps=3', '--only', 'figure2', '--out', tmp_path, '--workers', '2')
    made = [json.loads(p.read_text()) for p in (tmp_path/'cache'/'tower').glob('*/manifest.json')]
    assert {m['tower'].partition('@')[0] for m in made} == {'mini-image-aimv2', 'mini-image-clip', 'mini-text-clip'} and all(len(m['patients']) == 179 for m in made)
    page = (tmp_path/'report'/'index.html').read_text()
    assert all(m['tower'] in page for m in made if m['tower'].startswith(('mini-image-aimv2', 'mini-text')))       # the report names the runs
