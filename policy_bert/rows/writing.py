"""Rows out as a stream, in the format asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from policy_bert.errors import DataError
from policy_bert.rows.binary_writers import ParquetWriter, WorkbookWriter
from policy_bert.rows.targets import Target
from policy_bert.rows.text_writers import CsvWriter, JsonLinesWriter, TextWriter, TsvWriter
from policy_bert.rows.writer import RowWriter

FORMATS = ("tsv", "csv", "jsonl", "xlsx", "parquet")


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


def open_writer(
    target: str | Path | IO[Any],
    format: str,
    columns: Sequence[str],
    *,
    header: bool = True,
    decimals: int | None = 4,
) -> RowWriter:
    """A writer of rows with the given columns, in their order.

    CSV goes to a file as UTF-8 with a byte order mark, which Excel needs, and to a stream without one; TSV and JSON
    lines are plain UTF-8. A field of a TSV never holds a tab or a line end: they become spaces. Parquet is written in
    row groups of 10,000 rows; its column types are those of the first group.

    Args:
        target: A path, or an open stream (text or binary; XLSX and Parquet need a binary one or one with `buffer`).
        format: One of `FORMATS`.
        columns: Column names.
        header: Whether TSV and CSV begin with the header (and CSV with its mark); False for a part to be appended.
        decimals: Digits after the point of a float, written out in full in TSV and CSV; None writes every digit.

    Raises:
        DataError: The format is unknown, or the file cannot be written.
    """
    writers: dict[str, type[RowWriter]] = {
        "tsv": TsvWriter,
        "csv": CsvWriter,
        "jsonl": JsonLinesWriter,
        "xlsx": WorkbookWriter,
        "parquet": ParquetWriter,
    }
    writer_type = writers[check_format(format)]
    opened = Target(target, text=issubclass(writer_type, TextWriter))
    try:
        writer = writer_type(opened, columns, decimals)
        if header and isinstance(writer, TextWriter):
            with opened.naming_errors():
                writer.write_header(mark=opened.path is not None)
    except BaseException:
        opened.discard()
        raise
    return writer
