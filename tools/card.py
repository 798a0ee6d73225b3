"""The picture that a link to this site shows (1200 x 630): python tools/card.py

It is drawn from the table of real CT that nbs/index.ipynb stores."""
import json, re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INK, GREY, BLUE = '#e6ebf0', '#9fb0bf', '#6cbcf0'
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
    def say(x, y, text, size, colour=INK, **how):
        fig.text(x, y, text, fontsize=size, color=colour, family='DejaVu Sans', **how)
    say(.06, .80, 'AutoRad-Lung, the companion', 40, weight='bold')
    say(.06, .70, 'Radiomics-guided prompts for lung nodules on CT: explained, remade, tested.', 19, GREY)
    ax = fig.add_axes((.36, .24, .50, .34), facecolor='none')
    for y, m in enumerate(ROWS):
        v, low, high = rows[m]
        dot, name = (BLUE, BLUE) if y == 0 else (GREY, INK)
        ax.hlines(y, low, high, color=dot, lw=5, alpha=.55); ax.plot(v, y, 'o', ms=15, color=dot)
        for x, text, colour in ((.06, m, name), (.885, f'{v:.3f}', dot)):
            say(x, .522 - .113 * y, text, 20, colour, va='center')
    ax.set(xlim=(.5, .9), ylim=(2.5, -.5), yticks=[], xticks=[.5, .6, .7, .8, .9])
    ax.tick_params(colors=GREY, labelsize=13, length=0)
    ax.grid(axis='x', color='#33414d'); [s.set_visible(False) for s in ax.spines.values()]
    how = 'Accuracy, three classes, small towers, five folds by patient, 95 % intervals over patients.'
    say(.06, .12, how, 14, GREY)
    say(.06, .07, caption.split(' Intervals')[0], 14, GREY)
    fig.savefig(to, dpi=100, metadata={'Software': None})

if __name__ == '__main__': draw(ROOT/'nbs'/'images'/'card.png')
