"""The same document is known again in another format; a revision, an excerpt and a sister document are others."""

from dataclasses import replace
from pathlib import Path

import pytest

from policy_bert.documents import Document
from policy_bert.reports.duplicates import DuplicateFinder

SENTENCES = [
    f"第{i}条　支持第{i}类企业建设{i * 37 % 101}个数字化车间，对其中{i * 53 % 97}家给予奖励。" for i in range(1, 60)
]
TEXT = "\n".join(["关于促进数字经济发展的若干措施", *SENTENCES])
FIRST = Document("01", Path("a.docx"), TEXT, "题", "某政发〔2020〕3号", year=2020)


def found(second: Document, first: Document = FIRST) -> bool:
    finder = DuplicateFinder()
    assert finder.original_of(first) is None
    return finder.original_of(second) is not None


def test_other_line_ends_spaces_and_widths_are_the_same_text():
    text = TEXT.replace("\n", " ").replace("，", ",").replace("数字", "数 字")
    assert found(replace(FIRST, id="02", text=text))


@pytest.mark.parametrize("every", [8, 15])
def test_page_furniture_does_not_hide_a_copy(every):
    lines = TEXT.split("\n")
    printed = [
        x for i, line in enumerate(lines, 1) for x in ([line, f"— {i // every} —"] if i % every == 0 else [line])
    ]
    assert found(replace(FIRST, id="02", text="\n".join(["首页 > 政务公开 > 政策文件", *printed, "扫一扫在手机打开"])))


def test_a_revision_is_a_document_of_its_own():
    revised = TEXT.replace("给予奖励", "给予补助", 3).replace("关于促进", "关于进一步促进")
    assert not found(replace(FIRST, id="02", text=revised, year=2023, number="某政发〔2023〕9号"))
    assert found(replace(FIRST, id="02", text=revised, year=None, number=""))


@pytest.mark.parametrize("text", ["\n".join(SENTENCES[:20]), TEXT + "\n" + TEXT[::-1], "短", "另一份文件的全文。" * 30])
def test_excerpts_collections_and_other_texts_are_no_copies(text):
    assert not found(replace(FIRST, id="02", text=text))


def test_short_texts_are_compared_too():
    short = replace(FIRST, text="同意。")
    assert found(replace(short, id="02"), short)
    assert not found(replace(short, id="02", text="不同意。"), short)
