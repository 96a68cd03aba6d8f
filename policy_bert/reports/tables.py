"""Every number of a report, counted in one place, so that workbook, page, figures and files agree.

Counts are kept by document and class; all other tables are sums of these. Shares are shares of the coded units.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_bert.labels import LabelScheme
from policy_bert.reports.coding import CodedDocument, CodedUnit
from policy_bert.reports.columns import UNKNOWN
from policy_bert.reports.parts import Coding

Z_95 = 1.959963984540054
EXAMPLES = 3
EXAMPLE_LENGTHS = range(10, 121)  # characters: long enough to say something, short enough for a codebook


@dataclass(frozen=True)
class DocumentCounts:
    """How many units of a document have which code.

    Attributes:
        fields: What the document can be grouped by, see `CodedDocument.fields`.
        counts: Coded units of each class, in the order of the scheme.
        uncoded: Units without a class, of any reason.
        review: Units that are flagged for review.
    """

    id: str
    name: str
    title: str
    year: int | None
    fields: Mapping[str, str]
    counts: tuple[int, ...]
    uncoded: int
    review: int

    @property
    def coded(self) -> int:
        """Units with a class."""
        return sum(self.counts)

    @property
    def units(self) -> int:
        """All units."""
        return self.coded + self.uncoded


@dataclass(frozen=True)
class Share:
    """A count with its share of the coded units and the 95 % interval of the share; all zero where nothing is coded."""

    name: str
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class CrossTable:
    """Counts of classes for each value of a field.

    Attributes:
        values: The field's values, sorted; unknown last.
        counts: Units of each value and class, one tuple a value.
        uncoded: Units without a class, by value.
        documents: Documents, by value.
    """

    field: str
    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    uncoded: tuple[int, ...]
    documents: tuple[int, ...]


@dataclass(frozen=True)
class Tables:
    """The counts of an analysis, and the tables that are made of them."""

    scheme: LabelScheme
    documents: tuple[DocumentCounts, ...]
    reasons: Mapping[str, int]
    examples: tuple[tuple[str, ...], ...]
    by: tuple[str, ...] = ()

    @property
    def coded(self) -> int:
        """Units with a class."""
        return sum(row.coded for row in self.documents)

    @property
    def uncoded(self) -> int:
        """Units without a class."""
        return sum(row.uncoded for row in self.documents)

    @property
    def review(self) -> int:
        """Units that are flagged for review."""
        return sum(row.review for row in self.documents)

    def label_shares(self) -> list[Share]:
        """Each class's share of the coded units, in the order of the scheme."""
        return [self._share(label.name, (label.id,)) for label in self.scheme.labels]

    def group_shares(self) -> list[Share]:
        """Each side's share of the coded units; empty for a scheme without groups."""
        return [
            self._share(group.name, tuple(label.id for label in self.scheme.in_group(group.id)))
            for group in self.scheme.groups
        ]

    def cross_table(self, field: str) -> CrossTable:
        """Counts by a field's values."""
        values = sorted({_value(row, field) for row in self.documents}, key=lambda v: (v == UNKNOWN, v))
        rows = [[row for row in self.documents if _value(row, field) == value] for value in values]
        return CrossTable(
            field,
            tuple(values),
            tuple(_sum_counts(selected, len(self.scheme)) for selected in rows),
            tuple(sum(row.uncoded for row in selected) for selected in rows),
            tuple(len(selected) for selected in rows),
        )

    def cross_fields(self) -> tuple[str, ...]:
        """The fields that were asked for; if none, the year where one is known, else the document."""
        return self.by or (("year",) if self.has_years else ("document",))

    @property
    def has_years(self) -> bool:
        """Some document states its year."""
        return any(row.fields.get("year") for row in self.documents)

    def trend(self) -> CrossTable:
        """Counts by year; documents of unknown year are the last row."""
        return self.cross_table("year")

    def _share(self, name: str, labels: Sequence[int]) -> Share:
        counts = np.array([sum(row.counts[i] for i in labels) for row in self.documents], dtype=np.float64)
        totals = np.array([row.coded for row in self.documents], dtype=np.float64)
        total = totals.sum()
        low, high = clustered_interval(counts, totals)
        return Share(name, int(counts.sum()), float(counts.sum() / total) if total else 0.0, low, high)


def build_tables(coding: Coding) -> Tables:
    """Count an analysis in one pass over its parts."""
    rows: list[DocumentCounts] = []
    reasons: Counter[str] = Counter()
    examples: list[list[tuple[float, str]]] = [[] for _ in coding.scheme.labels]
    for document in coding.documents():
        rows.append(_count(document, len(coding.scheme)))
        reasons.update(unit.reason for unit in document.units if unit.label is None)
        for unit in document.units:
            _keep_example(examples, unit)
    return Tables(
        coding.scheme,
        tuple(rows),
        dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        tuple(tuple(text for _, text in best) for best in examples),
        coding.by,
    )


def clustered_interval(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> tuple[float, float]:
    """The 95 % interval of the share `counts.sum() / totals.sum()`, where units come clustered in documents.

    Wilson's score interval (Wilson 1927) with the effective sample size n / design effect (Kish 1965; compared with
    other intervals for clustered proportions by Dean and Pagano 2015). The design effect is the variance of the ratio
    estimator over documents divided by that of independent units, and at least 1; with one document it cannot be
    estimated and is 1. (0, 0) where nothing is counted.

    Args:
        counts: Units that count, by document; shape (documents,).
        totals: Units, by document; shape (documents,).
    """
    n = float(totals.sum())
    if n == 0:
        return 0.0, 0.0
    share = float(counts.sum()) / n
    clusters = int((totals > 0).sum())
    if clusters > 1 and 0 < share < 1:
        residuals = counts - share * totals
        variance = clusters / (clusters - 1) * float(residuals @ residuals) / n**2
        n /= max(1.0, variance / (share * (1 - share) / n))
    centre = (share + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    half = Z_95 / (1 + Z_95**2 / n) * math.sqrt(share * (1 - share) / n + Z_95**2 / (4 * n**2))
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def _count(document: CodedDocument, classes: int) -> DocumentCounts:
    labels = Counter(unit.label for unit in document.units)
    return DocumentCounts(
        document.id,
        document.name,
        document.title,
        document.year,
        document.fields(),
        tuple(labels[i] for i in range(classes)),
        labels[None],
        sum(unit.review for unit in document.units),
    )


def _keep_example(examples: list[list[tuple[float, str]]], unit: CodedUnit) -> None:
    if unit.label is None or unit.confidence is None or len(unit.text) not in EXAMPLE_LENGTHS:
        return
    best = examples[unit.label]
    if all(unit.text != text for _, text in best):
        best.append((unit.confidence, unit.text))
        best.sort(key=lambda item: -item[0])
        del best[EXAMPLES:]


def _value(row: DocumentCounts, field: str) -> str:
    return row.fields.get(field) or UNKNOWN


def _sum_counts(rows: Sequence[DocumentCounts], classes: int) -> tuple[int, ...]:
    return tuple(sum(row.counts[i] for row in rows) for i in range(classes))
