"""Put what a run's notebooks made into the notebooks of nbs/paper, cell by cell: python tools/take.py RUN [NAME ...]

A cell takes the outputs of the run's cell with the same code, but for warnings; a page whose code has changed since is
refused. Cells tagged *patients*, which draw pictures of real patients, take none."""
import json, sys
from pathlib import Path

PAGES = Path(__file__).resolve().parent.parent/'nbs'/'paper'

def source(cell: dict) -> str: return ''.join(cell['source']).strip()

def tagged(cell: dict, tag: str) -> bool: return tag in cell['metadata'].get('tags', [])

def bare(output: dict) -> dict:
    "An output without counters, and with no metadata but the size of a picture."
    kept = {k: v for k, v in output.items() if k != 'execution_count'}
    if 'metadata' in kept: kept['metadata'] = {k: v for k, v in kept['metadata'].items() if k == 'image/png'}
    return kept | ({'execution_count': None} if output['output_type'] == 'execute_result' else {})

def take(page: dict, run: dict) -> list[str]:
    "Fill a page with the outputs of its run; the first lines of the cells that the run does not have."
    made, lacking = {}, []
    for c in run['cells']:
        if c['cell_type'] == 'code' and not tagged(c, 'injected-parameters'): made.setdefault(source(c), []).append(c)
    for c in page['cells']:
        if c['cell_type'] != 'code' or tagged(c, 'parameters'): continue
        if not made.get(source(c)): lacking.append(source(c).partition('\n')[0]); continue
        took = [o for o in made[source(c)].pop(0)['outputs'] if o.get('name') != 'stderr']
        c['outputs'], c['execution_count'] = [] if tagged(c, 'patients') else list(map(bare, took)), None
    return lacking

def main(run: str, *names: str):
    folder = Path(run)/'notebooks'
    for name in names or sorted(p.stem for p in folder.glob('*.ipynb')):
        target = PAGES/f'{name}.ipynb'
        page = json.loads(target.read_text(encoding='utf-8'))
        lacking = take(page, json.loads((folder/f'{name}.ipynb').read_text(encoding='utf-8')))
        if lacking: sys.exit(f'{name}: the run lacks {len(lacking)} cells, such as {lacking[0]!r}; run it again')
        if (where := str(Path(run).resolve())) in (text := json.dumps(page, ensure_ascii=False, indent=1)):
            sys.exit(f'{name}: an output names {where}')
        target.write_text(text + '\n', encoding='utf-8')
        print(name)

if __name__ == '__main__': main(*sys.argv[1:])
