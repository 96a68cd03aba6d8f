"""Human codes as training rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from policy_bert.errors import DataError
from policy_bert.reviews.sheet import CodingSheet
from policy_bert.text import clean


@dataclass(frozen=True)
class ExportCounts:
    """What became of the human codes.

    Attributes:
        added: Rows appended.
        present: Codes whose row the file had already.
        conflicting: Codes whose sentence the file has with another class; the file's row stays.
        uncoded: Codes of no instrument, which are no class to train.
    """

    added: int
    present: int
    conflicting: int
    uncoded: int


def append_training_rows(sheet: CodingSheet, path: str | Path) -> ExportCounts:
    """Append the human codes to a training file, `text TAB id` a line; a row that is there is not added again.

    The file appears complete or stays as it was.

    Raises:
        DataError: The file is no UTF-8 text, or cannot be written.
    """
    path = Path(path)
    try:
        content = path.read_bytes().decode("utf-8") if path.exists() else ""
    except OSError as error:
        raise DataError(f"{path}: cannot read the training file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8, found other bytes at offset {error.start}") from error
    labels = _read_labels(content, sheet)
    rows, counts = [], {"added": 0, "present": 0, "conflicting": 0, "uncoded": 0}
    for unit in sheet.units:
        if unit.human is None:
            continue
        text = clean(unit.text)
        if unit.human == len(sheet.scheme) or not text:
            counts["uncoded"] += 1
        elif text not in labels:
            labels[text] = unit.human
            rows.append(f"{text}\t{unit.human}\n")
            counts["added"] += 1
        else:
            counts["present" if labels[text] == unit.human else "conflicting"] += 1
    if rows:
        separator = "\n" if content and not content.endswith("\n") else ""
        _replace(path, content + separator + "".join(rows))
    return ExportCounts(**counts)


def _read_labels(content: str, sheet: CodingSheet) -> dict[str, int]:
    """The class of each sentence that the file holds; rows that are none, such as a header, are passed over."""
    labels: dict[str, int] = {}
    for line in content.removeprefix("\ufeff").split("\n"):
        text, separator, code = line.rpartition("\t")
        if separator:
            try:
                labels.setdefault(clean(text), sheet.scheme.parse(code))
            except KeyError:
                continue
    return labels


def _replace(path: Path, content: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(f"{path}: cannot write the training file: {error.strerror}") from error
