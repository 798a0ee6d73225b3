"""PyRadiomics' own baselines: what earlier versions of it gave for five images, by nine kinds of settings.

They lie in its source archive, which is not shipped here, as it does not say where the images come from. To have them:
`pip download --no-deps --no-binary :all: pyradiomics==3.0.1`, unpack it, and set AUTORAD_LUNG_PYRADIOMICS_SOURCE to
the folder. Takes some two minutes."""
import ast, collections, csv, functools, os, warnings
from pathlib import Path
import pytest
import SimpleITK as sitk
import drop_in
from autorad_lung.features.extractor import RadiomicsFeatureExtractor

NAME = 'AUTORAD_LUNG_PYRADIOMICS_SOURCE'
SOURCE = os.environ.get(NAME)
DATA = Path(SOURCE or '.')/'data'
WHY = f'no source archive of PyRadiomics at hand (set {NAME} to its folder)'
pytestmark = pytest.mark.skipif(not SOURCE, reason=WHY)

CASES = 'brain1', 'brain2', 'breast1', 'lung1', 'lung2'
COUNTS = {'firstorder': 360, 'glcm': 960, 'gldm': 490, 'glrlm': 640, 'glszm': 560, 'ngtdm': 175, 'shape': 140,
          'shape2D': 45}
# The mesh of brain1: its volume, its area and two ratios of them. PyRadiomics 3.0.1 itself gives our values (below);
# its baseline, of version 2.0.1b1 by its own account, has a volume larger by half a voxel and an area smaller by .08 %,
# and its own tests allow 3 %. brain1 is the one mask with nine of the 256 patterns of a cube, so most likely the
# triangles of one of them have changed since.
MISSED = {('brain1', f'original_shape_{k}') for k in ('MeshVolume', 'SurfaceArea', 'SurfaceVolumeRatio', 'Sphericity')}

@functools.cache
def baselines() -> dict:
    "(case, settings, filters) -> {(class, test): column of the baseline}."
    runs = collections.defaultdict(dict)
    for path in sorted((DATA/'baseline').glob('baseline_*.csv')):
        head, *rows = csv.reader(path.open(encoding='utf-8'))
        for k, test in enumerate(head[1:], 1):
            column = {row[0]: row[k] for row in rows}
            run = (column[f'diagnostics_Configuration_{n}'] for n in ('TestCase', 'Settings', 'EnabledImageTypes'))
            runs[tuple(run)][path.stem.removeprefix('baseline_'), test] = column
    return runs

def values(column: dict) -> dict: return {n: float(v) for n, v in column.items() if n.startswith('original_')}

def images(case: str, column: dict) -> tuple[sitk.Image, sitk.Image]:
    "Image and mask of a case, by their hashes those of the baseline; '_2D': one slice of the mask."
    name = case.removesuffix('_2D')
    image = sitk.ReadImage(DATA/f'{name}_image.nrrd')
    mask = sitk.ReadImage(DATA/f'{name}_label.nrrd', sitk.sitkUInt32)
    if name != case:
        k = ast.literal_eval(column['diagnostics_Mask-corrected_BoundingBox'])[2]
        mask = mask[:, :, k:k + 1]
    assert sitk.Hash(image) == column['diagnostics_Image-original_Hash']
    assert sitk.Hash(mask) == column['diagnostics_Mask-original_Hash']
    return image, mask

def test_all_values_are_read():
    counts = collections.Counter()
    for run in baselines().values():
        for (cls, _), column in run.items(): counts[cls] += len(values(column))
    assert counts == COUNTS and sum(counts.values()) == 3370

@pytest.mark.parametrize('case', CASES)
def test_equal_to_the_baseline(case):
    found, missed = 0, {}
    for (name, settings, filters), run in baselines().items():
        if name.removesuffix('_2D') != case: continue
        image, mask = images(name, next(iter(run.values())))
        wanted = {'imageType': ast.literal_eval(filters), 'featureClass': {c: [] for c, _ in run},
                  'setting': ast.literal_eval(settings)}
        with warnings.catch_warnings():
            warnings.simplefilter('error')                      # nothing is left out
            ours = RadiomicsFeatureExtractor(wanted).execute(image, mask)
        for (_, test), column in run.items():
            true = values(column)
            found += len(true)
            missed |= {(test, n): (ours[n], v) for n, v in true.items()
                       if not abs(ours[n] - v) <= 1e-6 * max(abs(ours[n]), abs(v))}
    print(f'{case}: {found - len(missed)} of {found} values equal')
    assert found == 674 and set(missed) == {m for m in MISSED if m[0] == case}, missed

@pytest.mark.skipif(not drop_in.HERE, reason=drop_in.WHY)
def test_what_is_missed_is_what_pyradiomics_gives_today():
    image, mask = (sitk.ReadImage(DATA/f'brain1_{n}.nrrd') for n in ('image', 'label'))
    wanted = {'imageType': {'Original': {}}, 'featureClass': {'shape': []}}
    mine, theirs = drop_in.ours(image, mask, wanted), drop_in.reference(image, mask, wanted)
    for _, name in MISSED: assert mine[name] == pytest.approx(float(theirs[name]), rel=1e-9)
    recorded = next(c for r in baselines().values() for (cls, t), c in r.items() if (cls, t) == ('shape', 'brain1'))
    gone = values(recorded)['original_shape_MeshVolume'] - mine['original_shape_MeshVolume']
    voxel = float(image.GetSpacing()[0] * image.GetSpacing()[1] * image.GetSpacing()[2])
    assert gone / voxel == pytest.approx(.5, abs=1e-4)
