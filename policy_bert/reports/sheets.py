"""A workbook written in a stream (XlsxWriter in constant-memory mode), its text always text, never formula or link."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from policy_bert.reports import columns

MAX_ROWS = 1_048_576  # of an .xlsx sheet
MAX_CELL = 32_767  # characters of an .xlsx cell
CUT_MARK = "…（全文见 coding.jsonl）"

_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDTHS = {
    columns.UNIT: 14,
    columns.DOCUMENT: 28,
    columns.HEADINGS: 28,
    columns.TEXT: 70,
    columns.ALTERNATIVES: 30,
    columns.REASON: 20,
    columns.HUMAN: 14,
}

Cell = str | float | int | None


class WorkbookWriter:
    """An .xlsx file that is written sheet by sheet, row by row."""

    def __init__(self, path: Path) -> None:
        import xlsxwriter

        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": str(path.parent),
        }
        self.book: Any = xlsxwriter.Workbook(str(path), options)
        self.formats = {
            "head": self.book.add_format({"bold": True, "bg_color": "#E8EDF3", "bottom": 1, "text_wrap": True}),
            "text": self.book.add_format({"text_wrap": True, "valign": "top"}),
            "plain": self.book.add_format({"valign": "top"}),
            "decimal": self.book.add_format({"num_format": "0.0000", "valign": "top"}),
            "percent": self.book.add_format({"num_format": "0.0%", "valign": "top"}),
            "human": self.book.add_format({"bg_color": "#FFF9E5", "valign": "top"}),
        }

    def add_sheet(
        self,
        name: str,
        header: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        styles: dict[str, str] | None = None,
        choices: dict[str, str] | None = None,
    ) -> None:
        """Write a sheet with a frozen, filtered header; rows that one sheet cannot hold go on in `name2`, `name3` ….

        `styles` are the columns' formats (`text`, `decimal`, `percent`, `human`), `choices` the formulas of drop-down
        lists; both by header.
        """
        remaining = iter(rows)
        number, more = 1, True
        while more:
            sheet = self.book.add_worksheet(name if number == 1 else f"{name}{number}")
            more = self._fill(sheet, header, remaining, styles or {}, choices or {})
            number += 1

    def close(self) -> None:
        """Finish the file."""
        self.book.close()

    def _fill(
        self, sheet: Any, header: Sequence[str], rows: Any, styles: dict[str, str], choices: dict[str, str]
    ) -> bool:
        formats = [self.formats[styles.get(title, "plain")] for title in header]
        for column, title in enumerate(header):
            sheet.set_column(column, column, _WIDTHS.get(title, min(30, max(9, 2 * len(title) + 3))))
            sheet.write_string(0, column, clean_cell(title), self.formats["head"])
        sheet.freeze_panes(1, 1)
        last = 0
        for row in rows:
            last += 1
            for column, cell in enumerate(row):
                _write(sheet, last, column, cell, formats[column])
            if last == MAX_ROWS - 1:
                break
        sheet.autofilter(0, 0, max(1, last), len(header) - 1)
        for title, formula in choices.items():
            column = list(header).index(title)
            sheet.data_validation(1, column, max(1, last), column, {"validate": "list", "source": formula})
        return last == MAX_ROWS - 1


def clean_cell(text: str) -> str:
    """The text as a cell can hold it: no control characters, at most 32,767 characters."""
    text = _NOT_XML.sub("\ufffd", text)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - len(CUT_MARK)] + CUT_MARK


def _write(sheet: Any, row: int, column: int, cell: Cell, style: Any) -> None:
    if cell is None or cell == "":
        sheet.write_blank(row, column, None, style)
    elif isinstance(cell, str):
        sheet.write_string(row, column, clean_cell(cell), style)
    else:
        sheet.write_number(row, column, cell, style)
