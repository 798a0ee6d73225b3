"""`autorad-lung radiomics` as PyRadiomics' users know it: their parameter files, a table of cases of which one is
broken, a run that is killed and goes on, a script with one line changed; and what it says of input that is none."""
import csv, io, json, os, signal, subprocess, sys, time
from pathlib import Path
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import drop_in
from conftest import autorad, inside
from autorad_lung.artifacts import CompanionError
from autorad_lung.features.parameters import Refused, read_parameters

PARAMETERS = Path(__file__).parent/'parameters'
needs_reference = pytest.mark.skipif(not drop_in.HERE, reason=drop_in.WHY)

@pytest.fixture(scope='module')
def files(tmp_path_factory) -> Path:
    "Three images with masks; the third mask is another image's."
    at = tmp_path_factory.mktemp('cases')
    for k, (name, label) in enumerate([('a', 1), ('b', 2), ('c', 1)]):
        image, mask = drop_in.draw(seed=k, label=label)
        if name == 'c': mask = mask[2:]
        sitk.WriteImage(image, at/f'{name}.nii.gz'); sitk.WriteImage(mask, at/f'{name}_mask.nii.gz')
    (at/'cases.csv').write_text('ID,Image,Mask,Label,Site\np1,a.nii.gz,a_mask.nii.gz,1,"north, old"\n'
                                'p2,b.nii.gz,b_mask.nii.gz,2,\np3,c.nii.gz,c_mask.nii.gz,,south\n')
    return at

def run(*args, at: Path, code: int = 0, by=inside, **kw) -> subprocess.CompletedProcess:
    r = by('radiomics', *args, '--cache', at/'cache', check=False, cwd=at, **kw)
    assert r.returncode == code and 'Traceback' not in r.stderr, (r.returncode, r.stdout[-2000:], r.stderr[-2000:])
    return r

def test_a_table_of_cases_of_which_one_is_broken(files):
    r = run('cases.csv', '--params', PARAMETERS/'plain.yaml', '--out', 'f.csv', at=files, code=2, by=autorad)
    assert '2 of 3 cases' in r.stdout and 'row 4 (p3)' in r.stderr and 'one grid' in r.stderr
    lost = pd.read_csv(files/'f.quarantine.csv')
    assert lost['item'].tolist() == ['row 4 (p3)'] and 'sizes' in lost.reason[0] and 'correctMask' in lost.remedy[0]
    header, *rows = csv.reader(io.StringIO((files/'f.csv').read_text()))
    assert header[:6] == ['ID', 'Image', 'Mask', 'Label', 'Site', 'diagnostics_Versions_autorad-lung']
    assert [r[:1] + r[3:5] for r in rows] == [['p1', '1', 'north, old'], ['p2', '2', ''], ['p3', '', 'south']]
    assert rows[0][1] == str(files/'a.nii.gz') and set(rows[2][5:]) == {''}
    if not drop_in.HERE: pytest.skip(drop_in.WHY)
    for row, label in zip(rows, (1, 2)):
        theirs = drop_in.reference(row[1], row[2], str(PARAMETERS/'plain.yaml'), label=label)
        mine = dict(zip(header[5:], row[5:]))
        told = {k for k in mine if k.startswith('diagnostics')}
        assert drop_in.differences({k: v for k, v in mine.items() if k not in told},
                                   {k: v for k, v in theirs.items() if not k.startswith('diagnostics')}) == []
        for k in told - {'diagnostics_Versions_autorad-lung', 'diagnostics_Mask-original_CenterOfMassIndex'}:
            assert mine[k] == str(theirs[k]), k

def test_one_image_and_mask_in_each_format(files):
    given = ['a.nii.gz', 'a_mask.nii.gz', '-p', PARAMETERS/'plain.yaml', '-s', 'binWidth:50']
    header, row = csv.reader(io.StringIO(run(*given, at=files).stdout))
    [plain] = json.loads(run(*given, '--format', 'json', at=files).stdout)
    assert json.loads(run(*given, '--json', at=files).stdout) == [plain] and list(plain) == header
    run(*given, '-o', 'one.parquet', at=files)
    table = pd.read_parquet(files/'one.parquet')
    name = 'original_firstorder_Entropy'
    assert float(row[header.index(name)]) == plain[name] == table[name][0] and list(table) == header
    assert plain['diagnostics_Configuration_Settings']['binWidth'] == 50

@pytest.fixture(scope='module')
def many(tmp_path_factory) -> Path:
    "Forty masks on one image."
    at = tmp_path_factory.mktemp('many')
    image, _ = drop_in.draw(shape=(10, 26, 28)); sitk.WriteImage(image, at/'image.nii.gz')
    for k in range(40):
        _, mask = drop_in.draw(shape=(10, 26, 28), seed=k); sitk.WriteImage(mask, at/f'{k}.nii.gz')
    (at/'cases.csv').write_text('Image,Mask\n' + ''.join(f'image.nii.gz,{k}.nii.gz\n' for k in range(40)))
    return at

def test_killed_and_resumed_ends_in_the_same_bytes(many, tmp_path):
    command = ['radiomics', many/'cases.csv', '--params', PARAMETERS/'plain.yaml', '--out', tmp_path/'f.csv']
    program = [Path(sys.executable).with_name('autorad-lung'), *command, '--cache', tmp_path/'cache']
    silent = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    p, until = subprocess.Popen([str(a) for a in program], **silent), time.monotonic() + 240
    def parts(): return list((tmp_path/'cache'/'features').glob('part-*'))
    while not parts() and p.poll() is None and time.monotonic() < until: time.sleep(.02)
    assert p.poll() is None, 'it ended before it could be killed'
    os.killpg(p.pid, signal.SIGKILL); p.wait()
    assert parts() and not (tmp_path/'f.csv').exists()
    kept = {x: x.stat().st_mtime_ns for x in parts()}
    autorad(*command, '--cache', tmp_path/'cache')
    again = (tmp_path/'f.csv').read_bytes()
    autorad(*command, '--cache', tmp_path/'other', '--jobs', '2')
    assert (tmp_path/'f.csv').read_bytes() == again and again.count(b'\n') == 41 and kept

@pytest.mark.parametrize('name', ['ct.yaml', 'plain.yaml', 'filters.json', 'planar.yaml'])
@needs_reference
def test_published_parameter_files_give_what_pyradiomics_gives(name):
    image, mask = drop_in.draw(shape=(22, 60, 62))
    if name == 'planar.yaml':
        one = sitk.GetArrayFromImage(mask) * (np.arange(22) == 11)[:, None, None]
        mask, old = sitk.GetImageFromArray(one.astype('u1')), mask; mask.CopyInformation(old)
    assert drop_in.both(image, mask, str(PARAMETERS/name)) == []

@pytest.mark.parametrize('text, words', [
    ('', ['voxelSetting', 'autorad-lung[reference]']),
    ('setting: {force2DDimension: 0}', ['force2DDimension', 'did you mean force2Ddimension?']),   # as published
    ('inputImage: {Original: {}}', ['inputImage', 'imageType']),                                  # of version 1
    ('featureClass: {shape: [Volume]}', ['shape: Volume', 'no such feature', 'MeshVolume']),
    ('featureClass: {shape: [SphericalDisproportion]}', ['deprecated', 'Sphericity']),
    ('featureClass: {shape: , shape: }', ["'shape' stands there twice"]),
    ('imageType: {LBP3D: {}}', ['LBP3D', 'autorad-lung[reference]']), ('imageType: {LoG: {}}', ['sigma']),
    ('setting: {binWidth: 0}', ['binWidth', 'more than 0']), ('setting: {sigma: [-1]}', ['sigma', 'more than 0']),
])
def test_what_is_not_computed_is_refused_with_its_name(text, words, tmp_path):
    path = tmp_path/'p.yaml'
    path.write_text(text or (PARAMETERS/'voxel.yaml').read_text())
    with pytest.raises(Refused) as e: read_parameters(path)
    assert all(w in str(e.value) for w in ['p.yaml', *words]), e.value

def bad_files(at: Path) -> dict:
    "Input that is none: image and mask."
    image, mask = drop_in.draw()
    values, inside = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(mask)
    def like(array, **kw):
        v = sitk.GetImageFromArray(array, **kw); v.CopyInformation(image); return v
    beside = sitk.Image(mask); beside.SetOrigin((0, 0, 0))
    speck, point = np.zeros_like(inside), (7, 20, 20); speck[point] = 1
    made = dict(good=image, mask=mask, cut=mask[1:], beside=beside, empty=like(inside * 0), other=like(inside * 3),
                soft=like(inside * .5), rgb=like(np.stack([values] * 3, -1), isVector=True), speck=like(speck),
                four=sitk.JoinSeries([image, image]))
    for name, v in made.items(): sitk.WriteImage(v, at/f'{name}.nrrd')
    (at/'text.nrrd').write_text('no image')

@pytest.mark.parametrize('image, mask, words', [
    ('good', 'cut', 'do not lie on one grid (sizes'), ('good', 'beside', 'do not lie on one grid (origins'),
    ('good', 'empty', 'nothing is outlined'), ('good', 'other', 'the labels are 3'), ('good', 'soft', 'fractions'),
    ('rgb', 'mask', 'several numbers a voxel'), ('four', 'mask', '4 dimensions'), ('good', 'speck', 'single voxel'),
    ('good', 'none', 'no such mask'), ('none', 'mask', 'no such image'), ('text', 'mask', 'cannot read this image'),
])
def test_input_that_is_none_is_told(image, mask, words, tmp_path):
    bad_files(tmp_path)
    with pytest.raises(ValueError) as e: drop_in.ours(str(tmp_path/f'{image}.nrrd'), str(tmp_path/f'{mask}.nrrd'))
    assert isinstance(e.value, CompanionError) and words in str(e.value) and e.value.remedy

@pytest.mark.parametrize('text, words', [
    ('image,roi\nx,y\n', 'column mask is missing'), ('Image,Mask\n', 'there is no case'),
    ('ID,Image,Mask\n7,x,y\n7,x,z\n', "ID '7' stands in row 2 already"), ('Image,Mask,Label\nx,y,one\n', "'one'"),
    ('Image,Mask\nx\n', 'row 2 has 1 field')])
def test_a_table_that_is_none_is_told(text, words, tmp_path):
    (tmp_path/'cases.csv').write_text(text)
    assert words in run('cases.csv', at=tmp_path, code=2).stderr
    assert not (tmp_path/'cache').exists()

SCRIPT = """
from radiomics import featureextractor
extractor = featureextractor.RadiomicsFeatureExtractor(binWidth=30)
extractor.disableAllFeatures()
extractor.enableFeatureClassByName('firstorder')
extractor.enableFeaturesByName(glcm=['Contrast', 'JointEntropy'])
extractor.enableImageTypeByName('Wavelet', customArgs={'wavelet': 'haar'})
extractor.addProvenance(False)
result = extractor.execute(image, mask, label=1)
lines = [f'{name}: {float(value):.9g}' for name, value in result.items()]
"""

def test_a_script_changes_one_line(files):
    given = {'image': str(files/'a.nii.gz'), 'mask': str(files/'a_mask.nii.gz')}
    mine, theirs = dict(given), dict(given)
    changed = 'from autorad_lung.features import extractor as featureextractor'
    exec(SCRIPT.replace('from radiomics import featureextractor', changed), mine)
    assert len(mine['lines']) == 9 * (18 + 2) and mine['lines'][0].startswith('original_firstorder_10Percentile')
    if not drop_in.HERE: pytest.skip(drop_in.WHY)
    exec(SCRIPT, theirs)
    assert mine['lines'] == theirs['lines']
