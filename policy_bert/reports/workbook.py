"""`coding.xlsx`: the coding table with a column for the reviewer, and every table a paper prints.

Every count comes from `tables`. Rows are written in a stream (XlsxWriter in constant-memory mode); what a document says
is always text, never a formula or a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from policy_bert.reports import columns
from policy_bert.reports.coding import CodedUnit, Coding
from policy_bert.reports.listing import coding_row
from policy_bert.reports.methods import Methods
from policy_bert.reports.qda import xml_text
from policy_bert.reports.review_plan import margin_of
from policy_bert.reports.tables import CrossTable, Tables, is_year
from policy_bert.reports.words import field_word

MAX_ROWS = 1_048_576  # of an .xlsx sheet
MAX_CELL = 32_767  # characters of an .xlsx cell
CUT_MARK = "…（全文见 coding.jsonl）"
LINE_HEIGHT = 15.0  # points
MAX_HEIGHT = 405.0  # of a row

_LOOK = yaml.safe_load((Path(__file__).parent / "templates" / "workbook.yaml").read_text(encoding="utf-8"))
_PERCENT = re.compile("占比|95%(区间)?[上下]限|（±）")
_TOTALS = ("编码合计", columns.UNCODED, "单元合计")

Cell = str | float | int | tuple[str, str] | None
Sheet = tuple[Sequence[str], Iterable[Sequence[Cell]]]


def write_workbook(coding: Coding, tables: Tables, methods: Methods, path: Path) -> None:
    """Write `coding.xlsx` with the sheets that `columns` names; 趋势 only where a year is known."""
    book = WorkbookWriter(path)
    planned: list[tuple[int, str, CodedUnit]] = []
    choices = {columns.HUMAN: f"='{columns.SHEET_CODEBOOK}'!$B$2:$B${len(coding.scheme) + 2}"}
    book.add_sheet(columns.SHEET_CODING, columns.CODING_COLUMNS, _coding_rows(coding, planned), choices)
    book.add_sheet(columns.SHEET_DOCUMENTS, *_documents(tables))
    book.add_sheet(columns.SHEET_DISTRIBUTION, *_distribution(tables))
    counted = _cross_header(tables)
    crossed = {_field_title(field): _cross_rows(tables, tables.cross_table(field)) for field in tables.cross_fields()}
    rows = ([title, *row] for title, table in crossed.items() for row in table)
    book.add_sheet(columns.SHEET_CROSS, _distinct(["字段", "取值", *counted]), rows)
    if tables.has_years:
        years = ([_field_cell("year", str(value)), *row] for value, *row in _cross_rows(tables, tables.trend()))
        book.add_sheet(columns.SHEET_TREND, _distinct(["年份", *counted]), years)
    book.add_sheet(columns.SHEET_REVIEW, *_review(coding, tables, planned))
    book.add_sheet(columns.SHEET_CODEBOOK, *_codebook(coding))
    book.add_sheet(columns.SHEET_METHODS, ("项目", "内容"), methods.sheet())
    book.close()


def _coding_rows(coding: Coding, planned: list[tuple[int, str, CodedUnit]]) -> Iterator[Sequence[Cell]]:
    """The rows of 编码表; units that the plan of the review holds are put aside with their number."""
    for number, (document, unit) in enumerate(coding.units(), 1):
        if unit.review:
            planned.append((number, document.name, unit))
        yield [*coding_row((document.id, document.name), unit, coding.scheme).values()]


def _documents(tables: Tables) -> Sheet:
    sides, copies = tables.sides(), {copy.id: copy for copy in tables.duplicates}
    fields = [f for f in dict.fromkeys(key for row in tables.documents for key in row.fields) if f != "document"]
    names = [*tables.scheme.names, *(name for name, _ in sides)]
    header = [columns.DOCUMENT_ID, columns.DOCUMENT, *map(_field_title, fields), *names, *_TOTALS, "待复核"]
    header = _distinct([*header, *(f"{name}占比" for name in names), *["重复"] * bool(copies)])
    rows: list[list[Cell]] = []
    for row in tables.documents:
        counts = [*row.counts, *(sum(row.counts[label] for label in labels) for _, labels in sides)]
        about = [row.id, row.name, *(_field_cell(field, row.fields.get(field, "")) for field in fields)]
        totals = [row.coded, row.uncoded, row.units, row.review]
        shares = [count / row.coded if row.coded else None for count in counts]
        copy = [f"与 {copies[row.id].original} 文本相同，已计入"] if row.id in copies else []
        rows.append([*about, *counts, *totals, *shares, *copy])
    for other in tables.duplicates:
        if not other.counted:
            cells = dict.fromkeys(header) | {columns.DOCUMENT_ID: other.id, columns.DOCUMENT: other.name}
            rows.append([*(cells | {"标题": other.title, "重复": f"与 {other.original} 文本相同，未计入"}).values()])
    return header, rows


def _distribution(tables: Tables) -> Sheet:
    groups = {group.id: group.name for group in tables.scheme.groups}
    shares = [("面向", share.name, share) for share in tables.group_shares()]
    labels = zip(tables.scheme.labels, tables.label_shares(), strict=True)
    shares += [("类别", groups.get(label.group, ""), share) for label, share in labels]
    rows: list[list[Cell]] = [[level, s.name, side, s.count, s.share, s.low, s.high] for level, side, s in shares]
    counts = (tables.coded, tables.uncoded, tables.coded + tables.uncoded)
    for title, count in zip(_TOTALS, counts, strict=True):
        share = None if title != _TOTALS[0] else 1.0 if count else 0.0
        rows.append(["合计", title, "", count, share, None, None])
    rows += [[columns.REASON, reason, "", count, None, None, None] for reason, count in tables.reasons.items()]
    return ("层级", "名称", columns.GROUP, "单元数", "占比", "95%区间下限", "95%区间上限"), rows


def _cross_header(tables: Tables) -> list[str]:
    sides, names = [name for name, _ in tables.sides()], tables.scheme.names
    figures = [f"{name}{part}" for name in sides or names for part in ("占比", "95%下限", "95%上限")]
    return ["文档数", *names, *sides, *_TOTALS, *figures]


def _cross_rows(tables: Tables, table: CrossTable) -> Iterator[list[Cell]]:
    parts = zip(table.values, table.counts, table.shares, table.uncoded, table.documents, strict=True)
    for value, counts, shares, uncoded, documents in parts:
        coded = sum(counts)
        sides = [share.count for share in shares] if tables.scheme.groups else []
        figures = [figure for s in shares for figure in (s.share if coded else None, s.low, s.high)]
        yield [value, documents, *counts, *sides, coded, uncoded, coded + uncoded, *figures]


def _review(coding: Coding, tables: Tables, planned: list[tuple[int, str, CodedUnit]]) -> Sheet:
    """The plan as a list of work: the sample in its order, then the least certain; numbers lead to the unit's row."""
    plan, human = tables.plan, chr(ord("A") + columns.CODING_COLUMNS.index(columns.HUMAN))
    shown = [columns.DOCUMENT, columns.TEXT, columns.LABEL, columns.CONFIDENCE, columns.ALTERNATIVES, columns.REASON]
    lists: dict[str, list[tuple[int, str, CodedUnit]]] = {"sample": [], "focus": []}
    for entry in planned:
        lists[plan.purpose(entry[2].confidence, entry[2].random, True)].append(entry)
    lists["sample"].sort(key=lambda entry: entry[2].random or 0.0)
    lists["focus"].sort(key=lambda entry: (entry[2].confidence or 0.0, entry[2].random or 0.0))
    rows: list[list[Cell]] = []
    for place, name, unit in [*lists["sample"], *lists["focus"]]:
        sheet, row = divmod(place - 1, MAX_ROWS - 1)
        target = f"'{columns.SHEET_CODING}{sheet + 1 if sheet else ''}'!{human}{row + 2}"
        cells = coding_row(("", name), unit, coding.scheme)
        number, sampled = len(rows) + 1, len(rows) < len(lists["sample"])
        margin = margin_of(number, plan.units) if sampled else None
        about = (cells[title] for title in shown)
        rows.append([number, "抽样" if sampled else "重点", (target, unit.id), *about, margin])
    return ["序号", "用途", columns.UNIT, *shown, "复核到此行的误差（±）"], rows


def _codebook(coding: Coding) -> Sheet:
    names, words = {group.id: group.name for group in coding.scheme.groups}, _LOOK["codebook"]
    rows: list[list[Cell]] = []
    for label in coding.scheme.labels:
        chinese = "" if coding.language == "en" else label.chinese_definition
        side, examples = names.get(label.group, ""), "\n".join(label.examples)
        source = words.get(label.name_source, label.name_source)
        rows.append([label.id, label.name, label.english, side, chinese or label.definition, examples, source])
    rows.append([None, columns.UNCODED, "Not coded", "", words["en" if coding.language == "en" else "zh"], "", ""])
    return ("编号", "类别", "英文名称", columns.GROUP, "定义", "示例", "名称来源"), rows


def _field_title(field: str) -> str:
    return columns.DOCUMENT if field == "document" else field_word(field)


def _field_cell(field: str, value: str) -> Cell:
    return int(value) if field == "year" and is_year(value) else value


def _distinct(titles: Sequence[str]) -> list[str]:
    """The titles with a number behind those that stand before them already."""
    seen: dict[str, int] = {}
    result = []
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
        result.append(title if seen[title] == 1 else f"{title}（{seen[title]}）")
    return result


class WorkbookWriter:
    """An .xlsx file that is written sheet by sheet, row by row; titles tell how wide columns are and how they look."""

    def __init__(self, path: Path) -> None:
        import xlsxwriter

        never = dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False)
        self.book: Any = xlsxwriter.Workbook(str(path), {"constant_memory": True, "tmpdir": str(path.parent), **never})
        self.formats = {name: self.book.add_format(look) for name, look in _LOOK["formats"].items()}

    def add_sheet(
        self, name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], choices: dict[str, str] | None = None
    ) -> None:
        """Write a sheet with a frozen, filtered header; rows that one sheet cannot hold go on in `name2`, `name3` ….

        `choices` are the formulas of drop-down lists, by header. A cell that is a pair of a place in the workbook and
        a text is a link.
        """
        remaining, number, last = iter(rows), 0, MAX_ROWS - 1
        while last == MAX_ROWS - 1:
            number += 1
            sheet = self.book.add_worksheet(name if number == 1 else f"{name}{number}")
            last = self._fill(sheet, header, islice(remaining, MAX_ROWS - 1))
            sheet.autofilter(0, 0, max(1, last), len(header) - 1)
            for title, formula in (choices or {}).items():
                column = list(header).index(title)
                sheet.data_validation(1, column, max(1, last), column, {"validate": "list", "source": formula})

    def close(self) -> None:
        """Finish the file."""
        self.book.close()

    def _fill(self, sheet: Any, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> int:
        """Write header and rows, and return how many rows there were."""
        looks = [{"format": "percent" if _PERCENT.search(t) else "plain"} | _LOOK["columns"].get(t, {}) for t in header]
        widths = [look.get("width", min(30, max(9, 2 * len(t) + 3))) for t, look in zip(header, looks, strict=True)]
        wrapped = [column for column, look in enumerate(looks) if look["format"] == "text"]
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        sheet.set_row(0, _height(header, widths, range(len(header))))
        for column, title in enumerate(header):
            sheet.write_string(0, column, clean_cell(title), self.formats["head"])
        sheet.freeze_panes(1, 1)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        last = 0
        for last, row in enumerate(rows, 1):
            sheet.set_row(last, _height(row, widths, wrapped))
            for column, cell in enumerate(row):
                style = self.formats[looks[column]["format"]]
                if isinstance(cell, tuple):
                    sheet.write_url(last, column, f"internal:{cell[0]}", self.formats["link"], clean_cell(cell[1]))
                elif cell is None or cell == "":
                    sheet.write_blank(last, column, None, style)
                elif isinstance(cell, str):
                    sheet.write_string(last, column, clean_cell(cell), style)
                else:
                    sheet.write_number(last, column, cell, style)
        return last


def clean_cell(text: str) -> str:
    """The text as a cell can hold it: no control characters, at most 32,767 characters."""
    text = xml_text(text)
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - len(CUT_MARK)] + CUT_MARK


def _height(row: Sequence[Any], widths: Sequence[int], wrapped: Iterable[int]) -> float:
    """The height in points that shows all lines of the wrapped cells; a Chinese character is two wide."""
    lines = 1
    for column in wrapped:
        texts = str(row[column] or "").split("\n")
        sizes = [(len(text.encode("utf-8", "replace")) + len(text)) / 2 for text in texts]
        lines = max(lines, sum(1 + int(1.08 * size / widths[column]) for size in sizes))
    return min(MAX_HEIGHT, LINE_HEIGHT * lines)
