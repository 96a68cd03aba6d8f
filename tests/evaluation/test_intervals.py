"""Intervals cover and tests hold their level."""

import numpy as np
import pytest
from scipy import stats

from policy_bert.evaluation import intervals as statistics
from policy_bert.evaluation import metrics


def test_bootstrap_interval_of_accuracy_matches_the_binomial_one():
    labels = np.zeros(400, dtype=int)
    predictions = (np.arange(400) % 4 == 0).astype(int)
    interval = statistics.bootstrap_interval(metrics.accuracy, labels, predictions)
    half = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert interval.value == 0.75
    assert interval.low == pytest.approx(0.75 - half, abs=0.006)
    assert interval.high == pytest.approx(0.75 + half, abs=0.006)
    assert str(interval).startswith("0.750 [0.7")


def test_bootstrap_is_its_seed_and_leaves_the_global_generator_alone():
    labels, predictions = np.arange(50) % 3, np.arange(50) % 2
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = statistics.bootstrap_interval(metrics.macro_f1, labels, predictions, samples=50, seed=3)
    assert first == statistics.bootstrap_interval(metrics.macro_f1, labels, predictions, samples=50, seed=3)
    assert first != statistics.bootstrap_interval(metrics.macro_f1, labels, predictions, samples=50, seed=4)
    assert (np.random.get_state()[1] == before).all()


def test_bootstrap_refuses_empty_and_unequal_arrays():
    for arrays in ([[], []], [[1, 2], [1]]):
        with pytest.raises(ValueError, match="one length"):
            statistics.bootstrap_interval(metrics.accuracy, *arrays)


def test_paired_bootstrap_sees_a_real_difference_and_no_other():
    labels = np.arange(600) % 3
    good, poor = labels.copy(), labels.copy()
    good[:150] = (good[:150] + 1) % 3
    poor[:240] = (poor[:240] + 1) % 3
    real = statistics.paired_bootstrap(metrics.accuracy, labels, good, poor, samples=500)
    assert real.value == pytest.approx(0.15)
    assert 0.1 < real.low < 0.15 < real.high < 0.2
    assert real.p_value < 0.01
    none = statistics.paired_bootstrap(metrics.accuracy, labels, good, good, samples=200)
    assert (none.value, none.low, none.high, none.p_value) == (0.0, 0.0, 0.0, 1.0)
    reverse = statistics.paired_bootstrap(metrics.accuracy, labels, poor, good, samples=500)
    assert reverse.value == -real.value
    assert reverse.p_value == real.p_value


def test_corrected_t_test_is_nadeau_and_bengios_formula():
    differences = np.array([0.04, 0.01, 0.05, 0.03, 0.02, 0.06, 0.0, 0.03, 0.04, 0.02])
    result = statistics.corrected_resampled_t_test(differences, 0.25)
    error = np.sqrt((1 / 10 + 0.25) * differences.var(ddof=1))
    assert result.value == pytest.approx(0.03)
    assert result.p_value == pytest.approx(2 * stats.t.sf(0.03 / error, 9))
    assert result.high - result.value == pytest.approx(stats.t.ppf(0.975, 9) * error)
    plain = stats.ttest_1samp(differences, 0.0).pvalue
    assert result.p_value > plain


def test_corrected_interval_is_centred_on_the_mean_and_constant_values_have_no_width():
    interval = statistics.corrected_resampled_interval([0.6, 0.7, 0.65], 1 / 2)
    assert interval.value == pytest.approx(0.65)
    assert interval.high - interval.value == pytest.approx(interval.value - interval.low)
    assert interval.high > 0.7
    assert statistics.corrected_resampled_interval([0.5, 0.5], 0.5) == statistics.Interval(0.5, 0.5, 0.5)
    assert statistics.corrected_resampled_t_test([0.0, 0.0], 0.5).p_value == 1.0
    assert statistics.corrected_resampled_t_test([0.1, 0.1], 0.5).p_value == 0.0


@pytest.mark.parametrize(("values", "ratio"), [([0.1], 0.2), ([0.1, 0.2], 0.0), ([0.1, 0.2], -1.0)])
def test_corrected_t_test_refuses_what_it_cannot_test(values, ratio):
    with pytest.raises(ValueError, match="at least two values"):
        statistics.corrected_resampled_t_test(values, ratio)


def test_corrected_t_test_holds_its_level_where_the_plain_one_does_not():
    generator = np.random.default_rng(0)
    runs, share = 1000, 0.2  # folds that test on a fifth correlate by a fifth, in Nadeau and Bengio's approximation
    common = generator.normal(scale=np.sqrt(share), size=(runs, 1))
    differences = common + generator.normal(scale=np.sqrt(1 - share), size=(runs, 15))
    corrected = np.mean(
        [statistics.corrected_resampled_t_test(row, share / (1 - share)).p_value < 0.05 for row in differences]
    )
    plain = np.mean(stats.ttest_1samp(differences, 0.0, axis=1).pvalue < 0.05)
    assert 0.03 < corrected < 0.07
    assert plain > 0.2


# --- coverage: of so many repetitions of an experiment, the share whose interval holds the truth


def test_bootstrap_intervals_cover_accuracy_and_macro_f1():
    generator, classes, runs = np.random.default_rng(0), 4, 200
    confusion = np.full((classes, classes), 0.1) + 0.6 * np.eye(classes)
    sample = [draw(generator, confusion, 400) for _ in range(runs)]
    labels, predictions = draw(generator, confusion, 400_000)
    for figure in (metrics.accuracy, metrics.macro_f1, metrics.weighted_f1):
        truth = figure(labels, predictions)
        intervals = [statistics.bootstrap_interval(figure, *rows, samples=300) for rows in sample]
        assert np.mean([found.low <= truth <= found.high for found in intervals]) >= 0.91


def draw(generator, confusion, rows):
    labels = generator.integers(0, len(confusion), rows)
    return labels, (confusion[labels].cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1)


def test_paired_bootstrap_covers_a_difference():
    generator, runs, covered = np.random.default_rng(1), 200, 0
    for _ in range(runs):
        labels = np.zeros(300, dtype=int)
        first, second = (generator.random((2, 300)) > np.array([[0.7], [0.6]])).astype(int)
        found = statistics.paired_bootstrap(metrics.accuracy, labels, first, second, samples=300)
        covered += found.low <= 0.1 <= found.high
    assert covered / runs >= 0.91


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_the_corrected_interval_covers_whatever_share_of_the_training_rows_is_used(share):
    """Folds correlate by test / (test + train): Nadeau and Bengio's approximation, with rows as they were."""
    generator, runs, folds = np.random.default_rng(2), 2000, 15
    ratio = 0.2 / (0.8 * share)
    correlation = ratio / (1 + ratio)
    common = generator.normal(scale=np.sqrt(correlation), size=(runs, 1))
    values = common + generator.normal(scale=np.sqrt(1 - correlation), size=(runs, folds))
    intervals = [statistics.corrected_resampled_interval(row, ratio) for row in values]
    assert 0.93 < np.mean([found.low <= 0 <= found.high for found in intervals]) < 0.97
    if share < 1.0:
        as_if_whole = [statistics.corrected_resampled_interval(row, 0.25) for row in values]
        assert np.mean([found.low <= 0 <= found.high for found in as_if_whole]) < 0.9


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_the_interval_of_a_calibration_error_covers_though_repeats_test_the_same_sentences(gap):
    generator, runs, folds = np.random.default_rng(3), 80, 5
    found = [calibration_interval(generator, 800, folds, 3, gap) for _ in range(runs)]
    truth = np.mean([interval.value for interval in found])
    assert np.mean([interval.low <= truth <= interval.high for interval in found]) >= 0.95


def calibration_interval(generator, sentences, folds, repeats, gap):
    """Repeats whose confidences and hits are mostly those of the sentence, whose accuracy falls short by a gap."""
    own, fate = generator.normal(size=(2, sentences))
    values, left_out = [], []
    for _ in range(repeats):
        fold = generator.permutation(sentences) % folds
        noise = generator.normal(size=(2, sentences))
        confidence = 0.25 + 0.74 * stats.norm.cdf(0.95 * own + 0.3 * noise[0])
        wanted = np.clip(confidence - gap * np.sin(np.pi * confidence), 0.01, 0.99)
        right = stats.norm.cdf(0.95 * fate + 0.3 * noise[1]) < wanted
        scores = np.concatenate([confidence[:, None], np.repeat((1 - confidence)[:, None] / 9, 9, axis=1)], axis=1)
        labels = np.where(right, 0, 1)
        values.append(metrics.calibration_error(labels, scores))
        left_out.append([metrics.calibration_error(labels[fold != n], scores[fold != n]) for n in range(folds)])
    return statistics.jackknife_interval(float(np.mean(values)), left_out)


def test_the_jackknife_of_a_mean_is_its_t_interval():
    values = np.array([0.2, 0.4, 0.1, 0.6, 0.3])
    left_out = [[np.delete(values, fold).mean() for fold in range(5)]]
    found = statistics.jackknife_interval(float(values.mean()), left_out)
    half = stats.t.ppf(0.975, 4) * values.std(ddof=1) / np.sqrt(5)
    assert (found.low, found.high) == (pytest.approx(values.mean() - half), pytest.approx(values.mean() + half))
    with pytest.raises(ValueError, match="two folds"):
        statistics.jackknife_interval(0.5, [[0.5], [0.5]])
