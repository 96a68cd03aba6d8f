"""What is measured of predictions: accuracy, F1, top-k accuracy, log loss; plain functions of arrays.

The numbers are those of scikit-learn, which the tests hold them to, without its import; `evaluation.metrics` wraps
them as `evaluate.Metric`s and `evaluation.intervals` says how sure they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ClassReport:
    """Precision, recall and F1 (0 where undefined) and the true count of each class, each of shape (classes,)."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def confusion_matrix(labels: ArrayLike, predictions: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Counts of shape (classes, classes): row the true class, column the predicted one.

    Raises:
        ValueError: The two differ in length, or a value lies outside 0 … classes - 1.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    true, predicted = np.asarray(labels, dtype=np.int64), np.asarray(predictions, dtype=np.int64)
    if true.shape != predicted.shape or true.ndim != 1:
        raise ValueError(f"expected two vectors of one length, found shapes {true.shape} and {predicted.shape}")
    for values in (true, predicted):
        if values.size and not (values.min() >= 0 and values.max() < classes):
            raise ValueError(f"expected classes from 0 to {classes - 1}, found {values.min()} to {values.max()}")
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def class_report(matrix: NDArray[np.int64]) -> ClassReport:
    """Precision, recall, F1 and support of each class from a confusion matrix."""
    hits = np.diagonal(matrix).astype(np.float64)
    support, predicted = matrix.sum(axis=1), matrix.sum(axis=0)
    return ClassReport(precision=_ratio(hits, predicted), recall=_ratio(hits, support), f1=_f1(matrix), support=support)


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """The share of predictions that are right, 0 to 1.

    >>> accuracy([0, 1, 1, 2], [0, 1, 2, 2])
    0.75
    """
    return float(np.mean(np.asarray(labels) == np.asarray(predictions)))


def macro_f1(labels: ArrayLike, predictions: ArrayLike, classes: int | None = None) -> float:
    """The plain mean of the classes' F1 over the classes that occur among labels or predictions.

    A class that occurs in neither says nothing and is left out, as scikit-learn does.
    """
    matrix = confusion_matrix(labels, predictions, classes or _classes(labels, predictions))
    occurs = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    return float(_f1(matrix)[occurs].mean()) if occurs.any() else 0.0


def weighted_f1(labels: ArrayLike, predictions: ArrayLike, classes: int | None = None) -> float:
    """The mean of the classes' F1, weighted by how many labels each class has."""
    matrix = confusion_matrix(labels, predictions, classes or _classes(labels, predictions))
    support = matrix.sum(axis=1)
    return float(_f1(matrix) @ support / support.sum()) if support.sum() else 0.0


def top_k_accuracy(labels: ArrayLike, scores: ArrayLike, k: int) -> float:
    """The share of rows whose label is among the `k` classes of highest score.

    Args:
        labels: Class ids, shape (rows,).
        scores: Shape (rows, classes); of equal scores the lower class id counts as higher.
        k: How many classes count as a hit; with `k` of at least the number of classes the result is 1.
    """
    table = np.asarray(scores)
    best = np.argsort(-table, axis=1, kind="stable")[:, :k]
    return float((best == np.asarray(labels)[:, None]).any(axis=1).mean())


def log_loss(labels: ArrayLike, scores: ArrayLike) -> float:
    """The mean negative natural logarithm of the probability given to the true class.

    Args:
        labels: Class ids, shape (rows,).
        scores: Probabilities, shape (rows, classes); one of 0 counts as 1e-12.
    """
    chosen = np.take_along_axis(np.asarray(scores, dtype=np.float64), np.asarray(labels)[:, None], axis=1)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def _classes(*vectors: ArrayLike) -> int:
    return max((int(np.max(v)) for v in vectors if np.size(v)), default=0) + 1


def _f1(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    return _ratio(2.0 * np.diagonal(matrix).astype(np.float64), matrix.sum(axis=0) + matrix.sum(axis=1))


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
