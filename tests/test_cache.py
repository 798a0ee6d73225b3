"""The one cache: two runs at once, an older layout, a place that cannot be written to, and the command that prunes."""
import hashlib, json, os, shutil, subprocess, sys
from pathlib import Path
import pytest
from conftest import QUICK, autorad, inside
from autorad_lung.artifacts import Store

def made(out: Path) -> dict[str, str]:
    "Digests of what figure2 and the cohort leave in a run's folder."
    files = [p for d in ('tables', 'figures') for p in (out/d).glob('figure2*')]
    files += [out/n for n in ('features.parquet', 'ledger.csv', 'folds.csv', 'quarantine.csv')]
    return {p.relative_to(out).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}

def test_two_runs_of_the_same_study_at_once_both_end_right(quick_run, clustered, tmp_path):
    "In one folder, on one cache, from nothing; then a third finds everything."
    shutil.copytree(clustered, tmp_path/'cache')
    program = [Path(sys.executable).with_name('autorad-lung'), 'reproduce', *QUICK, '--only', 'figure2']
    where = ['--out', tmp_path/'run', '--cache', tmp_path/'cache']
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    two = [subprocess.Popen([*program, *where], **pipes) for _ in range(2)]
    said = [p.communicate() for p in two]
    assert [p.returncode for p in two] == [0, 0], said
    assert not any('damaged' in err for _, err in said), said
    assert made(tmp_path/'run') == made(quick_run)
    left = [p for d in ('cache', 'run') for p in (tmp_path/d).rglob('.*') if p.name not in ('.locks',)]
    assert left == []                                    # nothing half-written, no lock
    done = json.loads((tmp_path/'run'/'notebooks'/'figure2.done').read_text())
    for name, digest in done['files'].items():           # the record is of the files that are there
        assert hashlib.sha256((tmp_path/'run'/name).read_bytes()).hexdigest() == digest
    before = {p: p.stat().st_mtime_ns for p in (tmp_path/'cache').rglob('*') if p.is_file()}
    inside('reproduce', *QUICK, '--only', 'figure2', *where)
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path/'cache').rglob('*') if p.is_file()}

def test_results_and_cache_lie_apart(quick_run):
    assert not (quick_run/'cache').exists()
    assert {p.name for p in quick_run.iterdir()} >= {'report', 'tables', 'figures', 'notebooks', 'ledger.csv'}
    said = json.loads(inside('cache', '--json').stdout)
    assert said['folder'] == os.environ['AUTORAD_LUNG_CACHE']
    assert {'cohort', 'images', 'radiomics', 'run', 'compiled'} <= {s['stage'] for s in said['stages']}

def test_what_was_pruned_is_made_again(clustered, tmp_path):
    cache = Path(shutil.copytree(clustered, tmp_path/'cache'))
    few = ['--set', 'readers_min=1', '--out', tmp_path/'run', '--cache', cache, '--workers', '1']
    would = autorad('cache', '--cache', cache, '--prune', '--stage', 'cohort', '--dry-run').stdout
    assert 'would be removed' in would and len(list(cache.glob('cohort/*'))) == 1
    key = next(cache.glob('cohort/*')).name
    autorad('cache', '--cache', cache, '--prune', '--all')
    assert not list(cache.glob('cohort/*'))
    autorad('cohort', *few)
    assert Store(cache).open('cohort', key) and (cache/'FORMAT').is_file()

@pytest.mark.parametrize('said', [None, 'autorad-lung cache, layout 1'])
def test_a_cache_of_an_older_version_is_refused_by_name(said, clustered, tmp_path):
    cache = Path(shutil.copytree(clustered, tmp_path/'cache')); (cache/'FORMAT').unlink()
    if said: (cache/'FORMAT').write_text(said)
    r = inside('cohort', '--out', tmp_path/'run', '--cache', cache, check=False)
    assert r.returncode == 2 and str(cache) in r.stderr and 'Traceback' not in r.stderr
    assert 'this cache is of an' in r.stderr and 'autorad-lung cache --prune --all' in r.stderr

def test_a_cache_that_cannot_be_written_is_said(tmp_path):
    (tmp_path/'file').write_text('')
    places = [tmp_path/'file']
    if os.geteuid(): places.append(tmp_path/'locked'); places[-1].mkdir(); places[-1].chmod(0o500)   # not for root
    for place in places:
        r = inside('cohort', '--out', tmp_path/'run', '--cache', place, '--workers', '1', check=False)
        assert r.returncode == 2 and 'Traceback' not in r.stderr, r.stderr
        assert 'the cache cannot be written' in r.stderr and '--cache' in r.stderr, r.stderr
