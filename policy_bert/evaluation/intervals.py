"""How sure a measurement is: intervals, tests of differences, calibration error.

Numpy only, but for the t distribution, which scipy gives when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Statistic = Callable[..., float]


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Difference:
    """A difference, its interval, and the two-sided p-value of there being none."""

    value: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Coverage:
    """What is kept when the least confident rows are put aside.

    Attributes:
        coverage: The share of the rows kept.
        accuracy: Their accuracy.
        threshold: The lowest confidence among them.
    """

    coverage: float
    accuracy: float
    threshold: float


def bootstrap_interval(
    statistic: Statistic, *arrays: ArrayLike, samples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The statistic with its percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13).

    Args:
        statistic: A function of the arrays, such as `measures.macro_f1` of labels and predictions.
        arrays: Arrays of one length; rows are drawn with replacement, the same ones from each.
        samples: How often rows are drawn.
        level: The interval's level.
        seed: Of a private generator; the same seed gives the same interval.

    Raises:
        ValueError: The arrays are empty or differ in length.
    """
    values = [np.asarray(array) for array in arrays]
    draws = np.array([statistic(*(v[rows] for v in values)) for rows in _draws(values, samples, seed)])
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(*values)), float(low), float(high))


def paired_bootstrap(
    statistic: Statistic,
    labels: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    samples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Difference:
    """`statistic(labels, first) - statistic(labels, second)` on the same rows, by the paired bootstrap.

    The p-value is twice the smaller share of draws on one side of zero, ties counted as half, never below
    1 / (samples + 1) (Efron & Tibshirani 1993; Berg-Kirkpatrick et al. 2012 use it for paired systems).

    Args:
        statistic: A function of labels and predictions (or scores).
        labels: True classes, shape (rows,).
        first: One system's predictions or scores; `second` the other's.
        second: See `first`.
        samples: How often rows are drawn.
        level: The interval's level.
        seed: Of a private generator.

    Raises:
        ValueError: The arrays are empty or differ in length.
    """
    values = [np.asarray(labels), np.asarray(first), np.asarray(second)]

    def difference(true: NDArray[np.int64], one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
        return statistic(true, one) - statistic(true, other)

    draws = np.array([difference(*(v[rows] for v in values)) for rows in _draws(values, samples, seed)])
    below = float((draws < 0).mean() + (draws == 0).mean() / 2)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    p_value = min(1.0, max(2 * min(below, 1 - below), 1 / (samples + 1)))
    return Difference(float(difference(*values)), float(low), float(high), p_value)


def corrected_resampled_interval(values: ArrayLike, test_fraction: float, level: float = 0.95) -> Interval:
    """The mean over (repeated) folds with an interval that knows that their training parts overlap.

    Args:
        values: One figure a fold, at least two.
        test_fraction: The share of the rows that a fold tests on: 0.2 for five folds.
        level: The interval's level.

    Raises:
        ValueError: Fewer than two values, or a fraction outside 0 to 1.
    """
    mean, error, half = _corrected(values, test_fraction, level)
    return Interval(mean, mean - half * error, mean + half * error)


def corrected_resampled_t_test(differences: ArrayLike, test_fraction: float, level: float = 0.95) -> Difference:
    """The mean difference of two systems over (repeated) folds, by the corrected resampled t-test.

    Folds share training rows, so the plain t-test finds differences that are not there; the variance is multiplied
    by 1/k + test/train in place of 1/k (Nadeau & Bengio 2003; Bouckaert & Frank 2004 for repeated folds).

    Args:
        differences: One system's figure less the other's, fold by fold, at least two.
        test_fraction: The share of the rows that a fold tests on: 0.2 for five folds.
        level: The interval's level.

    Raises:
        ValueError: Fewer than two differences, or a fraction outside 0 to 1.
    """
    from scipy import stats

    mean, error, half = _corrected(differences, test_fraction, level)
    if error == 0.0:
        p_value = 1.0 if mean == 0.0 else 0.0
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, df=np.size(differences) - 1))
    return Difference(mean, mean - half * error, mean + half * error, p_value)


def _corrected(values: ArrayLike, test_fraction: float, level: float) -> tuple[float, float, float]:
    """The mean, its corrected standard error and the t quantile."""
    from scipy import stats

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 1 or len(table) < 2 or not 0.0 < test_fraction < 1.0:
        raise ValueError(
            f"expected at least two values and a fraction between 0 and 1, found shape {table.shape}, {test_fraction}"
        )
    error = sqrt((1 / len(table) + test_fraction / (1 - test_fraction)) * float(table.var(ddof=1)))
    return float(table.mean()), error, float(stats.t.ppf((1 + level) / 2, df=len(table) - 1))


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """The mean distance of confidence from accuracy over bins of equal mass (Nguyen & O'Connor 2015).

    Args:
        confidences: The probability of the predicted class, shape (rows,).
        correct: Whether that class was right, shape (rows,).
        bins: Rows are sorted by confidence and cut into so many bins of (nearly) one size.

    Returns:
        0 (calibrated) to 1; each bin counts by its share of the rows.
    """
    confidence, right = _sorted(confidences, correct)
    pieces = zip(np.array_split(confidence, bins), np.array_split(right, bins), strict=True)
    return float(sum(abs(c.mean() - r.mean()) * len(c) for c, r in pieces if len(c)) / len(confidence))


def coverage_accuracy(confidences: ArrayLike, correct: ArrayLike, coverage: float) -> Coverage:
    """The accuracy on the most confident share of the rows (El-Yaniv & Wiener 2010).

    Args:
        confidences: The probability of the predicted class, shape (rows,).
        correct: Whether that class was right, shape (rows,).
        coverage: The share to keep, above 0 and at most 1; at least one row is kept. Of equal confidences the
            earlier rows are put aside first, so the share is exact.
    """
    confidence, right = _sorted(confidences, correct)
    kept = max(1, round(coverage * len(confidence)))
    return Coverage(kept / len(confidence), float(right[-kept:].mean()), float(confidence[-kept]))


def _sorted(confidences: ArrayLike, correct: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    confidence, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if confidence.shape != right.shape or not confidence.size:
        raise ValueError(f"expected two vectors of one length, found shapes {confidence.shape} and {right.shape}")
    order = np.argsort(confidence, kind="stable")
    return confidence[order], right[order]


def _draws(values: list[NDArray[np.generic]], samples: int, seed: int) -> NDArray[np.int64]:
    lengths = {len(value) for value in values}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"expected arrays of one length, at least 1; found lengths {sorted(lengths)}")
    return np.random.default_rng(seed).integers(0, lengths.pop(), (samples, len(values[0])))
