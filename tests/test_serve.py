"""`autorad-lung serve` as an agent meets it: the SDK's own client and the server in another process, answers that are
those of the commands, what is refused, a record that is run again, and a client that hangs up in the middle."""
import asyncio, json, os, select, subprocess, sys, time
from pathlib import Path
import nibabel as nib
import numpy as np
import pytest
from conftest import QUICK, SETTINGS, inside
from autorad_lung.study import Study
from autorad_lung.use.use import train_model
mcp = pytest.importorskip('mcp', reason="the extra is not installed: pip install 'autorad-lung[mcp]'")

PROGRAM = str(Path(sys.executable).with_name('autorad-lung'))
ASKED = dict(model='model', image='ct.nii.gz', mask='mask.nii.gz')

@pytest.fixture(scope='module')
def root(tmp_path_factory, clustered) -> Path:
    "A folder with a model that reads size alone, a nodule and a link that leads out; beside it what may not be read."
    d = tmp_path_factory.mktemp('serve').resolve()
    study = Study(out=d/'run', quick=True, settings=SETTINGS, workers=1)
    train_model(study, d/'root'/'model', 'size', hold_out=.4, confidence=.8)
    n = study.input.load(study.ids[0])
    affine = np.diag([-n.spacing_mm[2], -n.spacing_mm[1], n.spacing_mm[0], 1.])
    for kind, a in (('ct', n.hu), ('mask', n.masks[0].astype('u1'))):
        nib.save(nib.Nifti1Image(np.ascontiguousarray(a.T), affine), d/'root'/f'{kind}.nii.gz')
    (d/'secret.nii.gz').write_bytes((d/'root'/'ct.nii.gz').read_bytes())
    (d/'root'/'way.nii.gz').symlink_to(d/'secret.nii.gz')
    return d/'root'

def snapshot(folder: Path) -> dict:
    return {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}

def verb(*args, root: Path):
    "What a command gives for `--json`, asked in the root."
    return json.loads(inside(*args, '--json', cwd=root).stdout)

def visit(root: Path, calls: list[tuple[str, dict]], *options, program=(PROGRAM,)) -> tuple[list[str], list, str]:
    "Names of the tools, the answers of a server in another process, and what it said on standard error."
    command, *args = *program, 'serve', '--root', str(root), *map(str, options)
    given = mcp.StdioServerParameters(command=command, args=args, env=dict(os.environ))
    log = root.parent/'stderr.txt'
    async def talk():
        with open(log, 'w') as aside:
            async with mcp.Client(mcp.stdio_client(given, errlog=aside), read_timeout_seconds=300) as c:
                listed = (await c.list_tools()).tools
                return [t.name for t in listed], [await c.call_tool(tool, a) for tool, a in calls]
    return *asyncio.run(talk()), log.read_text()

@pytest.fixture(scope='module')
def visited(root) -> tuple:
    "One conversation, recorded: three answers that commands give as well, and three refusals."
    inside('cohort', *QUICK, '--out', root/'run')
    calls = [('predict', ASKED), ('measure', dict(image='ct.nii.gz', mask='mask.nii.gz', names=['firstorder'])),
             ('cohort', dict(run='run')), ('predict', ASKED | dict(image=7)),
             ('predict', ASKED | dict(image='../secret.nii.gz')), ('predict', ASKED | dict(image='way.nii.gz'))]
    before = snapshot(root)
    names, answers, log = visit(root, calls, '--record', root.parent/'calls.jsonl')
    assert snapshot(root) == before                                        # nothing was written there
    return names, answers, log

def test_answers_are_those_of_the_commands(root, visited):
    names, (predicted, measured, counted, *_), log = visited
    assert names == ['cohort', 'measure', 'predict', 'explain', 'similar', 'report', 'doctor']
    assert 'Traceback' not in log
    given = [x for k, v in ASKED.items() for x in (f'--{k}', v)]
    assert predicted.structured_content['result'] == verb('predict', *given, '--out', '../p.csv', root=root)
    [found], [row] = measured.structured_content['result'], verb('radiomics', 'ct.nii.gz', 'mask.nii.gz', root=root)
    assert found['features'] == {k: v for k, v in row.items() if '_firstorder_' in k} and len(found['features']) == 18
    assert found['diameter_mm'] == predicted.structured_content['result'][0]['diameter_mm']
    assert counted.structured_content['counts'] == verb('cohort', *QUICK, '--out', '../again', root=root)

def test_what_is_refused_says_what_where_and_remedy(root, visited):
    for answer, words in zip(visited[1][3:], [('image: Input should be a valid string', 'arguments of predict'),
                                              ('leads out of the root', 'image ../secret.nii.gz', 'relative to it'),
                                              ('leads out of the root', 'image way.nii.gz')]):
        text = answer.content[0].text
        assert answer.is_error and all(w in text for w in ('what: ', 'where: ', 'remedy: ', *words)), text
        assert str(root.parent) not in text

def test_the_record_is_run_again(root, visited):
    record = root.parent/'calls.jsonl'
    assert str(root) not in record.read_text()
    again = 'serve', '--root', root, '--replay', record
    assert json.loads(inside(*again, '--json').stdout) == dict(calls=5, differences=[])   # the wrong type never arrived
    line, *rest = record.read_text().splitlines()
    record.write_text('\n'.join([json.dumps(json.loads(line) | dict(digest='0' * 16)), *rest]))
    other = inside(*again, check=False)
    assert other.returncode == 1 and 'call 1, predict: another answer\n5 calls, 1 differences' in other.stdout
    record.write_text('no call')
    wrong = inside(*again, check=False)
    assert wrong.returncode == 2 and 'line 1: is no call' in wrong.stderr

def line_of(server, seconds: float = 120) -> dict:
    "The next line on standard output: nothing but the protocol may be there."
    assert select.select([server.stdout], [], [], seconds)[0], 'no answer'
    line = json.loads(server.stdout.readline())
    assert line['jsonrpc'] == '2.0'
    return line

NOISY = """
import os, subprocess, sys, warnings
from autorad_lung import cli
from autorad_lung.cases import tools
def noisy(desk) -> tools.Doctor:
    "Prints in every way."
    print('stray'); sys.__stdout__.write('stray'); sys.__stdout__.flush(); os.write(1, b'stray'); warnings.warn('stray')
    subprocess.run(['sh', '-c', 'echo stray; cat'], timeout=9)
    return dict(ok=True, findings=[])
tools.TOOLS['doctor'] = noisy
cli.main()
"""

def test_nothing_else_is_on_standard_output(root):
    "Neither of this process, below Python as well, nor of one that it starts, which may not read the client either."
    names, answers, log = visit(root, [('doctor', {}), ('doctor', {})], program=(sys.executable, '-c', NOISY))
    assert [a.structured_content['ok'] for a in answers] == [True, True] and log.count('stray') >= 10

def test_a_client_that_hangs_up_in_the_middle(root, tmp_path):
    "A cohort in an empty cache takes twelve seconds: the client has gone after the second sign of life."
    command = [PROGRAM, 'serve', '--root', str(root), '--cache', str(tmp_path/'cache')]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        def say(method, params, **more):
            server.stdin.write(json.dumps(dict(jsonrpc='2.0', method=method, params=params) | more).encode() + b'\n')
            server.stdin.flush()
        who = dict(protocolVersion='2025-11-25', capabilities={}, clientInfo=dict(name='test', version='1'))
        say('initialize', who, id=0)
        assert 'not a medical device' in line_of(server)['result']['instructions']
        say('notifications/initialized', {})
        say('tools/call', dict(name='cohort', arguments={}, _meta=dict(progressToken='p')), id=1)
        signs = [line_of(server)['params'] for _ in range(2)]
        began = time.monotonic()
        server.stdin.close()
        assert server.wait(60) == 0 and time.monotonic() - began < 30
        rest, log = server.stdout.read().decode().splitlines(), server.stderr.read().decode()
    assert 'Traceback' not in log and all(json.loads(line)['jsonrpc'] == '2.0' for line in rest)
    assert [s['progressToken'] for s in signs] == ['p', 'p'] and signs[0]['progress'] < signs[1]['progress']
    assert [p for p in tmp_path.rglob('*') if p.is_file() and p.name != 'FORMAT' and 'compiled' not in p.parts] == []
