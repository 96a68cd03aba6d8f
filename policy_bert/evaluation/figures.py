"""What an evaluation finds: a tree of figures from labels and scores, ready for `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.evaluation import measures
from policy_bert.evaluation.baselines import make_baseline
from policy_bert.evaluation.intervals import (
    bootstrap_interval,
    coverage_accuracy,
    expected_calibration_error,
    paired_bootstrap,
)
from policy_bert.labels import LabelScheme

CALIBRATION_BINS = 15
COVERAGE = 0.6
WORST_CONFUSIONS = 10
BASELINES_BESIDE = ("tfidf_svm", "tfidf_logistic", "majority")
WITH_INTERVALS = {
    "accuracy": measures.accuracy,
    "macro_f1": measures.macro_f1,
    "weighted_f1": measures.weighted_f1,
}

Scores = NDArray[np.floating[Any]]


def overall_figures(labels: NDArray[np.int64], scores: Scores) -> dict[str, Any]:
    """Accuracy, macro- and weighted F1 with 95 % bootstrap intervals (`value`, `low`, `high`), and plain numbers.

    Those are top-2 and top-3 accuracy, log loss, the expected calibration error in 15 bins of equal mass, and the
    accuracy on the most confident 60 %.

    Args:
        labels: True classes, shape (sentences,).
        scores: Probabilities, shape (sentences, classes).
    """
    predictions = scores.argmax(axis=1)
    confidences, correct = scores.max(axis=1), predictions == labels
    intervals = {
        name: asdict(bootstrap_interval(function, labels, predictions)) for name, function in WITH_INTERVALS.items()
    }
    return {
        **intervals,
        "top_2_accuracy": measures.top_k_accuracy(labels, scores, 2),
        "top_3_accuracy": measures.top_k_accuracy(labels, scores, 3),
        "log_loss": measures.log_loss(labels, scores),
        "expected_calibration_error": expected_calibration_error(confidences, correct, CALIBRATION_BINS),
        "accuracy_at_60_percent_coverage": coverage_accuracy(confidences, correct, COVERAGE).accuracy,
    }


def class_figures(matrix: NDArray[np.int64], scheme: LabelScheme) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class, in the order of the ids."""
    report = measures.class_report(matrix)
    columns = zip(scheme.labels, report.precision, report.recall, report.f1, report.support, strict=True)
    return [
        {
            "label": label.id,
            "label_name": label.name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
        for label, precision, recall, f1, support in columns
    ]


def worst_confusions(matrix: NDArray[np.int64], scheme: LabelScheme) -> list[dict[str, Any]]:
    """The most frequent mistakes, at most `WORST_CONFUSIONS`: both classes, count, share of the true class."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:WORST_CONFUSIONS]
    pairs = [divmod(int(place), len(matrix)) for place in order]
    return [
        {
            "label": row,
            "label_name": scheme.names[row],
            "predicted": column,
            "predicted_name": scheme.names[column],
            "count": int(wrong[row, column]),
            "share": float(wrong[row, column] / matrix[row].sum()),
        }
        for row, column in pairs
        if wrong[row, column]
    ]


def baseline_figures(
    train_texts: Sequence[str],
    train_labels: NDArray[np.int64],
    texts: Sequence[str],
    labels: NDArray[np.int64],
    scores: Scores,
) -> dict[str, Any]:
    """For each of `BASELINES_BESIDE`: its figures, and how much better the classifier is on the same sentences.

    Args:
        train_texts: What the baselines learn from.
        train_labels: Their classes.
        texts: The sentences that are evaluated.
        labels: Their true classes.
        scores: The classifier's probabilities, shape (sentences, classes).

    Returns:
        Name to the tree of `overall_figures` with `classifier_is_better_by`: for accuracy and macro-F1 the
        difference, its 95 % interval and p-value by the paired bootstrap.
    """
    found = {}
    for name in BASELINES_BESIDE:
        baseline = make_baseline(name, scores.shape[1]).fit(train_texts, train_labels)
        its_scores = baseline.predict_scores(texts)
        own, its = scores.argmax(axis=1), its_scores.argmax(axis=1)
        differences = {
            figure: asdict(paired_bootstrap(WITH_INTERVALS[figure], labels, own, its))
            for figure in ("accuracy", "macro_f1")
        }
        found[name] = {**overall_figures(labels, its_scores), "classifier_is_better_by": differences}
    return found
