"Files for contributors say what is so: paths exist, versions agree, workflows call what there is, templates have the headings of the real cards."
import configparser, inspect, re, subprocess, sys
from pathlib import Path
import pytest
import yaml
from conftest import ROOT
from autorad_lung import doctor, use

BIN = Path(sys.executable).parent
SETTINGS = configparser.ConfigParser(delimiters=['='], interpolation=None); SETTINGS.read(ROOT/'settings.ini')
SETTINGS = SETTINGS['DEFAULT']
read = lambda name: (ROOT/name).read_text(encoding='utf-8')
workflow = lambda name: yaml.load(read(f'.github/workflows/{name}'), yaml.BaseLoader)      # 'on' stays a word, 3.10 stays 3.10

def test_the_citation_has_the_paper_and_this_version():
    c = yaml.safe_load(read('CITATION.cff'))
    assert {'cff-version', 'message', 'title', 'authors'} <= c.keys() and c['cff-version'] == '1.2.0'
    assert c['version'] == SETTINGS['version'] and c['repository-code'] == SETTINGS['git_url'] and c['license'] == 'Apache-2.0'
    paper, readme = c['preferred-citation'], read('README.md')
    assert [a['family-names'] for a in paper['authors']] == ['Khademi', 'Shabanpour', 'Taleei', 'Oikonomou', 'Mohammadi'] and paper['url'] in readme
    assert all(a['family-names'] in readme for a in paper['authors']) and c['references'][0]['identifiers'][0]['value'] in readme

def test_the_changelog_begins_with_this_version(): assert re.search(r'^## (\S+)', read('CHANGELOG.md'), re.M)[1] == SETTINGS['version']

def test_contributing_names_what_there_is():
    text = read('CONTRIBUTING.md')
    assert [h for h in ('encoder', 'rival', 'source', 'figure') if not re.search(rf'^## Add an? {h}', text, re.M)] == []
    paths = {p for p in re.findall(r'`([\w./]+/[\w./]*\w\.\w+|[\w_]+\.(?:md|yml|ini))`', text) if 'NAME' not in p}
    assert len(paths) > 12 and sorted(p for p in paths if not (ROOT/p).exists()) == []
    code = ''.join(p.read_text() for p in (ROOT/'autorad_lung').glob('*.py'))
    names = set(re.findall(r'`([A-Z][A-Z_0-9]{3,})`', text)) - {'NAME'}
    assert {'TOWERS', 'MODELS', 'SOURCES', 'MODEL_NAMES'} <= names and [n for n in names if not re.search(rf'^{n}\b.*=', code, re.M)] == []

@pytest.mark.parametrize('name', ['test.yaml', 'docs.yaml'])
def test_a_workflow_calls_what_there_is(name):
    steps = [s for j in workflow(name)['jobs'].values() for s in j['steps']]
    assert all(('uses' in s) != ('run' in s) for s in steps) and all(re.fullmatch(r'[\w-]+/[\w/-]+@v\d+', s['uses']) for s in steps if 'uses' in s)
    for part in (p.strip() for s in steps if 'run' in s for p in re.split(r'&&|\n', s['run']) if p.strip()):
        program, *args = part.split()
        if program == 'make': assert subprocess.run(['make', '-n', *args], cwd=ROOT, capture_output=True).returncode == 0, part
        elif program.startswith('.venv/bin/'): assert (BIN/Path(program).name).exists(), part
        else: assert program == 'git', part

def test_versions_are_the_same_everywhere():
    [wanted] = [s['with']['version'] for s in workflow('docs.yaml')['jobs']['build']['steps'] if 'quarto' in s.get('uses', '')]
    assert wanted == inspect.signature(doctor.quarto).parameters['wanted'].default == '1.7.34' and wanted in read('tools/docs.py')
    pythons = workflow('test.yaml')['jobs']['test']['strategy']['matrix']['python']
    assert pythons[0] == SETTINGS['min_python'] and len(pythons) == 2

@pytest.mark.parametrize('name', ['bug.yml', 'numbers.yml'])
def test_an_issue_form_is_one(name):
    form = yaml.safe_load(read(f'.github/ISSUE_TEMPLATE/{name}'))
    asked = [b for b in form['body'] if b['type'] != 'markdown']
    assert {'name', 'description', 'body'} <= form.keys() and len({b['id'] for b in asked}) == len(asked) >= 4
    assert all(b['type'] in ('textarea', 'input', 'dropdown') and b['attributes']['label'] for b in asked) and any(b.get('validations', {}).get('required') for b in asked)

def test_the_model_card_template_has_the_headings_of_a_real_card():
    assert re.findall(r'^## .+', read('templates/model_card.md'), re.M) == re.findall(r"'(## [^']+)'", inspect.getsource(use.card))
    assert 'Not a medical device' in read('templates/model_card.md') and 'scan_max_abs_hu' in read('templates/data_card.md')
