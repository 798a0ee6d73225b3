"""Report and explorer in a real browser, from the disk: no console error, no request, a table that
sorts, an explorer that moves and shows the predictions, no sideways scrolling on a phone."""
import base64, json
import numpy as np
import pandas as pd
import pytest
from browser import Browser, find
from conftest import SETTINGS
from autorad_lung.explain.counterfactual import changes, in_words
from autorad_lung.pages import explorer
from autorad_lung.pages.references import SITE
from autorad_lung.protocol import CLASSES
from autorad_lung.rivals.concepts import shares_of
from autorad_lung.study import Study
from autorad_lung.training import fitted

pytestmark = pytest.mark.skipif(not find(), reason='no Chromium here: install the package chromium')
PHONE = dict(width=390, height=844)
P_COLUMNS = ['p_benign', 'p_unsure', 'p_malignant']

@pytest.fixture(scope='module')
def run(quick_run): return quick_run

def study_of(out): return Study(out=out, quick=True, settings=SETTINGS, workers=1)

@pytest.fixture(scope='module')
def browser():
    with Browser() as b: yield b

PAGES = ['index.html', 'explorer.html']

@pytest.mark.parametrize('name', PAGES)
def test_a_page_opens_alone(name, run, browser, tmp_path):
    browser.open(run/'report'/name)
    assert browser.errors == [] and browser.asked() == []
    # what the line above would see
    browser.js('console.error("seen")')
    assert 'seen' in str(browser.errors)
    (tmp_path/'bad.html').write_text('<img src="nowhere.png"><script>undefined_name()</script>')
    browser.open(tmp_path/'bad.html')
    assert 'undefined_name' in str(browser.errors) and browser.asked()[0].endswith('nowhere.png')

@pytest.mark.parametrize('name', PAGES)
@pytest.mark.parametrize('dark', [False, True])
def test_a_phone_scrolls_one_way_only(name, dark, run, browser):
    browser.open(run/'report'/name, **PHONE, dark=dark)
    widths = browser.js('[document.documentElement.scrollWidth, innerWidth]')
    assert widths == [PHONE['width']] * 2
    light = browser.js('getComputedStyle(document.body).backgroundColor')
    assert (light == 'rgb(255, 255, 255)') != dark

def test_the_headline_is_table_1_s(run, browser):
    browser.open(run/'report'/'index.html')
    table = pd.read_csv(run/'tables'/'table1.csv', dtype=str).set_index('Model')
    def texts(selector, found):
        return browser.js(f'[...document.querySelectorAll("{selector}")].map(e => {found}.textContent)')
    names = texts('.plot .track', 'e.previousElementSibling.previousElementSibling')
    assert names == ['AutoRad-Lung', 'Size only', 'Radiomics, logistic (L2)']
    assert texts('.plot .value', 'e') == table.Accuracy[names].tolist()
    words = browser.js('document.getElementById("headline").innerText')
    assert 'size only: accuracy' in words and '0.52' in words and '0.72-0.76' in words

def column(browser, k):
    rows = 'document.querySelector(".numbers table").tBodies[0].rows'
    return browser.js(f'[...{rows}].map(r => r.cells[{k}].textContent)')

def test_neighbours_and_a_report_of_each_nodule(run, browser):
    "What is like it can be opened; a sentence that has a place frames it on the crop, and paper has no controls."
    browser.open(run/'report'/'explorer.html')
    near = browser.js('[...document.querySelectorAll("#near .thumb")].map(e => +e.dataset.i)')
    like = browser.js('D.like')
    card = browser.js('document.getElementById("card").textContent')
    assert near == like['near']['at'][0] and card == like['near']['card'][0]
    said = browser.js('[...document.querySelectorAll("#report p")].map(e => e.textContent)')
    assert len(said) == len(like['said'][0]) > 8 and 'not of cancer' in said[0] and 'simulated CT' in said[0]
    frame = 'document.querySelector("#outlines .box")'
    assert browser.js(f'{frame} === null')
    def point(event): browser.js('document.querySelector("#report p[data-box]").dispatchEvent(new MouseEvent('
                                 f'"{event}", {{bubbles: true}}))')
    point('mouseover')
    box = browser.js('document.querySelector("#report p[data-box]").dataset.box.split(",").map(Number)')
    drawn = browser.js(f'["y", "x", "height", "width"].map(a => +{frame}.getAttribute(a)'
                       ' * D.like.side / (D.crop * D.unit))')
    assert np.allclose(drawn, [box[0], box[1], box[2] - box[0], box[3] - box[1]])
    point('mouseout')
    assert browser.js(f'{frame} === null')
    def shown(selector):
        return browser.js(f'[...document.querySelectorAll("{selector}")].filter(e => e.getClientRects().length).length')
    assert shown('form, aside, #print, #previous, .toggle, header nav') > 5
    browser('Emulation.setEmulatedMedia', media='print')
    assert shown('form, aside, #print, #previous, .toggle, header nav, input') == 0
    assert [shown(x) for x in ('#report p', '#card', '#near .thumb', '#outlines')] == [len(said), 1, len(near), 1]
    browser('Emulation.setEmulatedMedia', media='')
    browser.click('#near .thumb')
    browser.until(f'now === {near[0]}')
    assert browser.errors == []

def test_a_name_is_no_markup(run, browser, tmp_path):
    "Of a nodule that somebody named so: it ends no script, runs none, and the page is whole."
    study, page = study_of(run), tmp_path/'e.html'
    held = json.loads(json.dumps(explorer.contents(study, study.predictions(list(explorer.EXPLORED)))))
    for name in '<!--<script>', '</script><script>var bad</script>', '<img src=x onerror="var bad">', '&amp;"\'':
        held['facts']['id'][0] = name
        page.write_text(explorer.page(held, study.images.arrays['image']), encoding='utf-8')
        browser.open(page)
        assert browser.js('document.getElementById("name").textContent') == name and browser.errors == []
        assert browser.js('typeof bad') == 'undefined'
        assert browser.js('document.querySelectorAll("#report p").length') > 8

def test_a_table_sorts_on_click(run, browser):
    browser.open(run/'report'/'index.html')
    table, names = pd.read_csv(run/'tables'/'table1.csv', dtype=str), column(browser, 0)
    assert names == table.Model.tolist()
    leading = table.Accuracy.str.split().str[0].astype(float)
    second = '.numbers table th:nth-child(2)'
    head = f'{second} button'
    browser.click(head)
    assert column(browser, 0) == table.Model[leading.sort_values(kind='stable').index].tolist()
    browser.click(head)
    assert column(browser, 0) == table.Model[(-leading).sort_values(kind='stable').index].tolist()
    order = browser.js(f'document.querySelector("{second}").getAttribute("aria-sort")')
    assert order == 'descending'
    browser.click('.numbers table thead th:nth-child(1) button')
    by_name = '(a, b) => a.localeCompare(b, "en", {numeric: true})'
    assert column(browser, 0) == browser.js(f'{json.dumps(names)}.sort({by_name})')

@pytest.mark.parametrize('text, value', [
    ('0.668 (0.639-0.695)', .668), ('1,391', 1391), ('\u22120.5', -.5), ('-3e-4', -3e-4),
    ('< 0.001', .001), ('.52', .52), ('12 %', 12), ('1,2', 1), ('LIDC-IDRI-0001', None), ('', None),
])
def test_a_cell_is_read_by_its_leading_number(text, value, run, browser):
    if not browser.js('location.href').endswith('index.html'):
        browser.open(run/'report'/'index.html')
    assert browser.js(f'(v => Number.isNaN(v) ? null : v)(number({json.dumps(text)}))') == value

def test_a_figure_enlarges_and_closes(run, browser):
    browser.open(run/'report'/'index.html')
    browser.click('a.enlarge')
    browser.until('large.open && shown.naturalWidth > 500')
    assert browser.js('shown.src === document.querySelector("a.enlarge img").src')
    link = 'large.querySelector("a").getAttribute("href")'
    assert browser.js(f'{link} === document.querySelector("a.enlarge").href')
    browser.press('Escape')
    assert not browser.js('large.open') and browser.errors == []

SHOWN = """({
    name: document.getElementById("name").textContent,
    p: Object.fromEntries([...document.querySelectorAll(".model")].map(
        m => [m.dataset.model, [...m.querySelectorAll("output")].map(o => +o.textContent)])),
})"""

def agrees(shown, predictions):
    "What is on the page is what the file has, for every model."
    for model, p in shown['p'].items():
        here = (predictions.nodule_id == shown['name']) & (predictions.model == model)
        [row] = predictions.loc[here, P_COLUMNS].to_numpy()
        assert np.allclose(row, p, atol=5.1e-4), (model, shown)
    return shown['name']

def test_the_explorer_moves_and_shows_the_predictions(run, browser):
    browser.open(run/'report'/'explorer.html')
    predictions, ids = pd.read_csv(run/'report'/'predictions.csv'), browser.js('F.id')
    assert sorted(ids) == sorted(predictions.nodule_id.unique())
    assert set(browser.js('D.models')) == {'autorad', 'radiomics_l2', 'size'}
    fold = 'find(r => r.cells[0].textContent === "test fold").cells[1].textContent'
    shown = int(browser.js(f'[...document.querySelectorAll("#facts tr")].{fold}'))
    assert shown == predictions.set_index('nodule_id').fold[ids[0]].iloc[0]          # counted as in the tables
    assert browser.js('[...document.querySelectorAll("header a")].pop().href') == SITE + '/'
    def seen(): return agrees(browser.js(SHOWN), predictions)
    assert seen() == ids[0]
    for name in [*ids[1:], ids[-1]]:                                     # the last one stays
        browser.press('ArrowRight'); assert seen() == name
    browser.press('ArrowLeft'); assert seen() == ids[-2]
    assert browser.js('location.hash') == '#' + ids[-2] and browser.errors == []

def test_the_explorer_s_file_is_the_cache_s(run):
    study = study_of(run)
    kept = study.predictions(['autorad', 'radiomics_l2', 'size'])
    given = pd.read_csv(run/'report'/'predictions.csv')
    assert given.nodule_id.tolist() == kept.nodule_id.tolist()
    assert np.array_equal(given[P_COLUMNS], kept[P_COLUMNS])

def ORDER(item): return CLASSES.index(item[0])     # of the classes' sentences
ENTER = '(e, v) => { e.value = v; e.dispatchEvent(new Event("input")); }'

def choose(browser, **how):
    for k, v in how.items():
        browser.js(f'({ENTER})(document.getElementById("{k}"), {json.dumps(v)})')
    return browser.js('order.map(i => F.id[i])')

def test_the_explorer_filters_and_orders(run, browser):
    browser.open(run/'report'/'explorer.html')
    df = pd.read_csv(run/'report'/'predictions.csv').query('model == "size"').set_index('nodule_id')
    wrong = df[(df[P_COLUMNS].to_numpy().argmax(1) != df.label) & (df.label == 1)]
    assert 0 < len(wrong) < len(df)
    shown = choose(browser, model='size', answer='wrong', **{'class': '1'})
    assert sorted(shown) == sorted(wrong.index)
    likeliest = choose(browser, answer='', order='malignant', **{'class': ''})
    assert np.all(np.diff(df.p_malignant.loc[likeliest]) <= 1e-6)
    assert browser.js('F.id[now]') in likeliest
    assert choose(browser, find='no such nodule') == []
    assert browser.js('!empty.hidden && one.hidden')
    assert browser.errors == []

def test_an_address_opens_a_nodule(run, browser):
    browser.open(run/'report'/'explorer.html')
    wanted = browser.js('F.id[7]')
    browser.open(run/'report'/'explorer.html', hash=f'#{wanted}')
    assert browser.js('document.getElementById("name").textContent') == wanted

def test_the_explorer_draws(run, browser):
    browser.open(run/'report'/'explorer.html')
    def values(canvas):
        context = f'document.getElementById("{canvas}").getContext("2d")'
        return browser.js(f'new Set({context}.getImageData(0, 0, 8, 8).data).size')
    def count(selector): return browser.js(f'document.querySelectorAll("{selector}").length')
    assert values('crop') > 8 and values('map2') > 8
    assert count('#outlines .consensus[d^=M]') == 1 and count('#outlines .reader') >= 3
    assert count('.feature') == 12 and 'Simulated CT' in browser.js('document.body.innerText')

def test_an_explainer_is_chosen_and_its_control_stays(run, browser):
    browser.open(run/'report'/'explorer.html')
    maps = ('map0', 'map1', 'map2')
    def read():
        return {k: browser.js(f'document.getElementById("{k}").toDataURL()') for k in (*maps, 'control')}
    names = browser.js('[...document.getElementById("explainer").options].map(o => o.text)')
    assert names[:2] == ['similarity', 'cosine']
    before, told = read(), browser.js('mapnote.textContent')
    assert '64 patches add up to it exactly' in told and 'control' in told
    choose(browser, explainer='1')
    after = read()
    assert after['control'] == before['control'] and all(after[k] != before[k] for k in maps)
    assert 'by cosine' in browser.js('mapnote.textContent') and 'for benign\n' in browser.js('sum0.innerText')
    browser.press('ArrowRight')                       # the next nodule, by the same explainer
    assert browser.js('E[shown].name') == 'cosine' and read()['map2'] != after['map2']
    assert '% of the crop' in browser.js('incontrol.innerText') and browser.errors == []

@pytest.fixture(scope='module')
def spoken(run, tmp_path_factory):
    "The explorer of a study whose bottleneck was cross-validated, and what stands in it."
    study, out = study_of(run), tmp_path_factory.mktemp('spoken')
    study.predictions([explorer.SPOKEN])
    explorer.write_explorer(study, out, back='')
    return study, out/'explorer.html'

def test_eight_sliders_move_the_bottleneck_s_answer(spoken, browser):
    study, page = spoken
    browser.open(page)
    data = study.dataset_for([explorer.SPOKEN])
    def at(i):
        f = data.table.fold[i]
        return fitted(explorer.SPOKEN, data, study.protocol, study.store, 0, f)
    def shown(): return browser.js('[...document.querySelectorAll("#spoken output")].map(o => +o.textContent)')
    def placed(): return np.array(browser.js('ratings()'))
    for i in (0, 5):
        browser.js(f'show({i})')
        rival = at(i)
        said = rival.concepts(data, np.array([i]))[0]
        assert np.allclose(placed(), said, atol=2e-3)
        assert np.allclose(shown(), shares_of(rival.answer(said[None]))[0], atol=2e-3)
        slider = f'document.querySelectorAll("#sliders input")[{rival.attributes.index("margin")}]'
        browser.js(f'{slider}.value = "1.5"; {slider}.dispatchEvent(new Event("input", {{bubbles: true}}))')
        if browser.js(f'{slider}.disabled'): assert np.isinf(rival.arrays['penalty'][rival.attributes.index('margin')])
        moved = said.copy(); moved[rival.attributes.index('margin')] = 1.5
        assert np.allclose(shown(), shares_of(rival.answer(moved[None]))[0], atol=2e-3)
        told = browser.js('document.getElementById("nearest").textContent').split('; ')
        for sentence, (to, (attribute, by)) in zip(told, sorted(changes(rival, moved).items(), key=ORDER)):
            if attribute is None: assert sentence == f'would be {to} by no change of one attribute'
            else: assert [sentence] == in_words({to: (attribute, by)})
        browser.js('document.getElementById("asread").click()')
        read = data.attributes[i]
        assert np.allclose(placed(), read, atol=1e-3)
        assert np.allclose(shown(), shares_of(rival.answer(read[None]))[0], atol=2e-3)
        browser.js('document.getElementById("predicted").click()')
        assert np.allclose(placed(), said, atol=2e-3)
    assert browser.errors == []

def test_without_a_bottleneck_there_are_no_sliders(run, browser, tmp_path):
    study, page = study_of(run), tmp_path/'e.html'
    held = explorer.contents(study, study.predictions(list(explorer.EXPLORED)))
    held['concepts'] = dict(none='it was not trained')         # whatever another test left in the cache
    page.write_text(explorer.page(held, study.images.arrays['image']), encoding='utf-8')
    browser.open(page)
    assert 'it was not trained' in browser.js('document.getElementById("argue").innerText')
    assert browser.js('document.querySelectorAll("#sliders input").length') == 0 and browser.errors == []

def many(held: dict, times: int) -> dict:
    "The same nodules several times over, under names of their own."
    def longer(x): return [v for _ in range(times) for v in x]
    def these(x, *names): return x | {k: longer(x[k]) for k in names}
    facts = these(held['facts'], *(k for k in held['facts'] if k != 'scores'))
    facts['scores'] = these(facts['scores'], *facts['scores'])
    facts['id'] = [f'n{i:04d}' for i in range(len(facts['id']))]
    def of(m):
        pixels = base64.b64encode(base64.b64decode(m['bytes']) * times).decode()
        return these(m, *({'bound', 'sums', 'inside'} & m.keys())) | ({} if 'same' in m else dict(bytes=pixels))
    maps = these(held['maps'], 'cover') | dict(of=[*map(of, held['maps']['of'])], control=of(held['maps']['control']))
    return these(held, 'outlines', 'readers') | dict(
        p=these(held['p'], *held['p']), facts=facts, profile=these(held['profile'], 'values', 'at'), maps=maps)

def test_fourteen_hundred_nodules_open_in_two_seconds(run, browser, tmp_path):
    study, page = study_of(run), tmp_path/'e.html'
    times = -(-1400 // len(study.dataset.table))
    held = many(explorer.contents(study, study.predictions(list(explorer.EXPLORED))), times)
    images = np.concatenate([study.images.arrays['image']] * times)
    noise = np.random.default_rng(0).normal(0, .03, images.shape)
    crops = np.clip(images + noise, 0, 1)    # without noise the sheet would be smaller than a real one
    page.write_text(explorer.page(held, crops), encoding='utf-8')
    def ready():
        browser.open(page)
        return browser.js('+document.documentElement.dataset.ready')
    assert 0 < min(ready() for _ in range(4)) < 2000    # the best: other tests share the machine
    assert browser.errors == [] and browser.js('F.id.length') == len(crops) >= 1400
    assert page.stat().st_size < 15e6
    browser.press('ArrowRight')
    assert browser.js('document.getElementById("name").textContent') == 'n0001'
