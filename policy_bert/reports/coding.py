"""Coded documents: what rules and classifier say of every unit, kept on disk one part a document.

A part is a JSON-lines file: the document without its units, then one unit a line. Reports read parts in a stream, so
memory holds one document at a time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from policy_bert.documents.structure.units import cut_units
from policy_bert.files import written_whole
from policy_bert.labels import LabelScheme
from policy_bert.reports.review_plan import ReviewPlan

if TYPE_CHECKING:
    from policy_bert.documents import Document, Unit, UnitSize
    from policy_bert.scoring.classifier import PolicyClassifier, Prediction

CONFIDENCE_DECIMALS = 4
CANDIDATES = 3  # the class and two runners-up
STATED = ("title", "number", "issuer", "date", "year")  # what documents state of themselves


@dataclass(frozen=True)
class CodingRules:
    """When a unit is coded, and when it is doubtful.

    Attributes:
        min_confidence: Below it a unit is left uncoded: no class is forced on it. The default 0.3 is about four times
            what guessing among 14 classes would give; it is a convention, and the report says which was used.
        review_threshold: Below it a unit is doubtful, and the plan of a review may ask for a second look.
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
        review: A person should look. In a part: the unit is doubtful, its confidence being below the threshold or its
            text longer than the model takes. As `Coding.documents` gives it: the unit is in the plan of the review.
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
        known = {"document": self.name, **{name: str(getattr(self, name) or "") for name in STATED}}
        return {**known, **{key: value for key, value in self.metadata.items() if not known.get(key)}}


def code_unit(unit: Unit, prediction: Prediction | None, rules: CodingRules, seed: str) -> CodedUnit:
    """The unit with its code.

    `prediction` is None for a unit that rules exclude; the unit's random number depends on `seed` and its identifier.
    """
    place = (unit.id, unit.start, unit.end, unit.text, tuple(unit.headings), unit.kind)
    base = CodedUnit(*place, None, None, (), review=False, reason=unit.reason, random=None)
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
    about = {key: getattr(document, key) for key in ("id", "text", *STATED)}
    return CodedDocument(name=name, metadata=dict(document.metadata), units=coded, **about)


def classify_document(
    document: Document,
    name: str,
    classifier: PolicyClassifier,
    rules: CodingRules,
    unit: UnitSize = "sentence",
    batch_size: int | None = None,
) -> CodedDocument:
    """The document cut into units, its content units classified by their text without the numbering, all coded."""
    units = cut_units(document, unit)
    predictions = classifier.predict([one.body for one in units if one.kind == "content"], batch_size)
    return code_document(document, name, units, predictions, rules)


def write_part(coded: CodedDocument, path: Path) -> None:
    """Write a coded document so that the file is there complete or not at all."""
    head = {key: value for key, value in vars(coded).items() if key != "units"}
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (head, *map(vars, coded.units)))
    with written_whole(path) as partial:
        partial.write_bytes(text.encode("utf-8", "surrogatepass"))


def read_part(path: Path, plan: ReviewPlan | None = None) -> CodedDocument:
    """The coded document of a part; with a plan its units are marked for review as the plan says."""
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as lines:
        head, *records = map(json.loads, lines)
    for record in records:
        record |= {"headings": tuple(record["headings"]), "candidates": tuple(map(tuple, record["candidates"]))}
        if plan is not None:
            record["review"] = bool(plan.purpose(record["confidence"], record["random"], record["review"]))
    return CodedDocument(**head, units=tuple(CodedUnit(**record) for record in records))


@dataclass(frozen=True)
class SkippedFile:
    """A file that could not be analysed, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Duplicate:
    """A document whose text another one has too.

    Attributes:
        original: The identifier of the first document with that text.
        counted: Whether its units are coded and counted all the same.
    """

    id: str
    name: str
    title: str
    original: str
    counted: bool = False


@dataclass(frozen=True)
class Coding:
    """A whole analysis as reports read it: parts on disk, and what made them.

    Attributes:
        parts: The parts in the order of the documents.
        by: The fields that cross-tables are made by.
        model: The model's folder or name, as it is told in the report.
        model_digest: The SHA-256 that identifies the model's files.
        margin: The margin that the review is to reach, see `plan_review`.
        plan: Which units a person should review, once that is known.
    """

    scheme: LabelScheme
    parts: tuple[Path, ...]
    rules: CodingRules = field(default_factory=CodingRules)
    unit: str = "sentence"
    by: tuple[str, ...] = ()
    language: str = "zh"
    model: str = ""
    model_digest: str = ""
    skipped: tuple[SkippedFile, ...] = ()
    warnings: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    margin: float | None = None
    plan: ReviewPlan | None = None

    def documents(self) -> Iterator[CodedDocument]:
        """The coded documents, read one at a time."""
        for part in self.parts:
            yield read_part(part, self.plan)

    def units(self) -> Iterator[tuple[CodedDocument, CodedUnit]]:
        """The coded units with their documents, read one document at a time."""
        return ((document, unit) for document in self.documents() for unit in document.units)
