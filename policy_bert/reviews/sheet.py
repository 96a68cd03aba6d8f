"""The coding table of a report's workbook with what reviewers wrote into it."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy_bert.errors import DataError
from policy_bert.labels import Group, Label, LabelScheme
from policy_bert.reports import columns
from policy_bert.rows import Table, as_text, open_input, open_table

PROBABILITY = "抽样概率"  # a column that users may add: each reviewed unit's chance to be drawn
NO_INSTRUMENT = frozenset({columns.UNCODED, "无", "none", "not coded", "uncoded"})
AGREED = frozenset({"同意", "一致", "agree", "agreed"})  # in 人工编码: the classifier's class
REQUIRED = (columns.TEXT, columns.LABEL, columns.HUMAN)
CODEBOOK_REQUIRED = ("编号", columns.LABEL)

log = logging.getLogger("policy_bert.review")


@dataclass(frozen=True)
class SheetUnit:
    """A row of 编码表. A class is its id; `len(scheme)` stands for 未编码, no policy instrument.

    Attributes:
        row: The row in the sheet, the header being row 1; `sheet` says which where the table goes over several.
        predicted: The classifier's class.
        confidence: Its probability; None where rules excluded the unit and the classifier was not asked.
        human: The reviewer's class; None where the unit was not reviewed.
        random: The report's random number of the unit, None where there is none.
        probability: The unit's chance to be drawn for review, where the sheet says so.
        start: Offset of the text in the document, -1 where the sheet does not say.
    """

    sheet: str
    row: int
    id: str
    document_id: str
    document: str
    text: str
    predicted: int
    confidence: float | None
    human: int | None
    random: float | None
    probability: float | None
    start: int


@dataclass(frozen=True)
class CodingSheet:
    """The units of a report, and the scheme that its codes belong to."""

    path: Path
    scheme: LabelScheme
    units: tuple[SheetUnit, ...]


def read_coding_sheet(path: str | Path, scheme: LabelScheme | None = None, skip_bad: bool = False) -> CodingSheet:
    """The coding table of `coding.xlsx`, as saved by any spreadsheet program, whatever its sheets are called by now.

    Args:
        path: The workbook.
        scheme: The classes; without it they are read from the codebook, 码本.
        skip_bad: Leave out codes and numbers that cannot be read, naming them in a warning, instead of refusing.

    Raises:
        DataError: It is no workbook, lacks a sheet or column, or holds codes that are no class (listed by row).
    """
    path = Path(path)
    with _open_workbook(path) as book:
        scheme = scheme or _read_scheme(book, path)
        names = _coding_sheets(book, path)
    parser = _RowParser(scheme)
    units = [unit for name in names for unit in parser.units(open_table(path, sheet=name), name)]
    if parser.problems:
        count, listed = len(parser.problems), "; ".join(parser.problems)
        if not skip_bad:
            raise DataError(
                f"{path}: expected a class name, its id, {columns.UNCODED} or 同意 (agree) in every code, "
                f"found {count} others: {listed}"
                f"（{count} 处编码不是类别名、编号、未编码或同意，请改正，或用 --skip-bad 跳过）"
            )
        log.warning("warning: %s: 跳过 %d 处不能识别的编码 (left out): %s", path, count, listed)
    if not units:
        raise DataError(f"{path}: the sheet {columns.SHEET_CODING} has no rows（编码表没有数据行）")
    return CodingSheet(path, scheme, tuple(units))


def _coding_sheets(book: Any, path: Path) -> list[str]:
    """The sheets of the coding table: of its name, or else with its columns."""
    named = [name for name in book.sheetnames if re.fullmatch(rf"{columns.SHEET_CODING}\d*", name)]
    fitting = named or _sheets_with(book, REQUIRED)
    if not fitting:
        raise DataError(
            f"{path}: expected a sheet {columns.SHEET_CODING} as analyze writes it, or one with the columns "
            f"{', '.join(REQUIRED)}, found {', '.join(book.sheetnames[:10])}（没有编码表，也没有含这些列的工作表）"
        )
    if len(fitting) > 1 and not named:
        raise DataError(
            f"{path}: the sheets {', '.join(fitting)} all have the columns of the coding table; call the right one "
            f"{columns.SHEET_CODING}（多个工作表都像编码表，请把要用的那个命名为“{columns.SHEET_CODING}”）"
        )
    return fitting


def parse_code(text: str, scheme: LabelScheme) -> int:
    """The class that a code means, an id, a Chinese or an English name; `len(scheme)` for no instrument.

    Raises:
        KeyError: It is none of them.
    """
    text = text.strip()
    return len(scheme) if text.lower() in NO_INSTRUMENT else scheme.parse(text)


class _RowParser:
    """Turns rows into units and collects the codes that are no class."""

    def __init__(self, scheme: LabelScheme) -> None:
        self.scheme = scheme
        self.problems: list[str] = []
        self.number, self.row = 0, dict[str, Any]()

    def units(self, table: Table, sheet: str) -> Iterator[SheetUnit]:
        missing = [title for title in REQUIRED if title not in table.columns]
        if missing:
            found = ", ".join(title for title in table.columns if title)[:200]
            raise DataError(
                f"{table.source}: {sheet}: expected the columns {', '.join(missing)} in row 1, found {found or 'none'}"
                f"（第 1 行缺少这些列：{'、'.join(missing)}）"
            )
        wanted = [title for title in (*columns.CODING_COLUMNS, PROBABILITY) if title in table.columns]
        for number, cells, problem in table.read(wanted):
            if problem:
                self.problems.append(f"row {number} {problem}")
                continue
            self.number, self.row = number, dict(zip(wanted, cells, strict=True))
            found_before = len(self.problems)
            predicted = self._code(columns.LABEL)
            if len(self.problems) > found_before:
                continue  # without the classifier's class there is nothing to compare
            predicted = len(self.scheme) if predicted is None else predicted
            human = predicted if self._text(columns.HUMAN).lower() in AGREED else self._code(columns.HUMAN)
            start = self._number(columns.START)
            yield SheetUnit(
                sheet=sheet,
                row=number,
                id=self._text(columns.UNIT),
                document_id=self._identifier(),
                document=self._text(columns.DOCUMENT),
                text=self._text(columns.TEXT),
                predicted=predicted,
                confidence=self._number(columns.CONFIDENCE),
                human=human,
                random=self._number(columns.RANDOM),
                probability=self._number(PROBABILITY),
                start=-1 if start is None else int(start),
            )

    def _text(self, title: str) -> str:
        return as_text(self.row.get(title)).strip()

    def _identifier(self) -> str:
        """A document's identifier, 01, as text where a program has made a number of it: the unit's begins with it."""
        cell, beginning = self.row.get(columns.DOCUMENT_ID), self._text(columns.UNIT).partition("-")[0]
        is_number = isinstance(cell, (int, float)) and beginning.isdigit() and float(beginning) == cell
        return beginning if is_number else self._text(columns.DOCUMENT_ID)

    def _code(self, title: str) -> int | None:
        text = self._text(title)
        try:
            return parse_code(text, self.scheme) if text else None
        except KeyError:
            self.problems.append(f"row {self.number} {title} {text[:20]!r}")
            return None

    def _number(self, title: str) -> float | None:
        text = self._text(title)
        try:
            value = float(text or 0)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf or (title != columns.START and value > 1):
            self.problems.append(f"row {self.number} {title} {text[:20]!r}, which is no number from 0 to 1")
            return None
        return value if text else None


def _open_workbook(path: Path) -> Any:
    """The workbook, to be closed by a `with` block."""
    import openpyxl

    open_input(path).close()
    try:
        return closing(openpyxl.load_workbook(path, read_only=True, data_only=True))
    except Exception as error:  # openpyxl lets through whatever zipfile and the XML parser raise on a broken file
        raise DataError(f"{path}: expected an .xlsx workbook, found none that can be read: {error}") from error


def _read_scheme(book: Any, path: Path) -> LabelScheme:
    fitting = _sheets_with(book, CODEBOOK_REQUIRED)
    if not fitting:
        raise DataError(
            f"{path}: no sheet {columns.SHEET_CODEBOOK} that names the classes; name them with --labels"
            "（没有码本，请用 --labels 给出类别）"
        )
    rows = book[columns.SHEET_CODEBOOK if columns.SHEET_CODEBOOK in fitting else fitting[0]].iter_rows(values_only=True)
    header, *lines = ([as_text(cell).strip() for cell in cells] for cells in rows)
    found: dict[int, Label] = {}
    for cells in lines:
        row = dict(zip(header, cells, strict=False))
        number = row["编号"]
        if number.isascii() and number.isdigit():
            side = row.get(columns.GROUP, "")
            found[int(number)] = Label(int(number), row.get(columns.LABEL, ""), row.get("英文名称", ""), side)
    labels = tuple(found[number] for number in sorted(found))
    sides = tuple(Group(side, side) for side in dict.fromkeys(label.group for label in labels) if side)
    return LabelScheme(labels, sides)


def _sheets_with(book: Any, required: tuple[str, ...]) -> list[str]:
    """The sheets whose first row has these columns."""
    headers = {sheet.title: next(sheet.iter_rows(values_only=True), ()) for sheet in book.worksheets}
    return [name for name, cells in headers.items() if set(required) <= {as_text(cell).strip() for cell in cells}]
