"""The coding as plain files: `coding.csv` for people; `documents.csv`, `coding.jsonl`, `matrix.csv` for programs."""

from __future__ import annotations

from pathlib import Path

from policy_bert.labels import LabelScheme
from policy_bert.reports import columns
from policy_bert.reports.coding import CodedUnit, Coding
from policy_bert.rows import open_writer

HEADING_CHARACTERS = 24
_RECORD = (
    "unit", "text", "kind", "headings", "label", "label_name", "group", "confidence", "alternatives", "review",
    "reason", "start", "end", "random", "document_id", "document",
)  # fmt: skip


def coding_row(document: tuple[str, str], unit: CodedUnit, scheme: LabelScheme) -> dict[str, str | float | None]:
    """A unit's cells by `columns.CODING_COLUMNS`, in their order; numbers are numbers, None is an empty cell.

    `document` is the document's identifier and name.
    """
    sides = {group.id: group.name for group in scheme.groups}
    return {
        columns.UNIT: unit.id,
        columns.DOCUMENT_ID: document[0],
        columns.DOCUMENT: document[1],
        columns.HEADINGS: headings_text(unit.headings),
        columns.TEXT: unit.text,
        columns.LABEL: columns.UNCODED if unit.label is None else scheme.names[unit.label],
        columns.GROUP: "" if unit.label is None else sides.get(scheme.group_of(unit.label), ""),
        columns.CONFIDENCE: unit.confidence,
        columns.ALTERNATIVES: alternatives_text(unit, scheme),
        columns.REVIEW: columns.YES if unit.review else columns.NO,
        columns.REASON: unit.reason,
        columns.HUMAN: None,
        columns.START: unit.start,
        columns.END: unit.end,
        columns.RANDOM: unit.random,
    }


def alternatives_text(unit: CodedUnit, scheme: LabelScheme) -> str:
    """The runners-up as `名称:0.1234|名称:0.0456`, as `predict` writes them."""
    return "|".join(f"{scheme.names[label]}:{score:.4f}" for label, score in unit.alternatives)


def headings_text(headings: tuple[str, ...]) -> str:
    """The headings above a unit as one line; a heading that is a whole sentence is cut.

    >>> headings_text(("第一章　总则", "（一）发展现状。"))
    '第一章 总则 › （一）发展现状'
    """
    texts = (" ".join(heading.split()).rstrip("。：:；") for heading in headings)
    return " › ".join(text if len(text) <= HEADING_CHARACTERS else f"{text[:HEADING_CHARACTERS]}…" for text in texts)


def write_csv(coding: Coding, path: Path) -> None:
    """Write `coding.csv`, for spreadsheet programs; `coding.jsonl` has every text unchanged."""
    with open_writer(path, "csv", columns.CODING_COLUMNS, decimals=None) as out:
        for document, unit in coding.units():
            out.write(coding_row((document.id, document.name), unit, coding.scheme))


def write_documents(coding: Coding, path: Path) -> None:
    """Write `documents.csv`: identifier and name, then the fields under the names that `--by` and the project use.

    Identifiers and metadata are the text they were; a field that a document does not state is an empty cell.
    """
    rows = [
        document.fields() | {columns.DOCUMENT_ID: document.id, columns.DOCUMENT: document.name}
        for document in coding.documents()
    ]
    header = dict.fromkeys([columns.DOCUMENT_ID, columns.DOCUMENT, *(key for row in rows for key in row)])
    header.pop("document", None)
    with open_writer(path, "csv", list(header)) as out:
        for row in rows:
            out.write({key: row.get(key) for key in header})


def write_jsonl(coding: Coding, path: Path) -> None:
    """Write `coding.jsonl`: one unit a line with ids, names and all numbers; UTF-8 without a mark.

    `label` is null where a unit is not coded, `group` is the side's id.
    """
    scheme = coding.scheme
    with open_writer(path, "jsonl", _RECORD, decimals=None) as out:
        for document, unit in coding.units():
            record = {key: value for key, value in vars(unit).items() if key not in ("id", "candidates")}
            record |= {"unit": unit.id, "document_id": document.id, "document": document.name}
            record["headings"] = list(unit.headings)
            record["label_name"] = "" if unit.label is None else scheme.names[unit.label]
            record["group"] = "" if unit.label is None else scheme.group_of(unit.label)
            record["alternatives"] = [
                {"label": label, "label_name": scheme.names[label], "confidence": score}
                for label, score in unit.alternatives
            ]
            out.write(record)


def write_matrix(coding: Coding, path: Path) -> None:
    """Write `matrix.csv`: one row a unit, one 0/1 column a class; a unit that is not coded is a row of zeros."""
    names = coding.scheme.names
    with open_writer(path, "csv", (columns.UNIT, columns.DOCUMENT_ID, *names)) as out:
        for document, unit in coding.units():
            ones = {name: int(unit.label == label) for label, name in enumerate(names)}
            out.write({columns.UNIT: unit.id, columns.DOCUMENT_ID: document.id, **ones})
