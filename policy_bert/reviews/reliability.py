"""How far two coders agree: observed agreement, Cohen's κ and Krippendorff's α, overall and class by class.

Everything is a function of the agreement table, the count of units by first and second coder's class, so the
coefficients take stacks of tables and the bootstrap draws tables instead of units.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Estimate:
    """A value with the limits of its 95 % interval; NaN where value or limits are undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassReliability:
    """Agreement on one class against all others.

    Attributes:
        label: The class.
        first_units: Units that the first coder put there.
        second_units: Units that the second coder put there.
        both_units: Units that both put there.
        kappa: Cohen's κ of the class against the rest.
        alpha: Krippendorff's α of the class against the rest.
    """

    label: int
    first_units: int
    second_units: int
    both_units: int
    kappa: Estimate
    alpha: Estimate


@dataclass(frozen=True)
class Reliability:
    """The agreement of two coders.

    Attributes:
        units: Units that both coded.
        table: Their count by the first coder's class (rows) and the second's (columns), shape (classes, classes).
        agreement: The share of units on which they agree, with Wilson's interval.
        kappa: Cohen's κ.
        alpha: Krippendorff's α for nominal data.
        classes: The classes that one of them used at least once, in the order of their ids.
    """

    units: int
    table: IntArray
    agreement: Estimate
    kappa: Estimate
    alpha: Estimate
    classes: tuple[ClassReliability, ...]


def agreement_table(first: IntArray, second: IntArray, classes: int) -> IntArray:
    """Counts of units by the first coder's class (rows) and the second's (columns), shape (classes, classes).

    >>> agreement_table(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]

    Raises:
        ValueError: The coders coded different numbers of units, or a class is not in 0 … classes - 1.
    """
    first, second = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"expected two vectors of one length, found shapes {first.shape} and {second.shape}")
    for codes in (first, second):
        if codes.size and not 0 <= codes.min() <= codes.max() < classes:
            raise ValueError(f"expected classes from 0 to {classes - 1}, found {codes.min()} to {codes.max()}")
    return np.bincount(first * classes + second, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def cohen_kappa(table: NDArray[np.generic]) -> FloatArray:
    """Cohen's κ (Cohen 1960) of tables of shape (..., classes, classes); NaN where chance alone agrees fully."""
    counts = np.asarray(table, dtype=np.float64)
    total = counts.sum((-1, -2))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        expected = (counts.sum(-1) * counts.sum(-2)).sum(-1) / total**2
        return np.where(expected < 1, (observed - expected) / (1 - expected), np.nan)


def krippendorff_alpha(table: NDArray[np.generic]) -> FloatArray:
    """Krippendorff's α for nominal data, two coders and no gaps, of tables of shape (..., classes, classes).

    Each unit gives two pairable values; α is 1 less the ratio of observed to expected disagreement
    (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability). NaN where all values are of one class.
    """
    counts = np.asarray(table, dtype=np.float64)
    values = counts.sum(-1) + counts.sum(-2)
    total = values.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        disagreement = total - 2 * np.trace(counts, axis1=-2, axis2=-1)
        expected = (total**2 - (values**2).sum(-1)) / (total - 1)
        return np.where(expected > 0, 1 - disagreement / expected, np.nan)


def wilson_interval(share: float, units: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `units` independent units (Wilson 1927); 0 to 1 for none.

    >>> low, high = wilson_interval(1.0, 10)
    >>> round(low, 3), high
    (0.722, 1.0)
    """
    if units <= 0:
        return 0.0, 1.0
    z2 = Z_95**2
    centre = (share + z2 / (2 * units)) / (1 + z2 / units)
    half = Z_95 * np.sqrt(share * (1 - share) / units + z2 / (4 * units**2)) / (1 + z2 / units)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def measure_reliability(
    first: IntArray, second: IntArray, classes: int, replicates: int = 2000, seed: int = 0
) -> Reliability:
    """The agreement of two coders on the same units, with 95 % intervals.

    The intervals of κ and α are percentiles of a bootstrap over units (Efron & Tibshirani 1993). Where the
    coders agree on every unit a bootstrap sees no variation; the lower limit is then what Wilson's lower limit
    of the agreement makes of the coefficient with the chance agreement left as it is. Where one coder never
    used a class, κ of that class is 0 whatever the other did, and neither coefficient of it gets limits.

    Args:
        first: The first coder's classes, shape (units,).
        second: The second coder's classes, shape (units,).
        classes: The number of classes; codes run from 0.
        replicates: Bootstrap tables.
        seed: Of the bootstrap's own generator; the same seed gives the same limits.

    Raises:
        ValueError: There is no unit, the lengths differ, or a class is out of range.
    """
    table = agreement_table(first, second, classes)
    units = int(table.sum())
    if not units:
        raise ValueError("expected at least one unit coded by both coders")
    draws = np.random.default_rng(seed).multinomial(units, table.ravel() / units, size=replicates)
    tables = draws.reshape(replicates, classes, classes)
    agreed = int(np.trace(table))
    used = np.flatnonzero(table.sum(0) + table.sum(1))
    return Reliability(
        units=units,
        table=table,
        agreement=Estimate(agreed / units, *wilson_interval(agreed / units, units)),
        kappa=_estimate(cohen_kappa, table, tables),
        alpha=_estimate(krippendorff_alpha, table, tables),
        classes=tuple(_class_reliability(int(label), table, tables) for label in used),
    )


def _class_reliability(label: int, table: IntArray, tables: IntArray) -> ClassReliability:
    one, many = _against_rest(table, label), _against_rest(tables, label)
    return ClassReliability(
        label=label,
        first_units=int(one[0].sum()),
        second_units=int(one[:, 0].sum()),
        both_units=int(one[0, 0]),
        kappa=_estimate(cohen_kappa, one, many),
        alpha=_estimate(krippendorff_alpha, one, many),
    )


def _against_rest(tables: IntArray, label: int) -> IntArray:
    """Tables of shape (..., classes, classes) folded to (..., 2, 2): the class first, all others second."""
    both = tables[..., label, label]
    first, second = tables[..., label, :].sum(-1) - both, tables[..., :, label].sum(-1) - both
    neither = tables.sum((-1, -2)) - both - first - second
    return np.stack([np.stack([both, first], -1), np.stack([second, neither], -1)], -2)


def _estimate(coefficient: Callable[[NDArray[np.generic]], FloatArray], table: IntArray, tables: IntArray) -> Estimate:
    value = float(coefficient(table))
    if np.isnan(value):
        return Estimate(value, value, value)
    units = int(table.sum())
    if np.trace(table) == units:
        # κ and α are 1 - (1 - agreement) / (1 - expected): at most 1, and lower by this much at Wilson's limit.
        shares = (table.sum(0) + table.sum(1)) / (2 * units)
        slack = (1 - wilson_interval(1.0, units)[0]) / (1 - float((shares**2).sum()))
        return Estimate(value, max(-1.0, value - slack), 1.0)
    if len(table) == 2 and (table.sum(0) * table.sum(1) == 0).any():
        return Estimate(value, np.nan, np.nan)
    values = coefficient(tables)
    low, high = np.percentile(values[np.isfinite(values)], [2.5, 97.5])
    return Estimate(value, float(low), float(high))
