"""Metrics as `evaluate.Metric`s that need no hub: `Accuracy().compute(predictions=…, references=…)`.

`evaluate.load("f1")` fetches a script from the hub and fails offline; these are classes of their own, whose numbers
come from `evaluation.measures` and `evaluation.intervals`. They hold predictions in memory and, like every
`evaluate.Metric`, can be fed batch by batch with `add_batch`.

Importing this module imports `evaluate` and `datasets`; what needs the numbers alone takes `evaluation.measures`.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import ArrayLike, NDArray

from policy_bert.evaluation import measures
from policy_bert.evaluation.intervals import expected_calibration_error

_IDS = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
_SCORES = datasets.Features(
    {"predictions": datasets.Sequence(datasets.Value("float64")), "references": datasets.Value("int64")}
)


class _OfflineMetric(evaluate.Metric):
    """A metric that keeps its rows in memory; a subclass gives `features` and `_compute`."""

    features_: datasets.Features = _IDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("keep_in_memory", kwargs.get("num_process", 1) == 1)
        super().__init__(*args, **kwargs)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=type(self).__doc__ or "",
            citation="",
            inputs_description=type(self)._compute.__doc__ or "",
            features=self.features_,
        )


class Accuracy(_OfflineMetric):
    """The share of predicted class ids that are right."""

    def _compute(self, predictions: ArrayLike, references: ArrayLike) -> dict[str, float]:
        """`{"accuracy": …}` of class ids."""
        return {"accuracy": measures.accuracy(references, predictions)}


class F1(_OfflineMetric):
    """F1 of predicted class ids: the classes' plain mean (`macro`) or weighted by their size (`weighted`)."""

    def _compute(self, predictions: ArrayLike, references: ArrayLike, average: str = "macro") -> dict[str, float]:
        """`{"f1": …}` of class ids; `average` is `macro` or `weighted`."""
        if average not in ("macro", "weighted"):
            raise ValueError(f"average: expected macro or weighted, found {average!r}")
        score = measures.macro_f1 if average == "macro" else measures.weighted_f1
        return {"f1": score(references, predictions)}


class TopKAccuracy(_OfflineMetric):
    """The share of rows whose class is among the `k` of highest score."""

    features_ = _SCORES

    def _compute(self, predictions: ArrayLike, references: ArrayLike, k: int = 2) -> dict[str, float]:
        """`{"top_2_accuracy": …}`, named after `k`, of scores, one list of all classes a row."""
        return {f"top_{k}_accuracy": measures.top_k_accuracy(references, predictions, k)}


class LogLoss(_OfflineMetric):
    """The mean negative logarithm of the true class's probability."""

    features_ = _SCORES

    def _compute(self, predictions: ArrayLike, references: ArrayLike) -> dict[str, float]:
        """`{"log_loss": …}` of probabilities, one list of all classes a row."""
        return {"log_loss": measures.log_loss(references, predictions)}


class ExpectedCalibrationError(_OfflineMetric):
    """How far confidence lies from accuracy, over bins of equal mass."""

    features_ = _SCORES

    def _compute(self, predictions: ArrayLike, references: ArrayLike, bins: int = 15) -> dict[str, float]:
        """`{"expected_calibration_error": …}` of probabilities, one list of all classes a row."""
        scores: NDArray[np.float64] = np.asarray(predictions)
        correct = scores.argmax(axis=1) == np.asarray(references)
        return {"expected_calibration_error": expected_calibration_error(scores.max(axis=1), correct, bins)}
