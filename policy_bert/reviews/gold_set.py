"""How well whole documents are coded: the machine's codes against a gold set of units that were read in their place.

The gold set holds no text of others: a document is known by the digest of its text, a unit by its place in it. The
documents are found again in the text that the user names, and coded as `analyze` codes them.
"""

from __future__ import annotations

import hashlib
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from policy_bert.corpora.running_text import iterate_documents
from policy_bert.corpora.silver_labels import DIGEST_CHARACTERS, sentence_digest
from policy_bert.documents import Document, read_document
from policy_bert.errors import DataError
from policy_bert.intervals import clustered_interval
from policy_bert.reports.coding import CodedUnit, CodingRules, classify_document
from policy_bert.rows import as_text, open_table
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.text import comparison_key

GOLD_SET = "data/gold"
NONE = "none"
FIGURES = {
    "acceptable_among_coded": "acceptable among coded",
    "non_instruments_coded": "non-instruments coded",
    "instruments_missed": "instruments missed",
    "strictly_right": "strictly right",
    "class_acceptable": "class acceptable among coded instruments",
}
HEAD_FIELDS = ("title", "number", "issuer", "year")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GoldDocument:
    """A document of the gold set.

    Attributes:
        digest: The first 16 hexadecimal digits of the SHA-256 of its text, lines joined by line feeds.
        kind: What sort of document it is.
        part: `development` or `test`.
        weight: How many units each of its drawn ones stands for.
        head: What its text states of title (as a digest), number, issuer and year; empty where it states nothing.
    """

    digest: str
    kind: str
    part: str
    weight: float
    head: Mapping[str, str]


@dataclass(frozen=True)
class GoldUnit:
    """A unit of a document as it was read.

    Attributes:
        document: Digest of its document.
        start: Its first character in the document's text.
        end: One past the last.
        accepted: The codes that a careful coder would give, the best first; None for no instrument.
    """

    document: str
    start: int
    end: int
    accepted: tuple[int | None, ...]

    @property
    def uses_instrument(self) -> bool | None:
        """Whether it uses an instrument; None where a careful coder could say either."""
        if None not in self.accepted:
            return True
        return False if self.accepted == (None,) else None


@dataclass(frozen=True)
class GoldFigure:
    """A share over units with its 95 % interval between documents; None where no interval can be given."""

    name: str
    share: float
    low: float | None
    high: float | None
    units: int
    documents: int

    def __str__(self) -> str:
        interval = f"[{self.low:.3f}, {self.high:.3f}]" if self.low is not None else "no interval"
        return f"{self.share:.3f}\t{interval}\t{self.units} units\t{self.documents} documents"


def read_gold_set(
    folder: str | Path, classes: int, part: str | None = None
) -> tuple[dict[str, GoldDocument], list[GoldUnit]]:
    """The documents by their digests, and the units, of a gold set's `documents.tsv` and `units.tsv`.

    Args:
        folder: The folder of the two files.
        classes: How many classes the label scheme has.
        part: `development` or `test`; None for both.

    Raises:
        DataError: A file cannot be read, or a row is not what it should be.
    """
    documents, units = {}, []
    for where, row in _rows(Path(folder) / "documents.tsv", ("document", "kind", "part", "weight")):
        try:
            weight = float(row["weight"])
        except ValueError:
            raise DataError(f"{where}: weight {row['weight']!r} is no number") from None
        head = {name: row.get("title_digest" if name == "title" else name, "") for name in HEAD_FIELDS}
        documents[row["document"]] = GoldDocument(row["document"], row["kind"], row["part"], weight, head)
    for where, row in _rows(Path(folder) / "units.tsv", ("document", "start", "end", "code", "second")):
        if row["document"] not in documents:
            raise DataError(f"{where}: documents.tsv has no document {row['document']!r}")
        if not (row["start"].isdecimal() and row["end"].isdecimal()):
            raise DataError(f"{where}: expected start and end as whole numbers, found {row['start']!r}, {row['end']!r}")
        codes = tuple(_code(text, classes, where) for text in (row["code"], row["second"]) if text)
        units.append(GoldUnit(row["document"], int(row["start"]), int(row["end"]), codes))
    if part is not None:
        documents = {digest: document for digest, document in documents.items() if document.part == part}
    return documents, [unit for unit in units if unit.document in documents]


def find_documents(files: Iterable[str | Path], documents: Mapping[str, GoldDocument]) -> dict[str, str]:
    """The texts of the gold set's documents that the files hold, by digest.

    Args:
        files: As `corpora.running_text.open_text` reads them, documents parted by blank lines.
        documents: From `read_gold_set`.

    Raises:
        DataError: A file cannot be read, or none of the documents occurs.
    """
    found = {}
    for file in files:
        for lines in iterate_documents(file):
            text = "\n".join(lines)
            digest = hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]
            if digest in documents:
                found[digest] = text
    if not found:
        raise DataError("none of the gold set's documents occurs in the text; name the right files with --text")
    if len(found) < len(documents):
        missing = len(documents) - len(found)
        logger.warning("%d of the gold set's %d documents are not in the text", missing, len(documents))
    return found


def measure_documents(
    texts: Mapping[str, str],
    documents: Mapping[str, GoldDocument],
    units: Sequence[GoldUnit],
    classifier: PolicyClassifier,
    rules: CodingRules | None = None,
) -> list[GoldFigure]:
    """The figures named in `FIGURES`, and the share of heads whose title, number, issuer and year are found.

    A gold unit is held against the machine's unit that covers most of it. Units that both with and without an
    instrument are acceptable count in the first and the fourth figure alone. Shares are over units, each weighted by
    the units that it stands for.
    """
    read = {digest: _as_document(text) for digest, text in texts.items()}
    rules = rules or CodingRules()
    coded = {digest: classify_document(document, digest, classifier, rules).units for digest, document in read.items()}
    rows: dict[str, list[tuple[bool, str]]] = {name: [] for name in FIGURES}
    for unit in units:
        if unit.document not in coded:
            continue
        label = _machine_label(unit, coded[unit.document])
        counts = {
            "strictly_right": (True, label == unit.accepted[0]),
            "acceptable_among_coded": (label is not None, label in unit.accepted),
            "class_acceptable": (label is not None and unit.uses_instrument is True, label in unit.accepted),
            "non_instruments_coded": (unit.uses_instrument is False, label is not None),
            "instruments_missed": (unit.uses_instrument is True, label is None),
        }
        for name, (counted, hit) in counts.items():
            if counted:
                rows[name].append((hit, unit.document))
    weights = {digest: document.weight for digest, document in documents.items()}
    heads = [(f"{name} found", _heads_right(name, read, documents)) for name in HEAD_FIELDS]
    figures = [_figure(FIGURES[name], found, weights) for name, found in rows.items()]
    return figures + [_figure(name, found, dict.fromkeys(documents, 1.0)) for name, found in heads]


def _figure(name: str, rows: Sequence[tuple[bool, str]], weights: Mapping[str, float]) -> GoldFigure:
    clusters = sorted({document for _, document in rows})
    hits = np.array([weights[key] * sum(hit for hit, document in rows if document == key) for key in clusters])
    totals = np.array([weights[key] * sum(document == key for _, document in rows) for key in clusters])
    scale = len(rows) / totals.sum() if rows else 1.0  # weights with mean 1, so that totals count units
    share = float(hits.sum() / totals.sum()) if rows else float("nan")
    low, high = clustered_interval(scale * hits, scale * totals) or (None, None)
    return GoldFigure(name, share, low, high, len(rows), len(clusters))


def _heads_right(
    name: str, read: Mapping[str, Document], documents: Mapping[str, GoldDocument]
) -> list[tuple[bool, str]]:
    """For each document that states the field, whether it was found."""
    rows = []
    for digest, document in read.items():
        stated, found = documents[digest].head[name], str(getattr(document, name) or "")
        if stated:
            key = sentence_digest if name == "title" else comparison_key
            rows.append((key(found) == comparison_key(stated), digest))
    return rows


def _machine_label(gold: GoldUnit, units: Sequence[CodedUnit]) -> int | None:
    """The code of the machine's unit that covers most of the gold one; of equal ones the first."""
    overlaps = [min(unit.end, gold.end) - max(unit.start, gold.start) for unit in units]
    best = max(range(len(units)), key=lambda index: overlaps[index])
    return units[best].label if overlaps[best] > 0 else None


def _as_document(text: str) -> Document:
    """The document as `analyze` reads it from a text file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "document.txt"
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
        document = read_document(path)
    if document.text != text:
        logger.warning("%s: reading changes its text; the places of its units may be off", document.title)
    return document


def _code(text: str, classes: int, where: str) -> int | None:
    if text == NONE:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) < classes):
        raise DataError(f"{where}: expected {NONE} or a class id below {classes}, found {text!r}")
    return int(text)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table with these columns and perhaps more, each with where it stands."""
    table = open_table(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(f"{path}: expected a column {missing[0]!r} in a tab-separated table with a header")
    for record in table.read(table.columns):
        where = f"{path}, line {record.line}"
        if record.problem:
            raise DataError(f"{where}: {record.problem}")
        yield where, dict(zip(table.columns, map(as_text, record.cells), strict=True))
