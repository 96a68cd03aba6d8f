"""Rows written as text: TSV, CSV and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any

from policy_bert.rows.targets import Target
from policy_bert.rows.writer import RowWriter

_TSV_SEPARATORS = str.maketrans("\t\n\r", "   ")


class TextWriter(RowWriter):
    """Rows of text cells, floats with all their decimals, lists as JSON."""

    def write_header(self, mark: bool) -> None:
        """Write the columns' names, after a byte order mark if the format takes one from `mark`."""
        self._write(list(self.columns))

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, float) and self._decimals is not None:
            return f"{value:.{self._decimals}f}"
        if isinstance(value, (list, dict)):
            return json.dumps(value, ensure_ascii=False)
        return str(value)


class TsvWriter(TextWriter):
    """Fields between tabs, without quoting; tabs and line ends inside a field become spaces."""

    def _write(self, values: list[Any]) -> None:
        self._target.stream.write("\t".join(self._cell(v).translate(_TSV_SEPARATORS) for v in values) + "\n")


class CsvWriter(TextWriter):
    """Comma-separated, quoted where needed; begins with a byte order mark where the reader is a person."""

    def __init__(self, target: Target, columns: Sequence[str], decimals: int | None) -> None:
        super().__init__(target, columns, decimals)
        self._csv = csv.writer(target.stream, lineterminator="\n")

    def write_header(self, mark: bool) -> None:
        """Write the mark where asked for, then the columns' names."""
        if mark:
            self._target.stream.write("\ufeff")
        super().write_header(mark)

    def _write(self, values: list[Any]) -> None:
        self._csv.writerow([self._cell(value) for value in values])


class JsonLinesWriter(TextWriter):
    """One object a row, its keys in the columns' order."""

    def write_header(self, mark: bool) -> None:
        """JSON lines have none."""

    def _write(self, values: list[Any]) -> None:
        row = dict(zip(self.columns, values, strict=True))
        self._target.stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
