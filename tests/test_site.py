"""The site. Quarto is in no package registry, so what it does is stood in for: nbdev's own processing of the notebooks,
the settings that broke once, and a current pandoc, which is what Quarto reads with. The pages that come out are checked
for dead links, raw marks and lost text, and looked at in a real browser: dark, on a phone, without a network."""
import ast, re, shutil, sys
import nbformat
import pytest
import yaml
from browser import Browser, find
from conftest import ROOT, once
from autorad_lung.pages import report
from autorad_lung.pages.references import SITE, page_name

sys.path.insert(0, str(ROOT/'tools'))
import docs, outputs, pages

PHONE = dict(width=390, height=844)
NOTEBOOKS = docs.notebooks()
PAGES = {page_name(n): n for n in NOTEBOOKS}
cells = lambda name: nbformat.read(docs.NBS/name, 4).cells
is_module = lambda name: any(re.search(r'^#\| *default_exp', c.source, re.M) for c in cells(name))

@pytest.fixture(scope='module')
def processed(tmp_path_factory):
    "All notebooks as nbdev prepares them for Quarto, and `said`, what it said; made once for all workers."
    def make(d):
        said = docs.processed(d, workers=0)
        (d/'said').write_text(said)
    return once(tmp_path_factory, 'processed', make)

@pytest.fixture(scope='module')
def site(tmp_path_factory, processed):
    "All pages, with no run beside them, and `warned`, what pandoc warned of."
    if pages.pandoc() is None: pytest.skip(pages.ABSENT)
    def make(d):
        warned = docs.by_pandoc(d, processed)
        docs.beside(d, d/'no run')
        docs.nearby(d)
        (d/'warned').write_text('\n'.join(warned))
    return once(tmp_path_factory, 'site', make)

@pytest.fixture(scope='module')
def browser():
    if not find(): pytest.skip('no Chromium here: install the package chromium')
    with Browser() as b: yield b

# ---- what Quarto is given
def test_nbdev_prepares_every_notebook_without_a_word(processed):
    assert (processed/'said').read_text() == ''            # a mixed cell of imports and other code is warned of here
    made = {p.relative_to(processed).as_posix(): nbformat.read(p, 4) for p in processed.rglob('*.ipynb')}
    assert sorted(made) == NOTEBOOKS
    outputs = {n: [o for c in nb.cells if c.cell_type == 'code' for o in c.outputs] for n, nb in made.items()}
    wrong = lambda o: o.output_type == 'error' or 'Traceback' in str(o)
    assert [n for n, out in outputs.items() if any(map(wrong, out))] == []
    front = {n: yaml.safe_load(nb.cells[0].source.strip().strip('-')) for n, nb in made.items()}
    assert {n: f['output-file'] for n, f in front.items()} == {n: page_name(n).split('/')[-1] for n in NOTEBOOKS}
    assert [n for n, f in front.items() if not f.get('description')] == []

def test_a_first_cell_is_a_title_and_a_line():
    for n in NOTEBOOKS:         # nbdev throws away what else stands there
        first = next(c.source for c in cells(n) if c.cell_type == 'markdown')
        assert re.fullmatch(r'# [^\n]+\n> [^\n]+', first.strip()), n

def test_what_the_settings_must_be():
    s = docs.settings()
    assert set(s['format']) == {'html'}                    # a commonmark twin of each page stops the build
    html = s['format']['html']
    assert html['theme'] == {'light': ['cosmo', 'styles.scss'], 'dark': ['darkly', 'styles.scss']}
    layers = re.findall(r'^/\*-- scss:(\w+) --\*/$', (docs.NBS/'styles.scss').read_text(), re.M)
    assert layers == ['defaults', 'rules'] and (docs.NBS/'styles.scss').read_text().startswith('/*--')
    assert html['code-fold'] == 'show' and html['html-math-method'] == 'mathml'
    web = s['website']
    assert web['repo-subdir'] == 'nbs' and (docs.NBS/web['favicon']).is_file() and (docs.NBS/web['image']).is_file()
    assert [i['href'] for i in web['navbar']['left'] if i['href'] not in NOTEBOOKS] == []
    assert web['repo-url'] in [i['href'] for i in web['navbar']['right']]
    stub = yaml.safe_load((docs.NBS/'_quarto.yml').read_text())
    assert stub['metadata-files'] == ['nbdev.yml', '../_quarto.yml']

def test_the_answer_comes_before_the_code():
    "Pages that are no module say so in their front matter; the card is the picture of Home."
    front = {n: ''.join(c.source for c in cells(n) if c.cell_type == 'raw') for n in NOTEBOOKS if not is_module(n)}
    assert [n for n, text in front.items() if 'code-fold: true' not in text] == []
    assert 'image: images/card.png' in front['index.ipynb']

def test_a_list_has_a_line_before_it():
    "pandoc, unlike Jupyter, sees no list without it."
    item = r'(?:[-*+]|\d+[.)])[ \t]'
    close = re.compile(rf'^(?![ \t]*{item}|[ \t]*$|[#>|<]|:::|```|[ ]{{2}})[^\n]+\n{item}+\S[^\n]*', re.M)
    bare = lambda text: re.sub(r'^```.*?^```', '', text, flags=re.M | re.S)
    assert close.search('So:\n- one') and close.search('So:\n1. one')
    assert not close.search('So:\n\n- one\n  more\n- two')
    found = [f'{n}: {m[0]}' for n in NOTEBOOKS for text in written(n) for m in close.finditer(bare(text))]
    assert found == []

def test_readme_is_left_alone_by_quarto(monkeypatch):
    "nbdev_docs writes README.md anew where it is older than the index."
    ran = []
    monkeypatch.setattr(docs.subprocess, 'run', lambda command, **how: ran.append((command, how)))
    docs.by_quarto()
    assert ran == [(['nbdev_docs'], dict(cwd=ROOT, check=True))]
    assert (ROOT/'README.md').stat().st_mtime >= (docs.NBS/'index.ipynb').stat().st_mtime

def test_a_cell_that_ends_in_a_value_stores_it():
    "Nothing is run for the site: what is not stored is not shown."
    assert outputs.ends_in_value('x = 1\nx') and not outputs.ends_in_value('x = 1\nf(x)')
    assert outputs.ends_in_value('%pip list\nx = (1\n    != 2)\nx')             # a line may begin with !=
    bare = [f'{p.name} {c.id}' for p in outputs.modules() for c in nbformat.read(p, 4).cells
            if outputs.shown(c) and outputs.ends_in_value(c.source) and not any(map(outputs.value, c.outputs))]
    assert bare == [], 'python tools/outputs.py NOTEBOOK, then nbdev_clean'

# ---- the sidebar
def test_every_notebook_stands_in_the_sidebar_once():
    titles = docs.titles()
    hrefs = [l['href'] for l in docs.leaves(docs.sidebar(titles))]
    assert len(PAGES) == len(NOTEBOOKS) and sorted(hrefs) == sorted([*PAGES, docs.EXPLORER])
    tops = [i['text'] for i in docs.sidebar(titles | {'index.ipynb': 'Home'})]
    assert tops == ['Home', 'One nodule, start to end', 'What we found', 'Verdicts', 'The paper',
                    'What the paper leaves open', 'The method, in code', 'Data', 'Your own nodules',
                    'What can be handed in', 'Score your model', 'What reviewers ask',
                    'Scaling out', 'A run, nodule by nodule', 'Reference']
    sections = [i['text'] for top in docs.sidebar(titles) for i in [top, *top.get('inside', [])] if 'inside' in i]
    assert set(sections).isdisjoint(titles.values())       # no section is named as a page is

# ---- what comes out
def test_every_page_is_there_and_all_that_it_names(site):
    made = {p.relative_to(site).as_posix() for p in site.rglob('*.html')}
    assert made == {*PAGES, docs.EXPLORER, '404.html'}
    assert docs.broken(site) == [] and (site/'warned').read_text() == ''
    assert 'make reproduce' in (site/docs.EXPLORER).read_text() and SITE in (site/'404.html').read_text()

def written(name):
    "What a notebook says in Markdown: its cells but the first, and the outputs of those that are shown."
    shown = [c for c in cells(name) if not (c.cell_type == 'code' and re.search(r'^#\| *hide', c.source, re.M))]
    text = [c.source for c in shown if c.cell_type == 'markdown'][1:]
    outputs = [o.get('data', {}).get('text/markdown', '') for c in shown if c.cell_type == 'code' for o in c.outputs]
    return text + [o for o in outputs if o]

NO_WORDS = r'`[^`]*`|\$[^$]*\$|\[?@[^\s\]]+\]?|\]\([^)]*\)|\{[^}]*\}|<[^>]*>|[^A-Za-z\s]+'

def test_no_page_lacks_what_its_notebook_says(site):
    for page, name in PAGES.items():
        has = ' '.join(re.findall(r'[A-Za-z]+', pages.plain((site/page).read_text())))
        texts = (re.sub(r'```.*?```', '', text, flags=re.S) for text in written(name))
        runs = [' '.join(r.split()) for text in texts for r in re.split(NO_WORDS, text)]
        lost = [r for r in runs if r.count(' ') > 2 and r not in has]
        assert len(runs) > 3 and lost == [], (page, lost[:3])

def test_a_module_s_page_shows_its_code(site):
    text = pages.plain((site/'metanet.html').read_text())
    assert 'nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, width)' in text and 'Exported source' in text
    folded = (site/'paper/table1.html').read_text()
    assert folded.count('<details class="fold">') > 10 and '<details class="fold" open>' not in folded

def test_what_would_be_seen(tmp_path):
    (tmp_path/'a.html').write_text('<p id="here"><a href="nowhere.html">x</a><a href="#here">y</a>'
                                   '<a href="b.html#gone">z</a><img src="https://example.org/a.png">'
                                   f'<a href="{SITE}/b.html">u</a><a href="{SITE}/c.html">v</a>'
                                   ' ?@fig-x, @fig-y, [@key], [a](b.html)</p><pre>@fig-code</pre>')
    (tmp_path/'b.html').write_text('<img src="lost.png">')
    assert docs.broken(tmp_path) == ['a.html: nowhere.html', 'a.html: b.html#gone', f'a.html: {SITE}/c.html',
                                     'a.html: ?@fig-x', 'a.html: @fig-y', 'a.html: [@key]',
                                     'a.html: ](b.html)', 'b.html: lost.png']

def test_a_word_is_no_link_to_a_namesake():
    home, ids = {'x.html': {'own': 'x.html', 'taken': 'y.html'}}, {'x.html': {'own'}, 'y.html': {'taken', 'other'}}
    link = lambda page, name: f'<a href="{SITE}/{page}#{name}"><code>{name}</code></a>'
    assert docs.rightly(link('z.html', 'own') + link('z.html', 'taken'), 'x.html', home, ids) == \
        link('x.html', 'own') + link('y.html', 'taken')
    assert docs.rightly(link('y.html', 'other'), 'x.html', home, ids) == '<code>other</code>'    # x does not import it
    assert docs.rightly(link('y.html', 'other'), 'paper/a.html', home, ids) == link('y.html', 'other')
    assert docs.rightly(f'# of [`own`]({SITE}/z.html#own)', 'x.html', home, ids) == '# of `own`'

def test_a_preview_stays_where_it_is(tmp_path):
    (tmp_path/'paper').mkdir()
    widgets = '<script src="https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js"></script>\n'
    define = "<script type=\"application/javascript\">define('jquery', [],function() {return window.jQuery;})</script>"
    a = tmp_path/'paper'/'a.html'
    a.write_text(f'{widgets}{define}<a class="x" href="{SITE}/">s</a><a href="{SITE}/b.html">b</a>')
    docs.nearby(tmp_path)
    assert a.read_text() == '<a class="x" href="../index.html">s</a><a href="../b.html">b</a>'

# ---- beside a report
def test_a_run_s_report_goes_with_the_site(site, tmp_path):
    "With the executed notebooks, as a run writes them: no raw mark on them, and links that lead to pages of this site."
    run, out = tmp_path/'run', tmp_path/'out'
    for d in ('report', 'figures', 'cache', 'notebooks'): (run/d).mkdir(parents=True)
    names = ['table1', 'figure2', 'readers', 'beyond']
    for n in names: (run/'notebooks'/f'{n}.html').write_text(report._html(docs.NBS/'paper'/f'{n}.ipynb', n))
    said = ''.join(report._said(docs.NBS/'paper'/f'{n}.ipynb') for n in names)
    listed = ''.join(f'<a href="../notebooks/{n}.html">{n}</a>' for n in names)
    listed += '<a href="explorer.html">e</a><a href="../figures/a.svg">f</a>'
    (run/'report'/'index.html').write_text(listed + said)
    (run/'report'/'explorer.html').write_text(f'<a href="index.html">r</a><a href="{SITE}/">s</a>')
    (run/'figures'/'a.svg').write_text('<svg/>')
    (run/'cache'/'large').write_text('x')
    shutil.copytree(site, out)
    docs.beside(out, run)
    docs.nearby(out)
    assert docs.broken(out) == [] and not (out/'run'/'cache').exists()
    table1 = (out/'run'/'notebooks'/'table1.html').read_text()
    assert 'In Figure 1 the lines' in table1 and '<em>Figure 1.</em> Accuracy' in table1
    assert 'href="../../protocol.html"' in table1
    assert '../../index.html' in (out/docs.EXPLORER).read_text()
    assert not docs.with_report(tmp_path/'other', tmp_path/'nothing')

# ---- a page through pandoc
def page(tmp_path, *sources, outputs=()):
    "A page of cells: Markdown, or code where it begins with an option."
    def cell(source):
        if not source.startswith('#|'): return nbformat.v4.new_markdown_cell(source)
        return nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output('display_data', d) for d in outputs])
    if pages.pandoc() is None: pytest.skip(pages.ABSENT)
    front = nbformat.v4.new_raw_cell('---\ntitle: T\ndescription: about\n---')
    nbformat.write(nbformat.v4.new_notebook(cells=[front, *map(cell, sources)]), tmp_path/'x.ipynb')
    made = pages.Page(tmp_path/'x.ipynb')
    return made, made.body(docs.NBS/'references.bib')

def test_figures_are_numbered_and_referred_to(tmp_path):
    p, made = page(tmp_path, 'See @fig-b and @tbl-c, not `@fig-b`; [w](04_metanet.ipynb#x).',
                   '#| label: fig-a\n#| fig-cap: "One"\n#| echo: false\n1',
                   '#| label: fig-b\n#| fig-cap: "Two: $x_i$"\n2',
                   '#| label: tbl-c\n#| tbl-cap: Three, [@lidc]\n3', outputs=[{'image/png': 'AAAA'}])
    assert '<h1>T</h1>\n<p class="lead">about</p>' in made and p.warnings == []
    assert '<a href="#fig-b">Figure\xa02</a> and <a href="#tbl-c">Table\xa01</a>' in made
    assert '<code>@fig-b</code>' in made and 'href="metanet.html#x"' in made
    picture = '<img src="data:image/png;base64,AAAA" alt="One">'
    assert re.search(rf'<figure id="fig-a">\s*{picture}\s*<figcaption>Figure 1: One</figcaption>', made)
    assert re.search(r'Figure 2: Two: <math', made)
    assert re.search(r'<figure id="tbl-c">\s*<figcaption>Table 1: Three, <span[^>]*>\(<a href="#ref-lidc"', made)

def test_citations_and_what_is_unknown(tmp_path):
    p, made = page(tmp_path, 'Of [@coop; @nadeau2003, p. 3], by @holm1979.\n\n## Next\n\ntext')
    assert 'Zhou et al.' in made and 'Nadeau and Bengio' in made and '<h2 id="references">' in made and p.warnings == []
    assert [t for _, t in p.toc] == ['Next', 'References']
    p, _ = page(tmp_path, '[@nobody] and @fig-none, $\\nosuch{$')
    said = ' '.join(p.warnings)
    assert all(w in said for w in ('fig-none not found', 'nobody not found', 'Could not convert TeX'))

def test_the_bibliography_is_whole(tmp_path):
    text = (docs.NBS/'references.bib').read_text()
    entries = re.findall(r'^@\w+\{([\w:-]+),\n(.*?)^\}', text, re.M | re.S)
    assert len(entries) == text.count('\n@') + 1
    for key, body in entries:
        f = dict(re.findall(r'^\s*(\w+)\s*=\s*\{(.*)\},?$', body, re.M))
        assert f['author'] and f['title'] and re.fullmatch(r'(19|20)\d\d', f['year']), key
        assert re.fullmatch(r'(10\.\d{4,}/\S+)?', f.get('doi', '')), key
        assert re.fullmatch(r'(\d{4}\.\d{5})?', f.get('eprint', '')), key
        assert ('eprint' in f) == (f.get('archiveprefix') == 'arXiv'), key
    _, made = page(tmp_path, '[@autoradlung2025]')
    assert 'https://arxiv.org/abs/2503.20662' in made

def test_the_reference_is_that_of_the_package():
    "The stored tables have each public function and class with what it says of itself, as the modules have them now."
    nb = nbformat.read(docs.NBS/'reference.ipynb', 4)
    text = ''.join(o.data.get('text/markdown', '') for c in nb.cells if c.cell_type == 'code' for o in c.outputs)
    missing = []
    for p in sorted((ROOT/'autorad_lung').rglob('[!_]*.py')):
        body = ast.parse(p.read_text()).body
        [public] = [ast.literal_eval(n.value) for n in body
                    if isinstance(n, ast.Assign) and getattr(n.targets[0], 'id', '') == '__all__']
        for n in (n for n in body if getattr(n, 'name', None) in public):
            said = ' '.join((ast.get_docstring(n) or '').split('\n\n')[0].split()).replace('|', '\\|')
            link = rf'\[<code>{n.name}</code>\]\([\w./]+#{n.name.lower()}\)'
            if not re.search(rf'\| {link} \| {re.escape(said)} \|', text): missing.append(f'{p.stem}.{n.name}')
    assert missing == [], 'run jupyter nbconvert --to notebook --execute --inplace nbs/reference.ipynb; nbdev_clean'

# ---- in a browser
READ = ['index.html', 'paper/table1.html', 'data.html', 'your_own_nodules.html', 'reference.html', 'scaling.html',
        'cohort/cohort.html', 'features/radiomics_fast.html', 'towers/towers.html', 'questions/trust.html',
        docs.EXPLORER]

@pytest.mark.parametrize('name', READ)
def test_a_page_reads_well(name, site, browser):
    nav = 'getComputedStyle(document.querySelector(".side nav")).display'
    colour = 'getComputedStyle(document.body).backgroundColor'
    browser.open(site/name)
    inside = site.resolve().as_uri()
    assert browser.errors == [] and all(u.startswith(inside) for u in browser.asked())
    assert browser.js(nav) == 'block'
    assert browser.js('document.querySelectorAll(".side [aria-current=page]").length') == 1
    light = browser.js(colour)
    browser.open(site/name, dark=True)
    assert light == 'rgb(255, 255, 255)' and sum(map(int, re.findall(r'\d+', browser.js(colour)))) < 120
    browser.open(site/name, **PHONE)
    assert browser.js('document.documentElement.scrollWidth') == browser.js('innerWidth') == PHONE['width']
    assert browser.js(nav) == 'none'
    browser.click('.side label')
    assert browser.js(nav) == 'block'

def test_the_way_through_the_site(site, browser):
    browser.open(site/'index.html')
    for _ in range(5):
        browser.open(site/re.sub(r'.*/site/', '', browser.js('document.querySelector("a[rel=next]").href')))
    assert browser.js('location.pathname').endswith('paper/table2.html')
    assert browser.js('document.querySelector("a[rel=prev]").href').endswith('paper/table1.html')
    opened = '[...document.querySelectorAll(".side details[open] > summary")].map(e => e.textContent)'
    assert browser.js(opened) == ['The paper']
