"The picture that a link to this site shows (1200 x 630), drawn from the table of real CT that nbs/index.ipynb stores: python tools/card.py"
import json, re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = ['AutoRad-Lung', 'Size only', 'Radiomics, logistic (L2)']

def stored(name: str = 'index') -> tuple[dict, str]:
    "Model -> accuracy, low, high; and the caption: of the table of real CT in a notebook's stored outputs."
    cells = json.loads((ROOT/'nbs'/f'{name}.ipynb').read_text(encoding='utf-8'))['cells']
    said = [''.join(o['data'].get('text/markdown', '')) for c in cells for o in c.get('outputs', []) if 'data' in o]
    text = next(t for t in said if t.startswith('|') and '*Real CT' in t)
    rows = re.findall(r'^\| ([^|]+?) \| ([\d.]+) \(([\d.]+)-([\d.]+)\)', text, re.M)
    return {m: tuple(map(float, v)) for m, *v in rows}, re.search(r'^\*(.+)\*$', text, re.M)[1]

def draw(to: Path):
    from matplotlib.figure import Figure
    rows, caption = stored()
    fig = Figure((12, 6.3), dpi=100, facecolor='#141a20')
    def say(x, y, text, size, colour='#e6ebf0', **how): fig.text(x, y, text, fontsize=size, color=colour, family='DejaVu Sans', **how)
    say(.06, .80, 'AutoRad-Lung, the companion', 40, weight='bold')
    say(.06, .70, 'Radiomics-guided prompts for lung nodules on CT: explained, remade, tested.', 19, '#9fb0bf')
    ax = fig.add_axes((.36, .24, .50, .34), facecolor='none')
    for y, m in enumerate(ROWS):
        (v, low, high), c = rows[m], '#6cbcf0' if y == 0 else '#9fb0bf'
        ax.hlines(y, low, high, color=c, lw=5, alpha=.55); ax.plot(v, y, 'o', ms=15, color=c)
        say(.06, .522 - .113 * y, m, 20, c if y == 0 else '#e6ebf0', va='center'); say(.885, .522 - .113 * y, f'{v:.3f}', 20, c, va='center')
    ax.set(xlim=(.5, .9), ylim=(2.5, -.5), yticks=[], xticks=[.5, .6, .7, .8, .9]); ax.tick_params(colors='#9fb0bf', labelsize=13, length=0)
    ax.grid(axis='x', color='#33414d'); [s.set_visible(False) for s in ax.spines.values()]
    say(.06, .12, 'Accuracy, three classes, small towers, five folds by patient, 95 % intervals over patients.', 14, '#9fb0bf')
    say(.06, .07, caption.split(' Intervals')[0], 14, '#9fb0bf')
    fig.savefig(to, dpi=100, metadata={'Software': None})

if __name__ == '__main__': draw(ROOT/'nbs'/'images'/'card.png')
