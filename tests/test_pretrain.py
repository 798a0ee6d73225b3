"Pre-training as a user runs it: killed and resumed, and as a part of the main job."
import hashlib, json, os, re, shutil, signal, subprocess, sys, time
from pathlib import Path
import pytest
from conftest import QUICK, autorad, once

def towers(text: str) -> dict[str, str]:
    "Kind -> key of the run, from what the command prints."
    found = re.findall(r'--set (image|text)_tower=(\S+)', text)
    return {kind: name.partition('@')[2] for kind, name in found}

def weights(out: Path, key: str) -> str:
    return hashlib.sha256((out/'cache'/'tower'/key/'model.safetensors').read_bytes()).hexdigest()

MAE = ['pretrain', '--objective', 'mae', '--steps', '60', '--workers', '1']

def own(out: Path) -> list[str]:
    "Options for a run with a cache of its own: to see what it writes."
    return ['--out', str(out), '--cache', str(out/'cache')]

def pretrained(out: Path) -> str:
    "What the command says at its end."
    return autorad(*MAE, *own(out)).stdout

def copied(out: Path, to: Path, *stages: str):
    for stage in stages: shutil.copytree(out/'cache'/stage, to/'cache'/stage)
    shutil.copy(out/'cache'/'FORMAT', to/'cache')

@pytest.fixture(scope='module')
def whole(tmp_path_factory, clustered):
    "One uninterrupted run, and its tower."
    def make(d):
        shutil.copytree(clustered, d/'cache')
        (d/'said').write_text(pretrained(d))
    out = once(tmp_path_factory, 'pretrained', make)
    return out, towers((out/'said').read_text())

def test_killed_after_a_checkpoint_ends_in_the_same_bytes(whole, tmp_path):
    out, made = whole
    copied(out, tmp_path, 'cohort', 'slices')      # so that the kill falls into the training
    command = [Path(sys.executable).with_name('autorad-lung'), *MAE, *own(tmp_path)]
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    p = subprocess.Popen(command, **silent, env=os.environ | {'AUTORAD_LUNG_CHECKPOINT_S': '1'})
    until, checkpoints = time.monotonic() + 240, tmp_path/'cache'/'checkpoints'
    def written(): return any(checkpoints.glob('[!.]*'))
    while not written() and p.poll() is None and time.monotonic() < until: time.sleep(.2)
    assert p.poll() is None, 'it ended before a checkpoint was written'
    os.killpg(p.pid, signal.SIGKILL); p.wait()
    assert not (tmp_path/'cache'/'tower'/made['image']).exists()
    assert towers(pretrained(tmp_path)) == made
    assert weights(tmp_path, made['image']) == weights(out, made['image'])

def test_again_it_is_found(whole):
    out, made = whole
    start = time.monotonic()
    assert towers(pretrained(out)) == made and time.monotonic() - start < 60

def test_wrong_input_is_answered_clearly(quick_run, tmp_path):
    r = autorad('pretrain', '--objective', 'dino', '--out', tmp_path, check=False)
    assert r.returncode == 2 and 'aimv2' in r.stderr and 'Traceback' not in r.stderr
    tower = ['--set', 'image_tower=mini-image-mae@0123']
    r = autorad('reproduce', *QUICK, *tower, '--out', tmp_path/'o', check=False)
    assert r.returncode == 2 and 'autorad-lung pretrain' in r.stderr and 'Traceback' not in r.stderr

def test_the_main_job_trains_the_towers_it_names(whole, tmp_path):
    copied(whole[0], tmp_path, 'cohort', 'slices')
    named = dict(image_tower='mini-image-aimv2', text_tower='mini-text-clip')
    settings = dict(limit=60, n_ctx=4, pretrain_steps=3, **named)
    given = [x for k, v in settings.items() for x in ('--set', f'{k}={v}')]
    autorad('reproduce', '--quick', '--workers', '2', *given, '--only', 'figure2', *own(tmp_path))
    made = [json.loads(p.read_text()) for p in (tmp_path/'cache'/'tower').glob('*/manifest.json')]
    names = {m['tower'].partition('@')[0]: m['tower'] for m in made}
    assert set(names) == {'mini-image-aimv2', 'mini-image-clip', 'mini-text-clip'}
    assert all(len(m['patients']) == 179 for m in made)
    page = (tmp_path/'report'/'index.html').read_text()
    assert all(names[n] in page for n in named.values())      # the report names the runs
