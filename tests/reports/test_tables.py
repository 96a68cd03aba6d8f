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

from policy_bert.reports import columns
from policy_bert.reports import folder as report_folder
from policy_bert.reports.folder import has_human_codes, write_report
from policy_bert.reports.tables import build_tables, clustered_interval


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    (folder / "parts").mkdir()
    coding = make_coding(folder / "parts", documents=5, by=("year", "region"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_folder, "write_figures", lambda tables, folder, language: None)  # drawn in their own tests
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


def test_examples_are_the_most_certain_units_of_their_class(report):
    coding, tables, _ = report
    units = [unit for document in coding.documents() for unit in document.units]
    for label, examples in enumerate(tables.examples):
        assert len(set(examples)) == len(examples) <= 3
        if examples:
            best = max((u for u in units if u.label == label and 10 <= len(u.text) <= 120), key=lambda u: u.confidence)
            assert examples[0] == best.text


def test_a_single_document_has_wilsons_interval():
    low, high = clustered_interval(np.array([8.0]), np.array([10.0]))
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)  # Wilson 1927, 8 of 10


def test_clustering_widens_the_interval():
    even = clustered_interval(np.array([5.0, 5, 5, 5]), np.array([10.0, 10, 10, 10]))
    uneven = clustered_interval(np.array([10.0, 0, 10, 0]), np.array([10.0, 10, 10, 10]))
    assert uneven[0] < even[0] < 0.5 < even[1] < uneven[1]
    assert clustered_interval(np.zeros(3), np.zeros(3)) == (0.0, 0.0)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=20))
def test_the_interval_holds_the_share_and_stays_in_range(pairs):
    counts = np.array([min(pair) for pair in pairs], dtype=float)
    totals = np.array([max(pair) for pair in pairs], dtype=float)
    low, high = clustered_interval(counts, totals)
    share = counts.sum() / totals.sum() if totals.sum() else 0.0
    assert 0 <= low <= share <= high <= 1


def test_intervals_cover_the_share_of_clustered_documents():
    random = np.random.default_rng(7)
    covered = 0
    for _ in range(400):
        totals = random.integers(20, 60, size=30)
        shares = random.beta(2, 6, size=30)  # documents differ: mean 0.25
        low, high = clustered_interval(random.binomial(totals, shares).astype(float), totals.astype(float))
        covered += low <= 0.25 <= high
    assert covered / 400 >= 0.92


def test_without_years_and_fields_the_cross_table_is_by_document(tmp_path):
    coding = make_coding(tmp_path, PLAIN_SCHEME, documents=1)
    tables = build_tables(coding)
    assert tables.cross_fields() == ("year",)
    assert tables.group_shares() == []
    no_year = type(tables)(tables.scheme, (), {}, tables.examples)
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
