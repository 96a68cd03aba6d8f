import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from policy_bert.evaluation.metrics import confusion_matrix as agreement_table
from policy_bert.reviews.reliability import cohen_kappa, krippendorff_alpha, measure_reliability

codings = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)


def textbook_alpha(first: list[int], second: list[int]) -> float:
    if len({*first, *second}) == 1:
        return math.nan
    return krippendorff.alpha(reliability_data=[first, second], level_of_measurement="nominal")


def simulated_coders(seed: int, units: int, classes: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, classes, units)
    return first, np.where(rng.random(units) < error, rng.integers(0, classes, units), first)


def test_alpha_of_krippendorffs_published_example():
    # Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, sections A and B.
    letters = {letter: code for code, letter in enumerate("abcde")}
    ben, gerry = [np.array([letters[c] for c in codes]) for codes in ("aabbdcccedda", "babbbccceddd")]
    nominal = agreement_table(ben, gerry, 5)
    binary = agreement_table(np.array([0, 1, 0, 0, 0, 0, 0, 0, 1, 0]), np.array([1, 1, 1, 0, 0, 1, 0, 0, 0, 0]), 2)
    assert round(float(krippendorff_alpha(nominal)), 3) == 0.692
    assert round(float(krippendorff_alpha(binary)), 3) == 0.095


@given(codings)
def test_coefficients_equal_independent_implementations(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    table = agreement_table(np.array(first), np.array(second), 5)
    alpha, kappa = float(krippendorff_alpha(table)), float(cohen_kappa(table))
    assert alpha == pytest.approx(textbook_alpha(first, second), abs=1e-12, nan_ok=True)
    if len({*first, *second}) > 1:
        assert kappa == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    else:
        assert math.isnan(kappa)


@given(codings)
def test_coders_may_change_places(pairs):
    table = agreement_table(np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]), 5)
    assert np.array_equal(cohen_kappa(table), cohen_kappa(table.T), equal_nan=True)
    assert np.array_equal(krippendorff_alpha(table), krippendorff_alpha(table.T), equal_nan=True)


def test_classes_are_measured_against_all_others():
    first, second = simulated_coders(1, 150, 6, 0.3)
    found = measure_reliability(first, second, 8)
    assert [c.label for c in found.classes] == list(range(6))
    for part in found.classes:
        one, two = (first == part.label).astype(int), (second == part.label).astype(int)
        assert part.kappa.value == pytest.approx(cohen_kappa_score(one, two))
        assert part.alpha.value == pytest.approx(textbook_alpha(one.tolist(), two.tolist()))
        assert (part.first_units, part.second_units, part.both_units) == (one.sum(), two.sum(), (one * two).sum())
        assert part.kappa.low < part.kappa.value < part.kappa.high <= 1


def test_kappa_interval_agrees_with_the_large_sample_standard_error():
    first, second = simulated_coders(2, 2000, 5, 0.35)
    found = measure_reliability(first, second, 5)
    p = found.table / found.units
    rows, columns, kappa = p.sum(1), p.sum(0), found.kappa.value
    expected = rows @ columns
    # Fleiss, Cohen & Everitt (1969), equation 13.
    diagonal = sum(p[i, i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in range(5))
    rest = sum(p[i, j] * (columns[i] + rows[j]) ** 2 for i in range(5) for j in range(5) if i != j)
    variance = diagonal + (1 - kappa) ** 2 * rest - (kappa - expected * (1 - kappa)) ** 2
    error = math.sqrt(variance / found.units) / (1 - expected)
    assert (found.kappa.high - found.kappa.low) / 2 == pytest.approx(1.96 * error, rel=0.06)


def test_intervals_cover_the_coefficients_of_coders_of_known_error():
    # First coder uniform over 8 classes, second equal but for 30 % drawn anew: κ and α are 1 - 0.3 in the long run.
    runs = [measure_reliability(*simulated_coders(seed, 250, 8, 0.3), 8) for seed in range(200)]
    assert np.mean([run.kappa.low <= 0.7 <= run.kappa.high for run in runs]) >= 0.93
    assert np.mean([run.alpha.low <= 0.7 <= run.alpha.high for run in runs]) >= 0.93
    assert np.mean([run.agreement.low <= 0.7375 <= run.agreement.high for run in runs]) >= 0.93


def test_full_agreement_leaves_an_open_interval_that_more_units_narrow():
    few = measure_reliability(np.array([0, 1] * 5), np.array([0, 1] * 5), 2)
    many = measure_reliability(np.array([0, 1] * 500), np.array([0, 1] * 500), 2)
    for found in (few, many):
        assert found.kappa.value == found.alpha.value == found.kappa.high == 1
    assert few.kappa.low < 0.5 < 0.98 < many.kappa.low < 1


def test_one_class_alone_has_no_coefficient():
    found = measure_reliability(np.zeros(9, dtype=int), np.zeros(9, dtype=int), 3)
    assert found.agreement.value == 1
    assert math.isnan(found.kappa.value)
    assert math.isnan(found.alpha.low)


def test_class_that_one_coder_never_used_has_no_limits():
    found = measure_reliability(np.array([0, 1, 1, 0, 1]), np.array([0, 1, 2, 0, 1]), 3)
    unused = found.classes[2]
    assert (unused.first_units, unused.second_units, unused.kappa.value) == (0, 1, 0)
    assert math.isnan(unused.kappa.low)
    assert math.isnan(unused.alpha.high)
    assert not math.isnan(found.classes[1].kappa.low)


@pytest.mark.parametrize("documents", [2, 3, 5, 10, 30])
def test_intervals_cover_where_units_come_in_documents(documents):
    """Each document has an error rate of its own, 30 % on the mean: κ and α are 0.7 in the long run."""
    rng = np.random.default_rng(documents)
    covered = []
    for _ in range(250):
        place = np.repeat(np.arange(documents), rng.integers(15, 46, documents))
        error = rng.beta(2.7, 6.3, documents)[place]
        first = rng.integers(0, 8, len(place))
        second = np.where(rng.random(len(place)) < error, rng.integers(0, 8, len(place)), first)
        found = measure_reliability(first, second, 8, place)
        covered.append([e.low <= true <= e.high for e, true in ((found.kappa, 0.7), (found.agreement, 0.7375))])
    assert np.min(np.mean(covered, axis=0)) >= 0.93


def test_documents_that_differ_widen_the_intervals_and_one_document_gives_none():
    first = np.zeros(80, dtype=int)
    second = np.array(([0] * 18 + [1] * 2) * 2 + ([0] * 2 + [1] * 18) * 2)
    first[1::4] = second[1::4] = 1
    alone = measure_reliability(first, second, 2)
    clustered = measure_reliability(first, second, 2, np.repeat([7, 3, 9, 4], 20))
    assert clustered.kappa.value == alone.kappa.value
    assert clustered.kappa.high - clustered.kappa.low > 1.5 * (alone.kappa.high - alone.kappa.low)
    single = measure_reliability(first, second, 2, np.zeros(80, dtype=int))
    assert (single.documents, clustered.documents) == (1, 4)
    for estimate in (single.agreement, single.kappa, single.classes[0].alpha):
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [([0, 1], [0], "one length"), ([0, 3], [0, 1], "from 0 to 2"), ([], [], "at least one unit")],
)
def test_wrong_codings_are_refused(first, second, message):
    with pytest.raises(ValueError, match=message):
        measure_reliability(np.array(first, dtype=int), np.array(second, dtype=int), 3)


def test_a_coder_of_one_class_alone_leaves_both_coefficients_without_limits():
    first, second = np.zeros(60, dtype=np.int64), np.arange(60) % 4
    found = measure_reliability(first, second, 5, np.arange(60) // 10)
    assert found.kappa.value == 0
    assert math.isnan(found.kappa.low)
    assert math.isnan(found.alpha.high)
    assert found.agreement.low < found.agreement.value < found.agreement.high
