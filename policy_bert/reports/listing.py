"""The coding table as plain files: `coding.csv` for people, `coding.jsonl` and `matrix.csv` for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from policy_bert.labels import LabelScheme
from policy_bert.reports import columns
from policy_bert.reports.coding import CodedUnit
from policy_bert.reports.parts import Coding

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def coding_row(document: tuple[str, str], unit: CodedUnit, scheme: LabelScheme) -> list[str | float | int | None]:
    """A unit's cells in the order of `columns.CODING_COLUMNS`; numbers are numbers, None is an empty cell.

    `document` is the document's identifier and name.
    """
    side = {group.id: group.name for group in scheme.groups}.get(
        "" if unit.label is None else scheme.group_of(unit.label), ""
    )
    return [
        unit.id,
        *document,
        " / ".join(unit.headings),
        unit.text,
        columns.UNCODED if unit.label is None else scheme.names[unit.label],
        side,
        unit.confidence,
        alternatives_text(unit, scheme),
        columns.YES if unit.review else columns.NO,
        unit.reason,
        None,
        unit.start,
        unit.end,
        unit.random,
    ]


def alternatives_text(unit: CodedUnit, scheme: LabelScheme) -> str:
    """The runners-up as `名称:0.1234|名称:0.0456`, as `predict` writes them."""
    return "|".join(f"{scheme.names[label]}:{score:.4f}" for label, score in unit.alternatives)


def write_csv(coding: Coding, path: Path) -> None:
    """Write `coding.csv`, UTF-8 with a byte-order mark, which spreadsheet programs need.

    Text that a spreadsheet program would take for a formula gets a leading apostrophe; `coding.jsonl` has the text
    unchanged.
    """
    with path.open("w", encoding="utf-8-sig", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(columns.CODING_COLUMNS)
        for document in coding.documents():
            for unit in document.units:
                row = coding_row((document.id, document.name), unit, coding.scheme)
                writer.writerow([_without_formula(cell) for cell in row])


def write_jsonl(coding: Coding, path: Path) -> None:
    """Write `coding.jsonl`: one unit a line with ids, names and all numbers; UTF-8 without a mark."""
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
        for document in coding.documents():
            for unit in document.units:
                record = unit_record(unit, coding.scheme) | {"document_id": document.id, "document": document.name}
                out.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_matrix(coding: Coding, path: Path) -> None:
    """Write `matrix.csv`: one row a unit, one 0/1 column a class; a unit that is not coded is a row of zeros."""
    with path.open("w", encoding="utf-8-sig", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([columns.UNIT, columns.DOCUMENT_ID, *coding.scheme.names])
        for document in coding.documents():
            for unit in document.units:
                writer.writerow([unit.id, document.id, *(int(unit.label == i) for i in range(len(coding.scheme)))])


def unit_record(unit: CodedUnit, scheme: LabelScheme) -> dict[str, Any]:
    """A unit as a JSON object; `label` is null where it is not coded, `group` is the side's id."""

    def candidates() -> Iterator[dict[str, Any]]:
        for label, score in unit.alternatives:
            yield {"label": label, "label_name": scheme.names[label], "confidence": score}

    return {
        "unit": unit.id,
        "text": unit.text,
        "kind": unit.kind,
        "headings": list(unit.headings),
        "label": unit.label,
        "label_name": "" if unit.label is None else scheme.names[unit.label],
        "group": "" if unit.label is None else scheme.group_of(unit.label),
        "confidence": unit.confidence,
        "alternatives": list(candidates()),
        "review": unit.review,
        "reason": unit.reason,
        "start": unit.start,
        "end": unit.end,
        "random": unit.random,
    }


def _without_formula(cell: str | float | int | None) -> str | float | int | None:
    if isinstance(cell, str) and cell.startswith(FORMULA_STARTS):
        return f"'{cell}"
    return cell
