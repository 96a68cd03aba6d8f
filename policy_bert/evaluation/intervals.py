"""How sure a measurement is: intervals and tests of differences.

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
class Difference(Interval):
    """A difference, its interval, and the two-sided p-value of there being none."""

    p_value: float


def bootstrap_interval(
    statistic: Statistic, *arrays: ArrayLike, samples: int = 2000, level: float = 0.95, seed: int = 0
) -> Interval:
    """The statistic with its percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13).

    Args:
        statistic: A function of the arrays, such as `metrics.macro_f1` of labels and predictions.
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


def corrected_resampled_interval(values: ArrayLike, test_to_train: float, level: float = 0.95) -> Interval:
    """The mean over (repeated) folds with an interval that knows that their training parts overlap.

    Args:
        values: One figure a fold, at least two.
        test_to_train: Rows that a fold tests on by rows that it trains on: 0.25 for five folds, more where folds train
            on a share of what they could.
        level: The interval's level.

    Raises:
        ValueError: Fewer than two values, or a ratio that is not above 0.
    """
    found = corrected_resampled_t_test(values, test_to_train, level)
    return Interval(found.value, found.low, found.high)


def corrected_resampled_t_test(differences: ArrayLike, test_to_train: float, level: float = 0.95) -> Difference:
    """The mean difference of two systems over (repeated) folds, by the corrected resampled t-test.

    Folds share training rows, so the plain t-test finds differences that are not there; the variance is multiplied
    by 1/k + test/train in place of 1/k (Nadeau & Bengio 2003; Bouckaert & Frank 2004 for repeated folds).

    Args:
        differences: One system's figure less the other's, fold by fold, at least two.
        test_to_train: As for `corrected_resampled_interval`.
        level: The interval's level.

    Raises:
        ValueError: Fewer than two differences, or a ratio that is not above 0.
    """
    from scipy import stats

    table = np.asarray(differences, dtype=np.float64)
    if table.ndim != 1 or len(table) < 2 or not test_to_train > 0.0:
        raise ValueError(f"expected at least two values and a ratio above 0, found {table.shape}, {test_to_train}")
    mean = float(table.mean())
    error = sqrt((1 / len(table) + test_to_train) * float(table.var(ddof=1)))
    half = error * float(stats.t.ppf((1 + level) / 2, df=len(table) - 1))
    if error == 0.0:
        p_value = 1.0 if mean == 0.0 else 0.0
    else:
        p_value = float(2 * stats.t.sf(abs(mean) / error, df=len(table) - 1))
    return Difference(mean, mean - half, mean + half, p_value)


def jackknife_interval(value: float, left_out: ArrayLike, level: float = 0.95) -> Interval:
    """A figure of whole repeats of a cross-validation, with an interval from leaving out one fold after the other.

    The folds of a repeat test different sentences, so they are what is independent; repeats test the same sentences
    again, so they add degrees of freedom and take away no variance (jackknife: Efron & Tibshirani 1993, chapter 11).

    Args:
        value: The figure: its mean over the repeats.
        left_out: The figure of each repeat without each of its folds, shape (repeats, folds), at least two folds.
        level: The interval's level.

    Raises:
        ValueError: There are fewer than two folds.
    """
    from scipy import stats

    table = np.asarray(left_out, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"expected a row of at least two folds a repeat, found shape {table.shape}")
    repeats, folds = table.shape
    error = sqrt((folds - 1) * float(table.var(axis=1).mean()))
    half = error * float(stats.t.ppf((1 + level) / 2, df=repeats * (folds - 1)))
    return Interval(value, value - half, value + half)


def _draws(values: list[NDArray[np.generic]], samples: int, seed: int) -> NDArray[np.int64]:
    lengths = {len(value) for value in values}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(f"expected arrays of one length, at least 1; found lengths {sorted(lengths)}")
    return np.random.default_rng(seed).integers(0, lengths.pop(), (samples, len(values[0])))
