"""Rules of whom to ask next that are written from formulas, against scikit-activeml, which nobody here wrote: scores of
the same probabilities, and whole campaigns in which the library picks every batch."""
import numpy as np
import pytest
WHY = '{} is not installed: pip install -c constraints.txt -e ".[dev]"'
pytest.importorskip('skactiveml', reason=WHY.format('scikit-activeml'))
from skactiveml.classifier import SklearnClassifier
from skactiveml.pool import CoreSet, UncertaintySampling, average_kl_divergence, batch_bald, uncertainty_scores
from sklearn.linear_model import LogisticRegression
from autorad_lung.questions import queries

N, START, BATCH, CYCLES = 150, 15, 10, 6


@pytest.fixture(scope='module')
def rows():
    "One nodule a patient, where the library's rows and our patients are the same; 30 of them are tested."
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, N)
    x = np.eye(6)[y] + rng.normal(size=(N, 6))
    return x, y, np.array([f'p{i:03d}' for i in range(N)]), 4 + rng.uniform(0, 9, N), np.arange(N) % 5 == 0


@pytest.fixture(scope='module')
def said():
    return np.random.default_rng(6).dirichlet((.5, .5, .5), (7, 200))    # seven models, 200 nodules


def test_entropy_and_margin(said):
    p = said[0]
    np.testing.assert_allclose(queries.entropy(p), uncertainty_scores(p, method='entropy'), atol=1e-12)
    np.testing.assert_allclose(1 - queries.margin(p), uncertainty_scores(p, method='margin_sampling'), atol=1e-12)


def test_bald_is_the_divergence_of_a_committee(said):
    "Two of its names in the library: mean Kullback-Leibler divergence from the consensus, first step of BatchBALD."
    np.testing.assert_allclose(queries.bald(said), average_kl_divergence(said), atol=1e-6)    # it clips at 1e-7
    np.testing.assert_allclose(queries.bald(said), batch_bald(said.copy(), 1, random_state=0)[0], atol=1e-6)


def library(rule, x, labels, n):
    "Rows that scikit-activeml asks for; `labels` are nan where nothing was read."
    if rule == 'k-centre': return CoreSet(random_state=0).query(X=x, y=labels, batch_size=n)
    learner = SklearnClassifier(LogisticRegression(C=.03, max_iter=2000, tol=1e-6), classes=[0, 1, 2])
    ask = UncertaintySampling(method=dict(entropy='entropy', margin='margin_sampling')[rule], random_state=0)
    return ask.query(X=x, y=labels, clf=learner, batch_size=n)


@pytest.mark.parametrize('rule', ['entropy', 'margin', 'k-centre'])
def test_a_campaign_asks_whom_the_library_asks(rule, rows):
    x, y, patients, size, test = rows
    ours = queries.campaign(rule, x, y, patients, size, test, 2, START, BATCH, CYCLES)
    assert ours['patients'].tolist() == [START + BATCH * k for k in range(CYCLES)]
    known, x_known = y[~test].astype(float), x[~test]
    first = np.random.default_rng([2, 0]).permutation(len(known))[:START]
    read = np.isin(np.arange(len(known)), first)
    for p in ours['p']:
        fitted = LogisticRegression(C=.03, max_iter=2000, tol=1e-6).fit(x_known[read], known[read])
        assert np.array_equal(p[test], fitted.predict_proba(x[test]))     # who was asked shows in what was learnt
        read[library(rule, x_known, np.where(read, known, np.nan), BATCH)] = True


def test_bald_asks_whom_its_scores_name(rows):
    x, y, _, size, test = rows
    read = np.arange((~test).sum()) < 40
    def pool():
        p = queries.Pool(x[~test], y[~test], np.arange(len(read)), size[~test], read.copy(), np.random.default_rng(3))
        p.fitted = p.learn()
        return p
    scores = np.where(read, -np.inf, batch_bald(pool().ensemble(), 1, random_state=0)[0])
    assert set(queries.ask_bald(pool(), 12)) == set(np.argsort(-scores)[:12].tolist())
