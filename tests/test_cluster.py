"""The one `pmap` on a Dask cluster of several worker processes: the same bytes as in one process, also
when a worker is killed in the middle."""
import os, signal, threading, time
from functools import partial
from pathlib import Path
import numpy as np
import pandas as pd
import pytest
distributed = pytest.importorskip('distributed')
from autorad_lung.artifacts import CompanionError, Store, content_key, pmap, row_table
from test_lidc import link_tree, new_store, scan_ids, store, tree, tree_bytes
from autorad_lung.sources.lidc import extract

@pytest.fixture
def cluster(tmp_path):
    settings = dict(dashboard_address=None, local_directory=str(tmp_path/'dask'), silence_logs=50)
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, **settings) as c: yield c

def slow_row(x, folder=None):
    "A row that takes a moment and leaves word of where it was made."
    if folder: (Path(folder)/f'{x}-{os.getpid()}').touch()
    time.sleep(.1)
    if x == 5: raise CompanionError('five is not allowed', 'x', 'use another')
    return {'square': x * x, 'pair': np.random.default_rng(x).normal(size=4)}

def rows(folder, **parallel):
    items = {str(i): i for i in range(40)}
    keys = {k: content_key('sq', v) for k, v in items.items()}
    return row_table(slow_row, items, keys, Store(folder), 's', quiet=True, **parallel)

def test_a_table_is_the_same_on_one_process_several_and_a_cluster(cluster, tmp_path):
    one, two, dask = (tmp_path/n for n in ('one', 'two', 'dask_rows'))
    a, b, c = rows(one), rows(two, workers=2), rows(dask, scheduler=cluster.scheduler_address)
    assert tree_bytes(one) == tree_bytes(two) == tree_bytes(dask) and len(c.quarantine) == 1
    assert np.array_equal(a.arrays['pair'], c.arrays['pair']) and a.table.equals(b.table)

def kill_one(folder: Path, seen: list):
    "Kill the process that wrote the newest word."
    words = sorted(folder.iterdir(), key=lambda p: p.stat().st_mtime)
    pid = int(words[-1].name.split('-')[1])
    assert pid != os.getpid()
    os.kill(pid, signal.SIGKILL); seen.append(pid)

def test_a_killed_worker_changes_nothing(cluster, tmp_path):
    (words := tmp_path/'words').mkdir()
    items, killed, out = [i for i in range(40) if i != 5], [], []
    work = partial(slow_row, folder=words)
    for k, y in enumerate(pmap(work, items, scheduler=cluster.scheduler_address, quiet=True)):
        out.append(y)
        if k == 5: kill_one(words, killed)
    pids = {int(p.name.split('-')[1]) for p in words.iterdir()}
    assert len(killed) == 1 and len(pids) >= 3
    assert [y['square'] for y in out] == [i * i for i in items]
    for y, i in zip(out, items):
        assert np.array_equal(y['pair'], np.random.default_rng(i).normal(size=4))

def test_lidc_on_a_cluster_with_a_killed_worker(cluster, tree, store, tmp_path):
    one, dask = new_store(store, tmp_path/'one'), new_store(store, tmp_path/'cluster')
    a = extract(tree, one, quiet=True)
    victim = next(iter(cluster.workers.values())).pid
    threading.Timer(1.5, lambda: os.kill(victim, signal.SIGKILL)).start()
    b = extract(tree, dask, scheduler=cluster.scheduler_address, quiet=True)
    pd.testing.assert_frame_equal(a.nodules, b.nodules)
    assert tree_bytes(one.root) == tree_bytes(dask.root)

def test_no_scheduler_there_is_said_plainly():
    for address, words in ('nonsense://x', '.*dask scheduler'), ('tcp://127.0.0.1:9', ''):
        with pytest.raises(CompanionError, match='no Dask scheduler answers' + words):
            list(pmap(abs, [1, 2], scheduler=address, quiet=True))
