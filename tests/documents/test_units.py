"""The laws of units: they slice back, keep their place, and what is no instrument is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.documents import REASONS, Document, Unit, UnitSize, cut_units, read_document
from policy_bert.documents.structure.background import sentence_kind

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
SIZES: tuple[UnitSize, ...] = ("sentence", "paragraph", "article")
LINES = st.lists(
    st.sampled_from(
        [
            "关于加快数据共享的实施意见",
            "国发〔2021〕29号",
            "各省、自治区、直辖市人民政府：",
            "目　录",
            "第一章　总则",
            "第一章　总则………1",
            "第一条　为了规范数据处理，制定本办法。",
            "第二条本办法所称数据，是指信息的记录。支持“共享；开放。”平台；推动应用。",
            "一、总体要求",
            "（一）总体思路。坚持创新。推动共享。",
            "1.加强领导。",
            "序号\t任务\t推动数据共享开放平台建设。",
            "附件：1.任务分工",
            "附件",
            "某市人民政府办公室",
            "2021年12月12日",
            "近年来，我市数据应用取得积极成效。",
            "推动数据共享；",
        ]
    )
    | st.text(alphabet="数据。；：“”（）第一条章、1. \t", max_size=20),
    max_size=25,
)


def cut(lines: Sequence[str], unit: UnitSize = "sentence") -> list[Unit]:
    return cut_units(Document("03", Path("a.txt"), "\n".join(lines)), unit)


def kinds(lines: Sequence[str]) -> list[str]:
    return [unit.kind for unit in cut(lines)]


@settings(deadline=None)
@given(LINES, st.sampled_from(SIZES))
def test_units_slice_back_and_hold_the_whole_text_under_distinct_identifiers(lines: list[str], unit: UnitSize) -> None:
    text = "\n".join(lines)
    units = cut(lines, unit)
    assert all(u.text == text[u.start : u.end] and u.text.startswith(u.marker) for u in units)
    assert "".join("".join(u.text for u in units).split()) == "".join(text.split())
    assert len({u.id for u in units}) == len(units)
    assert all(u.id == f"03-{u.chapter}-{u.article}-{u.sentence}" for u in units)
    assert all(bool(u.reason) == (u.kind != "content") and u.reason == REASONS[u.kind] for u in units)


def test_a_regulation_is_numbered_by_its_chapters_and_articles() -> None:
    units = cut(
        [
            "数据管理办法",
            "第一章　总则",
            "第一条　为了规范管理，根据有关法律，制定本办法。",
            "第二章　共享",
            "第十二条　部门应当共享数据。不得拒绝。",
            "依照第十三条规定可以不共享。",
            "部门应当：",
            "（一）编制目录；",
            "（二）更新数据。",
            "第十二条之一　推动开放。",
        ]
    )
    found = {u.id: (u.text, u.paragraph, u.item, u.marker, u.body) for u in units}
    assert found["03-2-12-1"][0] == "第十二条　部门应当共享数据。"
    assert found["03-2-12-1"][3:] == ("第十二条　", "部门应当共享数据。")
    assert found["03-2-12-3"][:2] == ("依照第十三条规定可以不共享。", 2)
    assert found["03-2-12-6"][:3] == ("（二）更新数据。", 3, 2)
    assert found["03-2-0-0"][0] == "第二章　共享"
    assert next(u for u in units if u.id == "03-2-12-5").headings == ("第二章 共享", "第十二条")
    assert next(u for u in units if "开放" in u.text).article == 12


def test_opinions_are_numbered_by_their_two_outermost_levels() -> None:
    units = cut(
        [
            "关于数据的意见",
            "一、总体要求",
            "（一）指导思想。坚持创新。",
            "二、重点任务",
            "（三）推进共享。建设平台。推动开放。",
            "1.建设节点。",
        ]
    )
    assert [(u.id, u.kind) for u in units[1:]] == [
        ("03-1-0-0", "heading"),
        ("03-1-1-0", "heading"),
        ("03-1-1-1", "principle"),
        ("03-2-0-0", "heading"),
        ("03-2-3-0", "heading"),
        ("03-2-3-1", "content"),
        ("03-2-3-2", "content"),
        ("03-2-3-3", "content"),
    ]
    assert units[-1].headings == ("二、重点任务", "（三）推进共享")


def test_an_attached_text_is_numbered_by_its_own_levels() -> None:
    document = read_document(EXAMPLES / "plan_excerpt.txt", "03")
    units = cut_units(document)
    kinds_by_text = {u.text: u.kind for u in units}
    assert kinds_by_text["国务院"] == "signature"
    assert kinds_by_text["“十四五”数字经济发展规划"] == "title"
    assert kinds_by_text["各省、自治区、直辖市人民政府，国务院各部委、各直属机构："] == "salutation"
    assert all(u.kind == "background" for u in units if u.chapter == 1 and u.kind != "heading")
    assert all(u.kind == "content" for u in units if u.chapter == 4 and u.kind != "heading")


def test_articles_of_the_regulation_are_numbered_right() -> None:
    document = read_document(EXAMPLES / "regulation_excerpt.txt", "03")
    articles = cut_units(document, "article")
    assert [u.article for u in articles] == [0, *range(1, 14), 44]
    assert [u.kind for u in articles[:4]] == ["title", "legal_basis", "formal", "definition"]
    assert articles[11].text.startswith("第十一条")
    assert articles[11].text.endswith("（六）本部门其他与政务数据共享相关的工作。")


def test_the_frame_of_a_notice_is_told_apart() -> None:
    lines = [
        "某省人民政府办公厅关于推进数据共享的通知",
        "某政办发〔2022〕3号",
        "各市、县人民政府，省直各部门：",
        "为贯彻落实国家部署，经省政府同意，现就推进数据共享通知如下：",
        "一、建立数据共享机制，明确责任分工。",
        "二、加强经费保障，支持平台建设。",
        "附件：1.任务清单",
        "2.责任分工表",
        "某省人民政府办公厅",
        "2022年3月1日",
        "（此件公开发布）",
    ]
    assert kinds(lines) == [
        "title", "front_matter", "salutation", "legal_basis", "content", "content",
        "attachment", "attachment", "signature", "signature", "signature",
    ]  # fmt: skip


def test_a_table_of_contents_is_told_apart_and_counts_no_chapters() -> None:
    lines = [
        "数据条例",
        "目　录",
        "第一章　总则",
        "第二章　共享",
        "第一章　总则",
        "第一条　部门应当共享。",
        "第二章　共享",
        "第二条　推动开放。",
    ]
    units = cut(lines)
    assert [u.kind for u in units][:4] == ["title", "toc", "toc", "toc"]
    assert [u.id for u in units][-1] == "03-2-2-1"


def test_short_cells_of_a_table_are_no_instruments_and_long_ones_are_sentences() -> None:
    units = cut(
        ["数据工作方案", "一、任务", "序号\t任务\t单位", "1\t建设统一的数据共享平台。推动开放应用工作。\t市大数据局"]
    )
    assert [u.kind for u in units if "\t" not in u.text][2:] == [
        "table",
        "table",
        "table",
        "table",
        "content",
        "content",
        "table",
    ]


def test_a_glossary_holds_definitions_until_its_article_ends() -> None:
    units = cut(
        [
            "数据条例",
            "第一条　部门应当共享。",
            "第二条　本条例下列用语的含义：",
            "（一）数据，信息的记录；",
            "第三条　推动开放。",
        ]
    )
    assert [u.kind for u in units] == ["title", "content", "definition", "definition", "content"]


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("为了规范数据处理活动，根据《数据安全法》，制定本办法。", "legal_basis"),
        ("为贯彻落实国务院部署，现提出以下意见。", "legal_basis"),
        ("本法所称数据，是指任何以电子或者其他方式对信息的记录。", "definition"),
        ("本办法自2023年1月1日起施行。", "formal"),
        ("本办法由省大数据局负责解释。", "formal"),
        ("特此通知。", "formal"),
        ("（责任单位：市发展改革委、市财政局）", "formal"),
        ("根据需要制定数据目录。", "content"),
        ("鼓励企业根据《办法》开展数据交易。", "content"),
        ("制定本市数据标准，推动开放。", "content"),
        ("近年来，我市加快建设数据中心。", "background"),
    ],
)
def test_the_form_decides_and_only_the_form(sentence: str, kind: str) -> None:
    assert sentence_kind(sentence) == kind


def test_background_looks_back_or_stands_below_its_heading() -> None:
    sentence = "近年来，我市数字经济取得积极成效。"
    assert sentence_kind(sentence) == "background"
    assert sentence_kind("当前要加快建设数据中心。") == "content"
    assert sentence_kind("产业规模居全国第一。", "background") == "background"
    assert sentence_kind("各部门应当推动共享。", "background") == "content"
