"""A report on a nodule's files and the check of it, through the command line: what nobody touched passes, what somebody
changed does not. The model reads radiomics, so nothing of torch is loaded."""
import base64, json, re
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from browser import Browser, find
from conftest import inside
from lidc_tree import slice_dataset
from autorad_lung.cases.findings import measured, read_report
from autorad_lung.cases.report import TABLE
from autorad_lung.cohort.marks import scan_record
from autorad_lung.preprocessing import consensus
from autorad_lung.sources.ratings import ATTRIBUTES
from autorad_lung.sources.segmentations import segments
from autorad_lung.study import Study
from autorad_lung.use.use import train_model

@pytest.fixture(scope='module')
def files(tmp_path_factory, clustered):
    "A folder with a bottleneck on simulated nodules, and two of those that it never saw as files."
    d = tmp_path_factory.mktemp('report')
    study = Study(out=d, quick=True, settings='limit=60 n_folds=2', workers=1)
    train_model(study, d/'model', 'concepts_radiomics', hold_out=.4, confidence=.8)
    for k, name in enumerate(study.ids[:2]):
        n = study.input.load(name)
        affine = np.diag([-n.spacing_mm[2], -n.spacing_mm[1], n.spacing_mm[0], 1.])
        for kind, a in ('ct', n.hu), ('mask', consensus(n.masks, .5).astype('u1')):
            nib.save(nib.Nifti1Image(np.ascontiguousarray(a.T), affine), d/f'{kind}{k}.nii.gz')
    return d

def report(d, *args, k=0, **kw):
    files = '--image', d/f'ct{k}.nii.gz', '--mask', d/f'mask{k}.nii.gz'
    return inside('report', '--model', d/'model', *files, *args, **kw)

def test_a_report_is_written_and_checked(files):
    said = report(files, '--to', files/'to').stdout
    assert {p.name for p in (files/'to').iterdir()} == {'mask0.txt', 'mask0.html', 'mask0.json', TABLE}
    text = (files/'to'/'mask0.txt').read_text()
    assert text.rstrip() in said and text.startswith('What this is: ') and 'simulated CT' in text.splitlines()[0]
    assert pd.read_csv(files/'to'/TABLE, keep_default_na=False).problem.tolist() == ['']
    checks = ('--check', files/'to'/'mask0.txt', '--check', files/'to'/'mask0.json')
    found = json.loads(report(files, *checks, '--json').stdout)
    assert found['ok'] and len(found['reports']) == 2
    assert {r['scores']['logical_precision'] for r in found['reports'].values()} == {1.}

@pytest.mark.skipif(not find(), reason='no Chromium here: install the package chromium')
def test_a_sentence_shows_its_place_on_the_page(files):
    report(files, '--to', files/'page')
    with Browser() as b:
        b.open(files/'page'/'mask0.html', width=390, height=844)
        assert b.errors == [] and b.asked() == [] and b.js('document.documentElement.scrollWidth') == 390
        for event, on in ('mouseenter', 1), ('mouseleave', 0), ('focus', 1), ('blur', 0):
            b.js(f'document.querySelector("li[data-of]").dispatchEvent(new Event("{event}"))')
            assert b.js('document.querySelectorAll("g.box.on").length') == on
        paper = base64.b64decode(b('Page.printToPDF')['data'])       # with the sentences of all attributes
        assert len(re.findall(rb'/Type\s*/Page\b', paper)) == 1

def test_the_same_numbers_as_dicom_objects(files):
    "Of the same nodule as a DICOM series: the outline on its slices, the report's numbers with their codes."
    pytest.importorskip('highdicom', reason='highdicom is not installed: the extra [dicom]')
    hu = np.asarray(nib.load(files/'ct0.nii.gz').dataobj).T
    dz, dy, dx = np.abs(np.diag(nib.load(files/'ct0.nii.gz').affine)[[2, 1, 0]])
    (files/'series').mkdir()
    for k, plane in enumerate(hu):
        place = dict(ImagePositionPatient=[0, 0, float(k * dz)], PixelSpacing=[float(dy), float(dx)])
        ds = slice_dataset(scan_record(698), k, plane, FrameOfReferenceUID='1.2.4', StudyDate='20000101', **place)
        ds.save_as(files/'series'/f'{k}.dcm', enforce_file_format=True)
    args = '--model', files/'model', '--image', files/'series', '--mask', files/'mask0.nii.gz', '--to', files/'dicom'
    inside('report', *args, '--dicom', files/'objects')
    held = json.loads((files/'dicom'/'mask0.json').read_text())
    (finding,), (segment,) = (read_report(files/'objects'/'nodules-report.dcm'),
                              segments(files/'objects'/'nodules-segmentation.dcm', files/'series'))
    assert np.array_equal(segment.mask, np.asarray(nib.load(files/'mask0.nii.gz').dataobj).T > 0)
    told, said = measured(finding), {f['kind']: [v for v, *_ in f['numbers']] for f in held['findings']}
    assert said['size'] == [round(told.diameter_mm, 1), round(told.volume_mm3)]
    assert said['density'][0] == round(told.radiomics['original_firstorder_Mean'])
    assert np.allclose(said['probability'], [100 * p for p in told.probabilities.values()], atol=.5)
    words = next(f['words'][0] for f in held['findings'] if f['kind'] == 'set')
    assert told.confidence == .8 and all(c in words for c in told.conformal)
    [row] = json.loads(inside('predict', *args[:-2], '--out', files/'p.csv', '--json').stdout)
    predicted = {a: row[a] for a in ATTRIBUTES if row[a] is not None}       # the simulated readers score few apart
    assert predicted and told.attributes == pytest.approx(predicted, rel=1e-10)
    r = report(files, '--to', files/'no', '--dicom', files/'no', check=False)
    assert r.returncode == 2 and 'no DICOM series' in r.stderr and not (files/'no').exists()

def test_what_was_changed_is_found(files):
    "A digit, a class, a hedge, a box, a sentence more and one less; another nodule's report, another confidence."
    report(files, '--to', files/'to')
    text, held = ((files/'to'/f'mask0.{x}').read_text() for x in ('txt', 'json'))
    lines, boxes = text.splitlines(), json.loads(held)
    size, scored = (next(line for line in lines if line.startswith(w)) for w in ('Size: ', 'Suspicion, as'))
    for f in boxes['findings']: f['box'] = f['box'] and [0, 0, *f['box'][2:]]
    spoilt = {'digit.txt': text.replace(size, size.replace('Size: ', 'Size: 1')), 'more.txt': text + 'All is well.\n',
              'class.txt': text.replace(scored, scored.replace('benign', 'unsure')), 'less.txt': text.replace(size, ''),
              'box.json': json.dumps(boxes), 'digit.json': held.replace(size, size.replace('Size: ', 'Size: 1'))}
    assert all(changed not in (text, held) for changed in spoilt.values())
    for name, changed in spoilt.items(): (files/name).write_text(changed)
    checks = [x for name in [*spoilt, 'to/mask0.txt'] for x in ('--check', files/name)]
    r = report(files, *checks, '--json', check=False)
    found = {name.rpartition('/')[2]: c['ok'] for name, c in json.loads(r.stdout)['reports'].items()}
    assert r.returncode == 1 and found == dict.fromkeys(spoilt, False) | {'mask0.txt': True}
    for k, *more in (1, []), (0, ['--confidence', .6]):
        r = report(files, '--check', files/'to'/'mask0.txt', *sum(more, []), k=k, check=False)
        assert r.returncode == 1 and 'does not pass' in r.stdout
    r = report(files, '--check', files/'none.txt', check=False)
    assert r.returncode == 2 and 'none.txt' in r.stderr and 'Traceback' not in r.stderr

def test_of_a_table_each_nodule_has_its_report_or_its_reason(files):
    odd = 'c\u00a0<d>\n& e'                                # a space that does not break, a mark-up, a second line
    rows = pd.DataFrame(dict(nodule_id=['a/b', 'lost', odd], image=['ct0.nii.gz', 'ct0.nii.gz', 'ct1.nii.gz'],
                             mask=['mask0.nii.gz', 'gone.nii.gz', 'mask1.nii.gz']))
    rows.to_csv(files/'new.csv', index=False)
    both = ('report', '--model', files/'model', '--csv', files/'new.csv')
    said = inside(*both, '--to', files/'both').stdout
    table = pd.read_csv(files/'both'/TABLE, keep_default_na=False).set_index('nodule_id')
    assert 'gone.nii.gz' in table.problem['lost'] and 'lost: no report' in said and table.report['a/b'] == 'a_b'
    names = [files/'both'/f'{n}.{x}' for n in ('a_b', table.report[odd]) for x in ('txt', 'json')]
    text, page = names[2].read_text(), names[2].with_suffix('.html').read_text()
    assert 'Nodule: c <d> & e.' in text.splitlines() and '&lt;d&gt;' in page and '<d>' not in page
    (files/'bom.txt').write_text('\ufeff' + text)            # as some editors save it
    inside(*both, *(x for n in (*names, files/'bom.txt') for x in ('--check', n)))
    (files/'other.txt').write_text(text.replace('Nodule: c <d> & e.', 'Nodule: a/b.'))
    assert inside(*both, '--check', files/'other.txt', check=False).returncode == 1
