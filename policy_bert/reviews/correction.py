"""Class shares corrected for the classifier's error by means of a sample that people have reviewed.

The estimator adds the classifier's mean error in the sample to the share that it found in all units: survey
sampling's difference estimator (Särndal, Swensson & Wretman 1992, section 6.3), which is prediction-powered
inference for a mean (Angelopoulos et al. 2023, Science 382). It is unbiased whatever the classifier does wrong,
provided that the reviewed units were drawn at random with known chances: over all units, within strata, or each
with an inclusion probability of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from policy_bert.errors import DataError
from policy_bert.intervals import Z_95, cluster_degrees, clustered_interval, t_95, wilson_interval

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Target = Literal["population", "documents"]

LEAST_REVIEWED_IN_STRATUM = 2


@dataclass(frozen=True)
class CorrectedShare:
    """The share of one class in all units.

    Attributes:
        label: The class.
        classified: The share that the classifier put there.
        reviewed: The share that the reviewers put there, in the sample alone and weighted by its design.
        corrected: `classified` plus the mean error in the sample, at least 0 and at most 1.
        low: Lower 95 % limit of the corrected share; NaN where all units are of one document and others are meant.
        high: Upper 95 % limit.
    """

    label: int
    classified: float
    reviewed: float
    corrected: float
    low: float
    high: float


def corrected_shares(
    predicted: IntArray,
    reviewed: IntArray,
    human: IntArray,
    classes: int,
    *,
    strata: IntArray | None = None,
    probabilities: FloatArray | None = None,
    documents: IntArray | None = None,
    target: Target = "population",
) -> list[CorrectedShare]:
    """The corrected share of each class, in the order of the ids; they sum to 1 unless one was cut off at 0.

    The variance is that of the sampling design with one error of each sign added to the sample, which keeps it from
    closing where a small sample holds no error (Bonett & Price 2012, for a difference of paired proportions, which
    the mean error is).

    Args:
        predicted: The classifier's class of every unit, shape (units,).
        reviewed: Positions of the reviewed units in `predicted`, shape (sample,).
        human: Their class by the reviewers, shape (sample,).
        classes: The number of classes; codes run from 0.
        strata: Stratum of every unit, shape (units,): the reviewed units are a random sample of each stratum.
        probabilities: Each reviewed unit's chance to be drawn, shape (sample,), more than 0 and at most 1.
        documents: The document of every unit, any numbers, shape (units,); None where units are independent.
        target: `population`: the documents are themselves a sample of such texts, and the interval holds the chance
            of that too: its variance is that of leaving out each document in turn (ultimate clusters; Särndal et al.,
            section 4.6), at least that of independent units, its quantile Student's t between documents. `documents`:
            the share in just these units, of which the design alone leaves a doubt, so that clusters do not matter.

    Raises:
        ValueError: Shapes or codes are not as said, or both strata and probabilities are given.
        DataError: A stratum has fewer than two reviewed units.
    """
    predicted, reviewed = np.asarray(predicted, dtype=np.int64), np.asarray(reviewed, dtype=np.int64)
    human = np.asarray(human, dtype=np.int64)
    if len(reviewed) != len(human) or len(np.unique(reviewed)) != len(reviewed) or len(human) == 0:
        raise ValueError("expected one human code for each of at least one distinct reviewed unit")
    if strata is not None and probabilities is not None:
        raise ValueError("expected strata or probabilities, found both")
    identity = np.eye(classes)
    classified = identity[predicted].mean(0)
    truth, error = identity[human], identity[human] - identity[predicted[reviewed]]
    parts = np.zeros(len(predicted), dtype=np.int64) if strata is None else np.asarray(strata, dtype=np.int64)
    names = np.unique(parts)
    seen, mean, centre, variance = np.zeros(classes), np.zeros(classes), np.zeros(classes), np.zeros(classes)
    place = np.unique(np.arange(len(predicted)) if documents is None else documents, return_inverse=True)[1]
    sizes = np.bincount(place)
    totals = np.zeros((len(sizes), classes))  # what each document adds to the corrected shares
    np.add.at(totals, place, identity[predicted] / len(predicted))
    for name in names:
        inside, units = parts[reviewed] == name, int((parts == name).sum())
        least = 1 if len(names) == 1 else min(LEAST_REVIEWED_IN_STRATUM, units)
        if (found := int(inside.sum())) < least:
            raise DataError(f"expected at least {least} reviewed units in each stratum, found {found} of {units}")
        chance = np.full(inside.sum(), inside.sum() / units) if probabilities is None else np.asarray(probabilities)
        share = units / len(predicted)
        part = _mean_error(error[inside], chance, pseudo=1 / len(names))
        seen += share * np.average(truth[inside], axis=0, weights=1 / chance)
        mean, centre, variance = mean + share * part[0], centre + share * part[1], variance + share**2 * part[2]
        weights = share / chance / (1 / chance).sum()
        np.add.at(totals, place[reviewed[inside]], weights[:, None] * (error[inside] - part[0]))
        totals += np.outer(np.bincount(place[parts == name], minlength=len(sizes)) / len(predicted), part[0])
    corrected, middle = np.clip(classified + mean, 0, 1), np.clip(classified + centre, 0, 1)
    if target == "documents":
        limits = np.clip([middle - Z_95 * np.sqrt(variance), middle + Z_95 * np.sqrt(variance)], 0, 1)
    else:
        variance = variance + corrected * (1 - corrected) / len(predicted)
        limits = np.array([_limits_between(*pair, sizes) for pair in zip(middle, variance, totals.T, strict=True)]).T
    # The limits enclose the estimate even where the added errors move their centre away from it.
    low, high = np.minimum(limits[0], corrected), np.maximum(limits[1], corrected)
    columns = zip(classified, seen, corrected, low, high, strict=True)
    return [CorrectedShare(label, *map(float, values)) for label, values in enumerate(columns)]


def _limits_between(share: float, variance: float, totals: FloatArray, sizes: IntArray) -> tuple[float, float]:
    """Limits of a share whose variance is that between documents, and at least the one given.

    They enclose Wilson's, which hold where a rare class differs from document to document, and the symmetric ones,
    which hold where the reviewed sample's errors make most of the variance.
    """
    degrees, portion = cluster_degrees(sizes), sizes / sizes.sum()
    if not degrees:
        return np.nan, np.nan
    left_out = (totals - portion * totals.sum()) / (1 - portion)
    variance = max(variance, (1 - 1 / len(sizes)) * float(left_out @ left_out))
    quantile = t_95(degrees)
    half = quantile * float(np.sqrt(variance))
    if 0 < share < 1 and variance:
        low, high = wilson_interval(share, share * (1 - share) / variance, quantile)
    else:
        low, high = clustered_interval(share * sizes, sizes) or (share, share)
    return max(0.0, min(low, share - half)), min(1.0, max(high, share + half))


def confidence_strata(confidence: FloatArray, reviewed: IntArray, count: int) -> IntArray:
    """Stratum of each unit, 0 … count - 1 from least to most certain, of about equal sizes; shape (units,).

    Raises:
        DataError: There are fewer units than strata, or a stratum has fewer than two reviewed units.
    """
    units = len(confidence)
    if count > units:
        raise DataError(f"--strata {count}: expected at most as many strata as units, found {units} units")
    strata = np.empty(units, dtype=np.int64)
    strata[np.argsort(confidence, kind="stable")] = np.arange(units) * count // units
    for stratum in range(count):
        inside = strata == stratum
        found = int((strata[reviewed] == stratum).sum())
        if found < LEAST_REVIEWED_IN_STRATUM:
            low, high = confidence[inside].min(), confidence[inside].max()
            raise DataError(
                f"--strata {count}: expected at least {LEAST_REVIEWED_IN_STRATUM} reviewed units of confidence "
                f"{low:.2f} to {high:.2f}, found {found}: review some there, or ask for fewer strata"
            )
    return strata


def selection_z(values: FloatArray, reviewed: IntArray) -> float:
    """How far the reviewed units' values lie from those of the others, in standard deviations of chance.

    The normal form of the Mann–Whitney statistic with its correction for ties (Lehmann 1975): about standard
    normal for a random sample, far below 0 where the lowest values were picked. 0 where nothing can be compared.
    """
    units, sample = len(values), len(reviewed)
    if sample == 0 or sample == units:
        return 0.0
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / (units * (units - 1))
    variance = sample * (units - sample) / 12 * (units + 1 - ties)
    if variance <= 0:
        return 0.0
    return float((rank[inverse][reviewed].sum() - sample * (units + 1) / 2) / np.sqrt(variance))


def _mean_error(error: FloatArray, chance: FloatArray, pseudo: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weighted mean error in a stratum, the centre of its interval and its variance, each of shape (classes,).

    `pseudo` errors of each sign, of average weight, are added for centre and variance. Units drawn with
    certainty add no variance, so that a stratum reviewed in full is known exactly.
    """
    weights = 1 / chance
    mean = np.average(error, axis=0, weights=weights)
    open_share = 1 - float(chance.mean())
    added, total = pseudo * weights.mean(), weights.sum() + 2 * pseudo * weights.mean()
    shrunk = mean * weights.sum() / total
    spread = (((weights * weights * (1 - chance))[:, None]) * (error - shrunk) ** 2).sum(0)
    spread += added * weights.mean() * open_share * ((1 - shrunk) ** 2 + (1 + shrunk) ** 2)
    return mean, mean + open_share * (shrunk - mean), spread / total**2
