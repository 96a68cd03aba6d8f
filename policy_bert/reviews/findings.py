"""What a review shows: agreement with the classifier, and shares corrected for its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from policy_bert.errors import DataError
from policy_bert.reports.columns import UNCODED
from policy_bert.reports.words import word
from policy_bert.reviews.correction import CorrectedShare, Target, confidence_strata, corrected_shares, selection_z
from policy_bert.reviews.reliability import Reliability, measure_reliability
from policy_bert.reviews.sheet import PROBABILITY, CodingSheet, SheetUnit

# Beyond four standard deviations a random sample lies once in 16,000.
PICKED_Z = 4.0
LEAST_RANDOM_UNITS = 30
AUTOMATIC_STRATA = 5

Design = Literal["random", "random numbers", "probabilities", "strata", "none"]


@dataclass(frozen=True)
class Shares:
    """Corrected shares and how they came about.

    Attributes:
        design: How the reviewed units are taken to have been drawn; `none` where no share can be corrected.
        units: The units that the shares are shares of: those that the classifier was asked about.
        with_uncoded: These include the units that it left uncoded for low confidence.
        reviewed: The reviewed units that were used.
        strata: Strata of confidence, 1 for none.
        classes: One share a class, then that of no instrument.
        groups: One share a side, in the scheme's order.
        warnings: What a reader must know, in Chinese and English.
    """

    design: Design
    units: int
    with_uncoded: bool
    reviewed: int
    strata: int = 1
    classes: tuple[CorrectedShare, ...] = ()
    groups: tuple[CorrectedShare, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """A review's results; `reliability` has the classifier first and the reviewers second."""

    sheet: CodingSheet
    reliability: Reliability
    shares: Shares
    target: Target

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader must know of agreement and shares."""
        return (word("both", "all_differ"),) * (self.reliability.agreement.value == 0) + self.shares.warnings

    def class_name(self, label: int) -> str:
        """The class's name; 未编码 for no instrument."""
        names = self.sheet.scheme.names
        return names[label] if label < len(names) else UNCODED


def compare_codes(sheet: CodingSheet, strata: int | None = None, target: Target = "population") -> Findings:
    """Agreement and corrected shares of a reviewed coding table.

    Args:
        sheet: The table with human codes.
        strata: The reviewed units are a random sample of each of so many strata of confidence, of equal size.
        target: What the shares' intervals are about, see `corrected_shares`.

    Raises:
        DataError: No unit was reviewed, a sampling probability is missing or 0, or a stratum was not reviewed.
    """
    reviewed = [unit for unit in sheet.units if unit.human is not None]
    if not reviewed:
        raise DataError(
            f"{sheet.path}: no unit has a human code; fill the column 人工编码, or give a project by --qda"
            "（没有人工编码，请填写“人工编码”列，或用 --qda 给出项目）"
        )
    machine = np.array([unit.predicted for unit in reviewed])
    human = np.array([unit.human for unit in reviewed])
    reliability = measure_reliability(machine, human, len(sheet.scheme) + 1, _documents(reviewed))
    return Findings(sheet, reliability, _correct(sheet, strata, target), target)


def _correct(sheet: CodingSheet, wanted_strata: int | None, target: Target) -> Shares:
    population, sides = _population(sheet), len(sheet.scheme.groups)
    confidences = np.array([1.0 if unit.confidence is None else unit.confidence for unit in population])
    reviewed = np.flatnonzero([unit.human is not None for unit in population])
    design: Design = "none"
    strata, probabilities, warnings = None, None, []
    if not len(reviewed):
        warnings = [word("both", "none_reviewed")]
    elif any(population[i].probability is not None for i in reviewed):
        design, probabilities = "probabilities", _probabilities(sheet, [population[i] for i in reviewed])
    elif wanted_strata is not None:
        design, strata = "strata", confidence_strata(confidences, reviewed, wanted_strata)
    else:
        design, reviewed, strata, warnings = _guess_design(population, confidences, reviewed)
    with_uncoded = any(unit.predicted == len(sheet.scheme) for unit in population)
    shares = Shares(design, len(population), with_uncoded, len(reviewed), warnings=tuple(warnings))
    if design == "none":
        return shares
    options = {"strata": strata, "probabilities": probabilities, "target": target, "documents": _documents(population)}
    predicted = np.array([unit.predicted for unit in population])
    human = np.array([population[i].human for i in reviewed])
    numbers = {group.id: number for number, group in enumerate(sheet.scheme.groups)}  # what has no side comes last
    side = np.array([*(numbers.get(label.group, sides) for label in sheet.scheme.labels), sides])
    by_class = corrected_shares(predicted, reviewed, human, len(side), **options)  # type: ignore[arg-type]
    by_side = corrected_shares(side[predicted], reviewed, side[human], sides + 1, **options)  # type: ignore[arg-type]
    count = 1 if strata is None else len(np.unique(strata))
    return replace(shares, strata=count, classes=tuple(by_class), groups=tuple(by_side[:sides]))


def _documents(units: Sequence[SheetUnit]) -> NDArray[np.int64]:
    """A number for the document of each unit."""
    numbers: dict[tuple[str, str], int] = {}
    return np.array([numbers.setdefault((unit.document_id, unit.document), len(numbers)) for unit in units])


def _population(sheet: CodingSheet) -> list[SheetUnit]:
    """The units that have a class, and those of low confidence too if reviewers looked at some of them."""
    none = len(sheet.scheme)
    doubtful = [unit for unit in sheet.units if unit.predicted == none and unit.confidence is not None]
    with_doubtful = any(unit.human is not None for unit in doubtful)
    return [u for u in sheet.units if u.predicted != none or (with_doubtful and u.confidence is not None)]


def _guess_design(
    population: list[SheetUnit], confidences: NDArray[np.float64], reviewed: NDArray[np.int64]
) -> tuple[Design, NDArray[np.int64], NDArray[np.int64] | None, list[str]]:
    """How the units were probably drawn: at random, partly by random number, or by confidence."""
    z = selection_z(confidences, reviewed)
    if abs(z) <= PICKED_Z:
        return "random", reviewed, None, []
    finding = word("both", "picked_least" if z < 0 else "picked_most", z)
    drawn = _drawn_by_random_number(population, reviewed)
    if len(drawn) >= LEAST_RANDOM_UNITS:
        return "random numbers", drawn, None, [f"{finding} {word('both', 'by_random_number', len(drawn))}"]
    try:
        strata = confidence_strata(confidences, reviewed, AUTOMATIC_STRATA)
    except DataError:
        return "none", reviewed, None, [f"{finding} {word('both', 'not_corrected')}"]
    return "strata", reviewed, strata, [f"{finding} {word('both', 'by_strata', AUTOMATIC_STRATA)}"]


def _drawn_by_random_number(population: list[SheetUnit], reviewed: NDArray[np.int64]) -> NDArray[np.int64]:
    """The longest run of units, in the order of their random numbers, that were all reviewed: a random sample."""
    numbers = [unit.random for unit in population if unit.random is not None]
    if len(numbers) < len(population):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    seen = np.isin(order, reviewed)
    return np.sort(order[: len(order) if seen.all() else int(np.argmin(seen))])


def _probabilities(sheet: CodingSheet, reviewed: list[SheetUnit]) -> NDArray[np.float64]:
    lacking = [unit.row for unit in reviewed if not unit.probability]
    if lacking:
        rows = ", ".join(map(str, lacking[:10]))
        raise DataError(
            f"{sheet.path}: column {PROBABILITY}: expected a chance above 0 for every reviewed unit, "
            f"found none in {len(lacking)} rows ({rows})"
        )
    return np.array([unit.probability for unit in reviewed], dtype=np.float64)
