"""Rows out as a stream, in the format asked for: TSV, CSV, JSON lines, Excel workbooks and Parquet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from policy_bert.errors import DataError
from policy_bert.files import naming_disk_errors, written_whole

FORMATS = ("tsv", "csv", "jsonl", "xlsx", "parquet")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_TSV_SEPARATORS = str.maketrans("\t\n\r", "   ")
_ROW_GROUP = 10_000
_ROW_GROUP_CHARACTERS = 20_000_000
_XLSX_MAX_ROWS = 1_048_576
_XLSX_MAX_CHARACTERS = 32_767
_XLSX_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_log = logging.getLogger(__name__)


def format_of(path: str | Path) -> str:
    """The format that a file's extension names, one of `FORMATS`.

    Raises:
        DataError: It names none of them.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    return check_format({"txt": "tsv", "ndjson": "jsonl"}.get(suffix, suffix))


def check_format(name: str) -> str:
    """The name itself, when it is one of `FORMATS`.

    Raises:
        DataError: It is not.
    """
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}; use one of {', '.join(FORMATS)}")
    return name


def without_formula(cell: Any) -> Any:
    """The cell, or for a text that a spreadsheet program would take for a formula the text behind an apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip("'").startswith(_FORMULA_STARTS) else cell


def with_formula(cell: str) -> str:
    """The cell that `without_formula` was given."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA_STARTS) else cell


def open_writer(
    target: str | Path | IO[Any],
    format: str,
    columns: Sequence[str] | Mapping[str, type],
    *,
    decimals: int | None = 4,
    footer: Mapping[str, str] | None = None,
) -> RowWriter:
    """A writer of rows with the given columns, in their order.

    CSV in a file is for people and their spreadsheet programs: UTF-8 with a byte order mark, lines that end in CR LF,
    and an apostrophe before a text that would run as a formula, which reading takes off again. CSV into a stream is
    for programs and has none of these. TSV and JSON lines are plain UTF-8. A field of a TSV never holds a tab or a
    line end: they become spaces. Parquet is written in row groups of 10,000 rows, fewer where texts are long.

    Args:
        target: A path, or an open stream (text or binary; XLSX and Parquet need a binary one or one with `buffer`).
        format: One of `FORMATS`.
        columns: Column names; with the types of their values (int, float or str) the columns of Parquet have these,
            otherwise those of the first row group.
        decimals: Digits after the point of a float, written out in full in TSV and CSV; None writes every digit.
        footer: What the footer of a Parquet file says beside.

    Raises:
        DataError: The format is unknown, or the file cannot be written.
    """
    writer = _WRITERS[check_format(format)](target, columns, decimals)
    writer.footer = dict(footer or {})
    return writer


class RowWriter:
    """Writes rows; a context manager.

    A row is a mapping of column to value; missing columns and None are empty cells, further keys are an error of the
    caller's. Numbers may be numpy's. Floats are rounded to the writer's `decimals`. Lists stay lists in JSON lines and
    Parquet and become JSON text in the other formats.

    A file appears under its name, complete, when the `with` block ends without an exception, and not at all (an older
    file stays) when one is raised. A stream gets its rows as they are written and is flushed, not closed.
    """

    text = True  # whether the format is text

    footer: Mapping[str, str] = {}

    def __init__(
        self,
        target: str | Path | IO[Any],
        columns: Sequence[str] | Mapping[str, type],
        decimals: int | None,
    ) -> None:
        self.columns, self._decimals = tuple(columns), decimals
        self._types = dict(columns) if isinstance(columns, Mapping) else {}
        self._path = Path(os.path.realpath(target)) if isinstance(target, (str, os.PathLike)) else None
        with self._naming_errors(), contextlib.ExitStack() as stack:
            self._stack = stack  # closes the file, then gives it its name
            self._stream: Any = self._open(target)
            self._begin()
            stack.push(self._complete)
            self._stack = stack.pop_all()

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row.

        Raises:
            DataError: The disk is full, or the format holds no more rows.
            KeyError: The row has a key that is no column.
        """
        unknown = row.keys() - set(self.columns)
        if unknown:
            raise KeyError(f"{sorted(unknown)} are not among the columns {self.columns}")
        with self._naming_errors():
            self._write([self._plain(row.get(column)) for column in self.columns])

    def flush(self) -> None:
        """Pass on what is buffered, as far as the format allows."""
        with self._naming_errors():
            self._stream.flush()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._naming_errors():
            self._stack.__exit__(kind, error, trace)

    def _complete(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
            self._stream.flush()

    def _open(self, target: Any) -> Any:
        path = self._path
        if path is not None:
            if path.is_dir():
                raise DataError(f"{target}: expected a file to write, found a folder")
            if not path.exists() or path.is_file():  # others, such as /dev/null, are never renamed over
                path = self._stack.enter_context(written_whole(path))
            target = self._stack.enter_context(path.open("wb"))
        if self.text and not isinstance(target, io.TextIOBase):
            target = io.TextIOWrapper(target, "utf-8", "replace", newline="", write_through=path is None)
            self._stack.callback(target.detach)
        elif not self.text and isinstance(target, io.TextIOBase):
            target.flush()
            target = target.buffer  # type: ignore[attr-defined]
        return target

    def _naming_errors(self) -> contextlib.AbstractContextManager[None]:
        """Turns the operating system's errors about our own file into one line."""
        return naming_disk_errors(self._path, "the file") if self._path else contextlib.nullcontext()

    def _plain(self, value: Any) -> Any:
        if hasattr(value, "tolist"):  # numpy scalars and arrays
            value = value.tolist()
        return round(value, self._decimals) if isinstance(value, float) and self._decimals is not None else value

    def _begin(self) -> None:
        pass

    def _write(self, values: list[Any]) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        pass


class _TsvWriter(RowWriter):
    def _begin(self) -> None:
        self._write(list(self.columns))

    def _write(self, values: list[Any]) -> None:
        self._stream.write("\t".join(self._cell(value).translate(_TSV_SEPARATORS) for value in values) + "\n")

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, float) and self._decimals is not None:
            return f"{value:.{self._decimals}f}"
        return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)


class _CsvWriter(_TsvWriter):
    def _begin(self) -> None:
        self._csv = csv.writer(self._stream, lineterminator="\r\n" if self._path else "\n")
        self._stream.write("\ufeff" if self._path else "")
        super()._begin()

    def _write(self, values: list[Any]) -> None:
        if self._path:
            values = [without_formula(value) for value in values]
        self._csv.writerow([self._cell(value) for value in values])


class _JsonLinesWriter(RowWriter):
    def _write(self, values: list[Any]) -> None:
        row = dict(zip(self.columns, values, strict=True))
        self._stream.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


class _WorkbookWriter(RowWriter):
    """One sheet with a frozen header; openpyxl streams the rows to a temporary file until the end."""

    text = False

    def _begin(self) -> None:
        from openpyxl import Workbook

        self._workbook = Workbook(write_only=True)
        self._sheet = self._workbook.create_sheet("sentences")
        self._sheet.freeze_panes = "A2"
        self._stack.push(self._abandon)
        self._rows = 0
        self._write(list(self.columns))

    def _write(self, values: list[Any]) -> None:
        self._rows += 1
        if self._rows > _XLSX_MAX_ROWS:
            raise DataError(f"an Excel sheet holds {_XLSX_MAX_ROWS:,} rows and there are more; write csv or parquet")
        self._sheet.append([self._cell(value) for value in values])

    def _cell(self, value: Any) -> Any:
        if isinstance(value, (list, dict)):
            value = json.dumps(value, ensure_ascii=False)
        if not isinstance(value, str):
            return value
        from openpyxl.cell import WriteOnlyCell

        text = _XLSX_ILLEGAL.sub("", value)
        if len(text) > _XLSX_MAX_CHARACTERS:
            _log.warning("row %d: Excel cells hold %d characters, the rest is cut", self._rows, _XLSX_MAX_CHARACTERS)
            text = text[:_XLSX_MAX_CHARACTERS]
        cell = WriteOnlyCell(self._sheet, value=text)
        cell.data_type = "s"  # a sentence that begins with = is no formula
        return cell

    def _finish(self) -> None:
        self._workbook.save(self._stream)

    def _abandon(self, kind: type[BaseException] | None, *_: object) -> None:
        with contextlib.suppress(Exception):  # half a sheet: only what lies about matters
            if kind is not None:
                self._sheet.close()
                self._sheet._writer.cleanup()


class _ParquetWriter(RowWriter):
    text = False

    def _begin(self) -> None:
        self._group: list[list[Any]] = []
        self._characters = 0
        self._schema: Any = None
        self._file: Any = None

    def _write(self, values: list[Any]) -> None:
        self._group.append(values)
        self._characters += sum(len(value) for value in values if isinstance(value, str))
        if len(self._group) >= _ROW_GROUP or self._characters >= _ROW_GROUP_CHARACTERS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow.parquet

        columns = [[row[place] for row in self._group] for place in range(len(self.columns))]
        if self._file is None:
            known = {int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string()}
            inferred = [pyarrow.infer_type(column) for column in columns]
            types = [pyarrow.string() if pyarrow.types.is_null(kind) else kind for kind in inferred]
            pairs = zip(self.columns, types, strict=True)
            fields = [(name, known.get(self._types.get(name, object), kind)) for name, kind in pairs]
            self._schema = pyarrow.schema(fields, metadata=dict(self.footer) or None)
            self._file = pyarrow.parquet.ParquetWriter(self._stream, self._schema, compression="zstd")
        arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, self._schema.types, strict=True)]
        self._file.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        self._group, self._characters = [], 0

    def _finish(self) -> None:
        if self._group or self._file is None:
            self._write_group()
        self._file.close()


_WRITERS = dict(zip(FORMATS, (_TsvWriter, _CsvWriter, _JsonLinesWriter, _WorkbookWriter, _ParquetWriter), strict=True))
