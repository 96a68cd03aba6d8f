"""Coded documents on disk, one part a document, and the analysis that reports read from them.

A part is a JSON-lines file: the document without its units, then one unit a line. Reports read parts in a stream, so
memory holds one document at a time.
"""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from policy_bert.labels import LabelScheme
from policy_bert.reports.coding import CodedDocument, CodedUnit, CodingRules


def write_part(coded: CodedDocument, path: Path) -> None:
    """Write a coded document so that the file is there complete or not at all."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as out:
        head = {key: value for key, value in vars(coded).items() if key != "units"}
        out.write(json.dumps(head, ensure_ascii=False) + "\n")
        for unit in coded.units:
            out.write(json.dumps(vars(unit), ensure_ascii=False) + "\n")
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)


def read_part(path: Path) -> CodedDocument:
    """The coded document of a part."""
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as lines:
        head = json.loads(next(lines))
        units = tuple(_read_unit(line) for line in lines)
    return CodedDocument(**head, units=units)


def _read_unit(line: str) -> CodedUnit:
    record: dict[str, Any] = json.loads(line)
    record["headings"] = tuple(record["headings"])
    record["candidates"] = tuple((label, score) for label, score in record["candidates"])
    return CodedUnit(**record)


@dataclass(frozen=True)
class SkippedFile:
    """A file that could not be analysed, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Coding:
    """A whole analysis as reports read it: parts on disk, and what made them.

    Attributes:
        parts: The parts in the order of the documents.
        by: The fields that cross-tables are made by.
        model: The model's folder or name, as it is told in the report.
        model_digest: The SHA-256 that identifies the model's files.
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

    def documents(self) -> Iterator[CodedDocument]:
        """The coded documents, read one at a time."""
        for part in self.parts:
            yield read_part(part)

    def label_name(self, label: int | None) -> str:
        """A class's name in the language of the report; empty for None."""
        if label is None:
            return ""
        entry = self.scheme.labels[label]
        return (self.language == "en" and entry.english) or entry.name

    def review_units(self) -> Iterator[tuple[str, CodedUnit]]:
        """Document names and units that are flagged for review, least certain first.

        Only places are held in memory, 24 bytes a unit; the units themselves are read again one by one.
        """
        confidences, indices, offsets = array("d"), array("q"), array("q")
        names: list[str] = []
        for index, part in enumerate(self.parts):
            with part.open("rb") as lines:
                head = lines.readline()
                names.append(json.loads(head)["name"])
                offset = len(head)
                for line in lines:
                    record = json.loads(line)
                    if record["review"]:
                        confidences.append(record["confidence"])
                        indices.append(index)
                        offsets.append(offset)
                    offset += len(line)
        for place in np.argsort(np.frombuffer(confidences), kind="stable") if confidences else ():
            with self.parts[indices[place]].open("rb") as part_file:
                part_file.seek(offsets[place])
                yield names[indices[place]], _read_unit(part_file.readline().decode("utf-8", "surrogatepass"))
