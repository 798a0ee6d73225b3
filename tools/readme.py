"README.md from nbs/index.ipynb: the same text, without code that hides itself, pictures by path."
import re, sys
from pathlib import Path
import nbformat

ROOT = Path(__file__).resolve().parent.parent

def markdown(notebook: Path) -> str:
    "The notebook's markdown cells, its shown code and its Markdown outputs."
    parts = []
    for cell in nbformat.read(notebook, 4).cells:
        if cell.cell_type == 'markdown': parts.append(cell.source)
        if cell.cell_type != 'code' or re.search(r'^#\| *hide', cell.source, re.M): continue
        source = re.sub(r'^#\|.*\n', '', cell.source, flags=re.M)
        if not re.search(r'^#\| *echo: *false', cell.source, re.M): parts.append(f'```python\n{source}\n```')
        parts += [''.join(o.data['text/markdown']) for o in cell.outputs if 'text/markdown' in o.get('data', {})]
    text = '\n\n'.join(parts)
    text = re.sub(r'\]\((?!https?://|#|mailto:)([^)]+\.ipynb)', r'](nbs/\1', text)      # relative to nbs/
    return re.sub(r'\]\((images/[^)]+)\)', r'](nbs/\1)', text).rstrip() + '\n'

if __name__ == '__main__': (ROOT/'README.md').write_text(markdown(ROOT/'nbs'/'index.ipynb'), encoding='utf-8')
