"""Images and masks as people hand them in: pairs, shifted masks, odd units, values that are no HU, series of all kinds.

Each stands for a kind; the files are written here, in the real formats, and SimpleITK is the independent reader."""
import gzip
from pathlib import Path
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from conftest import autorad
from lidc_tree import slice_dataset
from autorad_lung.sources import dicom
from autorad_lung.artifacts import CompanionError, Store
from autorad_lung.sources.given import Given
from autorad_lung.cohort.marks import scan_record
from autorad_lung.preprocessing import image_table
from autorad_lung.protocol import preset
from autorad_lung.radiomics import _load, extract
from autorad_lung.sources.sources import Nifti

SPACING = (1.25, .7, .7)                                                   # z, y, x, mm
AFFINE = np.array([[-.7, 0, 0, 170], [0, -.7, 0, 150], [0, 0, 1.25, -340], [0, 0, 0, 1]])   # to the left, back, head

def ball(at=(12, 28, 28), mm=6., shape=(24, 56, 56)) -> np.ndarray:
    "(Z, Y, X) bool, a ball of this radius."
    return sum(((i - c) * s)**2 for i, c, s in zip(np.indices(shape), at, SPACING)) < mm**2

def chest(mask, seed=0) -> np.ndarray:
    "(Z, Y, X) int16: lung, a wall, and a nodule where the mask is."
    rng = np.random.default_rng(seed)
    hu = rng.normal(-850, 40, mask.shape)
    hu[:, :8] = rng.normal(40, 15, hu[:, :8].shape); hu[mask] = rng.normal(57, 15, mask.sum())
    return hu.round().astype('i2')

def save(path: Path, array, affine=AFFINE, kind=nib.Nifti1Image, units='mm') -> Path:
    a = np.ascontiguousarray(np.asarray(array).T)
    image = kind(a, affine, dtype=a.dtype)
    image.header.set_xyzt_units(units)
    nib.save(image, path)
    return path

@pytest.fixture
def files(tmp_path):
    "ct.nii.gz and nodule.nii.gz, and a table of them."
    m = ball()
    save(tmp_path/'ct.nii.gz', chest(m)); save(tmp_path/'nodule.nii.gz', m.astype('u1'))
    return tmp_path

def both(folder: Path, image='ct.nii.gz', mask='nodule.nii.gz') -> list:
    "The ways into the program: a cohort's row, a new table's row, an image and a mask."
    row = f'a,p,{image},{mask},3\n'
    (folder/'nodules.csv').write_text('nodule_id,patient_id,image,mask,malignancy\n' + row)
    (folder/'new.csv').write_text(f'image,mask\n{image},{mask}\n')
    return [lambda: Nifti(folder).load('a'), lambda: Given(csv=folder/'new.csv').load('row1'),
            lambda: (s := Given(folder/image, folder/mask)).load(s.rows.index[0])]

def refused(load, *words):
    with pytest.raises(CompanionError) as e: load()
    assert e.value.remedy and all(w in str(e.value) for w in words), str(e.value)

def by_simpleitk(image: sitk.Image, mask: sitk.Image) -> np.ndarray:
    "HU in the mask, laid on the image by its position."
    on = sitk.GetArrayFromImage(sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    return sitk.GetArrayFromImage(image)[on]

def pictures(source, folder: Path):
    "The way of all commands: what is read, and the quarantine."
    return image_table(source, source.rows.index.tolist(), preset('mini'), 64, Store(folder/'cache'), quiet=True)

# ---------------------------------------------------------------- what a key covers

@pytest.mark.parametrize('named', ['ct.hdr', 'ct.img', 'ct.hdr.gz', 'ct.img.gz'])
def test_two_patients_of_pairs_on_one_grid(named, tmp_path):
    "The headers are the same bytes; the answers may not be."
    size, seen = named.replace('hdr', 'img'), []
    for name, mm in (('a', 6.), ('b', 3.)):
        (d := tmp_path/name).mkdir(); m = ball(mm=mm)
        save(d/size, chest(m), kind=nib.Nifti1Pair); save(d/'nodule.img', m.astype('u1'), kind=nib.Nifti1Pair)
        for load in both(d, named, 'nodule.hdr'): assert (load().hu == chest(m)).all()
        s = Given(d/named, d/'nodule.hdr')
        seen.append((s.key('nodule'), Nifti(d).key('a'), pictures(s, tmp_path).table.diameter_mm[0]))
    a, b = seen
    assert a[0] != b[0] and a[1] != b[1] and abs(a[2] - 11.9) < .3 and abs(b[2] - 6.) < .3

def test_a_mask_behind_a_link_is_read_again_when_it_changes(files):
    (files/'link.nii.gz').symlink_to(files/'nodule.nii.gz')
    s = Given(files/'ct.nii.gz', files/'link.nii.gz'); before = s.key('link'), s.load('link').masks.sum()
    save(files/'nodule.nii.gz', ball(mm=3.).astype('u1'))
    assert s.key('link') != before[0] and s.load('link').masks.sum() < before[1]

# ---------------------------------------------------------------- where the mask lies

@pytest.mark.parametrize('off_mm, fits', [(0, True), (.05, True), (.15, False), (1.25, False), (2.5, False)])
@pytest.mark.parametrize('axis', [0, 2])
def test_a_mask_lies_where_its_header_says(off_mm, fits, axis, files):
    moved = AFFINE.copy(); moved[axis, 3] += off_mm
    save(files/'nodule.nii.gz', ball().astype('u1'), moved); write_series(files/'series', chest(ball()))
    for load in (*both(files), lambda: Given(files/'series', files/'nodule.nii.gz').load('nodule')):
        if fits: assert load().masks.sum() == ball().sum()
        else: refused(load, 'nodule.nii.gz', 'position', 'resample')

def test_a_mask_of_a_slightly_other_spacing(files):
    other = AFFINE.copy(); other[2, 2] = 1.26
    save(files/'nodule.nii.gz', ball().astype('u1'), other)
    for load in both(files): refused(load, '1.26', '0.2 mm')

def test_a_gantry_tilt_in_the_affine(files):
    "Volumes would be 6 % too large; SimpleITK refuses it too."
    tilted = AFFINE.copy(); tilted[1, 2] = -1.25 * np.tan(np.radians(20))
    for name, a in (('ct.nii.gz', chest(ball())), ('nodule.nii.gz', ball().astype('u1'))): save(files/name, a, tilted)
    for load in both(files): refused(load, '20.0 degrees', 'gantry tilt')
    with pytest.raises(RuntimeError): sitk.ReadImage(files/'ct.nii.gz')

@pytest.mark.parametrize('units, one', [('micron', 1e3), ('meter', 1e-3), ('unknown', 1)])
def test_units_of_the_header(units, one, files):
    affine = np.diag([one, one, one, 1]) @ AFFINE
    save(files/'ct.nii.gz', chest(ball()), affine, units=units)
    save(files/'nodule.nii.gz', ball().astype('u1'), affine, units=units)
    for load in both(files): assert np.allclose(load().spacing_mm, SPACING)
    assert np.allclose(sitk.ReadImage(files/'ct.nii.gz').GetSpacing()[::-1], SPACING)
    assert abs(Nifti(files).nodules(quiet=True).volume_mm3[0] - 4 / 3 * np.pi * 6**3) < 30

def test_units_that_cannot_be_true(files):
    save(files/'ct.nii.gz', chest(ball()), np.diag([1e3, 1e3, 1e3, 1]) @ AFFINE)
    for load in both(files): refused(load, '700 x 700 x 1250 mm', 'xyzt_units')

# ---------------------------------------------------------------- are these HU, and is this a nodule

def unit(hu): return (np.clip(hu, -1000, 400) + 1000.) / 1400
def filled(hu, value):
    hu = hu.copy(); hu[:, -19:] = value                  # beside the nodule
    return hu

def window(hu): return (unit(hu) * 255).astype('i2')

NO_HU = dict(bytes=lambda hu: window(hu).astype('u1'), window=window, unit=lambda hu: unit(hu).astype('f4'),
             percent=lambda hu: (unit(hu) * 100).astype('f4'), both_sides=lambda hu: unit(hu) * 2 - 1,
             z_scores=lambda hu: (hu - hu.mean()) / hu.std(), hundredfold=lambda hu: hu * 100.,
             window_and_padding=lambda hu: filled(window(hu), -2000))
DOUBT = dict(offset=lambda hu: (hu + 1024).clip(0).astype('u2'), offset_and_padding=lambda hu: filled(hu + 1024, -2000),
             offset_and_air=lambda hu: filled(hu + 1024, -1000), offset_and_least=lambda hu: filled(hu + 1024, -32768),
             twice=lambda hu: hu - 1024, soft_tissue_window=lambda hu: np.clip(hu, -160, 240))

@pytest.mark.parametrize('kind', NO_HU)
def test_values_that_cannot_be_hu(kind, files):
    save(files/'ct.nii.gz', NO_HU[kind](chest(ball())))
    for load in both(files): refused(load, 'ct.nii.gz', 'cannot be HU')

@pytest.mark.parametrize('kind', DOUBT)
def test_values_that_may_be_no_hu(kind, files):
    save(files/'ct.nii.gz', DOUBT[kind](chest(ball())))
    for load in both(files): assert load().flags[0].startswith('check that these are HU'), load().flags

@pytest.mark.parametrize('kind', ['bytes', 'window', 'window_and_padding', *DOUBT])
def test_a_series_of_such_values(kind, tmp_path):
    write_series(tmp_path/'series', (NO_HU | DOUBT)[kind](chest(ball())).astype('i4') + 1024, stored=True)
    refused(lambda: dicom.read_series(tmp_path/'series'), 'rescale slope or intercept is wrong')

@pytest.mark.parametrize('value', [-1024, -1000, -2000, -2048, -3024, -32768])
def test_padding_is_no_fault_and_not_the_largest_hu(value, files):
    save(files/'ct.nii.gz', filled(chest(ball()), value))
    for load in both(files): assert load().flags == () and (load().hu[:, -19:] == value).all()
    n = Given(files/'ct.nii.gz', files/'nodule.nii.gz', whole=True).load('nodule')
    assert n.scan_max_abs_hu == max(np.abs(chest(ball())[:, :-19].astype(int)).max(), min(1024, -value))

def test_two_nodules_under_one_label(files):
    one, other = ball(), ball((12, 28, 48), 3.5)
    save(files/'ct.nii.gz', chest(one | other)); save(files/'nodule.nii.gz', (one | other).astype('u1'))
    for load in both(files): assert 'check the mask: it has 2 parts' in load().flags[0]
    assert sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.ReadImage(files/'nodule.nii.gz'))).max() == 2
    save(files/'nodule.nii.gz', one + 2 * other.astype('u1'))
    s = Given(files/'ct.nii.gz', files/'nodule.nii.gz'); assert [s.load(i).flags for i in s.rows.index] == [(), ()]
    island = one.copy(); island[5, 5, 5] = island[18, 50, 50:52] = True           # partial voxels of a consensus
    save(files/'nodule.nii.gz', island.astype('u1'))
    for load in both(files): assert load().flags == ()

# ---------------------------------------------------------------- files of other kinds

RGB = [('R', 'u1'), ('G', 'u1'), ('B', 'u1')]
STORAGE = '1.2.840.10008.5.1.4.1.1.'                                       # SOP classes of DICOM begin so

def half_a_pair(path: Path):
    save(path, ball().astype('u1'), kind=nib.Nifti1Pair)
    path.with_suffix('.img').unlink()

@pytest.mark.parametrize('name, write, words', [
    ('rgb.nii.gz', lambda p: save(p, np.zeros((24, 56, 56), RGB)), ['several numbers a voxel']),
    ('rgba.nii.gz', lambda p: save(p, np.zeros((24, 56, 56), [*RGB, ('A', 'u1')])), ['several numbers a voxel']),
    ('complex.nii.gz', lambda p: save(p, np.zeros((24, 56, 56), 'c8')), ['several numbers a voxel']),
    ('four.nii.gz', lambda p: save(p, np.zeros((2, 24, 56, 56), 'i2')), ['4 axes']),
    ('five.nii.gz', lambda p: save(p, np.zeros((3, 1, 24, 56, 56), 'i2')), ['5 axes']),
    ('nan.nii.gz', lambda p: save(p, np.full((24, 56, 56), np.nan, 'f4')), ['not finite']),
    ('folder', lambda p: p.mkdir(), ['folder']),
    ('gone.nii.gz', lambda p: None, ['no such file']),
    ('half.hdr', lambda p: half_a_pair(p), ['half.img', 'not there']),
    ('ct.zip', lambda p: p.write_bytes(b'PK\3\4' + bytes(200)), ['not a whole archive']),
    ('ct.7z', lambda p: p.write_bytes(b'7z\xbc\xaf' + bytes(200)), ['7z', 'unpack it', 'the folder']),
    ('ct.png', lambda p: p.write_bytes(b'\x89PNG' + bytes(200)), ['PNG']),
    ('one.dcm', lambda p: write_one(p), ['CT Image', 'the folder of the series']),
    ('seg.dcm', lambda p: write_one(p, SOPClassUID=STORAGE + '66.4'), ['Segmentation']),
    ('rt.dcm', lambda p: write_one(p, SOPClassUID=STORAGE + '481.2'), ['RT Dose', 'convert it to NIfTI']),
    ('empty.nii.gz', lambda p: p.touch(), ['not a whole NIfTI']),
    ('cut.nii', lambda p: p.write_bytes(b'\x5c\1\0\0' + bytes(100)), ['not a whole NIfTI']),
    ('text.nii.gz', lambda p: p.write_bytes(gzip.compress(b'a nodule')), ['not a whole NIfTI']),
], ids=lambda v: v if isinstance(v, str) else '')
def test_a_file_of_another_kind_is_called_by_its_name(name, write, words, files):
    write(files/name)
    if name != 'folder':
        for load in both(files, image=name): refused(load, name.split('.')[0], *words)
    for load in both(files, mask=name): refused(load, name.split('.')[0], *words)
    for s in (Nifti(files), Given(csv=files/'new.csv')):
        quarantine = pictures(s, files).quarantine
        assert len(quarantine) == 1 and words[0] in quarantine.reason[0]

@pytest.mark.parametrize('change', [
    dict(dtype='i8'), dict(dtype='f8'), dict(dtype='f4'), dict(slope=0), dict(slope=np.nan), dict(axes=1), dict(axes=2),
    dict(slope=.5, inter=-1024.)])
def test_types_and_scales_that_are_read_right(change, files):
    hu, inter = chest(ball()), change.get('inter', 0)
    stored = ((hu - inter) * 2 if inter else hu).astype(change.get('dtype', 'i2'))
    path = save(files/'ct.nii', stored[(None,) * change.get('axes', 0)])
    if 'slope' in change:                                                  # scl_slope and scl_inter
        raw = bytearray(path.read_bytes()); raw[112:120] = np.array([change['slope'], inter], '<f4').tobytes()
        path.write_bytes(raw)
    for load in both(files, image='ct.nii'): assert np.array_equal(load().hu, hu)

def test_a_bad_path_names_its_option(files):
    refused(lambda: Given(files/'ct.nii.gz', files/'nodul.nii.gz'), '--mask', 'nodul.nii.gz', 'no such file')
    refused(lambda: Given(files/'cd.nii.gz', files/'nodule.nii.gz'), '--image', 'cd.nii.gz', 'no such file')
    for load in both(files, mask='nodul.nii.gz')[:2]:
        with pytest.raises(CompanionError) as e: load()
        assert 'nodules.csv' not in str(e.value)

# ---------------------------------------------------------------- a series

def write_one(path: Path, **changes):
    slice_dataset(scan_record(12), 0, np.full((8, 8), -900), **changes).save_as(path, enforce_file_format=True)

def write_series(folder: Path, hu: np.ndarray, each=lambda k: {}, stored=False, **changes) -> Path:
    "Slices of `hu` (Z, Y, X), on the grid of AFFINE; `each` gives what one slice has of its own."
    folder.mkdir()
    scan = scan_record(12)
    for k, plane in enumerate(hu):
        own = dict(PixelSpacing=[.7, .7], ImagePositionPatient=[-170, -150, -340 + 1.25 * k], SOPInstanceUID=f'1.2.{k}')
        if stored: own['PixelData'] = plane.clip(-32768, 32767).astype('<i2').tobytes()
        ds = slice_dataset(scan, 0, plane, **own | changes | each(k))
        ds.save_as(folder/f'{99 - k}.dcm', enforce_file_format=True)
    return folder

def sitk_series(folder: Path) -> sitk.Image:
    r = sitk.ImageSeriesReader(); r.SetFileNames(r.GetGDCMSeriesFileNames(str(folder)))
    return r.Execute()

def nodule(files, image='series'): return Given(files/image, files/'nodule.nii.gz').load('nodule')

def check_series(files, folder='series'):
    "The voxels in the mask are those that SimpleITK finds there."
    n, due = nodule(files, folder), by_simpleitk(sitk_series(files/folder), sitk.ReadImage(files/'nodule.nii.gz'))
    assert n.masks.sum() == due.size == ball().sum() and np.array_equal(np.sort(n.hu[n.masks[0]]), np.sort(due))
    assert np.allclose(n.spacing_mm, SPACING)
    return n

FLIPPED = dict(feet_first_supine=([-1, 0, 0, 0, 1, 0], (1, -1)), feet_first_prone=([1, 0, 0, 0, -1, 0], (-1, 1)),
               head_first_prone=([-1, 0, 0, 0, -1, 0], (-1, -1)))    # orientation; steps down and across

@pytest.mark.parametrize('kind', FLIPPED)
def test_a_patient_lies_as_he_likes(kind, files):
    orientation, (down, across) = FLIPPED[kind]
    at = [-170 + (55 * .7 if across < 0 else 0), -150 + (55 * .7 if down < 0 else 0)]
    hu = chest(ball())[:, ::down, ::across]
    write_series(files/'series', hu, lambda k: dict(ImagePositionPatient=[*at, -340 + 1.25 * k]),
                 ImageOrientationPatient=orientation)
    n = check_series(files)
    axes = Given(files/'series', files/'nodule.nii.gz').orientation('nodule')
    if kind == 'head_first_prone':                   # a half turn, which is how his slices are shown: kept
        assert np.array_equal(n.hu, hu) and 'kept as stored' in n.flags[0] and axes == 'RAS'
    else:                                            # mirrored as stored
        assert np.array_equal(n.hu, chest(ball())) and 'turned upright' in n.flags[0] and axes == 'LPS'

@pytest.mark.parametrize('odd', [0, 12])
@pytest.mark.parametrize('field, value', [
    ('ImageOrientationPatient', [1, -3e-9, 0, 3e-9, 1, 0]), ('PixelSpacing', [.7000001, .6999999]),
    ('RescaleSlope', '1.00000001'), ('RescaleIntercept', '-1024.0')])
def test_numbers_that_differ_by_rounding(odd, field, value, files):
    write_series(files/'series', chest(ball()), lambda k: {field: value} if k == odd else {})
    n = nodule(files)
    assert np.array_equal(n.hu, chest(ball())) and n.masks.sum() == ball().sum() and n.spacing_mm == SPACING

@pytest.mark.parametrize('field, value', [
    ('ImageOrientationPatient', [1, .001, 0, -.001, 1, 0]), ('PixelSpacing', [.701, .701]),
    ('RescaleIntercept', '-1023')])
def test_numbers_that_differ(field, value, files):
    write_series(files/'series', chest(ball()), lambda k: {field: value} if k == 12 else {})
    refused(lambda: nodule(files), '87.dcm', 'others of the series')

def test_positions_rounded_to_a_hundredth(files):
    "Slices at .625 mm, written as .62 and .63: the far end lies where it should."
    hu = chest(ball(shape=(24, 56, 56)))
    at = lambda k: dict(ImagePositionPatient=[-170, -150, int(k * 62.5) / 100 - 340])
    write_series(files/'series', np.repeat(hu, 4, 0), at)
    fine = AFFINE.copy(); fine[2, 2] = .625
    save(files/'nodule.nii.gz', np.repeat(ball(), 4, 0).astype('u1'), fine)
    n = nodule(files)
    assert abs(n.spacing_mm[0] - .625) < 1e-4 and n.masks.sum() == 4 * ball().sum()

def test_what_lies_beside_the_slices_is_left_alone(files):
    folder = write_series(files/'series', chest(ball())); s = Given(folder, files/'nodule.nii.gz')
    key = s.key('nodule')
    (folder/'seg').mkdir()
    for name in ('seg/note.txt', 'Thumbs.db', '._99.dcm'): (folder/name).write_bytes(b'no image' * 50)
    assert np.array_equal(check_series(files).hu, chest(ball())) and s.key('nodule') == key
    for k in ('66.4', '481.3', '88.67', '7', '104.1'): write_one(folder/f'0{k}.dcm', SOPClassUID=STORAGE + k)
    n = nodule(files); assert np.array_equal(n.hu, chest(ball())) and n.flags == ()
    one = folder/'80.dcm'; one.write_bytes(one.read_bytes()[:-2] + b'\0\4'); assert s.key('nodule') != key

def test_the_folder_above_and_other_wrong_folders(files):
    (files/'above').mkdir(); (files/'none').mkdir(); series = write_series(files/'above'/'series', chest(ball()))
    refused(lambda: nodule(files, 'above'), 'give the folder of one series: series')
    refused(lambda: nodule(files, 'none'), 'no slice')
    write_one(files/'none'/'seg.dcm', SOPClassUID=STORAGE + '66.4'); refused(lambda: nodule(files, 'none'), 'no slice')
    write_one(series/'0.dcm', SeriesInstanceUID='1.2.3'); refused(lambda: nodule(files, 'above/series'), 'one series')

def test_an_enhanced_ct_without_its_groups(files):
    (files/'series').mkdir()
    write_one(files/'series'/'volume.dcm', SOPClassUID=STORAGE + '2.1', PixelSpacing=None, ImageOrientationPatient=None,
              ImagePositionPatient=None, NumberOfFrames=24)
    for image in ('series', 'series/volume.dcm'): refused(lambda: nodule(files, image), 'FunctionalGroupsSequence')

# ---------------------------------------------------------------- the one-line API, and a whole program

def test_the_one_line_api_has_the_same_doubts(files):
    save(files/'offset.nii.gz', DOUBT['offset'](chest(ball()))); save(files/'unit.nii.gz', NO_HU['unit'](chest(ball())))
    mask = files/'nodule.nii.gz'
    with pytest.warns(UserWarning, match='check that these are HU: there is no air'):
        extract(files/'offset.nii.gz', mask)
    with pytest.warns(UserWarning, match='cannot be HU'): _load(files/'unit.nii.gz', mask, None)
    shape = (24, 56, 56)
    for name, a in (('rgb', np.zeros(shape, RGB)), ('four', np.zeros((2, *shape), 'i2')), ('c', np.zeros(shape, 'c8'))):
        refused(lambda: extract(save(files/f'{name}.nii.gz', a), mask), name, 'one number a voxel')
    tilted = AFFINE.copy(); tilted[1, 2] = -.45
    refused(lambda: extract(save(files/'tilt.nii.gz', chest(ball()), tilted), files/'nodule.nii.gz'), 'orthonormal')


def test_extract_says_what_it_read_with_doubt_and_what_not_at_all(files):
    "Six rows: good, an offset, two parts, bytes, colours, a DICOM folder. Nothing is lost, and each says why."
    hu, two = chest(ball()), ball() | ball((12, 28, 48), 3.5)
    save(files/'offset.nii.gz', DOUBT['offset'](hu)); save(files/'bytes.nii.gz', NO_HU['bytes'](hu))
    save(files/'two.nii.gz', two.astype('u1')); save(files/'rgb.nii.gz', np.zeros(hu.shape, RGB))
    write_series(files/'series', hu)
    pairs = [(f'{image}.nii.gz', 'nodule.nii.gz') for image in ('ct', 'offset', 'bytes', 'rgb')]
    pairs += [('ct.nii.gz', 'two.nii.gz'), ('series', 'nodule.nii.gz')]
    rows = [f'n{k},p{k},{image},{mask},{1 + 2 * (k % 3)}' for k, (image, mask) in enumerate(pairs)]
    (files/'nodules.csv').write_text('\n'.join(['nodule_id,patient_id,image,mask,malignancy', *rows, '']))
    said = autorad('extract', '--source', 'nifti', '--data', files, '--out', files/'run', '--set', 'readers_min=1',
                   '--workers', '1', '--quiet').stdout
    ledger = pd.read_csv(files/'run'/'ledger.csv', keep_default_na=False).set_index('nodule_id')
    features = pd.read_parquet(files/'run'/'features.parquet')
    assert features.nodule_id.tolist() == ['n0', 'n1', 'n4', 'n5'] == ledger.index[ledger.included].tolist()
    assert len(ledger) == 6
    assert ledger.note['n0'] == '' and 'no air' in ledger.note['n1'] and '2 parts' in ledger.note['n4']
    numbers = features.set_index('nodule_id').select_dtypes('number').astype(float)
    assert np.allclose(numbers.loc['n0'], numbers.loc['n5'], rtol=1e-4, equal_nan=True)         # NIfTI and DICOM
    for i, why in (('n2', 'cannot be HU'), ('n3', 'several numbers a voxel')):
        assert why in ledger.reason[i], ledger.reason[i]
    assert 'no air in the image' in said and 'such as n1' in said and 'such as n4' in said
