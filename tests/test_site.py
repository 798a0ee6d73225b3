"The site, as it is made where Quarto is absent: every notebook in the sidebar, every link, picture, figure and citation leads somewhere, and pages that read well in a real browser, dark, on a phone, without a network."
import re, sys
import pytest
from browser import Browser, find
from conftest import ROOT, once

sys.path.insert(0, str(ROOT/'tools'))
import docs, pages

PHONE = dict(width=390, height=844)
NOTEBOOKS = sorted(p.relative_to(ROOT/'nbs').as_posix() for p in (ROOT/'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)

@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "All pages, with no run beside them, made once for all workers of pytest-xdist."
    return once(tmp_path_factory, 'site', lambda d: docs.by_nbconvert(d, d/'no run'))

@pytest.fixture(scope='module')
def browser():
    if not find(): pytest.skip('no Chromium here: install the package chromium')
    with Browser() as b: yield b

def test_every_notebook_stands_in_the_sidebar_once():
    titles = {n: n for n in NOTEBOOKS}
    hrefs = [l['href'] for l in docs.leaves(docs.sidebar(titles))]
    assert sorted(hrefs) == sorted([n.replace('.ipynb', '.html') for n in NOTEBOOKS] + [docs.EXPLORER])
    tops = [i['text'] for i in docs.sidebar(titles | {'index.ipynb': 'Home'})]
    assert tops == ['Home', 'One nodule, start to end', 'The paper', 'What the paper leaves open', 'The method', 'Data', 'Your own nodules', 'Scaling out', 'What we found', 'Explorer', 'Reference']

def test_every_page_renders_and_all_that_it_names_is_there(site):
    made = {p.relative_to(site).as_posix() for p in site.rglob('*.html')}
    assert made == {n.replace('.ipynb', '.html') for n in NOTEBOOKS} | {docs.EXPLORER} and docs.broken(site) == []
    assert 'make reproduce' in (site/docs.EXPLORER).read_text()

def test_what_would_be_seen(tmp_path):
    (tmp_path/'a.html').write_text('<p id="here"><a href="nowhere.html">x</a><a href="#here">y</a><a href="b.html#gone">z</a><img src="https://example.org/a.png"> ?@fig-x, @fig-y, [@key]</p><pre>@fig-code</pre>')
    (tmp_path/'b.html').write_text('<img src="lost.png">')
    assert docs.broken(tmp_path) == ['a.html: nowhere.html', 'a.html: b.html#gone', 'a.html: ?@fig-x', 'a.html: @fig-y', 'a.html: [@key]', 'b.html: lost.png']

def cell(kind, source, outputs=()):
    import nbformat
    return nbformat.from_dict(dict(cell_type=kind, source=source, metadata={}, outputs=list(outputs)))

def page(*cells):
    import nbformat
    return pages.Page('x.ipynb', nbformat.from_dict(dict(cells=list(cells), metadata={}, nbformat=4, nbformat_minor=5)), pages.bibliography(docs.NBS/'references.bib'))

PICTURE = dict(output_type='display_data', data={'image/png': 'AAAA'}, metadata={})

def test_figures_are_numbered_and_referred_to():
    p = page(cell('markdown', '# T\n> about\n\nSee @fig-b and @tbl-c, not `@fig-b`; ?@fig-none is not here: @fig-none.'), cell('code', '#| label: fig-a\n#| fig-cap: "One"\n#| echo: false\n1', [PICTURE]),
             cell('code', '#| label: tbl-c\n#| tbl-cap: Three, [@lidc]\n1', [dict(output_type='execute_result', data={'text/html': '<style scoped>x</style><table></table>'}, metadata={})]), cell('code', '#| label: fig-b\n#| fig-cap: "Two: $x_i$"\n2', [PICTURE]))
    made = p.body()
    assert '<a href="#fig-b">Figure&nbsp;2</a> and <a href="#tbl-c">Table&nbsp;1</a>' in made and '<code>@fig-b</code>' in made and made.count('?@fig-none') == 2 and '<p class="lead">about</p>' in made
    assert '<figure id="fig-a"><img src="data:image/png;base64,AAAA" alt="One"><figcaption>Figure 1: One</figcaption></figure>' in made
    assert re.search(r'<figure id="tbl-c"><figcaption>Table 1: Three, \(<a href="#ref-lidc">Armato et al. 2011</a>\)</figcaption><div class="wide"><table></table>', made) and 'Figure 2: Two: <svg' in made and p.cited == ['lidc']

def test_citations():
    p = page(cell('markdown', '# T\n\nOf [@coop; @nadeau2003, p. 3], by @holm1979 and @van_nobody; [@nobody].'))
    made = p.body()
    assert '(<a href="#ref-coop">Zhou et al. 2022</a>; <a href="#ref-nadeau2003">Nadeau and Bengio 2003, p. 3</a>)' in made and '<a href="#ref-holm1979">Holm (1979)</a> and @van_nobody; ?@nobody.' in made

def test_the_bibliography_is_whole():
    found = pages.bibliography(docs.NBS/'references.bib')
    assert len(found) == (docs.NBS/'references.bib').read_text().count('\n@') + 1
    for key, f in found.items():
        assert f['authors'][0] and f['title'] and re.fullmatch(r'(19|20)\d\d', f['year']) and re.fullmatch(r'(10\.\d{4,}/\S+)?', f.get('doi', '')) and re.fullmatch(r'(\d{4}\.\d{5})?', f.get('eprint', '')), key
    assert found['pyradiomics']['short'] == 'van Griethuysen et al.' and found['autoradlung2025']['link'] == 'https://arxiv.org/abs/2503.20662'

def test_formulas_are_drawn(site):
    assert '<svg class="math"' in pages.formula(r'\frac{a}{b}') and pages.formula(r'\nosuchthing{') == r'<code>\nosuchthing{</code>'
    text = (site/'04a_radiomics_fast.html').read_text()
    assert text.count('class="math') > 10 and not re.search(r'[^\\]\$[A-Za-z\\]', re.sub(r'<pre.*?</pre>|<code.*?</code>', '', text, flags=re.S))

def test_a_run_s_report_goes_with_the_site(tmp_path):
    run, out = tmp_path/'run', tmp_path/'out'
    for d in ('report', 'figures', 'cache'): (run/d).mkdir(parents=True)
    (run/'report'/'index.html').write_text('<a href="explorer.html">e</a><a href="../figures/a.svg">f</a>'); (run/'report'/'explorer.html').write_text('<a href="index.html">r</a>')
    (run/'figures'/'a.svg').write_text('<svg/>'); (run/'cache'/'large').write_text('x')
    assert docs.with_report(out, run) and docs.broken(out) == [] and (out/docs.EXPLORER).is_file() and not (out/'run'/'cache').exists()
    assert not docs.with_report(tmp_path/'other', tmp_path/'nothing')

def test_the_reference_is_that_of_the_package():
    "The stored table has each public function and class with the first line of its docstring, as the modules have them now."
    import ast, json
    text = ''.join(l for c in json.loads((ROOT/'nbs'/'reference.ipynb').read_text())['cells'] for o in c.get('outputs', []) for l in o['data'].get('text/markdown', []))
    missing = []
    for p in sorted((ROOT/'autorad_lung').glob('[!_]*.py')):
        tree = ast.parse(p.read_text()); public = next(ast.literal_eval(n.value) for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], 'id', '') == '__all__')
        for n in (n for n in tree.body if getattr(n, 'name', None) in public):
            first = (ast.get_docstring(n) or '').split('\n')[0].replace('|', '\\|')
            if f'| `{n.name}` | {first} |' not in text: missing.append(f'{p.stem}.{n.name}')
    assert missing == [], 'run: jupyter nbconvert --to notebook --execute --inplace nbs/reference.ipynb, then nbdev_clean'

READ = ['index.html', 'paper/table1.html', 'data.html', 'your_own_nodules.html', 'reference.html', '01_cohort.html', '04a_radiomics_fast.html', docs.EXPLORER]

@pytest.mark.parametrize('name', READ)
def test_a_page_reads_well(name, site, browser):
    browser.open(site/name)
    inside = site.resolve().as_uri()
    assert browser.errors == [] and all(u.startswith(inside) for u in browser.asked())
    assert browser.js('getComputedStyle(document.querySelector(".side nav")).display') == 'block' and browser.js('document.querySelectorAll(".side [aria-current=page]").length') == 1
    light = browser.js('getComputedStyle(document.body).backgroundColor')
    browser.open(site/name, dark=True); dark = browser.js('getComputedStyle(document.body).backgroundColor')
    assert light == 'rgb(255, 255, 255)' and sum(map(int, re.findall(r'\d+', dark))) < 120
    browser.open(site/name, **PHONE)
    assert browser.js('document.documentElement.scrollWidth') == browser.js('innerWidth') == PHONE['width']
    assert browser.js('getComputedStyle(document.querySelector(".side nav")).display') == 'none'
    browser.click('.side label'); assert browser.js('getComputedStyle(document.querySelector(".side nav")).display') == 'block'

def test_the_way_through_the_site(site, browser):
    browser.open(site/'index.html')
    for _ in range(3): browser.open(site/re.sub(r'.*/site/', '', browser.js('document.querySelector("a[rel=next]").href')))
    assert browser.js('location.pathname').endswith('paper/table2.html') and browser.js('document.querySelector("a[rel=prev]").href').endswith('paper/table1.html')
    assert browser.js('[...document.querySelectorAll(".side details[open] > summary")].map(e => e.textContent)') == ['The paper']
