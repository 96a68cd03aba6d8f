"""Every number of a report, counted in one place, so that workbook, page, figures and files agree.

Counts are kept by document and class; all other tables are sums of these. Shares are shares of the coded units.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from policy_bert.intervals import clustered_interval
from policy_bert.labels import LabelScheme
from policy_bert.reports.coding import Coding, Duplicate
from policy_bert.reports.columns import UNKNOWN
from policy_bert.reports.review_plan import NO_REVIEW, ReviewPlan, plan_review


@dataclass(frozen=True)
class DocumentCounts:
    """How many units of a document have which code.

    Attributes:
        fields: What the document can be grouped by, see `CodedDocument.fields`.
        counts: Coded units of each class, in the order of the scheme.
        uncoded: Units without a class, of any reason.
        review: Units that the plan of the review holds.
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
    """A count with its share of the coded units, 0 where nothing is coded.

    `low` and `high` are the 95 % interval between documents (`policy_bert.intervals.clustered_interval`); None where
    fewer than two documents have coded units, which tell nothing of how documents differ.
    """

    name: str
    count: int
    share: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class CrossTable:
    """Counts of classes for each value of a field.

    Attributes:
        values: The field's values, sorted; unknown last.
        counts: Units of each value and class, one tuple a value.
        shares: The shares of the sides, or of the classes of a scheme without sides; one tuple a value.
        uncoded: Units without a class, by value.
        documents: Documents, by value.
    """

    field: str
    values: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    shares: tuple[tuple[Share, ...], ...]
    uncoded: tuple[int, ...]
    documents: tuple[int, ...]


@dataclass(frozen=True)
class Tables:
    """The counts of an analysis, and the tables that are made of them."""

    scheme: LabelScheme
    documents: tuple[DocumentCounts, ...]
    reasons: Mapping[str, int]
    by: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    plan: ReviewPlan = NO_REVIEW

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
        """Units that the plan of the review holds."""
        return sum(row.review for row in self.documents)

    def label_shares(self) -> list[Share]:
        """Each class's share of the coded units, in the order of the scheme."""
        return [_share(self.documents, label.name, (label.id,)) for label in self.scheme.labels]

    def group_shares(self) -> list[Share]:
        """Each side's share of the coded units; empty for a scheme without groups."""
        return [_share(self.documents, name, labels) for name, labels in self.sides()]

    def cross_table(self, field: str) -> CrossTable:
        """Counts by a field's values."""
        rows: dict[str, list[DocumentCounts]] = {}
        for row in self.documents:
            rows.setdefault(row.fields.get(field) or UNKNOWN, []).append(row)
        values = sorted(rows, key=lambda value: (value == UNKNOWN, value))
        series = self.sides() or [(label.name, (label.id,)) for label in self.scheme.labels]
        return CrossTable(
            field,
            tuple(values),
            tuple(tuple(map(sum, zip(*(row.counts for row in rows[value]), strict=True))) for value in values),
            tuple(tuple(_share(rows[value], *one) for one in series) for value in values),
            tuple(sum(row.uncoded for row in rows[value]) for value in values),
            tuple(len(rows[value]) for value in values),
        )

    def cross_fields(self) -> tuple[str, ...]:
        """The fields that were asked for; if none, the year where one is known, else the document."""
        return self.by or (("year",) if self.has_years else ("document",))

    @property
    def has_years(self) -> bool:
        """Some document states its year."""
        return any(is_year(row.fields.get("year", "")) for row in self.documents)

    def without_year(self) -> list[str]:
        """Names of the documents that a trend leaves out, as they state no year."""
        return [row.name for row in self.documents if not is_year(row.fields.get("year", ""))]

    def trend(self) -> CrossTable:
        """Counts by year; documents of unknown year are the last row."""
        return self.cross_table("year")

    def sides(self) -> list[tuple[str, tuple[int, ...]]]:
        """Name and classes of each side; empty for a scheme without groups."""
        scheme = self.scheme
        return [(group.name, tuple(label.id for label in scheme.in_group(group.id))) for group in scheme.groups]


def build_tables(coding: Coding) -> Tables:
    """Count an analysis in one pass over its parts, and plan its review."""
    rows: list[DocumentCounts] = []
    reasons: Counter[str] = Counter()
    confidences, randoms, doubtful, places = array("d"), array("d"), array("b"), array("q")
    for document in replace(coding, plan=None).documents():
        for unit in document.units:
            if unit.label is None:
                reasons[unit.reason] += 1
            if unit.confidence is not None and unit.random is not None:
                confidences.append(unit.confidence)
                randoms.append(unit.random)
                doubtful.append(unit.review)
                places.append(len(rows))
        labels = Counter(unit.label for unit in document.units)
        counts = tuple(labels[label] for label in range(len(coding.scheme)))
        about = (document.id, document.name, document.title, document.year, document.fields())
        rows.append(DocumentCounts(*about, counts, labels[None], 0))
    plan = plan_review(np.array(confidences), np.array(randoms), np.array(doubtful, dtype=np.bool_), coding.margin)
    planned = Counter(
        place
        for confidence, random, doubt, place in zip(confidences, randoms, doubtful, places, strict=True)
        if plan.purpose(confidence, random, bool(doubt))
    )
    return Tables(
        coding.scheme,
        tuple(replace(row, review=planned[place]) for place, row in enumerate(rows)),
        dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        coding.by,
        coding.duplicates,
        plan,
    )


def is_year(value: str) -> bool:
    """Whether a field's value is a year that can stand on an axis."""
    return len(value) == 4 and value.isascii() and value.isdigit()


def _share(rows: Sequence[DocumentCounts], name: str, labels: Sequence[int]) -> Share:
    counts = [sum(row.counts[label] for label in labels) for row in rows]
    totals = [row.coded for row in rows]
    low, high = clustered_interval(counts, totals) or (None, None)
    return Share(name, sum(counts), sum(counts) / sum(totals) if sum(totals) else 0.0, low, high)
