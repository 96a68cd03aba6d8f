"""Intervals cover, tests hold their level, calibration is measured and mended."""

import numpy as np
import pytest
from scipy import stats

from policy_bert.evaluation import intervals as statistics
from policy_bert.evaluation import measures


def test_bootstrap_interval_of_accuracy_matches_the_binomial_one():
    labels = np.zeros(400, dtype=int)
    predictions = (np.arange(400) % 4 == 0).astype(int)
    interval = statistics.bootstrap_interval(measures.accuracy, labels, predictions)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert interval.value == 0.75
    assert interval.low == pytest.approx(0.75 - half, abs=0.006)
    assert interval.high == pytest.approx(0.75 + half, abs=0.006)
    assert str(interval).startswith("0.750 [0.7")


def test_bootstrap_is_its_seed_and_leaves_the_global_generator_alone():
    labels, predictions = np.arange(50) % 3, np.arange(50) % 2
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = statistics.bootstrap_interval(measures.macro_f1, labels, predictions, samples=50, seed=3)
    assert first == statistics.bootstrap_interval(measures.macro_f1, labels, predictions, samples=50, seed=3)
    assert first != statistics.bootstrap_interval(measures.macro_f1, labels, predictions, samples=50, seed=4)
    assert (np.random.get_state()[1] == before).all()


def test_bootstrap_refuses_empty_and_unequal_arrays():
    for arrays in ([[], []], [[1, 2], [1]]):
        with pytest.raises(ValueError, match="one length"):
            statistics.bootstrap_interval(measures.accuracy, *arrays)


def test_paired_bootstrap_sees_a_real_difference_and_no_other():
    labels = np.arange(600) % 3
    good, poor = labels.copy(), labels.copy()
    good[:150] = (good[:150] + 1) % 3
    poor[:240] = (poor[:240] + 1) % 3
    real = statistics.paired_bootstrap(measures.accuracy, labels, good, poor, samples=500)
    assert real.value == pytest.approx(0.15)
    assert 0.1 < real.low < 0.15 < real.high < 0.2
    assert real.p_value < 0.01
    none = statistics.paired_bootstrap(measures.accuracy, labels, good, good, samples=200)
    assert (none.value, none.low, none.high, none.p_value) == (0.0, 0.0, 0.0, 1.0)
    reverse = statistics.paired_bootstrap(measures.accuracy, labels, poor, good, samples=500)
    assert reverse.value == -real.value
    assert reverse.p_value == real.p_value


def test_corrected_t_test_is_nadeau_and_bengios_formula():
    differences = np.array([0.04, 0.01, 0.05, 0.03, 0.02, 0.06, 0.0, 0.03, 0.04, 0.02])
    result = statistics.corrected_resampled_t_test(differences, 0.2)
    error = np.sqrt((1 / 10 + 0.2 / 0.8) * differences.var(ddof=1))
    assert result.value == pytest.approx(0.03)
    assert result.p_value == pytest.approx(2 * stats.t.sf(0.03 / error, 9))
    assert result.high - result.value == pytest.approx(stats.t.ppf(0.975, 9) * error)
    plain = stats.ttest_1samp(differences, 0.0).pvalue
    assert result.p_value > plain


def test_corrected_interval_is_centred_on_the_mean_and_constant_values_have_no_width():
    interval = statistics.corrected_resampled_interval([0.6, 0.7, 0.65], 1 / 3)
    assert interval.value == pytest.approx(0.65)
    assert interval.high - interval.value == pytest.approx(interval.value - interval.low)
    assert interval.high > 0.7
    assert statistics.corrected_resampled_interval([0.5, 0.5], 0.5) == statistics.Interval(0.5, 0.5, 0.5)
    assert statistics.corrected_resampled_t_test([0.0, 0.0], 0.5).p_value == 1.0
    assert statistics.corrected_resampled_t_test([0.1, 0.1], 0.5).p_value == 0.0


@pytest.mark.parametrize(("values", "fraction"), [([0.1], 0.2), ([0.1, 0.2], 0.0), ([0.1, 0.2], 1.0)])
def test_corrected_t_test_refuses_what_it_cannot_test(values, fraction):
    with pytest.raises(ValueError, match="at least two values"):
        statistics.corrected_resampled_t_test(values, fraction)


def test_corrected_t_test_holds_its_level_where_the_plain_one_does_not():
    generator = np.random.default_rng(0)
    runs, share = 1000, 0.2  # folds that test on a fifth correlate by a fifth, in Nadeau and Bengio's approximation
    common = generator.normal(scale=np.sqrt(share), size=(runs, 1))
    differences = common + generator.normal(scale=np.sqrt(1 - share), size=(runs, 15))
    corrected = np.mean([statistics.corrected_resampled_t_test(row, share).p_value < 0.05 for row in differences])
    plain = np.mean(stats.ttest_1samp(differences, 0.0, axis=1).pvalue < 0.05)
    assert 0.03 < corrected < 0.07
    assert plain > 0.2


def test_calibration_error_is_zero_where_confidence_is_right_and_the_gap_where_it_is_not():
    confidences = np.repeat([0.25, 0.5, 0.75], 400)
    correct = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 2 == 0, np.arange(400) % 4 > 0])
    assert statistics.expected_calibration_error(confidences, correct, bins=3) == pytest.approx(0.0)
    assert statistics.expected_calibration_error(confidences + 0.1, correct, bins=3) == pytest.approx(0.1)


def test_calibration_error_weighs_bins_by_their_rows():
    confidences, correct = np.array([0.1, 0.2, 0.9, 0.8, 0.7]), np.array([0, 0, 1, 1, 0])
    # two bins: (0.1, 0.2, 0.7 | none right) and (0.8, 0.9 | all right)
    expected = 3 / 5 * (1.0 / 3) + 2 / 5 * 0.15
    assert statistics.expected_calibration_error(confidences, correct, bins=2) == pytest.approx(expected)
    assert statistics.expected_calibration_error([0.6], [1], bins=15) == pytest.approx(0.4)


def test_coverage_keeps_the_most_confident_rows():
    confidences, correct = [0.9, 0.1, 0.8, 0.3, 0.5], [1, 0, 1, 0, 0]
    assert statistics.coverage_accuracy(confidences, correct, 0.4) == statistics.Coverage(0.4, 1.0, 0.8)
    assert statistics.coverage_accuracy(confidences, correct, 1.0) == statistics.Coverage(1.0, 0.4, 0.1)
    assert statistics.coverage_accuracy(confidences, correct, 0.01).coverage == 0.2
    with pytest.raises(ValueError, match="one length"):
        statistics.coverage_accuracy([], [], 0.5)
