"""`policy_bert.evaluation.metrics` against scikit-learn, and the `evaluate.Metric`s that wrap them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from policy_bert.evaluation import metrics

CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


def random_scores(rows, classes=CLASSES, seed=0):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), rows), generator.integers(0, classes, rows)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_counts_and_f1_are_those_of_scikit_learn(rows):
    labels, predictions = map(list, zip(*rows, strict=True))
    matrix = metrics.confusion_matrix(labels, predictions, CLASSES)
    assert (matrix == reference.confusion_matrix(labels, predictions, labels=range(CLASSES))).all()
    report = metrics.class_report(matrix)
    expected = reference.precision_recall_fscore_support(labels, predictions, labels=range(CLASSES), zero_division=0)
    for found, wanted in zip((report.precision, report.recall, report.f1, report.support), expected, strict=True):
        np.testing.assert_allclose(found, wanted)
    assert metrics.accuracy(labels, predictions) == pytest.approx(reference.accuracy_score(labels, predictions))
    for average, function in (("macro", metrics.macro_f1), ("weighted", metrics.weighted_f1)):
        wanted = reference.f1_score(labels, predictions, average=average, zero_division=0)
        assert function(labels, predictions) == pytest.approx(wanted)
        assert function(labels, predictions, CLASSES) == pytest.approx(wanted)


def test_top_k_and_log_loss_are_those_of_scikit_learn():
    scores, labels = random_scores(200)
    for k in (1, 2, 3):
        wanted = reference.top_k_accuracy_score(labels, scores, k=k, labels=range(CLASSES))
        assert metrics.top_k_accuracy(labels, scores, k) == pytest.approx(wanted)
    assert metrics.top_k_accuracy(labels, scores, CLASSES + 3) == 1.0
    assert metrics.log_loss(labels, scores) == pytest.approx(reference.log_loss(labels, scores, labels=range(CLASSES)))


def test_log_loss_of_an_impossible_class_is_finite():
    assert metrics.log_loss([1], [[1.0, 0.0]]) == pytest.approx(-np.log(1e-12))


@pytest.mark.parametrize(("labels", "predictions"), [([0, 1], [0]), ([0, 5], [0, 1]), ([0, -1], [0, 1])])
def test_confusion_matrix_refuses_what_it_cannot_count(labels, predictions):
    with pytest.raises(ValueError, match="expected"):
        metrics.confusion_matrix(labels, predictions, CLASSES)


def test_metrics_compute_offline_whole_and_in_batches(monkeypatch, tmp_path):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a metric reached for the network"))
    scores, labels = random_scores(40)
    found = metrics.load_metric(cache_dir=str(tmp_path)).compute(predictions=scores, references=labels)
    assert found == metrics.measure(labels, scores)
    assert list(found) == list(metrics.FIGURES) == list(metrics.TITLES)
    for name, function in metrics.FIGURES.items():
        metric = metrics.load_metric(name, cache_dir=str(tmp_path))
        for start in range(0, 40, 7):
            metric.add_batch(predictions=scores[start : start + 7], references=labels[start : start + 7])
        assert metric.compute() == {name: pytest.approx(function(labels, scores))}
    with pytest.raises(KeyError):
        metrics.load_metric("f1")


def test_the_figures_are_the_plain_functions_of_the_best_class():
    scores, labels = random_scores(90)
    predictions, found = scores.argmax(axis=1), metrics.measure(labels, scores)
    assert found["accuracy"] == metrics.accuracy(labels, predictions)
    assert found["macro_f1"] == metrics.macro_f1(labels, predictions, CLASSES)
    assert found["weighted_f1"] == metrics.weighted_f1(labels, predictions, CLASSES)
    assert found["top_3_accuracy"] == metrics.top_k_accuracy(labels, scores, 3)


def two_classes(confidences, correct):
    """Labels and scores of rows whose first class has this confidence."""
    confidence = np.asarray(confidences, dtype=float)
    scores = np.stack([confidence, *[(1 - confidence) / 9] * 9], axis=1)
    return np.where(np.asarray(correct, dtype=bool), 0, 1), scores


def test_calibration_error_is_zero_where_confidence_is_right_and_the_gap_where_it_is_not():
    confidences = np.repeat([0.25, 0.5, 0.75], 400)
    correct = np.concatenate([np.arange(400) % 4 == 0, np.arange(400) % 2 == 0, np.arange(400) % 4 > 0])
    assert metrics.calibration_error(*two_classes(confidences, correct), bins=3) == pytest.approx(0.0)
    assert metrics.calibration_error(*two_classes(confidences + 0.1, correct), bins=3) == pytest.approx(0.1)


def test_calibration_error_weighs_bins_by_their_rows():
    rows = two_classes([0.15, 0.2, 0.9, 0.8, 0.7], [0, 0, 1, 1, 0])
    # two bins: (0.15, 0.2, 0.7 | none right) and (0.8, 0.9 | all right)
    assert metrics.calibration_error(*rows, bins=2) == pytest.approx(3 / 5 * (1.05 / 3) + 2 / 5 * 0.15)
    assert metrics.calibration_error(*two_classes([0.6], [1]), bins=15) == pytest.approx(0.4)


def test_coverage_keeps_the_most_confident_rows():
    rows = two_classes([0.9, 0.15, 0.8, 0.3, 0.5], [1, 0, 1, 0, 0])
    assert metrics.coverage_accuracy(*rows, 0.4) == 1.0
    assert metrics.coverage_accuracy(*rows, 0.6) == pytest.approx(2 / 3)
    assert metrics.coverage_accuracy(*rows, 1.0) == 0.4
    assert metrics.coverage_accuracy(*rows, 0.01) == 1.0
    with pytest.raises(ValueError, match="a label a row"):
        metrics.coverage_accuracy([], np.empty((0, 3)), 0.5)
