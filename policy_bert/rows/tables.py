"""Tables with named columns as streams of cells: CSV, TSV, JSON, JSON lines, Excel workbooks and Parquet files."""

from __future__ import annotations

import csv
import datetime
import json
import re
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any, NamedTuple

from policy_bert.errors import DataError
from policy_bert.rows.exports import flat_rows
from policy_bert.rows.lines import LineReader, open_input, say_once
from policy_bert.rows.writers import with_formula
from policy_bert.text import look

_MAX_CELL_CHARACTERS = 1_000_000
_JSON_HEAD = 1000  # objects whose keys are the columns
_KINDS = ("csv", "tsv", "json", "xlsx", "parquet")
_OTHER_NAMES = {"tab": "tsv", "jsonl": "json", "ndjson": "json", "xlsm": "xlsx"}
_SPREADSHEET_ERROR = re.compile(
    r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|SPILL!|CALC!|FIELD!|BLOCKED!|GETTING_DATA)\s*"
)


class _Formula:
    """A cell whose formula was never calculated, so that nobody knows its value."""


class Record(NamedTuple):
    """One row of a table: where it starts (1-based), the cells asked for, and what is wrong with it, if anything.

    `line` is the line of the file for CSV, TSV and JSON lines, the row of the sheet for Excel (the header is row 1),
    and the row of the table for JSON and Parquet. Cells are as the file has them: texts, but numbers, dates and lists
    where it knows them; `as_text` is what a reader sees.
    """

    line: int
    cells: tuple[Any, ...]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """An opened table.

    Attributes:
        source: The file's name.
        columns: The columns' names, or `1`, `2` … for a table opened without a header.
        encoding: The encoding of a text table, empty for Excel and Parquet.
        rows: Streams the rows with the cells of the columns it is given, once.

    Raises:
        DataError: Two columns have one name.
    """

    source: str
    columns: tuple[str, ...]
    encoding: str
    rows: Callable[[Sequence[str]], Iterator[Record]]

    def __post_init__(self) -> None:
        twice = {name for name in self.columns if name and self.columns.count(name) > 1}
        if twice:
            raise DataError(f"{self.source}: two columns are named {min(twice)!r}; rename one")

    def read(self, wanted: Sequence[str]) -> Iterator[Record]:
        """The rows with the cells of these columns, once; a cell without a value that can be told is a problem."""
        for record in self.rows(wanted):
            problem = record.problem
            for name, cell in zip(wanted, record.cells, strict=False):
                if isinstance(cell, _Formula):
                    problem = f"column {name!r}: a formula without a stored value; open and save it in a spreadsheet"
                elif isinstance(cell, str) and _SPREADSHEET_ERROR.fullmatch(cell):
                    problem = f"column {name!r}: the spreadsheet error {cell.strip()}"
            yield record._replace(problem=problem) if problem != record.problem else record

    def find_column(self, wanted: str | None, usual: Sequence[str], purpose: str) -> str:
        """The column that the user named, or the first of the usual names that the table has, in any case and width.

        Raises:
            DataError: There is none, with the columns found, or names in two cases fit.
        """
        found = []
        for name in [wanted] if wanted is not None else usual:
            if name in self.columns:
                found.append(name)
                continue
            alike = [column for column in self.columns if look(column) == look(name)]
            if len(alike) > 1:
                raise DataError(f"{self.source}: the columns {' and '.join(map(repr, alike))} look alike; rename one")
            found += alike
        if len(found) > 1:
            say_once(f"{self.source}: the {purpose} are taken from the column {found[0]!r}, not from {found[1]!r}")
        if found:
            return found[0]
        expected = repr(wanted) if wanted is not None else f"named {', '.join(usual)}"
        names = ", ".join(column[:40] or "(no name)" for column in self.columns[:20])
        raise DataError(
            f"{self.source}: expected a column {expected} with the {purpose}; found the columns {names}; "
            "name one (or its number, 1 the first, where the table has no header)"
        )


def as_text(value: Any) -> str:
    """A cell as a reader sees it: nothing for None, 4 for the 4.0 that spreadsheets make of it, a day without hour."""
    if value is None or isinstance(value, _Formula):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    return str(value).encode("utf-8", "replace").decode("utf-8")  # JSON may hold half a character


def table_kind(path: str | Path) -> str | None:
    """`csv`, `tsv`, `json`, `xlsx` or `parquet` by the file's extension; None for plain text.

    Raises:
        DataError: A kind of table that cannot be read, with the one to save it as.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix in ("xls", "ods", "numbers"):
        raise DataError(f"{path}: .{suffix} files cannot be read; save it as .xlsx")
    kind = _OTHER_NAMES.get(suffix, suffix)
    return kind if kind in _KINDS else None


def open_table(
    path: str | Path, encoding: str = "auto", sheet: str | None = None, wanted: Iterable[str | None] = ()
) -> Table:
    """A table whose columns are known and whose rows are still to be streamed.

    Args:
        path: A file with one of the extensions .csv, .tsv, .tab, .json, .jsonl, .ndjson, .xlsx, .xlsm and .parquet.
        encoding: Of the text formats; `auto` finds out.
        sheet: The name of a workbook's sheet; None for the first one. Sheets left out are named in the log.
        wanted: The columns that the user named. A number that is no column's name means that the first row is no
            header, and a column by its place.

    Raises:
        DataError: The file is missing, empty, damaged or not what its extension says, or has no such sheet.
    """
    table = _open(path, encoding, sheet, header=True)
    if any(name and name.isdecimal() and name not in table.columns for name in wanted):
        table = _open(path, encoding, sheet, header=False)
    return table


def _open(path: str | Path, encoding: str, sheet: str | None, header: bool) -> Table:
    kind = table_kind(path)
    if kind == "xlsx":
        return _open_workbook(Path(path), sheet, header)
    if sheet is not None:
        raise DataError(f"{path}: only workbooks (.xlsx) have sheets; leave the sheet {sheet!r} out")
    if kind == "parquet":
        return _open_parquet(Path(path))
    lines = LineReader(open_input(path), str(path), encoding)
    if kind == "json":
        return _open_json(lines, str(path))
    return _open_delimited(lines, str(path), kind == "csv", header)


def _cells_table(rows: Iterator[Record], source: str, encoding: str, header: bool) -> Table:
    """A table from rows of all their cells, the first of which may be the header."""
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source}: expected a table, found no rows")
    if first.problem:
        raise DataError(f"{source}: line {first.line}: {first.problem}")
    numbers = tuple(str(number) for number in range(1, len(first.cells) + 1))
    columns = tuple(as_text(name).strip() for name in first.cells) if header else numbers
    body = rows if header else chain([first], rows)

    def read(wanted: Sequence[str]) -> Iterator[Record]:
        places = [columns.index(name) for name in wanted]
        for line, cells, problem in body:
            if len(cells) > len(columns) and any(as_text(cell).strip() for cell in cells[len(columns) :]):
                found = f"{len(cells)} fields where there are {len(columns)} columns"
                problem = f"{found}; quote the field that holds a comma"
            yield Record(line, tuple(cells[p] if p < len(cells) else "" for p in places), problem)

    return Table(source, columns, encoding, read)


def _open_delimited(lines: LineReader, source: str, is_csv: bool, header: bool) -> Table:
    numbered = iter(lines)
    first = next(numbered, "")
    everything = chain([first], numbered)
    names = first.rstrip("\r").split("\t")
    if not is_csv and not (len(names) > 1 and all(len(name) > 1 and name[0] == name[-1] == '"' for name in names)):
        rows = (Record(line, tuple(text.split("\t"))) for line, text in enumerate(everything, 1) if text.strip())
        return _cells_table(rows, source, lines.encoding, header)
    delimiter = max(",\t;" if is_csv else "\t", key=first.count)
    if header and delimiter not in first and "，" in first:
        delimiter = "，"
    return _cells_table(_csv_rows(everything, delimiter, guarded=is_csv), source, lines.encoding, header)


def _csv_rows(lines: Iterator[str], delimiter: str, guarded: bool) -> Iterator[Record]:
    csv.field_size_limit(max(_MAX_CELL_CHARACTERS, csv.field_size_limit()))
    ended = (line.rstrip("\r").replace("\r", " ") + "\n" for line in lines)  # some programs end lines in CR CR LF
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
            yield Record(start, tuple(map(with_formula, cells) if guarded else cells))


def _open_json(lines: LineReader, source: str) -> Table:
    """Objects, one a line, or in one list; `exports.flat_rows` says what they give."""
    numbered = ((line, text) for line, text in enumerate(lines, 1) if text.strip())
    first = next(numbered, None)
    if first is None:
        raise DataError(f"{source}: expected JSON objects, found no lines")
    parsed: Iterable[tuple[int, Any, str]]
    if first[1].lstrip().startswith("["):
        value, problem = _parse("\n".join(text for _, text in chain([first], numbered)))
        if problem:
            raise DataError(f"{source}: expected one JSON object a line or one list of them, found line 1: {problem}")
        parsed = zip(range(1, len(value) + 1), value, repeat(""))
    else:
        parsed = ((line, *_parse(text)) for line, text in chain([first], numbered))
    objects = _objects(parsed)
    head = list(islice(objects, _JSON_HEAD))
    if not head or head[0].problem:
        found = f"line {head[0].line}: {head[0].problem}" if head else "found an empty list"
        raise DataError(f"{source}: expected one JSON object a line or one list of them; {found}")
    columns = tuple(dict.fromkeys(key for record in head if not record.problem for key in record.cells[0]))

    def read(wanted: Sequence[str]) -> Iterator[Record]:
        for line, cells, problem in chain(head, objects):
            values = cells[0] if cells else {}
            if not problem and wanted and wanted[0] not in values:
                problem = f"no key {wanted[0]!r}; found {', '.join(values)}"
            yield Record(line, tuple(values.get(name) for name in wanted), problem)

    return Table(source, columns, lines.encoding, read)


def _objects(parsed: Iterable[tuple[int, Any, str]]) -> Iterator[Record]:
    for line, value, problem in parsed:
        if problem or not isinstance(value, dict):
            yield Record(line, (), problem or f"expected a JSON object, found {type(value).__name__}")
        else:
            yield from (Record(line, (row,)) for row in flat_rows(value))


def _parse(text: str) -> tuple[Any, str]:
    try:
        return json.loads(text, object_pairs_hook=_distinct), ""
    except (ValueError, RecursionError) as error:
        return None, f"not JSON: {error}"


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("one key stands twice in an object")
    return found


def _open_workbook(path: Path, sheet: str | None, header: bool) -> Table:
    """One sheet; openpyxl streams its rows but holds the workbook's distinct strings in memory."""
    open_input(path).close()
    from openpyxl import load_workbook

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheets = {found.title: found for found in book.worksheets}
        name = sheet if sheet is not None else next(iter(sheets))
        if name not in sheets:
            raise DataError(f"{path}: no sheet {name!r}; found {', '.join(map(repr, sheets))}")
        for found in sheets.values():
            found.reset_dimensions()
        others = [title for title in sheets if sheet is None and title != name and _has_cells(sheets[title])]
        formulas: Iterator[Any] = repeat(())
        if _has_formulas(path):
            formulas = load_workbook(path, read_only=True)[name].iter_rows()
    except DataError:
        raise
    except Exception as error:  # openpyxl lets zipfile's, ElementTree's and its own errors through
        raise DataError(f"{path}: expected an Excel workbook (.xlsx), found something else: {error}") from error
    if others:
        left_out = ", ".join(map(repr, others))
        say_once(f"{path}: read the sheet {name!r} and left out {left_out}; choose one with --sheet (data.sheet)")

    def rows() -> Iterator[Record]:
        numbered = enumerate(sheets[name].iter_rows(values_only=True), 1)
        for (line, values), written in zip(numbered, formulas, strict=False):
            cells = list(values)
            for place, cell in enumerate(written[: len(cells)]):
                if cells[place] is None and cell.data_type == "f":
                    cells[place] = _Formula()
            if any(isinstance(cell, _Formula) or as_text(cell).strip() for cell in cells):
                yield Record(line, tuple(cells))

    return _cells_table(_naming_damage(rows(), path), str(path), "", header)


def _has_cells(sheet: Any) -> bool:
    return any(cell is not None for row in islice(sheet.iter_rows(values_only=True), 100) for cell in row)


def _has_formulas(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if "worksheets/" in member:
                with archive.open(member) as stream:
                    end = b""
                    while block := stream.read(1 << 20):
                        if b"<f>" in end + block or b"<f " in end + block or b":f>" in end + block:
                            return True
                        end = block[-2:]
    return False


def _open_parquet(path: Path) -> Table:
    """A Parquet file's columns and rows, read 1,024 rows at a time."""
    open_input(path).close()
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: expected a Parquet file, found something else: {error}") from error

    def read(wanted: Sequence[str]) -> Iterator[Record]:
        line = 0
        for batch in file.iter_batches(batch_size=1024, columns=list(wanted)):
            columns = [batch.column(name).to_pylist() for name in wanted]
            for values in zip(*columns, strict=True):
                line += 1
                yield Record(line, values)

    return Table(str(path), tuple(file.schema_arrow.names), "", lambda wanted: _naming_damage(read(wanted), path))


def _naming_damage(rows: Iterator[Record], path: Path) -> Iterator[Record]:
    """The rows; whatever a library says about a file that is damaged further on becomes one line."""
    line = 0
    try:
        for row in rows:
            line = row.line
            yield row
    except Exception as error:
        raise DataError(f"{path}: the file is damaged after row {line}: {error}") from error
