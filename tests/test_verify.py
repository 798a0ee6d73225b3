"A whole run beside what is published: equal to itself, and each way to differ told with its place and its cause."
import contextlib, io, json, shutil, sys
from pathlib import Path
import pytest
from conftest import ROOT
from autorad_lung import cli
from autorad_lung.artifacts import file_digest
from autorad_lung.published import verify

@pytest.fixture
def both(quick_run, tmp_path):
    "A copy of the quick run without its cache, and the folder that it was published to."
    run = shutil.copytree(quick_run, tmp_path/'run', ignore=shutil.ignore_patterns('cache', 'report'))
    verify.publish(run, tmp_path/'published'/'quick')
    return run, tmp_path/'published'/'quick'

def said(*args, code: int = 0) -> str:
    "What `autorad-lung verify` prints, in this process; its error where it exits with 2."
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as m, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        m.setattr(sys, 'argv', ['autorad-lung', 'verify', *map(str, args)])
        with pytest.raises(SystemExit) as end: cli.main()
    assert (end.value.code or 0) == code, (out.getvalue(), err.getvalue())
    return err.getvalue() if code == 2 else out.getvalue()

def rewrite(path: Path, change):
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))

def another_digit(path: Path, old: str, new: str):
    "As if the notebook had written another digit: the run's record knows its bytes."
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    digest = file_digest(path)
    rewrite(path.parents[1]/'run.json', lambda r: r['tables'][path.stem].update(digest=digest))

def first_accuracy(run: Path) -> tuple[str, str]:
    "Of the first row of Table 1: its name, and its accuracy as printed."
    row = verify.read_table(run/'tables'/'table1.csv').iloc[0]
    return row['Model'], row['Accuracy']

def test_a_run_says_of_itself_what_is_needed_and_no_path(quick_run):
    text = (quick_run/'run.json').read_text()
    about = json.loads(text)
    assert str(quick_run) not in text and str(ROOT) not in text and '/' not in about['machine']['processor']
    assert (about['source'], about['quick'], about['protocol']['n_ctx']) == ('phantom', True, 4)
    written = {p.stem: file_digest(p) for p in (quick_run/'tables').glob('*.csv')}
    assert {n: t['digest'] for n, t in about['tables'].items()} == written
    assert {t['protocol'] for t in about['tables'].values()} == {about['protocol_hash']}

def test_a_run_equals_itself(both):
    run, published = both
    shown = said(run, '--against', published)
    line, made = shown.splitlines()[-2:]
    assert line == f'Tables as published (quick): {len(list((run/"tables").glob("*.csv")))} equal.'
    assert made.startswith('What is published was made on ')
    found = json.loads(said(run, '--against', published, '--json'))
    assert found['ok'] and not found['causes'] and all(t['equal'] == t['cells'] > 0 for t in found['tables'])

def test_rows_in_another_order_are_the_same(both):
    run, published = both
    header, *rows = (run/'tables'/'table1.csv').read_text().splitlines(keepends=True)
    (run/'tables'/'table1.csv').write_text(''.join([header, *rows[::-1]]))
    said(run, '--against', published)

def test_a_changed_digit_is_found_at_its_place(both):
    run, published = both
    model, accuracy = first_accuracy(run)
    other = f'{float(accuracy[:5]) + .004:.3f}{accuracy[5:]}'
    another_digit(run/'tables'/'table1.csv', accuracy, other)
    shown = said(run, '--against', published, code=1)
    assert f'{model}, Accuracy: {other} for {accuracy}' in shown and '0.004' in shown
    assert 'Differs from the published run (quick): nothing that the records show is different' in shown
    verify.publish(run, published, {'table1': .004})
    another_digit(run/'tables'/'table1.csv', other, accuracy)
    assert '1 within' in said(run, '--against', published)

@pytest.mark.parametrize('change, words', [
    (lambda r: r['protocol'].update(n_ctx=7), 'another protocol (n_ctx 7 for 4)'),
    (lambda r: r['versions'].update(torch='1.0'), 'other versions (torch 1.0 for '),
    (lambda r: r['versions'].pop('numba'), 'other versions (numba none for '),
    (lambda r: r['cohort'].update(nodules=59, hash='x'), 'another cohort (nodules 59 for '),
    (lambda r: r['data'].update(ids='x', nodules=9), 'other data (9 nodules in the source for 2,651)'),
    (lambda r: r.update(folds='x', features='x'), 'other folds'),
    (lambda r: r.update(features='x'), 'other features'),
    (lambda r: r['machine'].update(processor='Abacus'), 'another processor (processor Abacus for '),
    (lambda r: r['machine'].update(workers=9), 'another number of workers (9 for 1)'),
])
def test_the_cause_is_named(both, change, words):
    run, published = both
    _, accuracy = first_accuracy(run)
    another_digit(run/'tables'/'table1.csv', accuracy, '0.999' + accuracy[5:])
    rewrite(run/'run.json', change)
    assert f'(quick): {words}' in said(run, '--against', published, code=1)

def test_a_table_that_was_edited_is_told_as_that(both):
    run, published = both
    _, accuracy = first_accuracy(run)
    path = run/'tables'/'table1.csv'
    path.write_text(path.read_text().replace(accuracy, 'better', 1))
    assert 'changed since the run ended: table1' in said(run, '--against', published, code=1)

def test_what_lacks(both):
    run, published = both
    (run/'tables'/'table2.csv').unlink()
    assert '1 missing' in said(run, '--against', published, code=1)
    def only_table1(r): r['tables'] = {n: t for n, t in r['tables'].items() if t['notebook'] == 'table1'}
    rewrite(run/'run.json', only_table1)
    assert 'not run' in said(run, '--against', published)

def test_wrong_input_exits_with_2(both, tmp_path):
    run, published = both
    assert 'there is no such folder' in said(tmp_path/'nowhere', code=2)
    assert 'is not the folder of a run' in said(tmp_path, code=2)
    assert 'nothing of this name is published' in said(run, '--against', 'nowhere', code=2)
    (run/'tables'/'table1.csv').write_text('Model,Accuracy\nSize only\n')
    assert 'table1.csv: the table is damaged: row 2' in said(run, '--against', published, code=2)
    (published/'table2.csv').write_text('')
    assert 'table2.csv: the published table is damaged' in said(run, '--against', published, code=2)
    rewrite(run/'run.json', lambda r: r.update(format=99))
    assert 'format 99, this version reads 1' in said(run, code=2)
    (run/'run.json').unlink()
    assert 'Remedy: run the same `autorad-lung reproduce` again' in said(run, code=2)

def test_the_tool_writes_the_same_bytes_twice(both, tmp_path, monkeypatch):
    run, published = both
    monkeypatch.syspath_prepend(str(ROOT/'tools'))
    import publish
    monkeypatch.setattr(publish, 'ROOT', tmp_path/'clone')
    def files(): return {p.name: p.read_bytes() for p in publish.main(str(run), 'quick').parent.iterdir()}
    assert files() == files() == {p.name: p.read_bytes() for p in published.iterdir()}
    assert [p.name for p in (tmp_path/'clone'/'autorad_lung'/'published').iterdir()] == ['quick']

def test_the_report_says_how_the_run_stands(quick_run, both, monkeypatch):
    assert f'</code>. {verify.in_a_line(quick_run)}</p>' in (quick_run/'report'/'index.html').read_text()
    run, published = both
    monkeypatch.setattr(verify, 'PUBLISHED', published.parent)
    assert verify.in_a_line(run).startswith('Tables as published (quick): ')
    rewrite(run/'run.json', lambda r: r.update(source='nifti'))
    assert verify.in_a_line(run) == 'Nothing is published for this source.'

def test_what_is_published_is_whole_and_goes_into_the_wheel():
    for name in verify.published_names():
        found = verify.read_published(verify.PUBLISHED/name)
        assert not found.about['quick'] and all(len(found.table(t)) for t in found.about['tables']), name
    assert "'published/*/*.csv', 'published/*/*.json'" in (ROOT/'setup.py').read_text()
    assert 'autorad-lung verify $(OUT)' in (ROOT/'Makefile').read_text().partition('test:')[0]
