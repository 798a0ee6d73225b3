"One digit in a published table, or in a page, turns a verdict; the page of verdicts says what is computed now."
import json, re, shutil
from dataclasses import replace
import nbformat
import pytest
from conftest import ROOT
from autorad_lung.artifacts import CompanionError, file_digest
from autorad_lung.published import claims, verdicts
from autorad_lung.published.verify import PUBLISHED, read_published

CLAIMS = {c.key: c for c in claims.PAPER + claims.COMPANION}

@pytest.fixture(scope='module')
def given(): return verdicts.evidence()

def altered(given, folder, name, row, old, new):
    "The evidence with one row of one table of real CT changed, and its digest with it."
    to = shutil.copytree(PUBLISHED/'lidc_voi', folder/'lidc_voi')
    lines = (to/f'{name}.csv').read_text().splitlines(keepends=True)
    [k] = [k for k, line in enumerate(lines) if line.startswith(row)]
    assert old in lines[k]
    lines[k] = lines[k].replace(old, new, 1)
    (to/f'{name}.csv').write_text(''.join(lines))
    about = json.loads((to/'published.json').read_text())
    about['tables'][name]['digest'] = file_digest(to/f'{name}.csv')
    (to/'published.json').write_text(json.dumps(about))
    return replace(given, real=read_published(to))

@pytest.mark.parametrize('key, table, row, old, new, before, after', [
    ('gain', 'table1_paired', 'CoOp (', '+0.013', '-0.013', 'partly', 'not reproduced'),
    ('gain', 'table1_paired', 'CoOp (', 'p = 0.036', 'p = 0.536', 'partly', 'not reproduced'),
    ('accuracy', 'table1', 'AutoRad-Lung', '0.551-0.634', '0.551-0.646', 'partly', 'reproduced'),
    ('f1', 'table1_classes_f1_auc', 'AutoRad-Lung,', '0.610-0.706', '0.650-0.706', 'not reproduced', 'partly'),
    ('logistic', 'table1_paired', '"Radiomics, logistic (L2)', '-0.141', '+0.141', 'reproduced', 'partly'),
])
def test_one_digit_turns_the_verdict(key, table, row, old, new, before, after, given, tmp_path):
    other = altered(given, tmp_path, table, row, old, new)
    assert [verdicts.judge(CLAIMS[key], e).verdict for e in (given, other)] == [before, after]

def test_simulated_ct_turns_none(given, tmp_path):
    "With the two sources exchanged the verdict is that of the table that is called real."
    [real, simulated] = given.found(CLAIMS['ruler'].tests[1])
    assert real.passed and not simulated.passed
    swapped = replace(given, real=given.simulated, simulated=given.real)
    assert [verdicts.judge(CLAIMS['ruler'], e).verdict for e in (given, swapped)] == ['reproduced', 'partly']

def test_a_page_turns_it_too(given, tmp_path):
    text = (given.pages/'tuned.ipynb').read_text()
    (tmp_path/'tuned.ipynb').write_text(text.replace('+0.073 (+0.046 to +0.100)', '+0.073 (-0.046 to +0.100)'))
    other = replace(given, pages=tmp_path)
    assert [verdicts.judge(CLAIMS['alone tuned'], e).verdict for e in (given, other)] == ['reproduced', 'partly']
    simulated = text.replace('Real CT (', 'Simulated CT (')
    (tmp_path/'tuned.ipynb').write_text(simulated)
    assert verdicts.judge(CLAIMS['alone tuned'], replace(given, pages=tmp_path)).verdict == 'could not be tried'
    (tmp_path/'tuned.ipynb').write_text(text.replace('5 seeds averaged', 'six seeds averaged'))
    with pytest.raises(CompanionError, match='0 cells'):
        verdicts.judge(CLAIMS['alone tuned'], replace(given, pages=tmp_path))

def test_a_damaged_table_is_refused(tmp_path):
    to = shutil.copytree(PUBLISHED/'lidc_voi', tmp_path/'lidc_voi')
    (to/'table1.csv').write_text((to/'table1.csv').read_text().replace('0.594', '0.694'))
    with pytest.raises(CompanionError, match='damaged'): read_published(to)

def test_the_page_says_what_is_computed_now(given):
    lines = {who: [verdicts.judge(c, given) for c in getattr(claims, who)] for who in ('PAPER', 'COMPANION')}
    every = [x for found in lines.values() for x in found]
    named = verdicts.sources(every)
    cells = nbformat.read(ROOT/'nbs'/'verdicts.ipynb', 4).cells
    said = [o.data['text/markdown'] for c in cells if c.cell_type == 'code' for o in c.outputs]
    made = [verdicts.summary(x) for x in lines.values()] + [verdicts.details(x, named) for x in lines.values()]
    assert said[1:] == [*made, verdicts.source_lines(named)], 'python tools/outputs.py nbs/verdicts.ipynb; nbdev_clean'
    assert all(verdicts.counted(x) in said[0] for x in lines.values())
    rule = next(k for k, c in enumerate(cells) if 'Could not be tried' in c.source)
    assert rule < min(k for k, c in enumerate(cells) if c.cell_type == 'code')         # before any number

def test_no_number_of_the_paper_is_new():
    "What is given as the paper's is what the review gives."
    given = {'64.6', '6', '16', '24', '50', '66.10', '70', '62.33', '1,500', '1.7', '1e-4', '.9'}
    found = {n for c in claims.PAPER for n in re.findall(r'(?<![\w.-])\.?\d[\d,.e-]*(?<![,.])', c.text)}
    assert found == given
