"The site: by Quarto where it is installed, else the same pages by nbconvert, into _docs. Exits with 1 where a link or a picture leads nowhere."
import re, shutil, subprocess, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT, OUT = Path(__file__).resolve().parent.parent, Path(__file__).resolve().parent.parent/'_docs'

def by_quarto(): subprocess.run(['nbdev_docs'], cwd=ROOT, check=True)

def by_nbconvert(out: Path = OUT):
    "Every notebook as an HTML page, links between notebooks turned into links between pages."
    import nbconvert, nbformat
    shutil.rmtree(out, ignore_errors=True)
    exporter = nbconvert.HTMLExporter(exclude_input_prompt=True, exclude_output_prompt=True, mathjax_url='', require_js_url='', jquery_url='', mermaid_js_url='')
    for p in sorted((ROOT/'nbs').rglob('*.ipynb')):
        if '.ipynb_checkpoints' in p.parts: continue
        nb = nbformat.read(p, 4)
        nb.cells = [c for c in nb.cells if not re.search(r'^#\| *hide', c.source, re.M)]
        page = out/p.relative_to(ROOT/'nbs').with_suffix('.html'); page.parent.mkdir(parents=True, exist_ok=True)
        html, _ = exporter.from_notebook_node(nb, resources={'metadata': {'name': p.stem, 'path': str(p.parent)}})
        page.write_text(re.sub(r'(href="(?!https?:)[^"#]+)\.ipynb', r'\1.html', html), encoding='utf-8')
    if (ROOT/'nbs'/'images').is_dir(): shutil.copytree(ROOT/'nbs'/'images', out/'images', dirs_exist_ok=True)

class _Links(HTMLParser):
    def __init__(self): super().__init__(); self.found = []
    def handle_starttag(self, tag, attrs): self.found += [v for k, v in attrs if v and ((tag, k) in {('a', 'href'), ('img', 'src')})]

def broken(out: Path = OUT) -> list[str]:
    "Links and pictures of the pages that lead to no file."
    bad = []
    for page in sorted(out.rglob('*.html')):
        links = _Links(); links.feed(page.read_text(encoding='utf-8'))
        for url in links.found:
            u = urlsplit(url)
            if u.scheme or u.netloc or not u.path: continue
            if not (page.parent/unquote(u.path)).exists(): bad.append(f'{page.relative_to(out)}: {url}')
    return bad

if __name__ == '__main__':
    if shutil.which('quarto'): by_quarto()
    else:
        print('Quarto is not installed (1.7.34 is the version that works with nbdev 2.4.14): the pages are made by nbconvert instead')
        by_nbconvert()
    print(f'{sum(1 for _ in OUT.rglob("*.html"))} pages in {OUT.relative_to(ROOT)}')
    if bad := broken(): sys.exit('links that lead nowhere:\n' + '\n'.join(bad))
