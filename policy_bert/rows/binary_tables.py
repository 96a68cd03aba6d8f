"""Tables in Excel workbooks and Parquet files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from policy_bert.errors import DataError
from policy_bert.rows.lines import open_input
from policy_bert.rows.table import Record, Table, as_text, cells_table


def open_workbook(path: Path, header: bool) -> Table:
    """The first sheet; openpyxl streams its rows but holds the workbook's distinct strings in memory.

    Raises:
        DataError: The file is missing or no workbook; while reading: it is damaged.
    """
    open_input(path).close()
    from openpyxl import load_workbook

    try:
        sheet = load_workbook(path, read_only=True, data_only=True).worksheets[0]
        sheet.reset_dimensions()
    except Exception as error:  # openpyxl lets zipfile's, ElementTree's and its own errors through
        raise DataError(f"{path}: expected an Excel workbook (.xlsx), found something else: {error}") from error

    def rows() -> Iterator[Record]:
        for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
            cells = tuple(as_text(value) for value in values)
            if any(cell.strip() for cell in cells):
                yield Record(line, cells)

    return cells_table(_naming_damage(rows(), path), str(path), "", header)


def open_parquet(path: Path) -> Table:
    """A Parquet file's columns and rows, read 1,024 rows at a time.

    Raises:
        DataError: The file is missing or no Parquet file; while reading: it is damaged.
    """
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
                yield Record(line, tuple(as_text(value) for value in values))

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
