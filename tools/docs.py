"""The site, into _docs: by Quarto where it is installed, else the same pages through pandoc and tools/site.html.j2: the
same notebooks, processed by nbdev, under the same names, from the same _quarto.yml.
Exits with 1 where a link or a picture leads nowhere, or a figure or a citation is not known."""
import argparse, ast, hashlib, os, re, shutil, subprocess, sys, tempfile
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from autorad_lung.pages.references import SITE, page_name

NBS, OUT, RUN = ROOT/'nbs', ROOT/'_docs', ROOT/'runs'/'phantom'
EXPLORER = 'run/report/explorer.html'                     # where the sidebar's Explorer leads
QUARTO = '1.7.34'                                         # works with nbdev 2.4.14

def settings() -> dict: return yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))

def notebooks() -> list[str]:
    "Paths from nbs/, without the checkpoints of an editor."
    found = (p.relative_to(NBS) for p in NBS.rglob('*.ipynb'))
    return sorted(p.as_posix() for p in found if '.ipynb_checkpoints' not in p.parts)

def sidebar(titles: dict, items=None) -> list[dict]:
    "The sidebar of _quarto.yml: text and href, or text and what is inside."
    def one(i):
        i = {'href': i} if isinstance(i, str) else i
        if 'section' in i:
            inside = sidebar(titles, i['contents'])
            return {'text': i['section'], 'inside': inside, 'names': [l['href'] for l in leaves(inside)]}
        return {'text': i.get('text') or titles[i['href']], 'href': page_name(i['href'])}
    return [one(i) for i in (settings()['website']['sidebar']['contents'] if items is None else items)]

def leaves(items: list[dict]) -> list[dict]:
    return [l for i in items for l in (leaves(i['inside']) if 'inside' in i else [i])]

# ---- building
def by_quarto():
    "nbdev's own way. README.md is ours (tools/readme.py): nbdev writes one only where it is older than the index."
    (ROOT/'README.md').touch()
    subprocess.run(['nbdev_docs'], cwd=ROOT, check=True)

def processed(to: Path, workers: int = 2) -> str:
    """Notebooks as nbdev prepares them for Quarto, from a copy, into `to`; gives back what nbdev said. Each worker
    loads the libraries anew; 0: one process does it all."""
    with tempfile.TemporaryDirectory() as d:
        for name in ('nbs', 'autorad_lung'): shutil.copytree(ROOT/name, Path(d)/name)
        shutil.copy(ROOT/'settings.ini', d)
        code = f'from nbdev.serve import proc_nbs; proc_nbs(n_workers={workers}, force=True)'
        path = os.pathsep.join(filter(None, [d, os.environ.get('PYTHONPATH')]))
        env = os.environ | {'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}
        r = subprocess.run([sys.executable, '-c', code], cwd=d, env=env, capture_output=True, text=True)
        if r.returncode: raise RuntimeError(r.stdout + r.stderr)
        shutil.copytree(Path(d)/'_proc', to, dirs_exist_ok=True)
    return r.stdout + r.stderr

def frame() -> dict:
    "What every page of our own template has."
    from pygments.formatters import HtmlFormatter
    light, dark = (HtmlFormatter(style=s).get_style_defs(['pre']) for s in ('friendly', 'github-dark'))
    site = settings()['website']
    links = [dict(text=i['text'], href=page_name(i['href'])) for i in site['navbar']['left']]
    return dict(light=light, dark=dark, site=site, base=SITE, links=links)

def template():
    import jinja2
    env = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOT/'tools'), trim_blocks=True, lstrip_blocks=True)
    return env.get_template('site.html.j2')

def titles() -> dict:
    "Notebook -> its title."
    import nbformat
    said = lambda name: next(c.source for c in nbformat.read(NBS/name, 4).cells if c.cell_type == 'markdown')
    return {n: re.sub('[`*]', '', re.match(r'# (.+)', said(n))[1]) for n in notebooks()}

class Writer:
    "Writes pages in the frame of the site, each with its neighbours in the sidebar."
    def __init__(self, out: Path):
        self.out, self.nav, self.template, self.own = out, sidebar(titles()), template(), frame()
        self.line = leaves(self.nav)

    def __call__(self, name: str, root: str | None = None, **what):
        line = [None, *self.line, None]
        beside = next(((line[k - 1], line[k + 1]) for k, l in enumerate(line) if l and l['href'] == name), (None, None))
        root = '../' * name.count('/') if root is None else root
        page = self.out/name
        page.parent.mkdir(parents=True, exist_ok=True)
        text = self.template.render(self.own, nav=self.nav, name=name, root=root, beside=beside, **what)
        page.write_text(text, encoding='utf-8')

def by_pandoc(out: Path = OUT, proc: Path | None = None) -> list[str]:
    "Every notebook as a page, in the order of the sidebar; what pandoc warned of."
    from pages import ABSENT, Page, pandoc
    if pandoc() is None: sys.exit(ABSENT)
    if proc is None:
        with tempfile.TemporaryDirectory() as d:
            processed(Path(d))
            return by_pandoc(out, Path(d))
    shutil.rmtree(out, ignore_errors=True)
    write, warned = Writer(out), []
    pages = {n: Page(proc/n) for n in notebooks()}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        bodies = dict(zip(pages, pool.map(lambda p: p.body(NBS/'references.bib'), pages.values())))
    for name, p in pages.items():
        write(page_name(name), body=bodies[name], title=p.title, description=p.description, toc=p.toc, source=name)
        warned += [f'{page_name(name)}: {w}' for w in p.warnings]
    shutil.copytree(NBS/'images', out/'images', dirs_exist_ok=True)
    return warned

NO_RUN = '''<h1>Explorer</h1><p class="lead">Every nodule of a run, one by one.</p>
<p>No run was beside this site when it was made. <code>make reproduce</code> makes one, with its report and its
explorer; <code>make docs</code> then puts both here.</p>'''
LOST = '''<h1>There is no such page</h1>
<p>Pages have no number in their address. Begin at <a href="{0}/index.html">Home</a>, or take one at the side.</p>'''

def beside(out: Path, run: Path):
    "What stands beside the notebooks' pages in both builds: the run, or that there is none, and a page for the lost."
    write = Writer(out)
    if not with_report(out, run):
        write(EXPLORER, title='Explorer', description='Every nodule of a run, one by one.', toc=[], body=NO_RUN)
    write('404.html', root=SITE + '/', title='No such page', description='', toc=[], body=LOST.format(SITE))

def with_report(out: Path, run: Path) -> bool:
    "Copy the report and the explorer of a run, and the files that they lead to; False where there is none."
    if not (run/'report'/'explorer.html').is_file(): return False
    shutil.copytree(run/'report', out/'run'/'report', dirs_exist_ok=True)
    index = out/'run'/'report'/'index.html'
    wanted = links(index)[0] if index.is_file() else []
    for path in {unquote(urlsplit(u).path) for u in wanted if u.startswith('../')}:
        if (found := run/'report'/path).is_file():
            to = out/'run'/'report'/path
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, to)
    return True

# ---- links
def homes() -> dict[str, dict[str, str]]:
    "Page of a module -> name that its text may mean -> page of the module that has it: its own, and what it imports."
    found, package = {}, ROOT/'autorad_lung'
    for p in package.rglob('[!_]*.py'):
        room = p.relative_to(package).with_suffix('')
        body = ast.parse(p.read_text(encoding='utf-8')).body
        own = [n.name for n in body if hasattr(n, 'name')]
        own += [t.id for n in body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
        near = [n for n in body if isinstance(n, ast.ImportFrom) and n.level and n.module]
        where = lambda n: '/'.join([*room.parts[:-n.level], *n.module.split('.')])
        theirs = {a.name: where(n) for n in near for a in n.names}
        of = theirs | dict.fromkeys(own, room.as_posix())
        found[f'{room.as_posix()}.html'] = {k: f'{m}.html' for k, m in of.items()}
    return found

def rightly(text: str, name: str, home: dict, ids: dict) -> str:
    """nbdev makes a link of every word in backticks that some module has as a name, even in code. Here it leads to the
    module that the page means, and where that has no such place it is a word again."""
    def one(m):
        page = home[name].get(m['name'], '') if name in home else m['page']
        return f'<a href="{SITE}/{page}#{m["at"]}">{m["said"]}</a>' if m['at'] in ids.get(page, ()) else m['said']
    text = re.sub(rf'<a [^>]*href="{SITE}/(?P<page>[\w/]+\.html)#(?P<at>(?P<name>\w+)[^"]*)"[^>]*>'
                  r'(?P<said><code>[^<]*</code>)</a>', one, text)
    return re.sub(rf'\[`([^`\]]+)`\]\({SITE}[^)]*\)', r'`\1`', text)

def nearby(out: Path):
    """Links to the published site become relative ones, so that a preview stays where it is; and no page asks another
    server for the scripts of widgets, of which there are none."""
    home, pages = homes(), {p.relative_to(out).as_posix(): p for p in out.rglob('*.html')}
    ids = {name: links(p)[1] for name, p in pages.items()}
    for name, p in pages.items():
        old, root = p.read_text(encoding='utf-8'), os.path.relpath(out, p.parent)
        text = rightly(old, name, home, ids)
        if name != '404.html':         # shown at any address
            here = lambda m: f'{m[1]}{root}/{m[2] or "index.html"}'
            text = re.sub(rf'(<a\b[^>]*?\bhref="){SITE}/([^"]*)', here, text)
        text = re.sub(r'<script[^>]*src="https://cdnjs\.cloudflare\.com/[^"]*"[^>]*></script>\s*', '', text)
        text = re.sub(r"<script[^>]*>\s*define\('jquery'.*?</script>\s*", '', text)
        if text != old: p.write_text(text, encoding='utf-8')

class _Reader(HTMLParser):
    "Links, pictures, ids, and the words outside of code."
    def __init__(self):
        super().__init__()
        self.links, self.ids, self.words, self.deep = [], set(), [], 0
    def handle_starttag(self, tag, attrs):
        self.ids.add(dict(attrs).get('id'))
        self.deep += tag in ('pre', 'code', 'script', 'style')
        self.links += [v for k, v in attrs if v and (tag, k) in {('a', 'href'), ('img', 'src')}]
    def handle_endtag(self, tag): self.deep -= tag in ('pre', 'code', 'script', 'style')
    def handle_data(self, data): self.words += [] if self.deep else [data]

READ = {}     # digest of a page's text -> what was read of it: most pages are asked for several times

def links(page: Path) -> tuple[list[str], set, str]:
    "Addresses on a page, its ids, and its words."
    text = page.read_text(encoding='utf-8')
    key = hashlib.sha256(text.encode()).digest()
    if key not in READ:
        r = _Reader()
        r.feed(text)
        READ[key] = r.links, r.ids, ' '.join(r.words)
    return READ[key]

# a mark that nothing has made into words
RAW = re.compile(r'\?@[\w-]+|@(?:fig|tbl)-[\w-]+|\[@[^\]]*\]?|\]\([^)\s]*\)')

def broken(out: Path = OUT) -> list[str]:
    "Links and pictures that lead to no file or to no place in it; figures and citations that nothing stands for."
    read, bad = {os.path.normpath(p): links(p) for p in sorted(out.rglob('*.html'))}, []
    for at, (urls, _, words) in read.items():
        name = Path(at).relative_to(os.path.normpath(out)).as_posix()
        bad += [f'{name}: {url}' for url in dict.fromkeys(urls) if not leads(url, at, out, read)]
        bad += [f'{name}: {m}' for m in RAW.findall(words)]
    return bad

def leads(url: str, at: str, out: Path, read: dict) -> bool:
    "Whether an address on the page `at` leads somewhere; of other sites, it is taken for granted."
    u = urlsplit(url)
    path = unquote(u.path)
    if url.startswith(SITE + '/'): to = os.path.normpath(out/(path[len(urlsplit(SITE).path) + 1:] or 'index.html'))
    elif u.scheme or u.netloc: return True
    else: to = os.path.normpath(Path(at).parent/path) if path else at
    if to not in read: return os.path.exists(to)
    return not u.fragment or Path(to).name == 'explorer.html' or unquote(u.fragment) in read[to][1]

if __name__ == '__main__':
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument('--run', type=Path, default=RUN, help='the run whose report and explorer go with the site')
    ask.add_argument('--out', type=Path, default=OUT, help='where to, without Quarto')
    given = ask.parse_args()
    out, warned = given.out, []
    if shutil.which('quarto'): by_quarto(); out = OUT
    else:
        print(f'Quarto is not installed ({QUARTO} is the version that works with nbdev 2.4.14): pandoc makes the pages')
        warned = by_pandoc(out)
    beside(out, given.run)
    nearby(out)
    print(f'{sum(1 for _ in out.rglob("*.html"))} pages in {out}')
    if bad := broken(out) + warned: sys.exit('what leads nowhere:\n' + '\n'.join(bad))
