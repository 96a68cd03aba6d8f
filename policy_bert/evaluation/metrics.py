"""What is measured of scores: plain functions of arrays, and all of them as one `evaluate.Metric` that needs no hub.

The training log, the report of an evaluation and the cross-validation take their figures from `measure`, so they mean
the same. `evaluate.load("f1")` fetches a script from the hub and fails offline; `load_metric` does not. The numbers are
those of scikit-learn, which the tests hold them to; `evaluation.intervals` says how sure they are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    import evaluate

CALIBRATION_BINS = 15
COVERAGE = 0.6  # the share of the sentences that selective accuracy is told of


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
    return ClassReport(_ratio(hits, predicted), _ratio(hits, support), _ratio(2 * hits, support + predicted), support)


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
    return float(class_report(matrix).f1[occurs].mean()) if occurs.any() else 0.0


def weighted_f1(labels: ArrayLike, predictions: ArrayLike, classes: int | None = None) -> float:
    """The mean of the classes' F1, weighted by how many labels each class has."""
    report = class_report(confusion_matrix(labels, predictions, classes or _classes(labels, predictions)))
    return float(report.f1 @ report.support / report.support.sum()) if report.support.sum() else 0.0


def top_k_accuracy(labels: ArrayLike, scores: ArrayLike, k: int) -> float:
    """The share of rows whose label is among the `k` classes of highest score.

    Args:
        labels: Class ids, shape (rows,).
        scores: Shape (rows, classes); of equal scores the lower class id counts as higher.
        k: How many classes count as a hit; with `k` of at least the number of classes the result is 1.
    """
    best = np.argsort(-np.asarray(scores), axis=1, kind="stable")[:, :k]
    return float((best == np.asarray(labels)[:, None]).any(axis=1).mean())


def log_loss(labels: ArrayLike, scores: ArrayLike) -> float:
    """The mean negative natural logarithm of the probability given to the true class.

    Args:
        labels: Class ids, shape (rows,).
        scores: Probabilities, shape (rows, classes); one of 0 counts as 1e-12.
    """
    chosen = np.take_along_axis(np.asarray(scores, dtype=np.float64), np.asarray(labels)[:, None], axis=1)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def calibration_error(labels: ArrayLike, scores: ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """The mean distance of confidence from accuracy over bins of equal mass (Nguyen & O'Connor 2015).

    Args:
        labels: Class ids, shape (rows,).
        scores: Probabilities, shape (rows, classes).
        bins: Rows are sorted by confidence and cut into so many bins of (nearly) one size.

    Returns:
        0 (calibrated) to 1; each bin counts by its share of the rows.
    """
    confidence, right = _by_confidence(labels, scores)
    pieces = zip(np.array_split(confidence, bins), np.array_split(right, bins), strict=True)
    return float(sum(abs(c.mean() - r.mean()) * len(c) for c, r in pieces if len(c)) / len(confidence))


def coverage_accuracy(labels: ArrayLike, scores: ArrayLike, coverage: float = COVERAGE) -> float:
    """The accuracy on the most confident share of the rows (El-Yaniv & Wiener 2010).

    Args:
        labels: Class ids, shape (rows,).
        scores: Probabilities, shape (rows, classes).
        coverage: The share to keep, above 0 and at most 1; at least one row is kept. Of equal confidences the
            earlier rows are put aside first, so the share is exact.
    """
    _, right = _by_confidence(labels, scores)
    return float(right[-max(1, round(coverage * len(right))) :].mean())


def _classes(*vectors: ArrayLike) -> int:
    return max((int(np.max(v)) for v in vectors if np.size(v)), default=0) + 1


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)


def _by_confidence(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each row's highest score and whether its class is the true one, the least confident row first."""
    table, true = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if table.ndim != 2 or true.shape != table.shape[:1] or not len(true):
        raise ValueError(f"expected a label a row of scores, found shapes {true.shape} and {table.shape}")
    order = np.argsort(table.max(axis=1), kind="stable")
    return table.max(axis=1)[order], (table.argmax(axis=1) == true)[order].astype(np.float64)


def _of_predictions(figure: Callable[..., float], with_classes: bool = True) -> Callable[[ArrayLike, ArrayLike], float]:
    def of_scores(labels: ArrayLike, scores: ArrayLike) -> float:
        table = np.asarray(scores)
        return figure(labels, table.argmax(axis=1), *([table.shape[1]] if with_classes else []))

    return of_scores


# Every figure that is logged and reported, as a function of labels (rows,) and probabilities (rows, classes).
FIGURES: dict[str, Callable[[ArrayLike, ArrayLike], float]] = {
    "accuracy": _of_predictions(accuracy, with_classes=False),
    "macro_f1": _of_predictions(macro_f1),
    "weighted_f1": _of_predictions(weighted_f1),
    "top_2_accuracy": functools.partial(top_k_accuracy, k=2),
    "top_3_accuracy": functools.partial(top_k_accuracy, k=3),
    "log_loss": log_loss,
    "calibration_error": calibration_error,
    "accuracy_at_60_percent": coverage_accuracy,
}
# Their names for people.
TITLES = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
    "top_2_accuracy": "Top-2 accuracy",
    "top_3_accuracy": "Top-3 accuracy",
    "log_loss": "Log loss",
    "calibration_error": "Expected calibration error",
    "accuracy_at_60_percent": "Accuracy on the most confident 60 %",
}


@functools.cache
def _metric_class() -> type[evaluate.Metric]:
    """The metric's class; made when it is first asked for, since `evaluate` takes seconds to import."""
    import datasets
    import evaluate

    class ScoreMetric(evaluate.Metric):
        """Figures of probabilities: all of `FIGURES`, or the one that `config_name` names."""

        def _info(self) -> evaluate.MetricInfo:
            scores = datasets.Sequence(datasets.Value("float64"))
            features = datasets.Features({"predictions": scores, "references": datasets.Value("int64")})
            return evaluate.MetricInfo(
                description=ScoreMetric.__doc__, citation="", inputs_description=_COLUMNS, features=features
            )

        def _compute(self, predictions: ArrayLike, references: ArrayLike) -> dict[str, float]:
            names = FIGURES if self.config_name == "default" else (self.config_name,)
            return {name: FIGURES[name](references, predictions) for name in names}

    return ScoreMetric


_COLUMNS = "predictions: probabilities of all classes, a list a row; references: the true class ids."


def load_metric(name: str | None = None, **options: Any) -> evaluate.Metric:
    """An `evaluate.Metric` of probabilities that needs no hub: `load_metric("macro_f1").compute(…)`.

    Rows are held in memory and may be fed batch by batch with `add_batch`.

    Args:
        name: One of `FIGURES`; None for all.
        options: As `evaluate.Metric` takes them, such as `cache_dir`.

    Raises:
        KeyError: No figure of that name.
    """
    if name is not None and name not in FIGURES:
        raise KeyError(name)
    options.setdefault("keep_in_memory", options.get("num_process", 1) == 1)
    return _metric_class()(config_name=name, **options)


def measure(labels: ArrayLike, scores: ArrayLike) -> dict[str, float]:
    """All `FIGURES` of labels (rows,) and probabilities (rows, classes), through the `evaluate.Metric`."""
    return dict(load_metric().compute(predictions=np.asarray(scores), references=np.asarray(labels)) or {})
