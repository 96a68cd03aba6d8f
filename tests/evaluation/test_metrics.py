"""`policy_bert.evaluation.measures` against scikit-learn, and the `evaluate.Metric`s that wrap them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from policy_bert.evaluation import measures
from policy_bert.evaluation.intervals import expected_calibration_error

CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


def random_scores(rows, classes=CLASSES, seed=0):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), rows), generator.integers(0, classes, rows)


@settings(max_examples=60, deadline=None)
@given(pairs)
def test_counts_and_f1_are_those_of_scikit_learn(rows):
    labels, predictions = map(list, zip(*rows, strict=True))
    matrix = measures.confusion_matrix(labels, predictions, CLASSES)
    assert (matrix == reference.confusion_matrix(labels, predictions, labels=range(CLASSES))).all()
    report = measures.class_report(matrix)
    expected = reference.precision_recall_fscore_support(labels, predictions, labels=range(CLASSES), zero_division=0)
    for found, wanted in zip((report.precision, report.recall, report.f1, report.support), expected, strict=True):
        np.testing.assert_allclose(found, wanted)
    assert measures.accuracy(labels, predictions) == pytest.approx(reference.accuracy_score(labels, predictions))
    for average, function in (("macro", measures.macro_f1), ("weighted", measures.weighted_f1)):
        wanted = reference.f1_score(labels, predictions, average=average, zero_division=0)
        assert function(labels, predictions) == pytest.approx(wanted)
        assert function(labels, predictions, CLASSES) == pytest.approx(wanted)


def test_top_k_and_log_loss_are_those_of_scikit_learn():
    scores, labels = random_scores(200)
    for k in (1, 2, 3):
        wanted = reference.top_k_accuracy_score(labels, scores, k=k, labels=range(CLASSES))
        assert measures.top_k_accuracy(labels, scores, k) == pytest.approx(wanted)
    assert measures.top_k_accuracy(labels, scores, CLASSES + 3) == 1.0
    assert measures.log_loss(labels, scores) == pytest.approx(reference.log_loss(labels, scores, labels=range(CLASSES)))


def test_log_loss_of_an_impossible_class_is_finite():
    assert measures.log_loss([1], [[1.0, 0.0]]) == pytest.approx(-np.log(1e-12))


@pytest.mark.parametrize(("labels", "predictions"), [([0, 1], [0]), ([0, 5], [0, 1]), ([0, -1], [0, 1])])
def test_confusion_matrix_refuses_what_it_cannot_count(labels, predictions):
    with pytest.raises(ValueError, match="expected"):
        measures.confusion_matrix(labels, predictions, CLASSES)


def test_metrics_compute_offline_and_in_batches(monkeypatch, tmp_path):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("a metric reached for the network"))
    from policy_bert.evaluation import metrics

    scores, labels = random_scores(40)
    predictions = scores.argmax(axis=1)
    cache = {"cache_dir": str(tmp_path)}
    accuracy = metrics.Accuracy(**cache)
    for start in range(0, 40, 7):
        accuracy.add_batch(predictions=predictions[start : start + 7], references=labels[start : start + 7])
    assert accuracy.compute() == {"accuracy": pytest.approx(measures.accuracy(labels, predictions))}
    f1 = metrics.F1(**cache)
    assert f1.compute(predictions=predictions, references=labels)["f1"] == pytest.approx(
        measures.macro_f1(labels, predictions)
    )
    weighted = metrics.F1(**cache).compute(predictions=predictions, references=labels, average="weighted")
    assert weighted["f1"] == pytest.approx(measures.weighted_f1(labels, predictions))
    with pytest.raises(ValueError, match="average"):
        metrics.F1(**cache).compute(predictions=predictions, references=labels, average="micro")


def test_metrics_of_scores_compute_offline(tmp_path):
    from policy_bert.evaluation import metrics

    scores, labels = random_scores(40)
    given_rows = {"predictions": scores, "references": labels}
    top = metrics.TopKAccuracy(cache_dir=str(tmp_path)).compute(**given_rows, k=3)
    assert top == {"top_3_accuracy": pytest.approx(measures.top_k_accuracy(labels, scores, 3))}
    loss = metrics.LogLoss(cache_dir=str(tmp_path)).compute(**given_rows)
    assert loss == {"log_loss": pytest.approx(measures.log_loss(labels, scores))}
    error = metrics.ExpectedCalibrationError(cache_dir=str(tmp_path)).compute(**given_rows, bins=4)
    wanted = expected_calibration_error(scores.max(axis=1), scores.argmax(axis=1) == labels, 4)
    assert error == {"expected_calibration_error": pytest.approx(wanted)}
