import numpy as np
import pytest

from policy_bert.errors import DataError
from policy_bert.reviews.correction import confidence_strata, corrected_shares, selection_z

CLASSES = 14


def population(rng: np.random.Generator, units: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True classes with shares from 1.5 to 16 %, a classifier right in two of three units, its confidence."""
    shares = np.linspace(1.5, 16, CLASSES)
    truth = rng.choice(CLASSES, units, p=shares / shares.sum())
    confidence = rng.uniform(0.2, 1.0, units)
    right = rng.random(units) < confidence + 0.05
    # Errors lean to the classes of small number: the classified shares are biased.
    return truth, np.where(right, truth, rng.integers(0, CLASSES, units) // 2), confidence


def coverage(sample_of, runs: int = 200, units: int = 2000, **arguments) -> tuple[float, float, float]:
    """Covered shares among all classes and runs, the least covered class, the same of uncorrected shares."""
    rng = np.random.default_rng(20)
    covered, naive = np.zeros((runs, CLASSES)), np.zeros((runs, CLASSES))
    for run in range(runs):
        truth, predicted, confidence = population(rng, units)
        reviewed, extra = sample_of(rng, confidence)
        shares = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES, **extra, **arguments)
        true = np.bincount(truth, minlength=CLASSES) / units
        covered[run] = [s.low <= t <= s.high for s, t in zip(shares, true, strict=True)]
        naive[run] = [abs(s.classified - t) <= (s.high - s.low) / 2 for s, t in zip(shares, true, strict=True)]
    return float(covered.mean()), float(covered.mean(0).min()), float(naive.mean())


def simple_random(size):
    return lambda rng, confidence: (rng.choice(len(confidence), size, replace=False), {})


def least_certain_more_often(rng, confidence):
    chances = np.clip(0.4 - 0.35 * confidence, 0.05, 1)
    reviewed = np.flatnonzero(rng.random(len(confidence)) < chances)
    return reviewed, {"probabilities": chances[reviewed]}


def strata_of_confidence(rng, confidence):
    parts = np.searchsorted([0.4, 0.7], confidence)
    picked = [rng.choice(np.flatnonzero(parts == part), size, replace=False) for part, size in enumerate((120, 80, 40))]
    return np.concatenate(picked), {"strata": parts}


@pytest.mark.parametrize("target", ["population", "documents"])
@pytest.mark.parametrize(
    "sample_of",
    [simple_random(60), simple_random(300), simple_random(1200), least_certain_more_often, strata_of_confidence],
    ids=["random 60", "random 300", "random 1200", "by probability", "by stratum"],
)
def test_intervals_cover_the_true_shares(sample_of, target):
    covered, least, naive = coverage(sample_of, target=target)
    assert covered >= 0.93
    assert least >= 0.88
    assert naive < covered


def test_population_intervals_cover_the_shares_that_the_units_were_drawn_from():
    rng = np.random.default_rng(3)
    shares = np.linspace(1.5, 16, CLASSES) / np.linspace(1.5, 16, CLASSES).sum()
    covered = []
    for _ in range(200):
        truth, predicted, _ = population(rng, 600)
        reviewed = rng.choice(600, 300, replace=False)
        found = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES)
        covered.append([s.low <= t <= s.high for s, t in zip(found, shares, strict=True)])
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("documents", [3, 5, 10, 30])
def test_population_intervals_cover_where_units_come_in_documents(documents):
    rng = np.random.default_rng(documents)
    shares = np.array([0.05, 0.1, 0.15, 0.3, 0.4])
    covered = []
    for _ in range(200):
        place = np.repeat(np.arange(documents), rng.integers(20, 81, documents))
        mixtures = rng.dirichlet(9 * shares, documents)
        truth = np.array([rng.choice(5, p=mixtures[document]) for document in place])
        predicted = np.where(rng.random(len(place)) < 0.25, rng.integers(0, 5, len(place)) // 2, truth)
        reviewed = rng.choice(len(place), len(place) // 3, replace=False)
        found = corrected_shares(predicted, reviewed, truth[reviewed], 5, documents=place)
        covered.append([s.low <= true <= s.high for s, true in zip(found, shares, strict=True)])
    assert np.mean(covered) >= 0.94
    assert np.min(np.mean(covered, axis=0)) >= 0.92


def test_one_document_tells_nothing_of_others_but_all_of_itself():
    truth, predicted, _ = population(np.random.default_rng(2), 300)
    arguments = predicted, np.arange(0, 300, 3), truth[::3], CLASSES
    place = np.zeros(300, dtype=int)
    assert all(np.isnan([s.low, s.high]).all() for s in corrected_shares(*arguments, documents=place))
    assert corrected_shares(*arguments, documents=place, target="documents") == corrected_shares(
        *arguments, target="documents"
    )


def test_corrected_share_is_the_classified_share_plus_the_mean_error_of_the_sample():
    rng = np.random.default_rng(5)
    truth, predicted, _ = population(rng, 500)
    reviewed = rng.choice(500, 200, replace=False)
    shares = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES)
    for share in shares:
        classified = sum(p == share.label for p in predicted) / 500
        wrong = [int(truth[i] == share.label) - int(predicted[i] == share.label) for i in reviewed]
        assert share.classified == pytest.approx(classified)
        assert share.corrected == pytest.approx(classified + sum(wrong) / 200)
        assert share.reviewed == pytest.approx(np.mean(truth[reviewed] == share.label))
        assert 0 <= share.low <= share.corrected <= share.high <= 1
    assert sum(share.corrected for share in shares) == pytest.approx(1)


def test_variance_of_a_large_sample_is_the_textbook_one():
    rng = np.random.default_rng(6)
    truth, predicted, _ = population(rng, 60_000)
    reviewed = rng.choice(60_000, 20_000, replace=False)
    error = (truth[reviewed] == 13) * 1.0 - (predicted[reviewed] == 13)
    documents = error.var(ddof=1) / 20_000 * (1 - 20_000 / 60_000)
    share = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES, target="documents")[13]
    assert (share.high - share.low) / 2 == pytest.approx(1.959964 * documents**0.5, rel=0.01)
    wide = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES)[13]
    whole = documents + share.corrected * (1 - share.corrected) / 60_000
    assert (wide.high - wide.low) / 2 == pytest.approx(1.959964 * whole**0.5, rel=0.01)


def test_equal_probabilities_and_one_stratum_give_the_simple_random_sample():
    truth, predicted, _ = population(np.random.default_rng(7), 400)
    reviewed = np.arange(0, 400, 4)
    plain = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES)
    weighted = corrected_shares(
        predicted, reviewed, truth[reviewed], CLASSES, probabilities=np.full(len(reviewed), 0.25)
    )
    stratum = corrected_shares(predicted, reviewed, truth[reviewed], CLASSES, strata=np.zeros(400, dtype=np.int64))
    for one, two, three in zip(plain, weighted, stratum, strict=True):
        assert [one.corrected, one.low, one.high] == pytest.approx([two.corrected, two.low, two.high])
        assert [one.corrected, one.low, one.high] == pytest.approx([three.corrected, three.low, three.high])


def test_reviewing_every_unit_of_the_documents_leaves_nothing_uncertain():
    truth, predicted, _ = population(np.random.default_rng(8), 300)
    for share in corrected_shares(predicted, np.arange(300), truth, CLASSES, target="documents"):
        assert share.low == share.high == share.corrected == pytest.approx(np.mean(truth == share.label))


def test_sample_without_an_error_leaves_an_open_interval():
    predicted = np.array([0, 1] * 100)
    for share in corrected_shares(predicted, np.arange(10), predicted[:10], 3, target="documents"):
        assert share.high - share.low > 0.05


def test_wrong_arguments_are_refused():
    predicted = np.array([0, 1, 0, 1])
    with pytest.raises(ValueError, match="distinct reviewed"):
        corrected_shares(predicted, np.array([1, 1]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="at least one"):
        corrected_shares(predicted, np.array([], dtype=int), np.array([], dtype=int), 2)
    with pytest.raises(ValueError, match="both"):
        corrected_shares(predicted, np.array([1]), np.array([1]), 2, strata=predicted, probabilities=np.array([0.5]))
    with pytest.raises(DataError, match="each stratum, found 0 of 2"):
        corrected_shares(predicted, np.array([1, 3]), np.array([1, 1]), 2, strata=predicted)


def test_strata_of_confidence_are_equal_in_size_and_need_reviewed_units():
    confidence = np.random.default_rng(9).random(103)
    strata = confidence_strata(confidence, np.arange(100), 4)
    assert np.bincount(strata).tolist() == [26, 26, 26, 25]
    assert confidence[strata == 0].max() <= confidence[strata == 1].min()
    with pytest.raises(DataError, match="at least 2 reviewed units of confidence"):
        confidence_strata(confidence, np.argsort(confidence)[:60], 4)
    with pytest.raises(DataError, match="as many strata as units"):
        confidence_strata(confidence, np.arange(100), 104)


def test_picked_units_stand_out_and_random_ones_do_not():
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(10)
    confidence = rng.random(1000).round(2)
    assert selection_z(confidence, np.argsort(confidence)[:100]) < -10
    random = [selection_z(confidence, rng.choice(1000, 100, replace=False)) for _ in range(300)]
    assert 0.9 < np.std(random) < 1.1
    reviewed = rng.choice(1000, 40, replace=False)
    others = np.setdiff1d(np.arange(1000), reviewed)
    test = mannwhitneyu(confidence[reviewed], confidence[others], use_continuity=False, method="asymptotic")
    z = (test.statistic - 40 * 960 / 2) / selection_z(confidence, reviewed)
    assert z == pytest.approx(np.sqrt(40 * 960 * 1001 / 12), rel=1e-3)
    assert selection_z(np.ones(10), np.arange(3)) == 0
    assert selection_z(confidence, np.arange(1000)) == 0
