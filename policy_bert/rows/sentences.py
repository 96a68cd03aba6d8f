"""Sentences to score, streamed from a file of any supported kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from policy_bert.errors import DataError
from policy_bert.rows.lines import LineReader, open_input
from policy_bert.rows.table import Table
from policy_bert.rows.tables import open_table, table_kind

TEXT_COLUMNS = ("text", "sentence", "句子", "文本", "内容")


class InputSentence(NamedTuple):
    """A sentence as it stands in the input, and its line there (1-based; see `table.Record` for tables)."""

    line: int
    text: str


def read_sentences(
    path_or_dash: str | Path, text_column: str | None = None, encoding: str = "auto"
) -> Iterator[InputSentence]:
    r"""The sentences of a file, in order, as a stream in constant memory.

    Plain text (any extension that is none of a table's, and standard input `-`) holds one sentence a line; .csv,
    .tsv, .jsonl, .xlsx and .parquet hold them in a column. Blank sentences are skipped. Nothing else changes: white
    space, control characters and NUL stay, and lines end at `\n` or `\r\n` only. What can be seen at the file's
    beginning is checked before this returns.

    Args:
        path_or_dash: The file, or `-` for lines of text on standard input.
        text_column: The column's name; a number is the column's position in a table without a header, 1 the first.
            Without it the first of `TEXT_COLUMNS` that the table has.
        encoding: `auto` decides among UTF-8, GB18030 and UTF-16 on the first 64 KiB; or the encoding's name.

    Raises:
        DataError: The file is missing, a folder, empty, without sentences, binary or undecodable, has no such
            column, or (while iterating) holds a row that cannot be read.
    """
    kind = None if str(path_or_dash) == "-" else table_kind(path_or_dash)
    source = "standard input" if str(path_or_dash) == "-" else str(path_or_dash)
    if kind is not None:
        sentences = _table_sentences(path_or_dash, text_column, encoding)
    elif text_column is not None:
        raise DataError(f"{source}: plain text has one sentence a line and no column {text_column!r}; use .csv or .tsv")
    else:
        sentences = _text_sentences(path_or_dash, source, encoding)
    first = next(sentences, None)
    if first is None:
        raise DataError(f"{source}: expected sentences, found only blank lines")
    return chain([first], sentences)


def _text_sentences(path_or_dash: str | Path, source: str, encoding: str) -> Iterator[InputSentence]:
    for line, text in enumerate(LineReader(open_input(path_or_dash), source, encoding), 1):
        if text and not text.isspace():
            yield InputSentence(line, text)


def _table_sentences(path: str | Path, text_column: str | None, encoding: str) -> Iterator[InputSentence]:
    table = _open_with_column(path, text_column, encoding)
    column = table.find_column(text_column, TEXT_COLUMNS, "sentences")
    for line, (text,), problem in table.read([column]):
        if problem:
            raise DataError(f"{path}: line {line}: {problem}")
        if text and not text.isspace():
            yield InputSentence(line, text)


def _open_with_column(path: str | Path, text_column: str | None, encoding: str) -> Table:
    table = open_table(path, encoding)
    if text_column is not None and text_column.isdigit() and text_column not in table.columns:
        return open_table(path, encoding, header=False)
    return table
