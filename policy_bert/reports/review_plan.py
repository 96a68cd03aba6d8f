"""Which units a person should review, and how sure the coding is known afterwards.

A plan has two parts. The first is a simple random sample of the units that the model was asked about: reviewed from
its first row on, it bounds the error of the coding at every row. The second lists the least certain units among the
others, whose codes are the likeliest to be changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_bert.intervals import Z_95

WANTED_MARGIN = 0.05
LARGEST_SAMPLE = 1 / 4  # of the units, unless a margin is asked for
SMALLEST_SAMPLE = 30
LARGEST_FOCUS = 1 / 10  # of the units


@dataclass(frozen=True)
class ReviewPlan:
    """The units to review, told by what a unit has: its random number and its confidence.

    Attributes:
        units: The units that the model was asked about.
        sample: How many of them are the random sample: those whose random number is at most `sample_cut`.
        focus: How many doubtful units are to be reviewed beside it: those whose confidence and random number are at
            most `focus_cut`.
    """

    units: int
    sample: int
    sample_cut: float
    focus: int
    focus_cut: tuple[float, float]

    @property
    def margin(self) -> float:
        """Half the width of the 95 % interval of the share of right codes, once the sample is reviewed."""
        return margin_of(self.sample, self.units)

    def purpose(self, confidence: float | None, random: float | None, doubtful: bool) -> str:
        """Why to review a unit: `sample`, `focus`, or the empty text for one that is not in the plan."""
        if random is None or confidence is None:
            return ""
        if random <= self.sample_cut:
            return "sample"
        return "focus" if doubtful and (confidence, random) <= self.focus_cut else ""


NO_REVIEW = ReviewPlan(0, 0, -1.0, 0, (-1.0, -1.0))


def margin_of(reviewed: int, units: int) -> float:
    """Half the width of a share's 95 % interval at its widest, from a simple random sample without replacement.

    That of a share of one half (Cochran 1977, section 4.4); no share of these units is known less well.

    >>> round(margin_of(385, 10**6), 3), margin_of(50, 50)
    (0.05, 0.0)
    """
    if reviewed >= units:
        return 0.0
    return Z_95 / 2 / math.sqrt(reviewed) * math.sqrt((units - reviewed) / (units - 1)) if reviewed else 1.0


def sample_size(margin: float, units: int) -> int:
    """The smallest sample that `margin_of` gives such a margin or less.

    >>> sample_size(0.05, 10**6), sample_size(0.05, 1000), sample_size(0.0, 7)
    (385, 278, 7)
    """
    endless = (Z_95 / 2 / margin) ** 2 if margin > 0 else math.inf
    return math.ceil(units / (1 + (units - 1) / endless)) if units else 0


def plan_review(
    confidences: NDArray[np.float64],
    randoms: NDArray[np.float64],
    doubtful: NDArray[np.bool_],
    margin: float | None = None,
) -> ReviewPlan:
    """The plan for units that a model was asked about.

    Args:
        confidences: Of each unit, shape (units,).
        randoms: The random number of each unit, shape (units,).
        doubtful: Which units may be asked for besides the sample, shape (units,).
        margin: What the sample is to reach, 0.05 for five points. Without it the sample aims at five points but
            takes no more than a quarter of the units, or thirty.
    """
    units = len(confidences)
    wanted = sample_size(WANTED_MARGIN if margin is None else margin, units)
    if margin is None:
        wanted = min(wanted, max(SMALLEST_SAMPLE, int(units * LARGEST_SAMPLE)), units)
    cut = float(np.sort(randoms)[wanted - 1]) if wanted else -1.0
    sampled = randoms <= cut
    others = np.flatnonzero(doubtful & ~sampled)
    others = others[np.lexsort((randoms[others], confidences[others]))][: min(int(units * LARGEST_FOCUS), wanted)]
    last = (float(confidences[others[-1]]), float(randoms[others[-1]])) if len(others) else (-1.0, -1.0)
    return ReviewPlan(units, int(sampled.sum()), cut, len(others), last)
