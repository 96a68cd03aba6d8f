"""Coded documents: what rules and classifier say of every unit, and when a unit is left uncoded or flagged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from policy_bert.documents import Document, Unit
    from policy_bert.scoring.classifier import Prediction

CONFIDENCE_DECIMALS = 4
CANDIDATES = 3  # the class and two runners-up


@dataclass(frozen=True)
class CodingRules:
    """When a unit is coded, and when a person should look.

    Attributes:
        min_confidence: Below it a unit is left uncoded: no class is forced on it. The default 0.3 is about four times
            what guessing among 14 classes would give; it is a convention, and the report says which was used.
        review_threshold: Below it a unit is flagged for review.
    """

    min_confidence: float = 0.3
    review_threshold: float = 0.6


@dataclass(frozen=True)
class CodedUnit:
    """A unit of a document with its code.

    Attributes:
        label: The class id, or None where the unit is not coded.
        confidence: The model's probability of its best class; None where rules excluded the unit.
        candidates: The best classes with their probabilities, best first; empty where no model was asked.
        review: A person should look: confidence below the threshold, or text longer than the model takes.
        reason: Why the unit is not coded, in Chinese; empty where it is.
        random: A number from 0 to 1 fixed by document and unit, for drawing a random sample; None where rules excluded
            the unit.
    """

    id: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...]
    kind: str
    label: int | None
    confidence: float | None
    candidates: tuple[tuple[int, float], ...]
    review: bool
    reason: str
    random: float | None

    @property
    def alternatives(self) -> tuple[tuple[int, float], ...]:
        """The two runners-up; of a unit that is left uncoded the two best candidates."""
        first = 0 if self.label is None else 1
        return self.candidates[first : first + CANDIDATES - 1]


@dataclass(frozen=True)
class CodedDocument:
    """A document's text and metadata, and its units in the order of the text."""

    id: str
    name: str
    text: str
    title: str = ""
    number: str = ""
    issuer: str = ""
    date: str = ""
    year: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    units: tuple[CodedUnit, ...] = ()

    def fields(self) -> dict[str, str]:
        """Everything that documents can be grouped by: what is known of each, then the metadata's other columns."""
        known = {
            "document": self.name,
            "title": self.title,
            "number": self.number,
            "issuer": self.issuer,
            "date": self.date,
            "year": "" if self.year is None else str(self.year),
        }
        return {**known, **{key: value for key, value in self.metadata.items() if not known.get(key)}}


def code_unit(unit: Unit, prediction: Prediction | None, rules: CodingRules, seed: str) -> CodedUnit:
    """The unit with its code.

    `prediction` is None for a unit that rules exclude; the unit's random number depends on `seed` and its identifier.
    """
    base = CodedUnit(
        unit.id,
        unit.start,
        unit.end,
        unit.text,
        tuple(unit.headings),
        unit.kind,
        None,
        None,
        (),
        False,
        unit.reason,
        None,
    )
    if prediction is None:
        return base
    order = (-prediction.scores).argsort(kind="stable")[:CANDIDATES]
    candidates = tuple((int(i), round(float(prediction.scores[i]), CONFIDENCE_DECIMALS)) for i in order)
    confidence = candidates[0][1]
    coded = confidence >= rules.min_confidence
    return replace(
        base,
        label=candidates[0][0] if coded else None,
        confidence=confidence,
        candidates=candidates,
        review=confidence < rules.review_threshold or not coded or prediction.truncated,
        reason="" if coded else f"置信度低于 {rules.min_confidence:g}",
        random=random_number(seed, unit.id),
    )


def random_number(seed: str, unit: str) -> float:
    """A number uniform in [0, 1), the same whenever seed and unit are; six decimals."""
    digest = hashlib.sha256(f"{seed}\n{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") * 1_000_000 // 2**64 / 1_000_000


def code_document(
    document: Document, name: str, units: Sequence[Unit], predictions: Sequence[Prediction], rules: CodingRules
) -> CodedDocument:
    """The document with every unit coded; `predictions` are those of its content units, in order."""
    seed = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    remaining = iter(predictions)
    coded = tuple(code_unit(u, next(remaining) if u.kind == "content" else None, rules, seed) for u in units)
    return CodedDocument(
        document.id,
        name,
        document.text,
        document.title,
        document.number,
        document.issuer,
        document.date,
        document.year,
        dict(document.metadata),
        coded,
    )
