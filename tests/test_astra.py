"""Astra's encoder on the real nodules that lie beside the project, against a trial made by hand before there was this
code: the whole of each file stretched to 80 x 80 x 32, HU from -1000 to 400, mean over space, logistic regression."""
from dataclasses import replace
import numpy as np
import pytest
from conftest import SHARED
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from autorad_lung.artifacts import CompanionError, Store
from autorad_lung.study import Study
from autorad_lung.towers.towers import TOWERS, tower
from autorad_lung.towers.views import embed_nodules
from autorad_lung.towers.weights import fetched

DATA = SHARED/'data'/'lidc_voi'
# accuracy, balanced accuracy, macro AUC of the trial; columns of the last three stages side by side
TRIAL = {'third stage': (slice(512, 1536), (.694, .568, .810)), 'last stage': (slice(1536, 3584), (.658, .525, .761)),
         'last three stages': (slice(0, 3584), (.690, .583, .807))}

@pytest.mark.slow
def test_the_trial_is_met_within_a_hundredth(monkeypatch, tmp_path):
    store = Store()
    if not DATA.is_dir(): pytest.skip(f'the real nodules are not at {DATA}')
    try: fetched(tower('astra'), store)
    except CompanionError as e: pytest.skip(str(e))
    a = tower('astra')
    whole = replace(a.reading, view='whole', spacing_mm=(), axes='SLP')
    monkeypatch.setitem(TOWERS, 'astra', replace(a, reading=whole))
    study = Study('nifti', str(DATA), out=tmp_path, settings='image_tower=astra+stages')
    inside = study.cohort[study.cohort.included]
    rows = embed_nodules(study.input, inside.nodule_id.tolist(), study.protocol, store)
    x, y, fold = rows.arrays['embedding'], inside.label.to_numpy(), inside.fold.to_numpy()
    for name, (columns, expected) in TRIAL.items():
        p = np.zeros((len(y), 3))
        for k in range(5):
            fit = make_pipeline(StandardScaler(), LogisticRegression(C=.001, max_iter=5000))
            p[fold == k] = fit.fit(x[fold != k][:, columns], y[fold != k]).predict_proba(x[fold == k][:, columns])
        guess = p.argmax(1)
        found = accuracy_score(y, guess), balanced_accuracy_score(y, guess), roc_auc_score(y, p, multi_class='ovr')
        assert np.abs(np.subtract(found, expected)).max() < .01, (name, found)
