"""The installed command as a user meets it: version, completion, JSON, colours,
exit codes. What each command computes is tested elsewhere."""
import errno, json, os, pty, subprocess, sys
from pathlib import Path
import pytest
from click.testing import CliRunner
from papermill.cli import papermill
from conftest import ROOT, autorad, inside
from notebook import cell_by_cell, outcome
from autorad_lung import cli
from autorad_lung.artifacts import CompanionError

def on_a_terminal(*args, **env) -> tuple[int, str]:
    "Exit code and what a terminal would show."
    ours, theirs = pty.openpty()
    given = {k: v for k, v in os.environ.items() if k not in ('NO_COLOR', 'FORCE_COLOR')}
    command = [Path(sys.executable).with_name('autorad-lung'), *args]
    given |= {'TERM': 'xterm-256color'} | env
    p = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=given)
    os.close(theirs); shown = b''
    try:
        while part := os.read(ours, 4096): shown += part
    except OSError as e:
        if e.errno != errno.EIO: raise                       # so a terminal says that nobody writes to it any more
    finally: os.close(ours)
    return p.wait(60), shown.decode()

def test_colour_is_for_terminals_that_want_it():
    code, shown = on_a_terminal('doctor', '--preset', 'maxi')
    assert code == 2 and '\x1b[31mError:' in shown and 'choose one of mini, paper' in shown
    code, shown = on_a_terminal('doctor', '--preset', 'maxi', NO_COLOR='1')
    assert code == 2 and '\x1b' not in shown and 'Error: --preset' in shown
    r = autorad('doctor', '--preset', 'maxi', check=False)
    assert r.returncode == 2 and '\x1b' not in r.stderr + r.stdout and r.stdout == ''

def test_unknown_options_and_commands_exit_with_2():
    for args in (['cohort', '--no-such-option'], ['no-such-command'], ['bench'], ['reproduce', '--workers', '0']):
        r = autorad(*args, check=False)
        assert r.returncode == 2 and 'Traceback' not in r.stderr and r.stderr, args

def test_json_alone_is_on_standard_output():
    r = autorad('doctor', '--json', '--data', 'nowhere', check=False)
    said = json.loads(r.stdout); lack = [f['name'] for f in said['findings'] if f['needed'] and not f['ok']]
    assert r.returncode == 1 and not said['ok'] and lack == ['images']
    assert all(f['remedy'] for f in said['findings'] if not f['ok'])

def test_completion_knows_the_commands():
    env = os.environ | {'_AUTORAD_LUNG_COMPLETE': 'complete_bash', 'COMP_WORDS': 'autorad-lung do', 'COMP_CWORD': '1'}
    assert autorad(env=env).stdout.split() == ['download', 'doctor']
    assert autorad('--version').stdout.strip()[0].isdigit()

@pytest.mark.parametrize('error, code, words', [
    (CompanionError('it is empty', 'nodules.csv', 'fill it'), 2, 'Error: nodules.csv: it is empty. Remedy: fill it'),
    (OSError(errno.ENOSPC, 'No space left on device', 'runs'), 2, 'Error: runs: No space left on device'),
    (PermissionError(errno.EACCES, 'Permission denied', 'locked'), 2, 'Error: locked: Permission denied'),
    (IsADirectoryError(errno.EISDIR, 'Is a directory', '.tmp7.a.csv', None, 'a.csv'), 2,
     'Error: a.csv: Is a directory. Remedy: this is a folder: name a file'),
    (NotADirectoryError(errno.ENOTDIR, 'Not a directory', 'a.csv/run'), 2,
     'Remedy: a part of this path is a file: choose another folder'),
    (FileExistsError(errno.EEXIST, 'File exists', 'a.csv'), 2, 'Remedy: this is a file: choose another folder'),
    (PermissionError(errno.EACCES, 'Permission denied', 'runs/.tmp7.a.csv'), 2, 'Error: runs: Permission denied'),
    (SystemExit(130), 130, 'the same command goes on'),
])
def test_each_end_has_its_exit_code(error, code, words, monkeypatch, capsys):
    def app(): raise error
    monkeypatch.setattr(cli, 'app', app)
    with pytest.raises(SystemExit) as end: cli.main()
    assert end.value.code == code and words in capsys.readouterr().err

def test_an_error_of_ours_keeps_its_traceback(monkeypatch):
    def app(): raise FileNotFoundError(errno.ENOENT, 'gone', 'x')
    monkeypatch.setattr(cli, 'app', app)
    with pytest.raises(FileNotFoundError): cli.main()

@pytest.mark.parametrize('command', ['cohort', 'extract', 'reproduce', 'train', 'pretrain'])
def test_a_source_that_does_not_exist_is_refused_in_every_command(command, tmp_path):
    where = ['--run' if command == 'train' else '--out', tmp_path/'run']
    r = inside(command, '--source', 'nifty', *where, check=False)
    assert r.returncode == 2 and "there is no source 'nifty'" in r.stderr and 'phantom, nifti, lidc' in r.stderr
    assert not (tmp_path/'run').exists()

def test_doctor_finds_the_layouts_that_the_source_reads(tmp_path):
    for layout in 'manifest-1/LIDC-IDRI/LIDC-IDRI-0001/study/series', 'flat/LIDC-IDRI-0001':
        (tmp_path/layout).mkdir(parents=True)
    for data in tmp_path/'manifest-1', tmp_path/'flat':
        found = json.loads(inside('doctor', '--json', '--data', data).stdout)['findings']
        assert next(f for f in found if f['name'] == 'images')['found'].startswith('folders of 1 of')

@pytest.mark.parametrize('field, value, says', [
    ('quick', 'false', "quick: 'false' is a word. Remedy: give True or False"),
    ('workers', 'two', "workers: 'two' is a word. Remedy: give a whole number"),
    ('source', 'nifty', "source: there is no source 'nifty'. Remedy: choose one of phantom, nifti, lidc"),
])
def test_papermill_hands_over_words_and_they_are_refused_at_once(field, value, says, tmp_path):
    "Its command writes the words into the notebook; the cells are run without a kernel, as in test_reproduce."
    notebook, made = ROOT/'nbs'/'paper'/'figure2.ipynb', tmp_path/'o.ipynb'
    given = ['-p', field, value, '-p', 'out', tmp_path/'run', '--prepare-only']
    r = CliRunner().invoke(papermill, [str(a) for a in (notebook, made, *given)])
    assert r.exit_code == 0, r.output
    status, said = outcome(cell_by_cell, made, tmp_path, tmp_path/'said')
    assert status and says in said and not (tmp_path/'run').exists(), said[-2000:]
