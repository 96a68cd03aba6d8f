"""Sentences to score, streamed from a file of any supported kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from policy_bert.errors import DataError
from policy_bert.rows.lines import LineReader, open_input, say_once
from policy_bert.rows.tables import as_text, open_table, table_kind
from policy_bert.text import is_blank

TEXT_COLUMNS = ("text", "sentence", "句子", "文本", "内容", "data")


class InputSentence(NamedTuple):
    """A sentence as it stands in the input, and its line there (1-based; see `tables.Record` for tables)."""

    line: int
    text: str


def read_sentences(
    path_or_dash: str | Path, text_column: str | None = None, encoding: str = "auto", sheet: str | None = None
) -> Iterator[InputSentence]:
    r"""The sentences of a file, in order, as a stream in constant memory.

    Plain text (any extension that is none of a table's, and standard input `-`) holds one sentence a line; .csv, .tsv,
    .json, .jsonl, .xlsx and .parquet hold them in a column. Blank sentences are left out, and named in the log where
    they are more than an empty line. Nothing else changes: white space, control characters and NUL stay, and lines end
    at `\n` or `\r\n` only. What can be seen at the file's beginning is checked before this returns.

    Args:
        path_or_dash: The file, or `-` for lines of text on standard input.
        text_column: The column's name; a number is the column's position in a table without a header, 1 the first.
            Without it the first of `TEXT_COLUMNS` that the table has.
        encoding: `auto` finds out on the first 64 KiB (see `encodings.guess_encoding`); or the encoding's name.
        sheet: The sheet of a workbook; None for the first.

    Raises:
        DataError: The file is missing, a folder, empty, without sentences, binary or undecodable, has no such
            column or sheet, or (while iterating) holds a row that cannot be read.
    """
    kind = None if str(path_or_dash) == "-" else table_kind(path_or_dash)
    source = "standard input" if str(path_or_dash) == "-" else str(path_or_dash)
    if kind is not None:
        rows = _table_rows(path_or_dash, text_column, encoding, sheet)
    elif text_column is not None or sheet is not None:
        wanted = f"column {text_column!r}" if text_column is not None else f"sheet {sheet!r}"
        raise DataError(f"{source}: plain text has one sentence a line and no {wanted}; use .csv, .tsv or .xlsx")
    else:
        lines = LineReader(open_input(path_or_dash), source, encoding)
        rows = (InputSentence(line, text) for line, text in enumerate(lines, 1) if text and not text.isspace())
    sentences = _without_blanks(rows, source)
    first = next(sentences, None)
    if first is None:
        raise DataError(f"{source}: expected sentences, found only blank lines")
    return chain([first], sentences)


def _without_blanks(rows: Iterator[InputSentence], source: str) -> Iterator[InputSentence]:
    blank, first = 0, 0
    for row in rows:
        if is_blank(row.text):
            blank, first = blank + 1, first or row.line
        else:
            yield row
    if blank:
        say_once(f"{source}: {blank} rows without a visible sentence are left out, the first on line {first}")


def _table_rows(path: str | Path, text_column: str | None, encoding: str, sheet: str | None) -> Iterator[InputSentence]:
    table = open_table(path, encoding, sheet, [text_column])
    column = table.find_column(text_column, TEXT_COLUMNS, "sentences")
    for line, cells, problem in table.read([column]):
        if cells and isinstance(cells[0], (list, dict)):
            problem = problem or f"column {column!r}: expected a text, found a {type(cells[0]).__name__}"
        if problem:
            raise DataError(f"{path}: line {line}: {problem}")
        yield InputSentence(line, as_text(cells[0]))
