"""DICOM objects, read by programs that share no code with what wrote them: dcmqi's binaries and the validator dciodvfy
(Debian's dicom3tools); and LIDC-IDRI-0001, a real series, where it is at hand."""
import json, shutil, subprocess, sys, tarfile
from pathlib import Path
import numpy as np
import pytest
import SimpleITK as sitk
from autorad_lung.cohort.marks import ATTRIBUTES, annotation_mask, annotations, scan_record
from conftest import SHARED
from lidc_tree import slice_dataset

pytest.importorskip('highdicom', reason='highdicom is not installed: the extra [dicom]')
from autorad_lung.cases.findings import measured, read_report
from autorad_lung.cases.lidc_objects import Job, write_scan
from autorad_lung.cases.objects import Measured, write_objects
from autorad_lung.sources.segmentations import segments

FIRST = Measured(
    'a', 'consensus', 9.5, 123.25, 'sphere of equal volume',
    {'original_firstorder_Mean': -3.25, 'wavelet-HLL_glcm_Contrast': 1 / 3, 'gradient_firstorder_Energy': 1.5e9,
     'original_shape_Flatness': float('nan')},
    'recipe paper', dict(margin=3.25), {}, dict(benign=.1, unsure=.3, malignant=.6), ('unsure', 'malignant'), .9,
    'autorad', 'model/README.md', 'ab' * 32)
SECOND = Measured('b', 'reader 1', ratings=dict(margin=2, malignancy=5))

@pytest.fixture(scope='module')
def objects(tmp_path_factory):
    "Six slices of LIDC's form (headers), two masks on them, and the objects."
    d, scan = tmp_path_factory.mktemp('objects'), scan_record(698)
    (d/'ct').mkdir()
    for k in range(6):
        ds = slice_dataset(scan, k, np.zeros((24, 20), np.int16), PixelData=None, StudyDate='20000101', PatientName='p^',
                           FrameOfReferenceUID='1.2.4', StudyTime='', StudyID='', AccessionNumber='',
                           PatientBirthDate='', PatientSex='', ReferringPhysicianName='')
        ds.save_as(d/'ct'/f'{9 - k}.dcm', enforce_file_format=True)
    masks = np.zeros((2, 6, 24, 20), bool)
    masks[0, 1:4, 4:9, 3:8], masks[1, 3:5, 14:20, 10:17] = True, True
    return d, masks, write_objects(d/'ct', masks, [FIRST, SECOND], d)

def dcmqi(program, *args):
    "Run one of dcmqi's binaries."
    path = Path(sys.executable).with_name(program)
    if not path.is_file(): pytest.skip(f'{program} is not here: pip install dcmqi')
    subprocess.run([path, *map(str, args)], check=True, capture_output=True)

def test_dcmqi_reads_the_report(objects):
    d, _, paths = objects
    dcmqi('tid1500reader', '--inputDICOM', paths['report'], '--outputMetadata', d/'report.json')
    first, second = json.loads((d/'report.json').read_text())['Measurements']
    code = lambda c: (c['CodingSchemeDesignator'], c['CodeValue'])
    found = {m['quantity']['CodeMeaning']: (code(m['quantity']), float(m['value']), m['units']['CodeValue'])
             for m in first['measurementItems']}
    truth = {
        'Diameter': (('SCT', '81827009'), 9.5, 'mm'), 'Volume': (('SCT', '118565006'), 123.25, 'mm3'),
        'original_firstorder_Mean': (('IBSI', 'Q4LE'), -3.25, "[hnsf'U]"),
        'wavelet-HLL_glcm_Contrast': (('IBSI', 'ACUI'), 1 / 3, '1'),
        'gradient_firstorder_Energy': (('IBSI', 'N8CA'), 1.5e9, "[hnsf'U]2/mm2"),
        'Margin': (('NCIt', 'C25563'), 3.25, '{score}'),
        **{f"Probability of {c}, by the readers' suspicion": (('99AUTORADLUNG', f'P_{c.upper()}'), p, '1')
           for c, p in FIRST.probabilities.items()},
        'Confidence of the set': (('99AUTORADLUNG', 'CONFIDENCE'), .9, '1')}
    assert found.keys() == truth.keys()
    for name, (of, value, unit) in truth.items():
        assert found[name][0] == of and found[name][2] == unit, name
        assert found[name][1] == pytest.approx(value, rel=1e-13), name        # DICOM's decimal strings have 16 characters
    assert (first['TrackingIdentifier'], first['ReferencedSegment'], second['ReferencedSegment']) == ('a', 1, 2)
    answers = {q['conceptCode']['CodeMeaning']: code(q['conceptValue']) for q in second['qualitativeEvaluations']}
    assert answers == {'Margin': ('99LIDCQIICR', '002'), 'Malignancy': ('99LIDCQIICR', '905')}

def test_dcmqi_reads_the_outlines(objects):
    d, masks, paths = objects
    dcmqi('segimage2itkimage', '--inputDICOM', paths['segmentation'], '--outputDirectory', d)
    scan = scan_record(698)
    for k, mask in enumerate(masks, 1):
        image = sitk.ReadImage(d/f'{k}.nrrd')
        points = [image.TransformIndexToPhysicalPoint(tuple(map(int, i[::-1])))
                  for i in np.argwhere(sitk.GetArrayFromImage(image))]                                  # x, y, z in mm
        row_column = lambda i: [-170 + scan.pixel_spacing_mm * i[2], -171.5 + scan.pixel_spacing_mm * i[1]]
        due = [[*row_column(i), scan.slice_z_mm[i[0]]] for i in np.argwhere(mask)]
        assert np.allclose(sorted(map(list, np.round(points, 3))), sorted(map(list, np.round(due, 3))), atol=1e-3)

def test_no_validator_finds_an_error(objects):
    if not shutil.which('dciodvfy'): pytest.skip('dciodvfy is not here: apt-get install dicom3tools')
    for path in objects[2].values():
        said = subprocess.run(['dciodvfy', path], capture_output=True, text=True)
        assert 'Error' not in said.stderr + said.stdout, said.stderr

def test_real_marks(tmp_path):
    "A reader's outline and ratings of the real series LIDC-IDRI-0001, written and read again."
    packed = SHARED/'data'/'lidc_dicom'/'LIDC-IDRI-0001.tar.xz'
    if not packed.is_file(): pytest.skip('the real series is not here')
    with tarfile.open(packed) as tar: tar.extractall(tmp_path, filter='data')
    scan = scan_record(12)
    (row,) = write_scan(Job(12, (('LIDC-IDRI-0001-s12-n1', '84'),)), tmp_path, tmp_path/'out')
    home, series = tmp_path/'out'/scan.patient_id, tmp_path/scan.patient_id/scan.study_uid/scan.series_uid
    (segment,), (finding,) = segments(home/row['segmentation'], series), read_report(home/row['report'])
    box, origin = annotation_mask(84)
    where = tuple(slice(o, o + s) for o, s in zip(origin, box.shape))
    assert segment.mask.shape == (133, 512, 512) and np.array_equal(segment.mask[where], box)
    assert segment.mask.sum() == box.sum()
    said = annotations().set_index('annotation_id').loc[84]
    assert measured(finding).ratings == {a: int(said[a]) for a in ATTRIBUTES}
