"""Run module notebooks and store what their cells end in, so that the site shows it:
python tools/outputs.py [--slow] [NOTEBOOK ...]

Only values are kept (text, tables, pictures) of cells that are neither exported nor hidden; what is printed on the way
is not, since it may hold times. Cells marked slow are run with --slow; without it they keep what they had."""
import ast, os, re, sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
SHUT = re.compile(r'^#\| *(export|hide|default_exp|notest|eval: *false)', re.M)   # cells whose value no page shows

def modules() -> list[Path]:
    "Notebooks that export a module."
    found = sorted(p for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
    return [p for p in found if '#| default_exp' in p.read_text(encoding='utf-8')]

def ends_in_value(source: str) -> bool:
    "Whether the last statement of a cell is an expression that is no call: a value for sure."
    body = ast.parse(re.sub(r'^\s*(%|!(?!=)).*', '', source, flags=re.M)).body
    return bool(body) and isinstance(body[-1], ast.Expr) and not isinstance(body[-1].value, ast.Call)

def shown(cell) -> bool: return cell.cell_type == 'code' and not SHUT.search(cell.source)

def value(output) -> bool: return output.output_type in ('execute_result', 'display_data')

def store(path: Path, slow: bool):
    "Run a notebook from top to bottom, and keep the values of its shown cells."
    left = rf'^#\| *({"" if slow else "slow|"}notest|eval: *false)'
    nb = nbformat.read(path, 4)
    run = nbformat.from_dict(nb)
    run.cells = [c for c in run.cells if not re.search(left, c.source, re.M)]
    here = {'metadata': {'path': str(path.parent)}}
    NotebookClient(run, timeout=None, kernel_name='python3', resources=here).execute()
    made = {c.id: c for c in run.cells}
    for c in nb.cells:
        if c.cell_type == 'code':
            if c.id in made: c.outputs = [o for o in made[c.id].outputs if value(o)] if shown(c) else []
            elif not re.search(r'^#\| *slow', c.source, re.M): c.outputs = []
    nbformat.write(nb, path)

def tried(path: Path, slow: bool) -> str:
    "What went wrong with a notebook, which is then left as it is; '' for nothing."
    try: store(path, slow)
    except Exception as e: return f'{path.relative_to(ROOT)}: {str(e)[-1500:]}'
    print(path.relative_to(ROOT), flush=True)
    return ''

if __name__ == '__main__':
    os.environ |= {'IN_TEST': '1', 'OMP_NUM_THREADS': '1'}           # the last cell of a notebook exports nothing
    slow = '--slow' in sys.argv[1:]
    asked = [Path(a).resolve() for a in sys.argv[1:] if a != '--slow'] or modules()
    with ThreadPoolExecutor(os.cpu_count()) as pool: said = list(pool.map(partial(tried, slow=slow), asked))
    failed = [f for f in said if f]
    print(f'{len(asked) - len(failed)} of {len(asked)} notebooks; now nbdev_clean')
    if failed: sys.exit('\n'.join(failed))
