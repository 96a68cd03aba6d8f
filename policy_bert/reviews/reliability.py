"""How far two coders agree: observed agreement, Cohen's κ and Krippendorff's α, overall and class by class.

Everything is a function of the agreement table, the count of units by first (rows) and second coder's class, so the
coefficients take stacks of tables: the whole table less each document's is what its interval is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_bert.evaluation.metrics import confusion_matrix
from policy_bert.intervals import cluster_degrees, clustered_interval, t_95, wilson_interval

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


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
        documents: The documents that these units come from.
        agreement: The share of units on which they agree.
        kappa: Cohen's κ.
        alpha: Krippendorff's α for nominal data.
        classes: The classes that one of them used at least once, in the order of their ids.
    """

    units: int
    documents: int
    table: IntArray
    agreement: Estimate
    kappa: Estimate
    alpha: Estimate
    classes: tuple[ClassReliability, ...]


def cohen_kappa(table: NDArray[np.generic]) -> FloatArray:
    """Cohen's κ (Cohen 1960) of tables of shape (..., classes, classes); NaN where chance alone agrees fully."""
    return _beyond_chance(table, _kappa_chance)


def krippendorff_alpha(table: NDArray[np.generic]) -> FloatArray:
    """Krippendorff's α for nominal data, two coders and no gaps, of tables of shape (..., classes, classes).

    Each unit gives two pairable values; α is 1 less the ratio of observed to expected disagreement
    (Krippendorff 2011, Computing Krippendorff's Alpha-Reliability). NaN where all values are of one class.
    """
    return _beyond_chance(table, _alpha_chance)


def _kappa_chance(counts: FloatArray) -> FloatArray:
    """The disagreement that chance alone brings."""
    return np.asarray(1 - (counts.sum(-1) * counts.sum(-2)).sum(-1) / counts.sum((-1, -2)) ** 2)


def _alpha_chance(counts: FloatArray) -> FloatArray:
    values = counts.sum(-1) + counts.sum(-2)
    total = values.sum(-1)
    return np.asarray((total**2 - (values**2).sum(-1)) / (total * (total - 1)))


def _beyond_chance(table: NDArray[np.generic], chance: Callable[[FloatArray], FloatArray]) -> FloatArray:
    counts = np.asarray(table, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = 1 - np.trace(counts, axis1=-2, axis2=-1) / counts.sum((-1, -2))
        expected = chance(counts)
        return np.where(expected > 1e-12, 1 - observed / expected, np.nan)


def measure_reliability(
    first: IntArray, second: IntArray, classes: int, documents: IntArray | None = None
) -> Reliability:
    """The agreement of two coders on the same units, with 95 % intervals for texts like these documents.

    Units come clustered in documents: the variance of κ and α is that of leaving out each document in turn (the
    jackknife; Efron & Tibshirani 1993, chapter 11), and at least that of leaving out each unit; the interval is
    Wilson's for an agreement of that variance, with Student's t between documents, on the scale of the coefficient,
    which keeps it open where the coders agree on every unit. With one document there are no limits. Where one coder
    put all units into one class (or never used the class that is told from the rest), κ is 0 whatever the other did,
    and neither coefficient gets limits.

    Args:
        first: The first coder's classes, shape (units,).
        second: The second coder's classes, shape (units,).
        classes: The number of classes; codes run from 0.
        documents: The document of each unit, any numbers, shape (units,); None where units are independent.

    Raises:
        ValueError: There is no unit, the lengths differ, or a class is out of range.
    """
    table = confusion_matrix(first, second, classes)
    units = int(table.sum())
    if not units:
        raise ValueError("expected at least one unit coded by both coders")
    names, place = np.unique(np.arange(units) if documents is None else documents, return_inverse=True)
    parts = np.zeros((len(names), classes, classes), dtype=np.int64)
    np.add.at(parts, (place, first, second), 1)
    agreed, sizes = np.trace(parts, axis1=1, axis2=2), parts.sum((1, 2))
    used = np.flatnonzero(table.sum(0) + table.sum(1))
    return Reliability(
        units=units,
        documents=len(names),
        table=table,
        agreement=Estimate(float(agreed.sum()) / units, *(clustered_interval(agreed, sizes) or (np.nan, np.nan))),
        kappa=_estimate(_kappa_chance, parts),
        alpha=_estimate(_alpha_chance, parts),
        classes=tuple(_class_reliability(int(label), parts) for label in used),
    )


def _class_reliability(label: int, parts: IntArray) -> ClassReliability:
    """The class against all others: tables of shape (documents, 2, 2), the class first."""
    both = parts[:, label, label]
    first, second = parts[:, label, :].sum(-1), parts[:, :, label].sum(-1)
    neither = parts.sum((-1, -2)) - first - second + both
    folded = np.stack([both, first - both, second - both, neither], -1).reshape(-1, 2, 2)
    counts = int(first.sum()), int(second.sum()), int(both.sum())
    return ClassReliability(label, *counts, _estimate(_kappa_chance, folded), _estimate(_alpha_chance, folded))


def _estimate(chance: Callable[[FloatArray], FloatArray], parts: IntArray) -> Estimate:
    table, sizes = parts.sum(0), parts.sum((1, 2))
    units, value = int(sizes.sum()), float(_beyond_chance(table, chance))
    degrees = cluster_degrees(sizes)
    one_class = min(np.count_nonzero(table.sum(0)), np.count_nonzero(table.sum(1))) == 1 and np.trace(table) < units
    if np.isnan(value) or not degrees or one_class:
        return Estimate(value, np.nan, np.nan)
    expected = float(chance(table.astype(np.float64)))
    agreement = float(np.trace(table)) / units
    if 0 < agreement < 1:
        cells = np.argwhere(table)
        single = np.zeros((len(cells), *table.shape))
        single[np.arange(len(cells)), cells[:, 0], cells[:, 1]] = 1
        by_document = np.nan_to_num(_beyond_chance(table - parts, chance) - value)
        by_unit = np.nan_to_num(_beyond_chance(table - single, chance) - value)
        clusters = len(sizes)
        variance = max(
            (clusters - 1) / clusters * float(by_document @ by_document),
            (units - 1) / units * float(table[tuple(cells.T)] @ by_unit**2),
        )
        low, high = wilson_interval(agreement, agreement * (1 - agreement) / (variance * expected**2), t_95(degrees))
    else:
        low, high = clustered_interval(agreement * sizes, sizes) or (np.nan, np.nan)
    return Estimate(value, max(-1.0, 1 - (1 - low) / expected), 1 - (1 - high) / expected)
