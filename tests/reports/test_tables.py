"""Counts, shares and intervals, and that all files of a report agree with each other."""

import csv
import functools
import json
import math
import zipfile

import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from report_samples import PLAIN_SCHEME, SCHEME, make_coding

from policy_bert.reports import analysis, columns
from policy_bert.reports.analysis import has_human_codes, write_report
from policy_bert.reports.tables import DocumentCounts, Tables, build_tables


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "parts").mkdir()
    coding = make_coding(folder / "parts", documents=5, by=("year", "region"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "write_figures", lambda tables, folder, language: None)  # drawn in their own tests
        return coding, write_report(coding, folder, folder / "building"), folder


def read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


@functools.cache
def read_sheet(folder, name):
    rows = openpyxl.load_workbook(folder / columns.WORKBOOK, read_only=True)[name].iter_rows(values_only=True)
    header = next(rows)
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_the_files_of_a_report_agree(report):
    _, tables, folder = report
    listed = read_csv(folder / columns.CODING_CSV)
    lines = [json.loads(line) for line in (folder / columns.CODING_JSONL).read_text("utf-8").splitlines()]
    sheet = read_sheet(folder, columns.SHEET_CODING)
    matrix = read_csv(folder / columns.MATRIX_CSV)
    assert len(listed) == len(lines) == len(sheet) == len(matrix) == tables.coded + tables.uncoded
    for label, share in zip(SCHEME.labels, tables.label_shares(), strict=True):
        assert share.count > 0 or share.low == 0
        assert share.count == sum(row[columns.LABEL] == label.name for row in listed)
        assert share.count == sum(line["label"] == label.id for line in lines)
        assert share.count == sum(row[columns.LABEL] == label.name for row in sheet)
        assert share.count == sum(int(row[label.name]) for row in matrix)
        assert share.count == sum(row[label.name] for row in read_sheet(folder, columns.SHEET_DOCUMENTS))
        assert share.count == sum(row[label.name] for row in read_sheet(folder, columns.SHEET_TREND))
        for field in ("年份", "region"):
            rows = [row for row in read_sheet(folder, columns.SHEET_CROSS) if row["字段"] == field]
            assert share.count == sum(row[label.name] for row in rows)
    with zipfile.ZipFile(folder / columns.PROJECT) as archive:
        project = etree.fromstring(archive.read("project.qde"))
    assert sum(1 for _ in project.iter("{urn:QDA-XML:project:1.0}Coding")) == tables.coded
    assert len(read_sheet(folder, columns.SHEET_REVIEW)) == tables.review
    assert not (folder / "building").exists()


def test_the_distribution_sheet_adds_up(report):
    _, tables, folder = report
    rows = read_sheet(folder, columns.SHEET_DISTRIBUTION)
    total = {row["名称"]: row["单元数"] for row in rows if row["层级"] == "合计"}
    assert total == {
        "编码合计": tables.coded,
        columns.UNCODED: tables.uncoded,
        "单元合计": tables.coded + tables.uncoded,
    }
    for level in ("面向", "类别"):
        chosen = [row for row in rows if row["层级"] == level]
        assert sum(row["单元数"] for row in chosen) == tables.coded
        assert math.isclose(sum(row["占比"] for row in chosen), 1)
        assert all(row["95%区间下限"] <= row["占比"] <= row["95%区间上限"] for row in chosen)
    assert sum(row["单元数"] for row in rows if row["层级"] == columns.REASON) == tables.uncoded


def test_a_side_counts_what_its_classes_count(report):
    tables = report[1]
    counts = [share.count for share in tables.label_shares()]
    for group, share in zip(SCHEME.groups, tables.group_shares(), strict=True):
        assert share.count == sum(counts[label.id] for label in SCHEME.in_group(group.id))


def test_documents_of_unknown_year_come_last_in_the_trend(report):
    trend = report[1].trend()
    assert trend.values[-1] == columns.UNKNOWN
    assert list(trend.values[:-1]) == sorted(trend.values[:-1])
    assert sum(trend.documents) == len(report[1].documents)


def documents_of(counts, totals):
    """Rows of documents whose first class of two has some counts."""
    return tuple(
        DocumentCounts(str(i), str(i), "", None, {"year": "2020"}, (int(c), int(n - c), 0), 0, 0)
        for i, (c, n) in enumerate(zip(counts, totals, strict=True))
    )


def test_one_document_tells_nothing_of_others():
    for rows in (documents_of([8], [10]), documents_of([8, 0], [10, 0])):
        tables = Tables(PLAIN_SCHEME, rows, {})
        assert [(share.low, share.high) for share in tables.label_shares()] == [(None, None)] * 3
        assert tables.trend().shares[0][0].low is None
    assert Tables(PLAIN_SCHEME, documents_of([8], [10]), {}).label_shares()[0].share == 0.8


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=20))
def test_the_interval_holds_the_share_and_stays_in_range(pairs):
    share = Tables(PLAIN_SCHEME, documents_of(map(min, pairs), map(max, pairs)), {}).label_shares()[0]
    if share.low is not None:
        assert 0 <= share.low <= share.share <= share.high <= 1


@pytest.mark.parametrize("table", ["share", "trend"])
@pytest.mark.parametrize(("mean", "spread"), [(0.35, 9), (0.1, 20), (0.8, 12)])
@pytest.mark.parametrize("documents", [2, 3, 5, 10, 30])
def test_printed_intervals_cover_the_share_of_documents_of_unequal_size(documents, mean, spread, table):
    random, covered, times = np.random.default_rng(documents), 0, 400
    for _ in range(times):
        totals = random.integers(15, 60, size=documents)
        counts = random.binomial(totals, random.beta(mean * spread, (1 - mean) * spread, size=documents))
        tables = Tables(PLAIN_SCHEME, documents_of(counts, totals), {})
        share = tables.label_shares()[0] if table == "share" else tables.trend().shares[0][0]
        covered += share.low <= mean <= share.high
    assert covered / times >= 0.94 - 2 * math.sqrt(0.94 * 0.06 / times)  # the simulation's own error


def test_without_years_and_fields_the_cross_table_is_by_document(tmp_path):
    coding = make_coding(tmp_path, PLAIN_SCHEME, documents=1)
    tables = build_tables(coding)
    assert tables.cross_fields() == ("year",)
    assert tables.group_shares() == []
    no_year = type(tables)(tables.scheme, (), {})
    assert no_year.cross_fields() == ("document",)
    assert [share.share for share in no_year.label_shares()] == [0, 0, 0]


def test_only_a_reviewers_work_keeps_a_workbook_from_being_replaced(report, tmp_path):
    folder = report[2]
    assert not has_human_codes(folder / columns.WORKBOOK)
    book = openpyxl.load_workbook(folder / columns.WORKBOOK)
    book[columns.SHEET_CODING].cell(3, columns.CODING_COLUMNS.index(columns.HUMAN) + 1).value = "人才培养"
    book.save(tmp_path / "filled.xlsx")
    (tmp_path / "damaged.xlsx").write_bytes(b"PK\x03\x04")
    assert has_human_codes(tmp_path / "filled.xlsx")
    assert has_human_codes(tmp_path / "damaged.xlsx")
