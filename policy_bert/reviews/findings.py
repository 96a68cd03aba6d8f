"""What a review shows: agreement with the classifier, and shares corrected for its errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from policy_bert.errors import DataError
from policy_bert.reviews.correction import CorrectedShare, Target, confidence_strata, corrected_shares, selection_z
from policy_bert.reviews.reliability import Reliability, measure_reliability
from policy_bert.reviews.sheet import PROBABILITY, CodingSheet, SheetUnit

# Beyond four standard deviations a random sample lies once in 16,000.
PICKED_Z = 4.0
LEAST_RANDOM_UNITS = 30
AUTOMATIC_STRATA = 5
ALL_DIFFER = (
    "所有人工编码都与分类器不同。如果只改了编错的单元，一致率必然接近零，不能报告：请按 review --help 的规程编码。"
    "All human codes differ from the classifier's. Agreement over changed units alone is near zero by construction and "
    "cannot be reported: see the protocol in review --help."
)

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
        warnings: What a reader must know, in English.
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
        return (ALL_DIFFER,) * (self.reliability.agreement.value == 0) + self.shares.warnings


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
    population = _population(sheet)
    reviewed = np.flatnonzero([unit.human is not None for unit in population])
    with_uncoded = any(unit.predicted == len(sheet.scheme) for unit in population)
    if not len(reviewed):
        return Shares("none", len(population), with_uncoded, 0, warnings=("No unit that has a class was reviewed.",))
    chances = [population[i].probability for i in reviewed]
    strata: NDArray[np.int64] | None = None
    probabilities: NDArray[np.float64] | None = None
    warnings: list[str] = []
    if any(chance is not None for chance in chances):
        design: Design = "probabilities"
        probabilities = _probabilities(sheet, [population[i] for i in reviewed])
    elif wanted_strata is not None:
        design, strata = "strata", confidence_strata(_confidences(population), reviewed, wanted_strata)
    else:
        design, reviewed, strata, warnings = _guess_design(population, reviewed)
    if design == "none":
        return Shares("none", len(population), with_uncoded, len(reviewed), warnings=tuple(warnings))
    options = {"strata": strata, "probabilities": probabilities, "target": target, "documents": _documents(population)}
    predicted = np.array([unit.predicted for unit in population])
    human = np.array([population[i].human for i in reviewed])
    side = _side_of_classes(sheet)
    classes = corrected_shares(predicted, reviewed, human, len(side), **options)  # type: ignore[arg-type]
    sides = corrected_shares(side[predicted], reviewed, side[human], len(sheet.scheme.groups) + 1, **options)  # type: ignore[arg-type]
    return Shares(
        design,
        len(population),
        with_uncoded,
        len(reviewed),
        1 if strata is None else len(np.unique(strata)),
        tuple(classes),
        tuple(sides[: len(sheet.scheme.groups)]),
        tuple(warnings),
    )


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
    population: list[SheetUnit], reviewed: NDArray[np.int64]
) -> tuple[Design, NDArray[np.int64], NDArray[np.int64] | None, list[str]]:
    """How the units were probably drawn: at random, partly by random number, or by confidence."""
    z = selection_z(_confidences(population), reviewed)
    if abs(z) <= PICKED_Z:
        return "random", reviewed, None, []
    kind = "least certain" if z < 0 else "most certain"
    finding = f"The reviewed units are no random sample: the {kind} were picked (z = {z:.1f})."
    drawn = _drawn_by_random_number(population, reviewed)
    if len(drawn) >= LEAST_RANDOM_UNITS:
        text = f"{finding} Shares are corrected by the {len(drawn)} units of lowest random number alone."
        return "random numbers", drawn, None, [text]
    try:
        strata = confidence_strata(_confidences(population), reviewed, AUTOMATIC_STRATA)
    except DataError:
        advice = (
            f"{finding} Shares cannot be corrected without inclusion probabilities: code units drawn at random "
            f"(sort by 随机数, code from the top), or add a column {PROBABILITY} with each unit's chance to be drawn."
        )
        return "none", reviewed, None, [advice]
    advice = (
        f"{finding} Shares are corrected within {AUTOMATIC_STRATA} strata of confidence, as if units had been drawn at "
        f"random within each; add a column {PROBABILITY} if their chances are known."
    )
    return "strata", reviewed, strata, [advice]


def _drawn_by_random_number(population: list[SheetUnit], reviewed: NDArray[np.int64]) -> NDArray[np.int64]:
    """The longest run of units, in the order of their random numbers, that were all reviewed: a random sample."""
    numbers = [unit.random for unit in population if unit.random is not None]
    if len(numbers) < len(population):
        return np.zeros(0, dtype=np.int64)
    order = np.argsort(numbers, kind="stable")
    seen = np.isin(order, reviewed)
    return np.sort(order[: len(order) if seen.all() else int(np.argmin(seen))])


def _confidences(population: list[SheetUnit]) -> NDArray[np.float64]:
    return np.array([1.0 if unit.confidence is None else unit.confidence for unit in population])


def _probabilities(sheet: CodingSheet, reviewed: list[SheetUnit]) -> NDArray[np.float64]:
    lacking = [unit.row for unit in reviewed if not unit.probability]
    if lacking:
        rows = ", ".join(map(str, lacking[:10]))
        raise DataError(
            f"{sheet.path}: column {PROBABILITY}: expected a chance above 0 for every reviewed unit, "
            f"found none in {len(lacking)} rows ({rows})"
        )
    return np.array([unit.probability for unit in reviewed], dtype=np.float64)


def _side_of_classes(sheet: CodingSheet) -> NDArray[np.int64]:
    """The side of each class and of no instrument, as a number; whatever has no side comes last."""
    numbers = {group.id: number for number, group in enumerate(sheet.scheme.groups)}
    sides = [numbers.get(label.group, len(numbers)) for label in sheet.scheme.labels]
    return np.array([*sides, len(numbers)])
