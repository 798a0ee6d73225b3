"""Parameter files and regions drawn at random: the same names, values and refusals as PyRadiomics 3.0.1.

Some tens in every run, a thousand with --slow. A case that fails is shrunk to a small one, and printed."""
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings, strategies as st
import drop_in
from autorad_lung.features.parameters import FEATURES

pytestmark = pytest.mark.skipif(not drop_in.HERE, reason=drop_in.WHY)

def of(**given): return st.fixed_dictionaries({}, optional=given)

BINS = of(binWidth=st.sampled_from([5, 12.5, 25, 40])) | of(binCount=st.sampled_from([4, 16, 33]))
OWN = {   # filter -> settings of its own
    'Original': BINS, 'Square': BINS, 'SquareRoot': BINS, 'Logarithm': BINS,
    'Exponential': st.just({'binCount': 12}), 'Gradient': of(gradientUseSpacing=st.booleans()),
    'LoG': st.lists(st.sampled_from([.8, 1., 2.5]), min_size=1, max_size=2, unique=True).map(lambda s: {'sigma': s}),
    'Wavelet': of(wavelet=st.sampled_from(['coif1', 'haar', 'db3', 'bior2.2', 'sym4']), level=st.integers(1, 2),
                  start_level=st.integers(0, 1)),
    'LBP2D': of(lbp2DRadius=st.sampled_from([1, 1.5, 2]), lbp2DSamples=st.sampled_from([4, 8, 9]),
                lbp2DMethod=st.sampled_from(['default', 'uniform']), binWidth=st.just(1))}
IMAGES = st.lists(st.sampled_from(list(OWN)), min_size=1, max_size=3, unique=True).flatmap(
    lambda kinds: st.fixed_dictionaries({k: OWN[k] for k in kinds}))

def some(cls): return st.just([]) | st.lists(st.sampled_from(FEATURES[cls]), max_size=4, unique=True)
SOLID = [c for c in FEATURES if c != 'shape2D']
CLASSES = st.lists(st.sampled_from(SOLID), min_size=1, max_size=4, unique=True).flatmap(
    lambda classes: st.fixed_dictionaries({c: some(c) for c in classes}))

def together(*parts): return st.tuples(*parts).map(lambda found: {k: v for d in found for k, v in d.items()})
PREPARED = st.one_of(
    st.just({}), st.just({'preCrop': True, 'padDistance': 2}),
    st.builds(dict, normalize=st.just(True), normalizeScale=st.just(100), removeOutliers=st.sampled_from([None, 2.])),
    st.builds(dict, resampledPixelSpacing=st.sampled_from([[1, 1, 1], [.6, .8, 0], [2, 1, 1.5]]),
              interpolator=st.sampled_from(['sitkBSpline', 'sitkLinear', 'sitkNearestNeighbor']),
              padDistance=st.sampled_from([2, 5])),
    st.builds(dict, resegmentRange=st.sampled_from([[-60, 90], [-1, 2], [.2, .9]]), resegmentShape=st.booleans(),
              resegmentMode=st.sampled_from(['absolute', 'sigma', 'relative'])))
COUNTED = of(force2D=st.booleans(), force2Ddimension=st.integers(0, 2), symmetricalGLCM=st.booleans(),
             distances=st.sampled_from([[1], [2], [1, 2]]), gldm_a=st.sampled_from([0, 1, 3]),
             weightingNorm=st.sampled_from([None, 'euclidean', 'manhattan', 'infinity', 'no_weighting']),
             voxelArrayShift=st.sampled_from([0, 1000]), minimumROISize=st.sampled_from([None, 3, 60]),
             minimumROIDimensions=st.integers(1, 3), additionalInfo=st.booleans())
SETTINGS = together(BINS, PREPARED, COUNTED)
SHAPES = st.tuples(st.integers(4, 11), st.integers(5, 14), st.integers(5, 14))
REGIONS = 'ball', 'sparse', 'box', 'line', 'plane', 'two', 'corner', 'voxel', 'hollow'

def region(kind: str, shape: tuple, rng) -> np.ndarray:
    "An odd mask."
    m, (z, y, x) = np.zeros(shape, bool), [int(rng.integers(1, n - 1)) for n in shape]
    d = ((np.indices(shape) - np.reshape([n / 2 for n in shape], (3, 1, 1, 1)))**2).sum(0)
    if kind == 'sparse': m = rng.random(shape) < .15
    if kind == 'box': m[max(z - 2, 0):z + 2, max(y - 2, 0):y + 3, max(x - 3, 0):x + 2] = True
    if kind == 'line': m[z, y, 1:4] = True
    if kind == 'plane': m[z, 1:-1, 1:-1] = True
    if kind == 'two': m[:2, :2, :3] = m[-2:, -2:, -2:] = True
    if kind == 'corner': m[:3, :4, :3] = True
    if kind == 'voxel': m[z, y, x] = True
    if kind in ('ball', 'hollow'): m = d < (min(shape) / 2)**2
    if kind == 'hollow': m &= d > 2
    return m

@st.composite
def cases(draw):
    "An image, a mask and parameters."
    shape, kind = draw(SHAPES), draw(st.sampled_from(REGIONS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values, filters = rng.normal(0, 60, shape) + draw(st.sampled_from([0, -700])), draw(IMAGES)
    # few levels, on the edges of bins; a wavelet's sums are then 0 but for rounding, which no two programs do alike
    if draw(st.booleans()) and 'Wavelet' not in filters: values = np.round(values / 40) * 40
    image = sitk.GetImageFromArray(values.astype(draw(st.sampled_from(['i2', 'f4', 'f8']))))
    mask = sitk.GetImageFromArray(region(kind, shape, rng).astype('u1'))
    spacing = draw(st.sampled_from([(1, 1, 1), (.7, .7, 2.5), (.6, .8, 1.3)]))
    for v in (image, mask): v.SetSpacing(spacing)
    return image, mask, {'imageType': filters, 'featureClass': draw(CLASSES), 'setting': draw(SETTINGS)}

def check(case):
    image, mask, parameters = case
    found = drop_in.both(image, mask, parameters)
    assert found == [], (parameters, sitk.GetArrayFromImage(mask).sum(), image.GetSize(), found[:4])

quick = settings(max_examples=40, deadline=None, derandomize=True, database=None,
                 suppress_health_check=list(HealthCheck))

@quick
@given(cases())
def test_some_tens_of_cases(case): check(case)

@pytest.mark.slow
@settings(quick, max_examples=1000)
@given(cases())
def test_a_thousand_cases(case): check(case)
