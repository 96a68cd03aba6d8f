"""A table with named columns, whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from policy_bert.errors import DataError


class Record(NamedTuple):
    """One row of a table: where it starts (1-based), the cells asked for, and what is wrong with it, if anything.

    `line` is the line of the file for CSV, TSV and JSON lines, the row of the sheet for Excel (the header is row 1),
    and the row of the table for Parquet.
    """

    line: int
    cells: tuple[str, ...]
    problem: str = ""


@dataclass(frozen=True)
class Table:
    """An opened table.

    Attributes:
        source: The file's name.
        columns: The columns' names, or `1`, `2` … for a table opened without a header.
        encoding: The encoding of a text table, empty for Excel and Parquet.
        read: Streams the rows with the cells of the columns it is given, once.
    """

    source: str
    columns: tuple[str, ...]
    encoding: str
    read: Callable[[Sequence[str]], Iterator[Record]]

    def find_column(self, wanted: str | None, usual: Sequence[str], purpose: str) -> str:
        """The column that the user named, or the first of the usual names that the table has, in any case.

        Raises:
            DataError: There is none, with the columns found.
        """
        by_name = {column.strip().lower(): column for column in reversed(self.columns)}
        for name in [wanted] if wanted is not None else usual:
            if name in self.columns:
                return name
            if name.strip().lower() in by_name:
                return by_name[name.strip().lower()]
        expected = repr(wanted) if wanted is not None else f"named {', '.join(usual)}"
        found = ", ".join(column[:40] or "(no name)" for column in self.columns[:20])
        raise DataError(
            f"{self.source}: expected a column {expected} with the {purpose}; found the columns {found}; "
            "name one (or its number, 1 the first, where the table has no header)"
        )


def as_text(value: Any) -> str:
    """A cell's value as text: nothing for None, `4` for the 4.0 that spreadsheets make of 4."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "replace").decode("utf-8") if _has_surrogates(value) else value
    return str(value)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def cells_table(rows: Iterator[Record], source: str, encoding: str, header: bool) -> Table:
    """A table from rows of all their cells, the first of which may be the header.

    Raises:
        DataError: There is no row, or the first cannot be read.
    """
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source}: expected a table, found no rows")
    if first.problem:
        raise DataError(f"{source}: line {first.line}: {first.problem}")
    columns = tuple(name.strip() for name in first.cells) if header else _numbers(len(first.cells))
    body = rows if header else chain([first], rows)

    def read(wanted: Sequence[str]) -> Iterator[Record]:
        places = [columns.index(name) for name in wanted]
        for line, cells, problem in body:
            if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
                problem = (
                    f"{len(cells)} fields where there are {len(columns)} columns; quote the field that holds a comma"
                )
            yield Record(line, tuple(cells[p] if p < len(cells) else "" for p in places), problem)

    return Table(source, columns, encoding, read)


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(1, count + 1))
