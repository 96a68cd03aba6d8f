"""Rows of a labelled file as text and label, from lines with a tab or tables with named columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from policy_bert.errors import DataError
from policy_bert.labels import LabelScheme, scheme_from_names
from policy_bert.rows import TEXT_COLUMNS, LineReader, open_input, open_table, table_kind

LABEL_COLUMNS = ("label", "labels", "class", "category", "标签", "类别", "编码", "人工编码")


class LabelledRow(NamedTuple):
    """A row as it stands in the file: its line, its text, the text of its label, and what is wrong with it."""

    line: int
    text: str
    label: str
    problem: str = ""


def read_labelled_rows(
    path: str | Path, text_column: str | None = None, label_column: str | None = None, encoding: str = "auto"
) -> tuple[Iterator[LabelledRow], str]:
    """The rows of a labelled file as a stream, blank lines left out, and the encoding (empty for binary tables).

    .csv, .jsonl, .xlsx and .parquet have named columns. Any other file, .tsv and .txt among them, has lines whose
    last tab stands between text and label, quotation marks being text like any other; a first line of column names
    is skipped, and where it names more than two columns, or columns are asked for, the file is read as a table.

    Args:
        path: The file.
        text_column: The column of the sentences; None for the usual names (`TEXT_COLUMNS`).
        label_column: The column of the labels; None for the usual names (`LABEL_COLUMNS`).
        encoding: `auto`, or the name of the text's encoding.

    Raises:
        DataError: The file cannot be read or has no such columns.
    """
    if str(path) == "-":
        raise DataError("a labelled file is expected, found - for standard input; save the rows to a file")
    kind = table_kind(path)
    if kind in (None, "tsv"):
        lines = LineReader(open_input(path), str(path), encoding)
        numbered = ((line, text) for line, text in enumerate(lines, 1) if text.strip())
        first = next(numbered, None)
        if first is None:
            raise DataError(f"{path}: expected labelled sentences, found only blank lines")
        header = _header_columns(first[1])
        named = text_column is not None or label_column is not None
        if not named and not _is_table_header(header):
            return _tabbed_rows(numbered if header else chain([first], numbered)), lines.encoding
        if kind is None:
            raise DataError(f"{path}: columns are read from .tsv, .csv, .jsonl, .xlsx and .parquet; rename the file")
    return _table_rows(path, text_column, label_column, encoding)


def _header_columns(line: str) -> list[str]:
    """The names in a first line that is a header, else nothing."""
    names = [name.strip().lower() for name in line.split("\t")]
    is_header = len(names) > 1 and names[-1] in LABEL_COLUMNS
    return names if is_header or (set(names) & set(TEXT_COLUMNS) and set(names) & set(LABEL_COLUMNS)) else []


def _is_table_header(header: list[str]) -> bool:
    return len(header) > 2 or (len(header) == 2 and header[-1] not in LABEL_COLUMNS)


def _tabbed_rows(numbered: Iterator[tuple[int, str]]) -> Iterator[LabelledRow]:
    for line, content in numbered:
        text, tab, label = content.rpartition("\t")
        problem = "" if tab else "no tab between sentence and label"
        yield LabelledRow(line, text, label.strip(), problem)


def _table_rows(
    path: str | Path, text_column: str | None, label_column: str | None, encoding: str
) -> tuple[Iterator[LabelledRow], str]:
    table = open_table(path, encoding)
    columns = [
        table.find_column(text_column, TEXT_COLUMNS, "sentences"),
        table.find_column(label_column, LABEL_COLUMNS, "labels"),
    ]
    rows = (
        LabelledRow(line, cells[0], cells[1].strip(), problem)
        for line, cells, problem in table.read(columns)
        if problem or any(cell.strip() for cell in cells)
    )
    return rows, table.encoding


def _integer(text: str) -> int | None:
    """The integer that a cell shows, spreadsheets' `4.0` included."""
    try:
        return int(text.removesuffix(".0"))
    except ValueError:
        return None


def scheme_from_labels(labels: Sequence[str], source: str) -> LabelScheme:
    """A scheme made from the labels of a file: of integers where most labels are integers, else of names.

    Integers become classes in numeric order, other names in the order of their code points.

    Raises:
        DataError: There are not two classes.
    """
    integers = [number for number in map(_integer, labels) if number is not None]
    if 2 * len(integers) > len(labels):
        names = [str(number) for number in sorted(set(integers))]
    else:
        names = sorted(set(labels))
    if len(names) < 2:
        raise DataError(f"{source}: expected labels of at least two classes, found {', '.join(names) or 'none'}")
    return scheme_from_names(names)


def label_parser(scheme: LabelScheme) -> Callable[[str], tuple[int | None, str]]:
    """A function from a label's text to its id, or to None and the reason."""
    numbered = all(_integer(name) is not None for name in scheme.names)
    known = f"0 to {len(scheme) - 1}" if not numbered else ", ".join(scheme.names[:20])

    def parse(text: str) -> tuple[int | None, str]:
        number = _integer(text)
        if numbered:  # a class is called by a number that may differ from its id
            found = scheme.label2id.get(str(number))
        else:
            try:
                found = scheme.parse(text)
            except KeyError:
                found = None
        if number is not None:
            return found, f"label {number} is not in the scheme ({known})"
        wanted = "not an integer" if numbered else "neither an integer nor the name of a class"
        return found, f"label {text[:40]!r} is {wanted}"

    return parse
