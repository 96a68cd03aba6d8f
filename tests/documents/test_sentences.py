"""The laws of cutting sentences and of the numbering of documents."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.documents.structure.marks import Level, chinese_numeral, find_marker, parse_numeral
from policy_bert.text import split_sentences

TEXTS = st.text(alphabet='国数据。！？；：，“”‘’（）《》"()\n\t 　A1.;!?第一条、', max_size=80)


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


@settings(deadline=None)
@given(TEXTS | st.text(max_size=60))
def test_sentences_hold_every_character_that_is_not_white_space_in_order(text: str) -> None:
    spans = split_sentences(text)
    assert "".join("".join(cut(text)).split()) == "".join(text.split())
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert all(text[s.start : s.end] == text[s.start : s.end].strip() != "" for s in spans)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("加快建设。推动共享！", ["加快建设。", "推动共享！"]),
        ("坚持“稳中求进。先立后破。”的总基调。落实。", ["坚持“稳中求进。先立后破。”的总基调。", "落实。"]),
        ("他说：“要改革。”各地落实。", ["他说：“要改革。”", "各地落实。"]),
        ("推进（试点；示范。）建设。完成。", ["推进（试点；示范。）建设。", "完成。"]),
        ("发展“互联网+产业。推动共享。\n加快。", ["发展“互联网+产业。", "推动共享。", "加快。"]),
        (
            '推动“最多跑一次"改革，优化设置。实施“一网通办"建设。',
            ['推动“最多跑一次"改革，优化设置。', '实施“一网通办"建设。'],
        ),
        ('推动"一网通办”平台建设。深化改革。', ['推动"一网通办”平台建设。', "深化改革。"]),
        ("发展“互联网+产业。建设“数字政府”。", ["发展“互联网+产业。", "建设“数字政府”。"]),
        ("深化“放管服“改革。推进“双创”。", ["深化“放管服“改革。", "推进“双创”。"]),
        ("右引号”多余。下一句。", ["右引号”多余。", "下一句。"]),
        ('建设"数字政府；一网通办"平台；推广。', ['建设"数字政府；一网通办"平台；', "推广。"]),
        ("投入3.5亿元。见GB/T 1.1;2.2版。", ["投入3.5亿元。", "见GB/T 1.1;2.2版。"]),
        ("真的吗？！好。", ["真的吗？！", "好。"]),
    ],
)
def test_sentences_end_outside_complete_pairs_only(text: str, sentences: list[str]) -> None:
    assert cut(text) == sentences


def test_a_list_after_a_colon_is_cut_only_where_every_item_is_long() -> None:
    assert len(cut("支持：云；网；端。推进。")) == 2
    assert cut("重点是：建设全国一体化数据中心；完善数据共享交换体系；培育数据要素市场主体。") == [
        "重点是：建设全国一体化数据中心；",
        "完善数据共享交换体系；",
        "培育数据要素市场主体。",
    ]


def test_a_hundred_thousand_open_marks_swallow_nothing() -> None:
    assert cut("“（" * 50_000 + "推动共享。加快开放。")[-1] == "加快开放。"


@pytest.mark.parametrize(
    ("line", "level", "number"),
    [
        ("第十二条　国家鼓励", Level.ARTICLE, 12),
        ("第十三条在口岸开放范围内", Level.ARTICLE, 13),
        ("第 一百零五 条 本市", Level.ARTICLE, 105),
        ("第１２条 本市", Level.ARTICLE, 12),
        ("第十条及时公开", Level.ARTICLE, 10),
        ("第三章　数据资源", Level.CHAPTER, 3),
        ("第二节 共享", Level.SECTION, 2),
        ("第一部分　总论", Level.PART, 1),
        ("三、重点任务", Level.FIRST, 3),
        ("（十一）严厉打击", Level.SECOND, 11),
        ("(二)总体架构", Level.SECOND, 2),
        ("㈡总体架构", Level.SECOND, 2),
        ("1.建设平台", Level.THIRD, 1),
        ("１．建设平台", Level.THIRD, 1),
        ("（3）建设平台", Level.FOURTH, 3),
        ("⑶建设平台", Level.FOURTH, 3),
        ("②建设平台", Level.FIFTH, 2),
        ("2.1安全风险方面", Level.FOURTH, 1),
    ],
)
def test_numbering_is_read_in_all_its_widths(line: str, level: Level, number: int) -> None:
    marker = find_marker(line)
    assert marker is not None
    assert (marker.level, marker.number) == (level, number)


def test_an_inserted_article_keeps_its_number() -> None:
    marker = find_marker("第十二条之一　网络运营者")
    assert marker is not None
    assert (marker.number, marker.insertion, marker.length) == (12, 1, 7)


@pytest.mark.parametrize(
    "line",
    [
        "第十二条规定的情形",
        "第三条第二款",
        "第五条、第六条",
        "第二条和第三条",
        "2021年",
        "2.1亿元",
        "3.5倍",
        "一网通办",
        "数据",
    ],
)
def test_references_and_numbers_in_the_text_are_no_numbering(line: str) -> None:
    assert find_marker(line) is None


@settings(deadline=None)
@given(st.integers(0, 9999))
def test_a_numeral_written_is_read_back(number: int) -> None:
    assert parse_numeral(chinese_numeral(number)) == number
    assert parse_numeral(str(number)) == number


def test_what_is_no_numeral_is_refused() -> None:
    for text in ("", "甲", "一甲"):
        with pytest.raises(ValueError, match="no number"):
            parse_numeral(text)
    with pytest.raises(ValueError, match="9999"):
        chinese_numeral(10_000)
