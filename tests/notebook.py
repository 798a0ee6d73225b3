"""Run one notebook in a process of its own, forked from one that has the large libraries loaded already: they are the
same for every notebook, and take longer to import than most notebooks take to run."""
import multiprocessing, os, sys, traceback
from pathlib import Path

LIBRARIES = [     # none of our own
    'nbdev.test', 'torch', 'torch.nn.functional', 'pandas', 'scipy.stats', 'scipy.ndimage', 'sklearn.linear_model',
    'sklearn.ensemble', 'sklearn.model_selection', 'matplotlib.pyplot', 'seaborn', 'numba', 'joblib', 'PIL.Image',
    'transformers.models.clip.modeling_clip', 'transformers.models.aimv2.modeling_aimv2']

def by_nbdev(path: str):
    "What `nbdev_test --n_workers 0 --path PATH` does."
    from nbdev.test import nbdev_test
    nbdev_test(path=path, n_workers=0)

def cell_by_cell(path: str):
    "All code cells, whatever the front matter says; ends at the first error."
    from execnb.nbio import read_nb
    from execnb.shell import CaptureShell
    shell = CaptureShell(path)
    shell.user_ns.pop('set_matplotlib_formats', None)        # its own, which no kernel has
    try: shell.run_all(read_nb(path), exc_stop=True)
    except Exception: sys.exit(shell.prettytb(path))

def _child(how, path: str, folder: str, log: str):
    with open(log, 'w') as f: os.dup2(f.fileno(), 1); os.dup2(f.fileno(), 2)
    os.chdir(folder)
    from joblib.externals.loky import get_reusable_executor
    status = 1
    try: how(path); status = 0
    except SystemExit as e:
        if isinstance(e.code, str): print(e.code)
        else: status = e.code or 0
    except BaseException: traceback.print_exc()
    get_reusable_executor().shutdown(kill_workers=True)      # joblib's, which would idle for five minutes
    sys.stdout.flush(); sys.stderr.flush()
    os._exit(status)                                         # and a forked process would wait for them

def outcome(how, path, folder, log: Path) -> tuple[int, str]:
    "The exit status of a notebook that is run in a folder, and what was said."
    server = multiprocessing.get_context('forkserver')
    server.set_forkserver_preload(LIBRARIES)
    p = server.Process(target=_child, args=(how, str(path), str(folder), str(log)))
    p.start(); p.join()
    return p.exitcode, log.read_text()
