"""Both extractors side by side: what PyRadiomics gives, and how far ours is from it."""
import importlib, importlib.util, warnings
import numpy as np
import SimpleITK as sitk
from autorad_lung.artifacts import CompanionError
from autorad_lung.features.extractor import RadiomicsFeatureExtractor

HERE = importlib.util.find_spec('radiomics') is not None
WHY = 'PyRadiomics, the reference, is not installed (python tools/reference.py)'

def extractor(*args, **settings):
    "PyRadiomics' own extractor, silent."
    importlib.import_module('radiomics').setVerbosity(60)
    return importlib.import_module('radiomics.featureextractor').RadiomicsFeatureExtractor(*args, **settings)

def reference(image, mask, *args, label=None, **settings) -> dict:
    "PyRadiomics' result; the tolerance that it sets for all of ITK is put back."
    try:
        with np.errstate(all='ignore'), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return extractor(*args, **settings).execute(image, mask, label)
    finally:
        for what in ('Coordinate', 'Direction'):
            getattr(sitk.ProcessObject, f'SetGlobalDefault{what}Tolerance')(1e-6)

def ours(image, mask, *args, label=None, **settings) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return RadiomicsFeatureExtractor(*args, **settings).execute(image, mask, label)

def differences(mine: dict, theirs: dict) -> list[str]:
    "Names, order and values that are not equal: 1e-6 relative, LoG 1e-4; NaN where theirs is."
    names = [n.replace('Versions_PyRadiomics', 'Versions_autorad-lung') for n in theirs]
    if list(mine) != names: return [f'names: {set(mine) ^ set(names) or "in another order"}']
    found = []
    for name, b in zip(names, theirs.values()):
        a = mine[name]
        if 'Versions' in name: continue
        if name.startswith('diagnostics'):
            if a != b: found.append(f'{name}: {a} against {b}')
            continue
        a, b, tol = float(a), float(np.real(b)), 1e-4 if name.startswith('log-') else 1e-6
        floor = 1e-2 if tol > 1e-6 and name.endswith('Skewness') else 1e-5
        near = a == b or np.isnan(a) and np.isnan(b) or abs(a - b) <= tol * max(abs(a), abs(b), floor)
        if not near: found.append(f'{name}: {a} against {b}')
    return found

def both(image, mask, *args, **settings) -> list[str]:
    "What differs; where PyRadiomics raises an error, ours must say what to do."
    try: theirs = reference(image, mask, *args, **settings)
    except Exception as e: theirs = e
    try: mine = ours(image, mask, *args, **settings)
    except CompanionError as e: mine = e
    if isinstance(theirs, Exception) or isinstance(mine, Exception):
        agree = isinstance(theirs, Exception) and isinstance(mine, ValueError)
        return [] if agree else [f'error: {mine if isinstance(mine, Exception) else "none"} against {theirs!r}'[:300]]
    return differences(mine, theirs)

def draw(shape=(15, 40, 44), spacing=(.7, .7, 2.), dtype='i2', seed=0, size=.35, label=1):
    "An image in HU, and a mask with a bumpy ball in it."
    rng, at = np.random.default_rng(seed), np.reshape([.1, -.2, .15], (3, 1, 1, 1))
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing='ij'))
    d = np.sqrt(((grid - at)**2).sum(0))
    image = sitk.GetImageFromArray((rng.normal(-700, 120, shape) + 650 * (d < size) + 100 * grid[2]).astype(dtype))
    mask = sitk.GetImageFromArray(((d + rng.normal(0, .04, shape) < size) * label).astype('u1'))
    for v in (image, mask): v.SetSpacing(spacing); v.SetOrigin((-10.3, 4.1, 7.7))
    return image, mask
