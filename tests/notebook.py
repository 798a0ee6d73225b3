"""Run one notebook by `nbdev_test` in a process of its own, forked from one that has the large libraries loaded already:
they are the same for every notebook, and take longer to import than most notebooks take to run."""
import multiprocessing, os, sys, traceback
from pathlib import Path

LIBRARIES = ['nbdev.test', 'torch', 'torch.nn.functional', 'pandas', 'scipy.stats', 'scipy.ndimage', 'sklearn.linear_model',
             'sklearn.ensemble', 'sklearn.model_selection', 'matplotlib.pyplot', 'seaborn', 'numba', 'joblib', 'PIL.Image',
             'transformers.models.clip.modeling_clip', 'transformers.models.aimv2.modeling_aimv2']   # none of our own

def run(path: str, root: str, log: str):
    "`nbdev_test --n_workers 0 --path PATH` in this process; what it says goes to the file `log`."
    with open(log, 'w') as f: os.dup2(f.fileno(), 1); os.dup2(f.fileno(), 2)
    os.chdir(root)
    from joblib.externals.loky import get_reusable_executor
    from nbdev.test import nbdev_test
    status = 1
    try: nbdev_test(path=path, n_workers=0); status = 0
    except SystemExit as e: status = e.code
    except BaseException: traceback.print_exc()
    get_reusable_executor().shutdown(kill_workers=True)      # joblib's, which would idle for five minutes
    sys.stdout.flush(); sys.stderr.flush()
    os._exit(status)                                         # and a forked process would wait for them

def outcome(name: str, root: Path, log: Path) -> tuple[int, str]:
    "The exit status of the notebook `nbs/NAME`, and what was said."
    server = multiprocessing.get_context('forkserver')
    server.set_forkserver_preload(LIBRARIES)
    p = server.Process(target=run, args=(f'nbs/{name}', str(root), str(log)))
    p.start(); p.join()
    return p.exitcode, log.read_text()
