"""Tables with named columns as streams of cells: CSV, TSV, JSON lines, Excel workbooks and Parquet files."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from policy_bert.errors import DataError
from policy_bert.rows.binary_tables import open_parquet, open_workbook
from policy_bert.rows.lines import LineReader, open_input
from policy_bert.rows.table import Record, Table, as_text, cells_table

_MAX_CELL_CHARACTERS = 1_000_000
_KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
}
_UNREADABLE = {".xls": "save it as .xlsx", ".ods": "save it as .xlsx", ".json": "write one object a line as .jsonl"}


def table_kind(path: str | Path) -> str | None:
    """`csv`, `tsv`, `jsonl`, `xlsx` or `parquet` by the file's extension; None for plain text.

    Raises:
        DataError: A kind of table that cannot be read, with the one to save it as.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _UNREADABLE:
        raise DataError(f"{path}: {suffix} files cannot be read; {_UNREADABLE[suffix]}")
    return _KINDS.get(suffix)


def open_table(path: str | Path, encoding: str = "auto", header: bool = True) -> Table:
    """A table whose columns are known and whose rows are still to be streamed.

    Args:
        path: A file with one of the extensions .csv, .tsv, .tab, .jsonl, .ndjson, .xlsx, .xlsm and .parquet.
        encoding: Of the text formats; `auto` finds out.
        header: Whether the first row holds the columns' names (CSV, TSV and Excel).

    Raises:
        DataError: The file is missing, empty, damaged or not what its extension says.
    """
    kind = table_kind(path)
    if kind == "parquet":
        return open_parquet(Path(path))
    if kind == "xlsx":
        return open_workbook(Path(path), header)
    lines = LineReader(open_input(path), str(path), encoding)
    if kind == "jsonl":
        return _open_json_lines(lines, str(path))
    return _open_delimited(lines, str(path), quoted=kind == "csv", header=header)


def _open_delimited(lines: LineReader, source: str, quoted: bool, header: bool) -> Table:
    numbered = iter(lines)
    first = next(numbered, "")
    everything = chain([first], numbered)
    if not quoted:
        rows = (Record(line, tuple(text.split("\t"))) for line, text in enumerate(everything, 1) if text.strip())
        return cells_table(rows, source, lines.encoding, header)
    delimiter = next((mark for mark in ",\t;" if mark in first), ",")
    return cells_table(_csv_rows(everything, delimiter), source, lines.encoding, header)


def _csv_rows(lines: Iterator[str], delimiter: str) -> Iterator[Record]:
    csv.field_size_limit(max(_MAX_CELL_CHARACTERS, csv.field_size_limit()))
    ended = (line.replace("\r", " ") + "\n" for line in lines)
    if sys.version_info < (3, 11):  # whose csv module refuses NUL
        ended = (line.replace("\0", "") for line in ended)
    reader = csv.reader(ended, delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(start, (), f"the quotation marks of the CSV row do not match ({error})")
            continue
        if any(cell.strip() for cell in cells):
            yield Record(start, tuple(cells))


def _open_json_lines(lines: LineReader, source: str) -> Table:
    objects = ((line, *_parse_object(text)) for line, text in enumerate(lines, 1) if text.strip())
    first = next(objects, None)
    if first is None:
        raise DataError(f"{source}: expected one JSON object a line, found no lines")
    if first[2]:
        raise DataError(f"{source}: line {first[0]}: {first[2]}")

    def read(wanted: Sequence[str]) -> Iterator[Record]:
        for line, values, problem in chain([first], objects):
            missing = [name for name in wanted if name not in values]
            if missing and not problem:
                problem = f"no key {missing[0]!r}; found {', '.join(values)}"
            yield Record(line, tuple(as_text(values.get(name)) for name in wanted), problem)

    return Table(source, tuple(first[1]), lines.encoding, read)


def _parse_object(text: str) -> tuple[dict[str, Any], str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {}, f"not JSON: {error}"
    if not isinstance(value, dict):
        return {}, f"expected a JSON object, found {type(value).__name__}"
    return value, ""
