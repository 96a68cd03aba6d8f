"""The workbook: sheets, drop-down, safe text, and the plain files beside it."""

import csv
import re
from dataclasses import replace

import openpyxl
import pytest
from report_samples import PLAIN_SCHEME, SCHEME, SENTENCES, make_coding

from policy_bert.reports import columns, workbook
from policy_bert.reports.coding import Duplicate
from policy_bert.reports.listing import write_csv
from policy_bert.reports.methods import describe_methods
from policy_bert.reports.tables import build_tables
from policy_bert.reports.workbook import write_workbook

SHEETS = [
    columns.SHEET_CODING,
    columns.SHEET_DOCUMENTS,
    columns.SHEET_DISTRIBUTION,
    columns.SHEET_CROSS,
    columns.SHEET_TREND,
    columns.SHEET_REVIEW,
    columns.SHEET_CODEBOOK,
    columns.SHEET_METHODS,
]


def make_workbook(folder, scheme=SCHEME, **settings):
    coding = make_coding(folder, scheme, **settings)
    tables = build_tables(coding)
    coding = replace(coding, plan=tables.plan)
    write_workbook(coding, tables, describe_methods(coding, tables), folder / "coding.xlsx")
    return coding, openpyxl.load_workbook(folder / "coding.xlsx")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_workbook(tmp_path_factory.mktemp("workbook"))


def test_every_sheet_is_there_filled_frozen_and_filtered(made):
    book = made[1]
    assert book.sheetnames == SHEETS
    for sheet in book:
        assert sheet.max_row > 1
        assert sheet.freeze_panes == "B2"
        assert sheet.auto_filter.ref.startswith("A1:")
        assert all(cell.font.bold for cell in sheet[1])


def test_the_coding_sheet_has_the_agreed_columns_with_numbers_as_numbers(made):
    coding, book = made
    sheet = book[columns.SHEET_CODING]
    header = [cell.value for cell in sheet[1]]
    assert header == list(columns.CODING_COLUMNS)
    units = [unit for document in coding.documents() for unit in document.units]
    for row, unit in zip(sheet.iter_rows(min_row=2, values_only=True), units, strict=True):
        cells = dict(zip(header, row, strict=True))
        assert cells[columns.TEXT] == unit.text
        assert cells[columns.CONFIDENCE] == unit.confidence
        assert cells[columns.LABEL] == (columns.UNCODED if unit.label is None else SCHEME.names[unit.label])
        assert bool(cells[columns.REASON]) == (unit.label is None)
        assert (cells[columns.START], cells[columns.END]) == (unit.start, unit.end)
        assert cells[columns.HUMAN] is None
        assert len((cells[columns.ALTERNATIVES] or "||").split("|")) == (2 if unit.candidates else 3)


def test_text_that_looks_like_a_formula_stays_text(made):
    cells = [cell for row in made[1][columns.SHEET_CODING].iter_rows(min_row=2) for cell in row]
    formulas = [cell for cell in cells if str(cell.value).startswith("=")]
    assert formulas
    assert all(cell.data_type != "f" for cell in formulas)


def test_the_drop_down_offers_every_class_and_not_coded(made):
    coding, book = made
    (validation,) = book[columns.SHEET_CODING].data_validations.dataValidation
    column = columns.CODING_COLUMNS.index(columns.HUMAN) + 1
    letter = openpyxl.utils.get_column_letter(column)
    assert str(validation.sqref) == f"{letter}2:{letter}{book[columns.SHEET_CODING].max_row}"
    sheet, _, cells = validation.formula1.lstrip("=").replace("'", "").replace("$", "").partition("!")
    offered = [row[0].value for row in book[sheet][cells]]
    assert offered == [*coding.scheme.names, columns.UNCODED]


def test_the_review_list_is_a_sample_with_its_margin_then_the_least_certain(made):
    coding, book = made
    sheet = book[columns.SHEET_REVIEW]
    header = [cell.value for cell in sheet[1]]
    rows = [dict(zip(header, row, strict=True)) for row in sheet.iter_rows(min_row=2, values_only=True)]
    plan, units = coding.plan, {unit.id: unit for document in coding.documents() for unit in document.units}
    assert [row["用途"] for row in rows] == ["抽样"] * plan.sample + ["重点"] * plan.focus
    sample, focus = rows[: plan.sample], rows[plan.sample :]
    randoms = [units[row[columns.UNIT]].random for row in sample]
    assert randoms == sorted(randoms) == sorted(u.random for u in units.values() if u.random is not None)[: plan.sample]
    margins = [row["复核到此行的误差（±）"] for row in sample]
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] == pytest.approx(plan.margin)
    confidences = [row[columns.CONFIDENCE] for row in focus]
    assert confidences == sorted(confidences)
    assert all(confidence < 0.6 for confidence in confidences)
    assert 0 < len(rows) == sum(unit.review for unit in units.values())


def test_the_review_list_leads_to_the_row_where_the_code_is_written(made):
    book = made[1]
    for row in book[columns.SHEET_REVIEW].iter_rows(min_row=2):
        place = row[2].hyperlink.location
        sheet, _, cell = place.replace("'", "").partition("!")
        target = book[sheet][cell]
        assert book[sheet].cell(1, target.column).value == columns.HUMAN
        assert book[sheet].cell(target.row, 1).value == row[2].value


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_codebook_speaks_the_reports_language_and_shows_its_own_examples(tmp_path, language):
    _, book = make_workbook(tmp_path, language=language)
    rows = list(book[columns.SHEET_CODEBOOK].iter_rows(min_row=2, values_only=True))
    for row, label in zip(rows, SCHEME.labels, strict=False):
        assert row[4] == (label.definition if language == "en" else label.chinese_definition)
        assert row[5].split("\n") == list(label.examples)
    assert all(re.search("[\u4e00-\u9fff]", row[4]) is None for row in rows) == (language == "en")


def test_rows_are_as_high_as_their_text(made):
    sheet = made[1][columns.SHEET_CODING]
    heights = [sheet.row_dimensions[row].height or 15 for row in range(1, sheet.max_row + 1)]
    text = columns.CODING_COLUMNS.index(columns.TEXT)
    long, short = "长" * 100, "短"
    assert workbook._height([long], [70], [0]) == 3 * workbook._height([short], [70], [0]) + workbook.LINE_HEIGHT
    assert min(heights) == workbook.LINE_HEIGHT
    assert max(len(sheet.cell(row, text + 1).value) for row in range(2, 5)) > 0


def test_a_document_that_is_there_twice_is_marked(tmp_path):
    copies = (Duplicate("09", "文件 1.pdf", "题", "01"),)
    _, book = make_workbook(tmp_path, duplicates=copies)
    rows = list(book[columns.SHEET_DOCUMENTS].iter_rows(values_only=True))
    assert rows[0][-1] == "重复"
    assert rows[-1][:2] == ("09", "文件 1.pdf")
    assert rows[-1][-1] == "与 01 文本相同，未计入"
    assert ("重复文档：09 文件 1.pdf", "与 01 文本相同，未计入") in book[columns.SHEET_METHODS].iter_rows(
        values_only=True
    )


def test_a_scheme_of_any_size_without_sides_or_years_makes_a_workbook(tmp_path):
    (tmp_path / "none").mkdir()
    coding, book = make_workbook(tmp_path, PLAIN_SCHEME, documents=1)
    header = [cell.value for cell in book[columns.SHEET_DOCUMENTS][1]]
    assert [title for title in header if title in PLAIN_SCHEME.names] == list(PLAIN_SCHEME.names)
    assert "供给" not in header
    assert len({cell.value for cell in book[columns.SHEET_CODEBOOK]["B"]}) == len(coding.scheme) + 2


def test_rows_beyond_a_sheets_limit_go_on_in_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(workbook, "MAX_ROWS", 4)
    writer = workbook.WorkbookWriter(tmp_path / "long.xlsx")
    writer.add_sheet("表", ["数"], ([i] for i in range(7)))
    writer.close()
    book = openpyxl.load_workbook(tmp_path / "long.xlsx")
    values = [row[0] for sheet in book for row in sheet.iter_rows(min_row=2, values_only=True) if row[0] is not None]
    assert book.sheetnames[:2] == ["表", "表2"]
    assert values == list(range(7))


def test_cells_hold_no_control_characters_and_say_when_text_is_cut():
    assert workbook.clean_cell("甲\x00乙\ud800") == "甲\ufffd乙\ufffd"
    cut = workbook.clean_cell("长" * 40_000)
    assert len(cut) == workbook.MAX_CELL
    assert cut.endswith(workbook.CUT_MARK)


def test_the_csv_has_a_mark_and_no_formulas(tmp_path):
    coding = make_coding(tmp_path)
    write_csv(coding, tmp_path / "coding.csv")
    assert (tmp_path / "coding.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "coding.csv").open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.reader(lines))
    assert rows[0] == list(columns.CODING_COLUMNS)
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert "'" + SENTENCES[3] in [row[columns.CODING_COLUMNS.index(columns.TEXT)] for row in rows]


def test_the_methods_sheet_names_model_thresholds_and_skipped_files(made):
    rows = dict(made[1][columns.SHEET_METHODS].iter_rows(min_row=2, values_only=True))
    assert rows["模型摘要（SHA-256）"] == "0123456789abcdef" * 4
    assert rows["最低置信度（低于则不编码）"] == 0.3
    assert rows["跳过的文件：扫描 件.pdf"] == "没有文字层"
    assert "95% 区间" in rows["方法段落（中文）"]
    assert "95 % interval" in rows["Methods paragraph (English)"]
