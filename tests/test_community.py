"""Files for contributors say what is so: paths exist, versions agree, workflows call what there is,
templates are as the cards."""
import configparser, inspect, json, re, shutil, subprocess, sys
from pathlib import Path
import pytest
import yaml
from conftest import ROOT
from autorad_lung.bench import doctor
from autorad_lung.published import crate
from autorad_lung.scores import hub
from autorad_lung.use import shipped, use

sys.path.insert(0, str(ROOT/'tools'))
import codemeta

BIN = Path(sys.executable).parent
SETTINGS = configparser.ConfigParser(delimiters=['='], interpolation=None); SETTINGS.read(ROOT/'settings.ini')
SETTINGS = SETTINGS['DEFAULT']
read = lambda name: (ROOT/name).read_text(encoding='utf-8')
workflow = lambda name: yaml.load(read(f'.github/workflows/{name}'), yaml.BaseLoader)   # 'on' and 3.10 stay words

def test_the_citation_has_the_paper_and_this_version():
    c = yaml.safe_load(read('CITATION.cff'))
    assert {'cff-version', 'message', 'title', 'authors'} <= c.keys() and c['cff-version'] == '1.2.0'
    assert (c['version'], c['repository-code']) == (SETTINGS['version'], SETTINGS['git_url'])
    assert c['license'] == 'Apache-2.0'
    paper, readme = c['preferred-citation'], read('README.md')
    authors = [a['family-names'] for a in paper['authors']]
    assert authors == ['Khademi', 'Shabanpour', 'Taleei', 'Oikonomou', 'Mohammadi']
    assert all(a in readme for a in [*authors, paper['url'], c['references'][0]['identifiers'][0]['value']])

def test_catalogues_of_software_are_told_the_same(tmp_path):
    "codemeta.json is what settings.ini and CITATION.cff say; the slots of an archive work once filled."
    assert read('codemeta.json') == codemeta.made(), 'python tools/codemeta.py'
    said, c = json.loads(read('codemeta.json')), yaml.safe_load(read('CITATION.cff'))
    assert (said['version'], said['codeRepository']) == (SETTINGS['version'], SETTINGS['git_url'])
    assert said['name'] == c['title'] == SETTINGS['title'] and said['identifier'] == [] and 'identifiers' not in c
    assert said['license'].endswith(c['license']) and said['softwareRequirements'] == SETTINGS['requirements'].split()
    filled = re.sub(r'^# (identifiers:|  - )', r'\1', read('CITATION.cff'), flags=re.M)
    filled = filled.replace('NUMBER', '123').replace('COMMIT', 'ab' * 20)
    (tmp_path/'CITATION.cff').write_text(filled)
    shutil.copy(ROOT/'settings.ini', tmp_path)
    archived = yaml.safe_load(filled)['identifiers']
    assert [i['type'] for i in archived] == ['doi', 'swh']
    assert re.fullmatch(r'swh:1:rev:[0-9a-f]{40}', archived[1]['value'])
    doi, swh = json.loads(codemeta.made(tmp_path))['identifier']
    assert doi == 'https://doi.org/10.5281/zenodo.123' and swh.endswith('swh:1:rev:' + 'ab' * 20)

def test_a_run_names_this_repository_and_its_year():
    assert (crate.REPOSITORY, crate.NAME) == (SETTINGS['git_url'], SETTINGS['title'])
    [lidc] = yaml.safe_load(read('CITATION.cff'))['references'][0]['identifiers']
    assert SETTINGS['copyright'].startswith(crate.YEAR) and crate.LIDC.endswith(lidc['value'])

def front(text: str) -> dict: return yaml.safe_load(text.split('---\n')[1])

def test_a_hub_reads_the_card_of_the_model_that_comes_with_the_package():
    "The card is what model.json says, licence with it; the hub's library finds the scores of model.json in it."
    about = json.loads((shipped.folder()/'model.json').read_text())
    text = (shipped.folder()/'README.md').read_text()
    assert text == use.card(about), 'python tools/ship.py --card'
    assert front(text)['license'] == about['licence'] == 'apache-2.0' and front(text) == hub.front(about)
    assert front(read('templates/model_card.md')).keys() == {*hub.front(about), 'base_model'}
    library = pytest.importorskip('huggingface_hub', reason='huggingface_hub is not installed')
    data = library.ModelCard(text).data
    own = {r['score']: r['estimate'] for r in about['metrics'] if r['model'] == about['model']}
    assert {e.metric_type: e.metric_value for e in data.eval_results} == {
        kind: round(own[score], 4) for score, (kind, _) in hub.HUB_NAMES.items()}
    assert (data.license, data.library_name, data.datasets) == ('apache-2.0', 'autorad-lung', ['LIDC-IDRI'])

def test_the_changelog_begins_with_this_version():
    assert re.search(r'^## (\S+)', read('CHANGELOG.md'), re.M)[1] == SETTINGS['version']

def test_contributing_names_what_there_is():
    text = read('CONTRIBUTING.md')
    assert [h for h in ('encoder', 'rival', 'source', 'figure') if not re.search(rf'^## Add an? {h}', text, re.M)] == []
    paths = {p for p in re.findall(r'`([\w./]+/[\w./]*\w\.\w+|[\w_]+\.(?:md|yml|ini))`', text) if 'NAME' not in p}
    assert len(paths) > 12 and sorted(p for p in paths if not (ROOT/p).exists()) == []
    code = ''.join(p.read_text() for p in (ROOT/'autorad_lung').rglob('*.py'))
    names = set(re.findall(r'`([A-Z][A-Z_0-9]{3,})`', text)) - {'NAME'}
    assert {'TOWERS', 'MODELS', 'SOURCES', 'MODEL_NAMES'} <= names
    assert [n for n in names if not re.search(rf'^{n}\b.*=', code, re.M)] == []

@pytest.mark.parametrize('name', ['test.yaml', 'docs.yaml'])
def test_a_workflow_calls_what_there_is(name):
    steps = [s for j in workflow(name)['jobs'].values() for s in j['steps']]
    assert all(('uses' in s) != ('run' in s) for s in steps)
    assert all(re.fullmatch(r'[\w-]+/[\w/-]+@v\d+', s['uses']) for s in steps if 'uses' in s)
    for part in (p.strip() for s in steps if 'run' in s for p in re.split(r'&&|\n', s['run']) if p.strip()):
        program, *args = part.split()
        makes = lambda: subprocess.run(['make', '-n', *args], cwd=ROOT, capture_output=True).returncode == 0
        if program == 'make': assert makes(), part
        elif program.startswith('.venv/bin/'): assert (BIN/Path(program).name).exists(), part
        else: assert program == 'git', part

def test_a_deployment_is_never_cancelled_and_its_setting_is_told():
    how = workflow('docs.yaml')['concurrency']
    assert how['cancel-in-progress'] == "${{ github.event_name == 'pull_request' }}"
    publish = workflow('docs.yaml')['jobs']['publish']
    assert publish['permissions'] == {'pages': 'write', 'id-token': 'write'} and 'refs/heads/main' in publish['if']
    assert re.search(r'Pages, Source, \*GitHub Actions\*', read('CONTRIBUTING.md'))

def test_versions_are_the_same_everywhere():
    steps = workflow('docs.yaml')['jobs']['build']['steps']
    [wanted] = [s['with']['version'] for s in steps if 'quarto' in s.get('uses', '')]
    assert wanted == inspect.signature(doctor.quarto).parameters['wanted'].default == '1.7.34'
    assert f"QUARTO = '{wanted}'" in read('tools/docs.py') and f'({wanted})' in read('CONTRIBUTING.md')
    pythons = workflow('test.yaml')['jobs']['test']['strategy']['matrix']['python']
    assert pythons[0] == SETTINGS['min_python'] and all(f'python{p}' in read('Makefile') for p in pythons)

@pytest.mark.parametrize('name', ['bug.yml', 'numbers.yml'])
def test_an_issue_form_is_one(name):
    form = yaml.safe_load(read(f'.github/ISSUE_TEMPLATE/{name}'))
    asked = [b for b in form['body'] if b['type'] != 'markdown']
    assert {'name', 'description', 'body'} <= form.keys() and len({b['id'] for b in asked}) == len(asked) >= 4
    assert all(b['type'] in ('textarea', 'input', 'dropdown') and b['attributes']['label'] for b in asked)
    assert any(b.get('validations', {}).get('required') for b in asked)

def test_the_model_card_template_has_the_headings_of_a_real_card():
    template = read('templates/model_card.md')
    assert re.findall(r'^## .+', template, re.M) == re.findall(r"'(## [^']+)'", inspect.getsource(use.card))
    assert 'Not a medical device' in template and 'scan_max_abs_hu' in read('templates/data_card.md')
