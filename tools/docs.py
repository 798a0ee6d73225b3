"""The site, into _docs: by Quarto where it is installed, else the same pages by nbconvert's filters and tools/site.html.j2, from the same _quarto.yml.
Exits with 1 where a link or a picture leads nowhere, or a figure or a citation is not known."""
import argparse, configparser, os, re, shutil, subprocess, sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
NBS, OUT, RUN = ROOT/'nbs', ROOT/'_docs', ROOT/'runs'/'phantom'
EXPLORER = 'run/report/explorer.html'                     # where the sidebar's Explorer leads

def by_quarto(): subprocess.run(['nbdev_docs'], cwd=ROOT, check=True)

def settings() -> dict:
    import yaml
    return yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))

def notebooks() -> dict:
    "Path from nbs/ -> notebook, without the checkpoints of an editor."
    import nbformat
    return {p.relative_to(NBS).as_posix(): nbformat.read(p, 4) for p in sorted(NBS.rglob('*.ipynb')) if '.ipynb_checkpoints' not in p.parts}

def sidebar(titles: dict, items=None) -> list[dict]:
    "The sidebar of _quarto.yml: text and href, or text and what is inside."
    def one(i):
        i = {'href': i} if isinstance(i, str) else i
        if 'section' in i:
            inside = sidebar(titles, i['contents'])
            return {'text': i['section'], 'inside': inside, 'names': [l['href'] for l in leaves(inside)]}
        return {'text': i.get('text') or titles[i['href']], 'href': re.sub(r'\.ipynb$', '.html', i['href'])}
    return [one(i) for i in (settings()['website']['sidebar']['contents'] if items is None else items)]

def leaves(items: list[dict]) -> list[dict]: return [l for i in items for l in (leaves(i['inside']) if 'inside' in i else [i])]


# ---- building
def by_nbconvert(out: Path = OUT, run: Path = RUN):
    "Every notebook as a page, in the order of the sidebar, and the report of a run."
    import jinja2
    from pygments.formatters import HtmlFormatter
    from pages import Page, bibliography
    shutil.rmtree(out, ignore_errors=True)
    template = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT/'tools'), trim_blocks=True, lstrip_blocks=True).get_template('site.html.j2')
    light, dark = (HtmlFormatter(style=s).get_style_defs(['.code', '.highlight']) for s in ('friendly', 'github-dark'))
    own = dict(light=light, dark=dark, site=settings()['website'], base=base_url())
    pages = {name: Page(name, nb, bib) for bib in [bibliography(NBS/'references.bib')] for name, nb in notebooks().items()}
    nav = sidebar({n: p.title for n, p in pages.items()}); line = leaves(nav)
    def write(name: str, **what):
        at = next((k for k, l in enumerate(line) if l['href'] == name), None)
        beside = dict(before=line[at - 1] if at else None, after=line[at + 1] if at is not None and at + 1 < len(line) else None)
        page = out/name; page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(template.render(own, nav=nav, name=name, root='../' * name.count('/'), **beside, **what), encoding='utf-8')
    for name, p in pages.items():
        body = re.sub(r'(href="(?!https?:)[^"#]+)\.ipynb', r'\1.html', p.body())
        write(name.replace('.ipynb', '.html'), body=body, title=p.title, description=p.description, module=p.module, toc=p.toc, source=name, references=[(k, p.bib[k]) for k in p.cited])
    if (NBS/'images').is_dir(): shutil.copytree(NBS/'images', out/'images', dirs_exist_ok=True)
    if not with_report(out, run):
        write(EXPLORER, title='Explorer', description='Every nodule of a run, one by one.', toc=[], references=[],
              body='<h1>Explorer</h1><p class="lead">Every nodule of a run, one by one.</p><p>No run was beside this site when it was made. <code>make reproduce</code> makes one, with its report and its explorer; '
                   '<code>make docs</code> then puts both here.</p>')

def base_url() -> str:
    c = configparser.ConfigParser(delimiters=['='], interpolation=None); c.read(ROOT/'settings.ini')
    return c['DEFAULT']['doc_host'] + c['DEFAULT']['doc_baseurl']

def with_report(out: Path, run: Path) -> bool:
    "Copy the report and the explorer of a run, and the files that they lead to; False where there is none."
    if not (run/'report'/'explorer.html').is_file(): return False
    shutil.copytree(run/'report', out/'run'/'report', dirs_exist_ok=True)
    wanted = links(out/'run'/'report'/'index.html')[0] if (run/'report'/'index.html').is_file() else []
    for path in {unquote(urlsplit(u).path) for u in wanted if u.startswith('../')}:
        if (found := run/'report'/path).is_file():
            to = out/'run'/'report'/path; to.parent.mkdir(parents=True, exist_ok=True); shutil.copy(found, to)
    return True

# ---- checking
class _Reader(HTMLParser):
    "Links, pictures, ids, and the words outside of code."
    def __init__(self): super().__init__(); self.links, self.ids, self.words, self.deep = [], set(), [], 0
    def handle_starttag(self, tag, attrs):
        a = dict(attrs); self.ids.add(a.get('id')); self.deep += tag in ('pre', 'code', 'script', 'style')
        self.links += [v for k, v in attrs if v and (tag, k) in {('a', 'href'), ('img', 'src')}]
    def handle_endtag(self, tag): self.deep -= tag in ('pre', 'code', 'script', 'style')
    def handle_data(self, data): self.words += [] if self.deep else [data]

def links(page: Path) -> tuple[list[str], set, str]:
    "Addresses on a page, its ids, and its words."
    r = _Reader(); r.feed(page.read_text(encoding='utf-8'))
    return r.links, r.ids, ' '.join(r.words)

def broken(out: Path = OUT) -> list[str]:
    "Links and pictures that lead to no file or to no place in it; figures and citations that nothing stands for."
    read, bad = {os.path.normpath(p): links(p) for p in sorted(out.rglob('*.html'))}, []
    for at, (urls, _, words) in read.items():
        page = Path(at)
        for url in dict.fromkeys(urls):
            u = urlsplit(url)
            if u.scheme or u.netloc: continue
            to = os.path.normpath(page.parent/unquote(u.path)) if u.path else at
            if not (to in read or os.path.exists(to)) or (u.fragment and to in read and page.name != 'explorer.html' and unquote(u.fragment) not in read[to][1]): bad.append(f'{page.relative_to(os.path.normpath(out))}: {url}')
        bad += [f'{page.relative_to(os.path.normpath(out))}: {m}' for m in re.findall(r'\?@[\w-]+|@(?:fig|tbl)-[\w-]+|\[@[^\]]*\]?', words)]
    return bad

if __name__ == '__main__':
    ask = argparse.ArgumentParser(description=__doc__); ask.add_argument('--run', type=Path, default=RUN, help='the run whose report and explorer go with the site')
    run = ask.parse_args().run
    if shutil.which('quarto'): by_quarto(); with_report(OUT, run)
    else:
        print('Quarto is not installed (1.7.34 is the version that works with nbdev 2.4.14): the pages are made by nbconvert instead')
        by_nbconvert(OUT, run)
    print(f'{sum(1 for _ in OUT.rglob("*.html"))} pages in {OUT.relative_to(ROOT)}')
    if bad := broken(): sys.exit('what leads nowhere:\n' + '\n'.join(bad))
