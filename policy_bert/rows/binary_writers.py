"""Rows written as Excel workbooks and Parquet files."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from policy_bert.errors import DataError
from policy_bert.rows.targets import Target
from policy_bert.rows.writer import RowWriter

_ROW_GROUP = 10_000
_XLSX_MAX_ROWS = 1_048_576
_XLSX_MAX_CHARACTERS = 32_767
_XLSX_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_log = logging.getLogger(__name__)


class WorkbookWriter(RowWriter):
    """One sheet with a frozen header; openpyxl streams the rows to a temporary file until the end."""

    def __init__(self, target: Target, columns: Sequence[str], decimals: int | None) -> None:
        super().__init__(target, columns, decimals)
        from openpyxl import Workbook

        self._workbook = Workbook(write_only=True)
        self._sheet = self._workbook.create_sheet("sentences")
        self._sheet.freeze_panes = "A2"
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
        self._workbook.save(self._target.stream)

    def _abandon(self) -> None:
        with contextlib.suppress(Exception):  # half a sheet: only its temporary file matters
            self._sheet.close()
            self._sheet._writer.cleanup()


class ParquetWriter(RowWriter):
    """Row groups of 10,000 rows; column types are those of the first group."""

    def __init__(self, target: Target, columns: Sequence[str], decimals: int | None) -> None:
        super().__init__(target, columns, decimals)
        self._group: list[list[Any]] = []
        self._schema: Any = None
        self._file: Any = None

    def _write(self, values: list[Any]) -> None:
        self._group.append(values)
        if len(self._group) >= _ROW_GROUP:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow.parquet

        columns = [[row[place] for row in self._group] for place in range(len(self.columns))]
        if self._file is None:
            inferred = [pyarrow.infer_type(column) for column in columns]
            types = [pyarrow.string() if pyarrow.types.is_null(kind) else kind for kind in inferred]
            self._schema = pyarrow.schema(list(zip(self.columns, types, strict=True)))
            self._file = pyarrow.parquet.ParquetWriter(self._target.stream, self._schema)
        arrays = [pyarrow.array(column, kind) for column, kind in zip(columns, self._schema.types, strict=True)]
        self._file.write_table(pyarrow.Table.from_arrays(arrays, schema=self._schema))
        self._group = []

    def _finish(self) -> None:
        if self._group or self._file is None:
            self._write_group()
        self._file.close()
