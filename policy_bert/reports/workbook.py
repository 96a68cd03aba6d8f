"""`coding.xlsx`: the coding table with a column for the reviewer, and every table a paper prints.

Every count comes from `tables`. Rows are written in a stream (XlsxWriter in constant-memory mode); what a document says
is always text, never a formula or a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from policy_bert.reports import columns
from policy_bert.reports.coding import CodedUnit, Coding
from policy_bert.reports.listing import coding_row
from policy_bert.reports.methods import Methods
from policy_bert.reports.review_plan import margin_of
from policy_bert.reports.tables import CrossTable, Share, Tables, is_year
from policy_bert.reports.words import field_word

MAX_ROWS = 1_048_576  # of an .xlsx sheet
MAX_CELL = 32_767  # characters of an .xlsx cell
CUT_MARK = "…（全文见 coding.jsonl）"
LINE_HEIGHT = 15.0  # points
MAX_HEIGHT = 405.0  # of a row

_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDTHS = {
    columns.UNIT: 14,
    columns.DOCUMENT: 28,
    columns.HEADINGS: 28,
    columns.TEXT: 70,
    columns.ALTERNATIVES: 30,
    columns.REASON: 20,
    columns.HUMAN: 14,
    "英文名称": 24,
    "定义": 50,
    "示例": 60,
    "标题": 36,
    "发文机关": 24,
    "项目": 34,
    "内容": 110,
}
_FIGURES = ("占比", "95%下限", "95%上限")
_PURPOSES = {"sample": "抽样", "focus": "重点"}

Cell = str | float | int | None


def write_workbook(coding: Coding, tables: Tables, methods: Methods, path: Path) -> None:
    """Write `coding.xlsx` with the sheets that `columns` names; 趋势 only where a year is known."""
    book = WorkbookWriter(path)
    choices = {columns.HUMAN: f"='{columns.SHEET_CODEBOOK}'!$B$2:$B${len(coding.scheme) + 2}"}
    text_styles = dict.fromkeys((columns.TEXT, columns.HEADINGS, columns.ALTERNATIVES, columns.DOCUMENT), "text")
    styles = text_styles | {columns.CONFIDENCE: "decimal", columns.HUMAN: "human", columns.RANDOM: "decimal"}
    planned: list[tuple[int, str, CodedUnit]] = []
    book.add_sheet(columns.SHEET_CODING, columns.CODING_COLUMNS, _coding_rows(coding, planned), styles, choices)
    _add_documents(book, tables)
    _add_distribution(book, tables)
    fields = tables.cross_fields()
    header = _distinct(["字段", "取值", "文档数", *_cross_header(tables)])
    cross = ([_field_title(field), *row] for field in fields for row in _cross_rows(tables, tables.cross_table(field)))
    book.add_sheet(columns.SHEET_CROSS, header, cross, _percents(header))
    if tables.has_years:
        header = _distinct(["年份", "文档数", *_cross_header(tables)])
        years = ([_field_cell("year", str(value)), *row] for value, *row in _cross_rows(tables, tables.trend()))
        book.add_sheet(columns.SHEET_TREND, header, years, _percents(header))
    _add_review(book, coding, tables, planned, styles)
    _add_codebook(book, coding)
    book.add_sheet(columns.SHEET_METHODS, ("项目", "内容"), methods.sheet(), {"项目": "text", "内容": "text"})
    book.close()


def _coding_rows(coding: Coding, planned: list[tuple[int, str, CodedUnit]]) -> Iterator[list[Cell]]:
    """The rows of 编码表; units that the plan of the review holds are put aside with their number."""
    number = 0
    for document in coding.documents():
        for unit in document.units:
            number += 1
            if unit.review:
                planned.append((number, document.name, unit))
            yield coding_row((document.id, document.name), unit, coding.scheme)


def _add_documents(book: WorkbookWriter, tables: Tables) -> None:
    names = tables.scheme.names
    sides = tables.scheme.groups
    extra = [f for f in dict.fromkeys(key for row in tables.documents for key in row.fields) if f != "document"]
    header = [columns.DOCUMENT_ID, columns.DOCUMENT, *(_field_title(f) for f in extra)]
    header += [*names, *(g.name for g in sides), "编码合计", columns.UNCODED, "单元合计", "待复核"]
    header += [f"{name}占比" for name in (*names, *(g.name for g in sides))]
    header = _distinct([*header, "重复"] if tables.duplicates else header)
    copies = {copy.id: copy for copy in tables.duplicates}

    def rows() -> Iterator[list[Cell]]:
        for row in tables.documents:
            side_counts = [sum(row.counts[label.id] for label in tables.scheme.in_group(g.id)) for g in sides]
            shares = [count / row.coded if row.coded else None for count in (*row.counts, *side_counts)]
            fields = [_field_cell(f, row.fields.get(f, "")) for f in extra]
            totals = [row.coded, row.uncoded, row.units, row.review]
            copy = [f"与 {copies[row.id].original} 文本相同，已计入"] if row.id in copies else []
            yield [row.id, row.name, *fields, *row.counts, *side_counts, *totals, *shares, *copy]
        for other in tables.duplicates:
            if not other.counted:
                cells = dict.fromkeys(header) | {columns.DOCUMENT_ID: other.id, columns.DOCUMENT: other.name}
                yield [*(cells | {"标题": other.title, "重复": f"与 {other.original} 文本相同，未计入"}).values()]

    styles = dict.fromkeys((columns.DOCUMENT, "标题", "发文机关"), "text") | _percents(header)
    book.add_sheet(columns.SHEET_DOCUMENTS, header, rows(), styles)


def _add_distribution(book: WorkbookWriter, tables: Tables) -> None:
    groups = {group.id: group.name for group in tables.scheme.groups}
    header = ("层级", "名称", columns.GROUP, "单元数", "占比", "95%区间下限", "95%区间上限")

    def line(level: str, side: str, share: Share) -> list[Cell]:
        return [level, share.name, side, share.count, share.share, share.low, share.high]

    rows: list[list[Cell]] = [line("面向", share.name, share) for share in tables.group_shares()]
    labels = zip(tables.scheme.labels, tables.label_shares(), strict=True)
    rows += [line("类别", groups.get(label.group, ""), share) for label, share in labels]
    rows.append(["合计", "编码合计", "", tables.coded, 1.0 if tables.coded else 0.0, None, None])
    rows.append(["合计", columns.UNCODED, "", tables.uncoded, None, None, None])
    rows.append(["合计", "单元合计", "", tables.coded + tables.uncoded, None, None, None])
    rows += [[columns.REASON, reason, "", count, None, None, None] for reason, count in tables.reasons.items()]
    book.add_sheet(columns.SHEET_DISTRIBUTION, header, rows, dict.fromkeys(header[4:], "percent"))


def _cross_header(tables: Tables) -> list[str]:
    scheme = tables.scheme
    series = [group.name for group in scheme.groups] or list(scheme.names)
    counted = [*scheme.names, *(group.name for group in scheme.groups), "编码合计", columns.UNCODED, "单元合计"]
    return counted + [f"{name}{part}" for name in series for part in _FIGURES]


def _cross_rows(tables: Tables, table: CrossTable) -> Iterator[list[Cell]]:
    parts = zip(table.values, table.counts, table.shares, table.uncoded, table.documents, strict=True)
    for value, counts, shares, uncoded, documents in parts:
        coded = sum(counts)
        sides = [share.count for share in shares] if tables.scheme.groups else []
        figures = [figure for s in shares for figure in (s.share if coded else None, s.low, s.high)]
        yield [value, documents, *counts, *sides, coded, uncoded, coded + uncoded, *figures]


def _percents(header: Sequence[str]) -> dict[str, str]:
    return {title: "percent" for title in header if any(part in title for part in _FIGURES)}


def _add_review(
    book: WorkbookWriter,
    coding: Coding,
    tables: Tables,
    planned: list[tuple[int, str, CodedUnit]],
    styles: dict[str, str],
) -> None:
    """The plan as a list of work: the sample in its order, then the least certain; numbers lead to the unit's row."""
    header = ["序号", "用途", columns.UNIT, columns.DOCUMENT, columns.TEXT, columns.LABEL, columns.CONFIDENCE]
    header += [columns.ALTERNATIVES, columns.REASON, "复核到此行的误差（±）"]
    plan, order = tables.plan, [columns.CODING_COLUMNS.index(title) for title in header[3:-1]]
    human = columns.CODING_COLUMNS.index(columns.HUMAN)

    def key(entry: tuple[int, str, CodedUnit]) -> tuple[bool, float, float]:
        unit = entry[2]
        sampled = plan.purpose(unit.confidence, unit.random, True) == "sample"
        return not sampled, 0.0 if sampled else unit.confidence or 0.0, unit.random or 0.0

    def rows() -> Iterator[list[Cell | tuple[str, str]]]:
        for number, (place, name, unit) in enumerate(sorted(planned, key=key), 1):
            sheet, row = divmod(place - 1, MAX_ROWS - 1)
            target = f"'{columns.SHEET_CODING}{sheet + 1 if sheet else ''}'!{_letter(human)}{row + 2}"
            purpose = plan.purpose(unit.confidence, unit.random, True)
            cells = coding_row(("", name), unit, coding.scheme)
            margin = margin_of(number, plan.units) if purpose == "sample" else None
            yield [number, _PURPOSES[purpose], (target, unit.id), *(cells[column] for column in order), margin]

    book.add_sheet(columns.SHEET_REVIEW, header, rows(), styles | {header[-1]: "percent"})


def _add_codebook(book: WorkbookWriter, coding: Coding) -> None:
    english = coding.language == "en"
    groups = {group.id: group for group in coding.scheme.groups}
    header = ("编号", "类别", "英文名称", columns.GROUP, "定义", "示例", "名称来源")
    sources = {"published": "语料公布", "inferred": "据语料归纳"}
    rows: list[list[Cell]] = []
    for label in coding.scheme.labels:
        side = groups[label.group].name if label.group in groups else ""
        definition = label.definition if english else label.chinese_definition or label.definition
        source = sources.get(label.name_source, label.name_source)
        rows.append([label.id, label.name, label.english, side, definition, "\n".join(label.examples), source])
    uncoded = (
        "headings, salutations, signatures, contents, legal bases, definitions, background and other units that use no "
        "policy instrument, and units of too low a confidence"
        if english
        else "标题、称谓、落款、目录、立法依据、定义、背景叙述等不使用政策工具的单元，以及模型置信度过低的单元"
    )
    rows.append([None, columns.UNCODED, "Not coded", "", uncoded, "", ""])
    book.add_sheet(columns.SHEET_CODEBOOK, header, rows, dict.fromkeys(("定义", "示例", "英文名称"), "text"))


def _letter(column: int) -> str:
    return chr(ord("A") + column)


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
            "text": self.book.add_format({"text_wrap": True, "valign": "top", "align": "left"}),
            "plain": self.book.add_format({"valign": "top"}),
            "decimal": self.book.add_format({"num_format": "0.0000", "valign": "top"}),
            "percent": self.book.add_format({"num_format": "0.0%", "valign": "top"}),
            "human": self.book.add_format({"bg_color": "#FFF9E5", "valign": "top"}),
            "link": self.book.add_format({"font_color": "#2563A8", "underline": 1, "valign": "top"}),
        }

    def add_sheet(
        self,
        name: str,
        header: Sequence[str],
        rows: Iterable[Sequence[Cell | tuple[str, str]]],
        styles: dict[str, str] | None = None,
        choices: dict[str, str] | None = None,
    ) -> None:
        """Write a sheet with a frozen, filtered header; rows that one sheet cannot hold go on in `name2`, `name3` ….

        `styles` are the columns' formats (`text` wraps; `decimal`, `percent`, `human`), `choices` the formulas of
        drop-down lists; both by header. A cell that is a pair of a place in the workbook and a text is a link.
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
        widths = [_WIDTHS.get(title, min(30, max(9, 2 * len(title) + 3))) for title in header]
        wrapped = [column for column, title in enumerate(header) if styles.get(title) == "text"]
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
        for row in rows:
            last += 1
            sheet.set_row(last, _height(row, widths, wrapped))
            for column, cell in enumerate(row):
                if isinstance(cell, tuple):
                    sheet.write_url(last, column, f"internal:{cell[0]}", self.formats["link"], clean_cell(cell[1]))
                else:
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


def _height(row: Sequence[Any], widths: Sequence[int], wrapped: Iterable[int]) -> float:
    """The height in points that shows all lines of the wrapped cells; a Chinese character is two wide."""
    lines = 1
    for column in wrapped:
        texts = str(row[column] or "").split("\n")
        sizes = [(len(text.encode("utf-8", "replace")) + len(text)) / 2 for text in texts]
        lines = max(lines, sum(1 + int(1.08 * size / widths[column]) for size in sizes))
    return min(MAX_HEIGHT, LINE_HEIGHT * lines)
