"""`coding.xlsx`: the coding table with a column for the reviewer, and every table a paper prints.

Every count comes from `tables`; rows are written in a stream by `sheets`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from policy_bert.reports import columns
from policy_bert.reports.listing import coding_row
from policy_bert.reports.methods import Methods
from policy_bert.reports.parts import Coding
from policy_bert.reports.sheets import Cell, WorkbookWriter
from policy_bert.reports.tables import CrossTable, Share, Tables


def write_workbook(coding: Coding, tables: Tables, methods: Methods, path: Path) -> None:
    """Write `coding.xlsx` with the sheets that `columns` names; 趋势 only where a year is known."""
    book = WorkbookWriter(path)
    scheme = coding.scheme
    choices = {columns.HUMAN: f"='{columns.SHEET_CODEBOOK}'!$B$2:$B${len(scheme) + 2}"}
    styles = {
        columns.TEXT: "text",
        columns.HEADINGS: "text",
        columns.CONFIDENCE: "decimal",
        columns.HUMAN: "human",
        columns.RANDOM: "decimal",
    }
    rows = (
        coding_row((document.id, document.name), unit, scheme)
        for document in coding.documents()
        for unit in document.units
    )
    book.add_sheet(columns.SHEET_CODING, columns.CODING_COLUMNS, rows, styles, choices)
    _add_documents(book, tables)
    _add_distribution(book, tables)
    _add_cross_tables(book, tables)
    if tables.has_years:
        _add_trend(book, tables)
    _add_review(book, coding, styles)
    _add_codebook(book, tables)
    book.add_sheet(columns.SHEET_METHODS, ("项目", "内容"), methods.rows(), {"项目": "text", "内容": "text"})
    book.book.get_worksheet_by_name(columns.SHEET_METHODS).set_column(0, 0, 24)
    book.book.get_worksheet_by_name(columns.SHEET_METHODS).set_column(1, 1, 110)
    book.close()


def _add_documents(book: WorkbookWriter, tables: Tables) -> None:
    names = tables.scheme.names
    sides = tables.scheme.groups
    extra = [f for f in dict.fromkeys(key for row in tables.documents for key in row.fields) if f != "document"]
    header = [columns.DOCUMENT_ID, columns.DOCUMENT, *(_field_title(f) for f in extra)]
    header += [*names, *(g.name for g in sides), "编码合计", columns.UNCODED, "单元合计", "待复核"]
    share_titles = [f"{name}占比" for name in (*names, *(g.name for g in sides))]
    header = _distinct([*header, *share_titles])

    def rows() -> Iterable[Sequence[Cell]]:
        for row in tables.documents:
            side_counts = [sum(row.counts[label.id] for label in tables.scheme.in_group(g.id)) for g in sides]
            shares = [count / row.coded if row.coded else None for count in (*row.counts, *side_counts)]
            fields = [_field_cell(f, row.fields.get(f, "")) for f in extra]
            totals = [row.coded, row.uncoded, row.units, row.review]
            yield [row.id, row.name, *fields, *row.counts, *side_counts, *totals, *shares]

    book.add_sheet(columns.SHEET_DOCUMENTS, header, rows(), dict.fromkeys(header[-len(share_titles) :], "percent"))


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


def _add_cross_tables(book: WorkbookWriter, tables: Tables) -> None:
    header = ["字段", "取值", "文档数", *tables.scheme.names, *(g.name for g in tables.scheme.groups)]
    header = _distinct([*header, "编码合计", columns.UNCODED, "单元合计"])
    rows = (row for field in tables.cross_fields() for row in _cross_rows(tables, tables.cross_table(field)))
    book.add_sheet(columns.SHEET_CROSS, header, rows)


def _add_trend(book: WorkbookWriter, tables: Tables) -> None:
    header = ["年份", "文档数", *tables.scheme.names, *(g.name for g in tables.scheme.groups)]
    shares = [f"{group.name}占比" for group in tables.scheme.groups]
    header = _distinct([*header, "编码合计", columns.UNCODED, "单元合计", *shares])
    trend = tables.trend()

    def rows() -> Iterable[Sequence[Cell]]:
        for row in _cross_rows(tables, trend):
            sides = row[3 + len(tables.scheme) : -3]
            total = row[-3]
            parts = [count / total if total else None for count in sides]  # type: ignore[operator]
            yield [_field_cell("year", str(row[1])), *row[2:], *parts]

    book.add_sheet(columns.SHEET_TREND, header, rows(), dict.fromkeys(header[len(header) - len(shares) :], "percent"))


def _cross_rows(tables: Tables, table: CrossTable) -> Iterable[list[Cell]]:
    for value, counts, uncoded, documents in zip(
        table.values, table.counts, table.uncoded, table.documents, strict=True
    ):
        sides = [sum(counts[label.id] for label in tables.scheme.in_group(g.id)) for g in tables.scheme.groups]
        coded = sum(counts)
        yield [_field_title(table.field), value, documents, *counts, *sides, coded, uncoded, coded + uncoded]


def _add_review(book: WorkbookWriter, coding: Coding, styles: dict[str, str]) -> None:
    header = (
        columns.CONFIDENCE,
        columns.UNIT,
        columns.DOCUMENT,
        columns.TEXT,
        columns.LABEL,
        columns.ALTERNATIVES,
        columns.REASON,
    )
    order = [columns.CODING_COLUMNS.index(title) for title in header]
    rows = (
        [coding_row(("", name), unit, coding.scheme)[column] for column in order]
        for name, unit in coding.review_units()
    )
    book.add_sheet(columns.SHEET_REVIEW, header, rows, styles)


def _add_codebook(book: WorkbookWriter, tables: Tables) -> None:
    groups = {group.id: group for group in tables.scheme.groups}
    header = ("编号", "类别", "英文名称", columns.GROUP, "定义", "示例", "名称来源")
    sources = {"published": "语料公布", "inferred": "据语料归纳"}
    rows: list[list[Cell]] = []
    for label, examples in zip(tables.scheme.labels, tables.examples, strict=True):
        side = groups[label.group].name if label.group in groups else ""
        source = sources.get(label.name_source, label.name_source)
        rows.append([label.id, label.name, label.english, side, label.definition, "\n".join(examples), source])
    uncoded = "标题、称谓、落款、目录、立法依据、定义、背景叙述等不使用政策工具的单元，以及模型置信度过低的单元"
    rows.append([None, columns.UNCODED, "Not coded", "", uncoded, "", ""])
    book.add_sheet(columns.SHEET_CODEBOOK, header, rows, {"定义": "text", "示例": "text"})
    sheet = book.book.get_worksheet_by_name(columns.SHEET_CODEBOOK)
    sheet.set_column(4, 5, 60)


def _field_title(field: str) -> str:
    titles = {"document": columns.DOCUMENT, "title": "标题", "number": "发文字号", "issuer": "发文机关"}
    return (titles | {"date": "日期", "year": "年份"}).get(field, field)


def _field_cell(field: str, value: str) -> Cell:
    return int(value) if field == "year" and value.isascii() and value.isdigit() else value


def _distinct(titles: Sequence[str]) -> list[str]:
    """The titles with a number behind those that stand before them already."""
    seen: dict[str, int] = {}
    result = []
    for title in titles:
        seen[title] = seen.get(title, 0) + 1
        result.append(title if seen[title] == 1 else f"{title}（{seen[title]}）")
    return result
