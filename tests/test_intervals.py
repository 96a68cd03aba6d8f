"""Intervals cover what they say they cover."""

import numpy as np
import pytest
from scipy import stats

from policy_bert.intervals import clustered_interval, t_95, wilson_interval


def test_student_quantiles_are_those_of_scipy():
    degrees = np.arange(1, 500)
    assert np.allclose([t_95(int(d)) for d in degrees], stats.t.ppf(0.975, degrees), atol=2e-4)


def test_wilson_interval_is_that_of_scipy():
    for hits, units in [(0, 7), (3, 10), (10, 10), (400, 1000)]:
        expected = stats.binomtest(hits, units).proportion_ci(method="wilson")
        assert wilson_interval(hits / units, units) == pytest.approx((expected.low, expected.high))
    assert wilson_interval(0.5, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("share", "correlation"), [(0.35, 0.1), (0.1, 0.14), (0.9, 0.14)])
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("documents", [2, 3, 5, 10, 30])
def test_clustered_interval_covers_the_share_with_few_documents(documents, equal, share, correlation):
    random, spread = np.random.default_rng(documents), (1 - correlation) / correlation
    hits = 0
    for _ in range(2000):
        sizes = np.full(documents, 30) if equal else random.integers(10, 61, documents)
        counts = random.binomial(sizes, random.beta(share * spread, (1 - share) * spread, documents))
        low, high = clustered_interval(counts, sizes)
        hits += low <= share <= high
    assert hits / 2000 >= 0.94


def test_clustered_interval_knows_that_documents_of_one_kind_are_few():
    alike = clustered_interval([10, 10, 10, 10], [20, 20, 20, 20])
    apart = clustered_interval([20, 20, 0, 0], [20, 20, 20, 20])
    assert apart[1] - apart[0] > 1.5 * (alike[1] - alike[0])


def test_one_document_gives_no_interval_between_documents():
    assert clustered_interval([3], [10]) is None
    assert clustered_interval([3, 0], [10, 0]) is None
    assert clustered_interval([0, 0], [0, 0]) is None
