"""DICOM objects, read by programs that share no code with what wrote them: dcmqi's binaries and the validator dciodvfy
(Debian's dicom3tools); and LIDC-IDRI-0001, a real series, where it is at hand."""
import json, shutil, subprocess, sys, tarfile
from pathlib import Path
import numpy as np
import pytest
import pydicom
import SimpleITK as sitk
from autorad_lung.artifacts import content_key
from autorad_lung.cohort.codes import attribute_code, rating_code
from autorad_lung.cohort.marks import ATTRIBUTES, annotation_mask, annotations, scan_record
from autorad_lung.protocol import CLASSES
from conftest import SHARED, inside
from lidc_tree import slice_dataset

pytest.importorskip('highdicom', reason='highdicom is not installed: the extra [dicom]')
from autorad_lung.cases.findings import measured, read_report
from autorad_lung.cases.lidc_objects import Job, write_scan
from autorad_lung.cases.objects import Measured, write_objects
from autorad_lung.sources.segmentations import segments

FIRST = Measured(
    'a', 'consensus', 9.5, 123.25, 'sphere of equal volume',
    {'original_firstorder_Mean': -3.25, 'wavelet-HLL_glcm_Contrast': 1 / 3, 'gradient_firstorder_Energy': 1.5e9,
     'gradient_firstorder_TotalEnergy': 2e9, 'original_shape_Flatness': float('nan')},
    'recipe paper', dict(margin=3.25), {}, dict(benign=.1, unsure=.3, malignant=.6), ('unsure', 'malignant'), .9,
    'autorad', 'model/README.md', 'ab' * 32)
SECOND = Measured('b', 'reader 1', ratings=dict(margin=2, malignancy=5))

@pytest.fixture(scope='module')
def objects(tmp_path_factory):
    "Six slices of LIDC's form, two masks on them, and the objects."
    d, scan = tmp_path_factory.mktemp('objects'), scan_record(698)
    (d/'ct').mkdir()
    for k in range(6):
        ds = slice_dataset(scan, k, np.zeros((24, 20), np.int16), StudyDate='20000101',
                           FrameOfReferenceUID='1.2.4')
        ds.save_as(d/'ct'/f'{9 - k}.dcm', enforce_file_format=True)
    masks = np.zeros((2, 6, 24, 20), bool)
    masks[0, 1:4, 4:9, 3:8], masks[1, 3:5, 14:20, 10:17] = True, True
    return d, masks, write_objects(d/'ct', masks, [FIRST, SECOND], d)

def dcmqi(program, *args):
    "Run one of dcmqi's binaries."
    path = Path(sys.executable).with_name(program)
    if not path.is_file(): pytest.skip(f'{program} is not here: pip install dcmqi')
    r = subprocess.run([path, *map(str, args)], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr

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
        'gradient_firstorder_TotalEnergy': (
            ('99AUTORADLUNG', content_key('gradient_firstorder_TotalEnergy')[:16]), 2e9, "mm3.[hnsf'U]2/mm2"),
        'Margin': (('NCIt', 'C25563'), 3.25, '{score}'),
        **{f"Probability of {c}, by the readers' suspicion": (('99AUTORADLUNG', f'P_{c.upper()}'), p, '1')
           for c, p in FIRST.probabilities.items()},
        'Confidence of the set': (('99AUTORADLUNG', 'CONFIDENCE'), .9, '1')}
    assert found.keys() == truth.keys()
    for name, (of, value, unit) in truth.items():
        assert found[name][0] == of and found[name][2] == unit, name
        assert found[name][1] == pytest.approx(value, rel=1e-13), name    # a DICOM number has 16 characters
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

def coded(scheme, value, meaning): return dict(CodingSchemeDesignator=scheme, CodeValue=value, CodeMeaning=meaning)

LUNG, NODULE = coded('SRT', 'T-28000', 'Lung'), coded('SRT', 'M-03010', 'Nodule')     # the older codes, SNOMED RT
SEGMENT = dict(labelID=1, SegmentAlgorithmType='MANUAL', AnatomicRegionSequence=LUNG, TrackingIdentifier='Nodule 1',
               TrackingUniqueIdentifier='1.2.7', SegmentLabel='Nodule 1 - Annotation 84',
               recommendedDisplayRGBValue=[255] * 3,
               SegmentedPropertyCategoryCodeSequence=coded('SRT', 'M-01000', 'Morphologically Altered Structure'),
               SegmentedPropertyTypeCodeSequence=NODULE)
REPORT = dict(SeriesDescription='Qualitative evaluations', SeriesNumber='1001', InstanceNumber='1', timePoint='1',
              observerContext=dict(ObserverType='PERSON', PersonObserverName='Reader1'), activitySession='1',
              VerificationFlag='VERIFIED', CompletionFlag='COMPLETE')

def test_what_dcmqi_writes_is_read(objects):
    "A Segmentation and a report in the form of the public re-encoding, written by the program that wrote it."
    d, masks, _ = objects
    scan = scan_record(698)
    image = sitk.GetImageFromArray(masks[0].astype(np.uint8))
    image.SetSpacing([scan.pixel_spacing_mm] * 2 + [float(np.diff(scan.slice_z_mm[:2])[0])])
    image.SetOrigin([-170, -171.5, float(scan.slice_z_mm[0])])
    sitk.WriteImage(image, d/'mask.nrrd')
    meta = dict(ContentCreatorName='Reader1', SeriesDescription='Lung nodule segmentation', SeriesNumber='300',
                InstanceNumber='1', BodyPartExamined='LUNG', segmentAttributes=[[SEGMENT]])
    (d/'seg.json').write_text(json.dumps(meta))
    for kind in ('binary', 'labelmap'):
        dcmqi('itkimage2segimage', '--inputImageList', d/'mask.nrrd', '--inputDICOMDirectory', d/'ct',
              '--inputMetadata', d/'seg.json', '--segmentationType', kind, '--outputDICOM', d/f'{kind}.dcm')
        (segment,) = segments(d/f'{kind}.dcm', d/'ct')
        assert np.array_equal(segment.mask, masks[0]) and segment[:3] == (1, 'Nodule 1 - Annotation 84', 'Nodule 1')
    seg = pydicom.dcmread(d/'binary.dcm')
    ratings = dict(zip(ATTRIBUTES, (5, 1, 6, 3, 3, 3, 4, 5, 4)))
    size = ('9.5', ('M-02550', 'Diameter'), 'mm'), ('123.25', ('G-D705', 'Volume'), 'mm3')
    group = dict(
        TrackingIdentifier='Nodule 1', ReferencedSegment=1, SourceSeriesForImageSegmentation=scan.series_uid,
        segmentationSOPInstanceUID=seg.SOPInstanceUID, Finding=NODULE, FindingSite=LUNG,
        measurementItems=[dict(value=v, quantity=coded('SRT', *name), units=coded('UCUM', unit, unit))
                          for v, name, unit in size],
        qualitativeEvaluations=[
            dict(conceptCode=coded(c[1], c[0], c[2]), conceptValue=coded(v[1], v[0], v[2]))
            for c, v in ((attribute_code(a), rating_code(a, k)) for a, k in ratings.items())])
    (d/'sr.json').write_text(json.dumps(REPORT | dict(
        compositeContext=['binary.dcm'], imageLibrary=[p.name for p in (d/'ct').iterdir()], Measurements=[group])))
    dcmqi('tid1500writer', '--inputImageLibraryDirectory', d/'ct', '--inputCompositeContextDirectory', d,
          '--inputMetadata', d/'sr.json', '--outputDICOM', d/'sr.dcm')
    (finding,) = read_report(d/'sr.dcm')
    assert measured(finding) == Measured('Nodule 1', diameter_mm=9.5, volume_mm3=123.25, ratings=ratings)
    assert (finding.segmentation_uid, finding.segment) == (seg.SOPInstanceUID, 1)

def test_no_validator_finds_an_error(objects):
    if not shutil.which('dciodvfy'): pytest.skip('dciodvfy is not here: apt-get install dicom3tools')
    for path in objects[2].values():
        said = subprocess.run(['dciodvfy', path], capture_output=True, text=True)
        assert 'Error' not in said.stderr + said.stdout, said.stderr

@pytest.fixture(scope='module')
def real(tmp_path_factory):
    "The real series LIDC-IDRI-0001: its folder, that of the objects of its four marks, and their rows."
    packed, d = SHARED/'data'/'lidc_dicom'/'LIDC-IDRI-0001.tar.xz', tmp_path_factory.mktemp('real')
    if not packed.is_file(): pytest.skip('the real series is not here')
    with tarfile.open(packed) as tar: tar.extractall(d, filter='data')
    scan, rows = scan_record(12), write_scan(Job(12, (('LIDC-IDRI-0001-s12-n1', '84;85;86;87'),)), d, d/'out')
    return d/scan.patient_id/scan.study_uid/scan.series_uid, d/'out'/scan.patient_id, rows

def test_real_marks(real):
    "A reader's outline and ratings of a real nodule, written and read again."
    series, home, (row, *_) = real
    (segment,), (finding,) = segments(home/row['segmentation'], series), read_report(home/row['report'])
    box, origin = annotation_mask(84)
    where = tuple(slice(o, o + s) for o, s in zip(origin, box.shape))
    assert segment.mask.shape == (133, 512, 512) and np.array_equal(segment.mask[where], box)
    assert segment.mask.sum() == box.sum()
    said = annotations().set_index('annotation_id').loc[84]
    assert measured(finding).ratings == {a: int(said[a]) for a in ATTRIBUTES}

def test_a_real_report(real, tmp_path):
    "Four readers' outlines of a real nodule: dcmqi finds the numbers that `predict` gives, and the consensus' voxels."
    series, home, rows = real
    masks = ';'.join(str(home/r['segmentation']) for r in rows)
    (tmp_path/'new.csv').write_text(f'image,mask,nodule_id\n{series},{masks},one\n')
    asked = '--csv', tmp_path/'new.csv', '--workers', 1, '--json'
    [told] = json.loads(inside('report', *asked, '--to', tmp_path/'reports', '--dicom', tmp_path).stdout)
    [row] = json.loads(inside('predict', *asked, '--out', tmp_path/'p.csv').stdout)
    dcmqi('tid1500reader', '--inputDICOM', tmp_path/'nodules-report.dcm', '--outputMetadata', tmp_path/'sr.json')
    [group] = json.loads((tmp_path/'sr.json').read_text())['Measurements']
    found = {m['quantity']['CodeMeaning']: float(m['value']) for m in group['measurementItems']}
    same = lambda name, value: found[name] == pytest.approx(value, rel=1e-10)      # a small number has few digits there
    assert same('Diameter', row['diameter_mm']) and same('Confidence of the set', row['confidence'])
    assert all(same(f"Probability of {c}, by the readers' suspicion", row[f'calibrated_{c}']) for c in CLASSES)
    answers = [q['conceptValue'] for q in group['qualitativeEvaluations']]
    assert [a['CodeMeaning'] for a in answers if 'CodeMeaning' in a] == [row['set']] == [told['set']]
    assert 'Research use only: not a medical device' in answers
    said = (tmp_path/'reports'/'one.txt').read_text()                   # seven attributes: one is held at its mean
    for a in set(ATTRIBUTES) - {'internalStructure', 'malignancy'}:
        assert f'{a.capitalize()}, as predicted: {found[attribute_code(a)[2]]:.1f} of' in said
    by = {m['quantity']['CodeMeaning']: m['measurementAlgorithmIdentification'] for m in group['measurementItems']}
    assert by['Spiculation']['AlgorithmName'] == 'Bottleneck, from radiomics'      # not the model that answers
    assert by['Confidence of the set']['AlgorithmName'] == "Ordinal logistic on the readers' shares"
    assert by['original_firstorder_Mean']['AlgorithmParameters'][0].endswith('on slice 90 from the feet alone')
    dcmqi('segimage2itkimage', '--inputDICOM', tmp_path/'nodules-segmentation.dcm', '--outputDirectory', tmp_path)
    image, drawn = sitk.ReadImage(tmp_path/'1.nrrd'), np.zeros((133, 512, 512), int)
    for box, origin in map(annotation_mask, (84, 85, 86, 87)):
        drawn[tuple(slice(o, o + s) for o, s in zip(origin, box.shape))] += box
    scan, voxels = scan_record(12), sitk.GetArrayFromImage(image) > 0
    first = int(np.argmin(np.abs(scan.slice_z_mm - image.GetOrigin()[2])))
    assert np.array_equal(voxels, drawn[first:first + len(voxels)] >= 2) and voxels.sum() == (drawn >= 2).sum()
    assert np.isclose(found['Volume'], voxels.sum() * np.prod(image.GetSpacing()))
    head = pydicom.dcmread(next(p for p in series.glob('*.dcm')), stop_before_pixels=True)
    assert np.allclose(image.GetOrigin()[:2], head.ImagePositionPatient[:2], atol=1e-4)
