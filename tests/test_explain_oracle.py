"""Explainers and scores that are written from formulas, against captum, which nobody here wrote: the same nodules, the
same removed patches, the same draws, through a small tower in double precision.

Captum sees the tower as transformers runs it, from pixels to logits; ours walks the blocks by its own code
(`towers.inside`). Both do the same arithmetic in another order and agree to rounding, so 1e-9 of the largest value is
asked. Captum keeps what `Occlusion` and the Shapley values find in single precision: 1e-6. It fits `KernelShap` in
single precision, its ends held by a weight of a million where ours are conditions: 1e-5 of few unknowns, 1e-4 of more.
Captum gives a number for each pixel: those of a patch that is removed as one have the same."""
import itertools
from copy import deepcopy
from dataclasses import replace
import numpy as np
import pandas as pd
import pytest

WHY = '{} is not installed: pip install -c constraints.txt -e ".[towers,dev]"'
for name in ('torch', 'captum'): pytest.importorskip(name, reason=WHY.format(name))

import torch
from captum import attr, metrics
from autorad_lung.artifacts import Rows, Store
from autorad_lung.baselines.dataset import Dataset
from autorad_lung.baselines.plain import Logistic
from autorad_lung.explain.explainers import grad_cam, grad_x_input, kernel_shap, occlusion, similarity
from autorad_lung.explain.sanity import max_sensitivity
from autorad_lung.explain.scores import infidelity
from autorad_lung.explain.seen import mask_pools, seen_of
from autorad_lung.model import Prompted
from autorad_lung.protocol import preset
from autorad_lung.towers import encoders
from autorad_lung.towers.reading import pixels

PATCH, SIDE = 8, 64     # pixels; the tower has 8 x 8 patches
SINGLE = 1e-6           # of the largest value: what single precision leaves of it

def same(a, b, to=1e-9):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape and np.isfinite(a).all() and np.ptp(b) > 0
    assert np.abs(a - b).max() <= to * np.abs(b).max(), np.abs(a - b).max() / np.abs(b).max()

def by_pixel(m): return np.kron(m, np.ones((PATCH, PATCH)))

def by_patch(m):
    "Numbers of pixels (..., S, S) that are the same within a patch -> (..., rows, columns)."
    first = np.asarray(m)[..., ::PATCH, ::PATCH]
    assert (by_pixel(first) == np.asarray(m)).all()
    return first

class Whole(torch.nn.Module):
    "From a tower's input (B, 3, S, S) to the logits (B, 3) at a nodule's sentences, as transformers runs it."
    def __init__(self, seen):
        super().__init__()
        self.model, self.head, self.tower = deepcopy(seen.model), seen.head, seen.tower
    def forward(self, x): return self.head(self.model(x).last_hidden_state.mean(1))
    def given(self, pictures): return pixels(np.asarray(pictures), self.tower).double()
    def of_pictures(self, pictures): return self(self.given(pictures))

class Turned(torch.nn.Module):
    "A layer whose states (B, T, D) are for a moment (B, D, T), as captum's Grad-CAM expects: axis 1 are channels."
    def __init__(self, layer):
        super().__init__()
        self.layer, self.turned = layer, torch.nn.Identity()
    def forward(self, *x, **kw): return self.turned(self.layer(*x, **kw).mT).mT

@pytest.fixture(scope='module')
def nodules(tmp_path_factory):
    "A nodule as a prompted model sees it, and as a probe does."
    store = Store(tmp_path_factory.mktemp('cache'))
    mini = preset('mini', image_tower='mini-aimv2', text_tower='mini-clip-text', temperature=.3, n_ctx=4)
    rng, n, at = np.random.default_rng(0), 36, np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    label = np.arange(n) % 3
    radius = 10 + 3 * label + rng.uniform(0, 3, n)
    mask = np.hypot(*at) < radius[:, None, None]
    image = (.2 + (.2 + .1 * label)[:, None, None] * mask + rng.normal(0, .05, (n, SIDE, SIDE))).clip(0, 1)
    ids = [f'n{i:02}' for i in range(n)]
    table = pd.DataFrame(dict(nodule_id=ids, patient_id=ids, label=label, fold=0, diameter_mm=radius,
                              volume_mm3=radius**3))
    pictures = Rows(table[['nodule_id']], dict(image=image.astype('f4'), mask=mask.astype('u1')), pd.DataFrame())
    embedding = encoders.embed(pictures.arrays['image'], mini.image_tower, store, device='cpu')
    data = Dataset(table, rng.normal(size=(n, 6)) + label[:, None], tuple('abcdef'), embedding)
    train = np.arange(30)
    prompted = Prompted('radiomics', mini, store).fit(data, train, train[:0])
    probe = Logistic('embedding', 'l2', mini, store).fit(data, train[:24], train[24:])
    return {name: (seen_of(rival, data, pictures, [31], train)[0], rival.predict(data, [31])[0])
            for name, rival in (('prompted', prompted), ('probe', probe))}

@pytest.fixture(params=['prompted', 'probe'])
def seen(request, nodules): return nodules[request.param][0]

@pytest.mark.parametrize('name', ['prompted', 'probe'])
def test_captum_is_given_the_model(name, nodules):
    seen, said = nodules[name]
    net = Whole(seen)
    assert net.given(seen.picture[None]).dtype == next(net.parameters()).dtype == torch.float64
    with torch.no_grad(): p = net.of_pictures(seen.picture[None]).softmax(1).numpy()[0]
    assert np.abs(p - said).max() < 1e-6 < np.ptp(said)

def test_occlusion(seen):
    "By a mask of patches, and by a window that moves from patch to patch."
    net, x, base = Whole(seen), *(torch.tensor(a[None], dtype=torch.float64) for a in (seen.picture, seen.base))
    mask = torch.tensor(by_pixel(np.arange(64).reshape(8, 8)), dtype=torch.long)[None]
    ours, kw = occlusion(seen, 'mean'), dict(baselines=base, perturbations_per_eval=16)
    with torch.no_grad():
        ablated = attr.FeatureAblation(net.of_pictures).attribute(x, target=0, feature_mask=mask, **kw)[0]
        moved = attr.Occlusion(net.of_pictures).attribute(
            x, target=2, sliding_window_shapes=(PATCH, PATCH), strides=(PATCH, PATCH), **kw)[0]
    same(ours[0], by_patch(ablated))
    same(ours[2], by_patch(moved), SINGLE)

LAYERS = {'first': lambda body: body.embeddings, 'last': lambda body: body.encoder.layers[-2],
          'tokens': lambda body: body.rms_norm}     # whose exits are the states of that name

@pytest.mark.parametrize('layer', LAYERS)
def test_gradients_times_states(seen, layer):
    net = Whole(seen)
    theirs = attr.LayerGradientXActivation(net, LAYERS[layer](net.model))
    x = net.given(seen.picture[None])
    found = torch.cat([theirs.attribute(x, target=c) for c in range(3)])          # (3, T, D)
    same(grad_x_input(seen, layer), found.detach().numpy().sum(-1).reshape(3, 8, 8))

@pytest.mark.parametrize('positive', [False, True])
def test_grad_cam(seen, positive):
    "Where the layer is not turned, captum takes patches for channels: another map, and no word of it."
    net = Whole(seen)
    x, layers = net.given(seen.picture[None]), net.model.encoder.layers
    def found(layer):
        cam = attr.LayerGradCam(net, layer)
        return torch.cat([cam.attribute(x, target=c, relu_attributions=positive) for c in range(3)]).detach().numpy()
    assert found(layers[-2]).shape == (3, 1, net.model.config.hidden_size)
    layers[-2] = Turned(layers[-2])
    same(grad_cam(seen, positive=positive), found(layers[-2].turned).reshape(3, 8, 8))

EVERY = np.array(list(itertools.product((False, True), repeat=4)))
QUARTER = np.add.outer(np.arange(8) // 4 * 2, np.arange(8) // 4)     # of the crop: 0 to 3, by patch

class Enumerated(attr.KernelShap):
    "Captum's regression on every coalition instead of on drawn ones, each as often as it would be drawn."
    def kernel_shap_perturb_generator(self, original, **kwargs):
        often = {0: 1, 1: 2, 2: 1, 3: 2, 4: 1}         # of k kept: 3 / (k (4 - k) (4 over k)), in eighths
        for k in EVERY:
            for _ in range(often[k.sum()]): yield torch.tensor(k[None], dtype=torch.long)

def test_shapley_values(seen):
    "Quarters of the crop: exact values from all 24 orders, and captum's own regression."
    net, x, base = Whole(seen), *(torch.tensor(a[None], dtype=torch.float64) for a in (seen.picture, seen.base))
    mask = torch.tensor(by_pixel(QUARTER), dtype=torch.long)[None]
    y = seen.without(EVERY[:, QUARTER.ravel()], 'mean')
    ours = kernel_shap(EVERY, y, y[-1], y[0])[seen.said]
    kw = dict(target=seen.said, baselines=base, feature_mask=mask, perturbations_per_eval=4)
    with torch.no_grad():
        orders = by_patch(attr.ShapleyValues(net.of_pictures).attribute(x, **kw)[0])
        fitted = by_patch(Enumerated(net.of_pictures).attribute(x, n_samples=24, **kw)[0])
    same(ours[QUARTER], orders, SINGLE)
    same(ours[QUARTER], fitted, 1e-5)
    alone = (y[EVERY.sum(1) == 1] - y[0])[:, seen.said]
    assert np.abs(alone.sum() - ours.sum()) > .01 * np.abs(ours).max()      # the answer is no sum of quarters

def test_an_additive_game(nodules):
    "A probe over its tokens is a sum: drawn coalitions and drawn orders are exact, and so is our pool of masks."
    seen, _ = nodules['probe']
    tokens, mean = torch.from_numpy(seen.tokens), torch.from_numpy(seen.head.scale.mean)
    head = replace(seen.head, scale=replace(seen.head.scale, clip=np.inf))
    def game(x):      # (B, T) 1 or 0: a token, or the mean of those learnt from
        x = x.double()[..., None]
        return head((x * tokens + (1 - x) * mean).mean(1))
    keep = mask_pools(seen.name, 64)[0]
    with torch.no_grad():
        full, empty = game(torch.ones(1, 64)).numpy()[0], game(torch.zeros(1, 64)).numpy()[0]
        ours = kernel_shap(keep, game(torch.tensor(keep)).numpy(), full, empty)[2]
        torch.manual_seed(0)
        x, row = torch.ones(1, 64, dtype=torch.float64), torch.arange(64)[None] // 8
        kw = dict(target=2, baselines=0 * x, perturbations_per_eval=64)
        orders = attr.ShapleyValueSampling(game).attribute(x, n_samples=2, **kw)[0]
        drawn = attr.KernelShap(game).attribute(x, feature_mask=row, n_samples=200, **kw)[0]
    same(ours, orders, SINGLE)
    same(ours.reshape(8, 8).sum(1), drawn[::8], 1e-4)

@pytest.mark.parametrize('make', [similarity, lambda seen: occlusion(seen, 'mean')], ids=['similarity', 'occlusion'])
def test_infidelity(seen, make):
    "The same masks; captum's factor of least squares may be negative, ours is not."
    net, c = Whole(seen), seen.said
    keep = mask_pools(seen.name, 64)[1][::8].reshape(-1, 8, 8)
    values, whole, m = seen.without(keep.reshape(-1, 64), 'mean')[:, c], seen.parts().sum((1, 2))[c], make(seen)[c]
    gone = torch.tensor(np.stack([by_pixel(~k) for k in keep]))
    x, base = (torch.tensor(a[None], dtype=torch.float64) for a in (seen.picture, seen.base))
    def theirs(m, normalize):
        return metrics.infidelity(net.of_pictures, lambda x: (gone, torch.where(gone > 0, base, x)), x,
                                  torch.tensor(by_pixel(m / PATCH**2))[None], target=c, n_perturb_samples=len(keep),
                                  normalize=normalize).item()
    lost = whole - values
    up = 1 if (~keep * m).sum((1, 2)) @ lost > 0 else -1      # which way the factor is positive
    for s in (1, -1):
        assert np.isclose(infidelity(s * m, keep, values, whole, beta=False), theirs(s * m, False), rtol=1e-9)
    scaled = theirs(up * m, True)
    assert np.isclose(infidelity(up * m, keep, values, whole), scaled, rtol=1e-9)
    assert np.isclose(theirs(-up * m, True), scaled, rtol=1e-9)
    assert np.isclose(infidelity(-up * m, keep, values, whole), np.mean(lost**2), rtol=1e-12)
    assert infidelity(up * m, keep, values, whole) < .999 * np.mean(lost**2)

def test_max_sensitivity(seen):
    "Ten pictures within .02 of each pixel: captum's score of captum's maps, and ours of ours."
    net, c = Whole(seen), seen.said
    near = np.random.default_rng(3).uniform(-.02, .02, (10, SIDE, SIDE))
    layer = attr.LayerGradientXActivation(net, net.model.encoder.layers[-2])
    def explain(pictures):
        [pictures] = pictures if isinstance(pictures, tuple) else [pictures]
        maps = layer.attribute(net.given(pictures), target=c).detach().sum(-1)
        return maps,                # a tuple, or captum takes the patches for so many maps
    x = torch.tensor(seen.picture[None], dtype=torch.float64)
    theirs = metrics.sensitivity_max(explain, x, perturb_func=lambda x: x + torch.tensor(near)).item()
    maps = [grad_x_input(replace(seen, picture=seen.picture.astype(float) + d))[c] for d in near]
    ours = max_sensitivity(grad_x_input(seen)[c], maps)
    assert np.isclose(ours, theirs, rtol=1e-9) and theirs > 1e-3
    assert min(max_sensitivity(grad_x_input(seen)[c], [m]) for m in maps) < .99 * ours      # the largest, no other
