"""What a document's head says, and metadata joined by file name."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_bert.documents import Document, join_metadata, load_metadata
from policy_bert.documents.metadata import Head, find_date, read_head
from policy_bert.errors import DataError

NOTICE = """某省人民政府办公厅关于印发
某省数据共享管理办法的通知
某政办发[2022]03号
各市、县人民政府：
现将办法印发给你们，请认真执行。
某省人民政府办公厅
2022年3月1日"""


def test_a_notice_names_its_title_number_issuer_and_date() -> None:
    title = "某省人民政府办公厅关于印发某省数据共享管理办法的通知"
    assert read_head(NOTICE) == Head(title, "某政办发〔2022〕3号", "某省人民政府办公厅", "2022-03-01", 2022)


def test_a_law_names_its_assembly_and_the_date_of_adoption() -> None:
    text = (
        "数据条例\n（2021年6月29日某市第七届人民代表大会常务委员会第二次会议通过）\n第一条　为了规范数据，制定本条例。"
    )
    assert read_head(text) == Head("数据条例", "", "人民代表大会常务委员会", "2021-06-29", 2021)


def test_nothing_is_guessed_where_the_form_is_unusual() -> None:
    assert read_head("推动数据共享。\n加快开放。") == Head()


def test_a_page_says_what_its_text_does_not() -> None:
    head = read_head("推动数据共享。", {"ArticleTitle": "省政府关于数据的意见", "PubDate": "2022-01-12"})
    assert (head.title, head.issuer, head.date, head.year) == ("省政府关于数据的意见", "省政府", "2022-01-12", 2022)


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("二〇二一年十二月十二日", "2021-12-12"),
        ("2021年 6月 10日", "2021-06-10"),
        ("2021-2-30", ""),
        ("2021年", ""),
        ("二○一九年五月卅一日", "2019-05-31"),
    ],
)
def test_dates_are_read_in_both_kinds_of_digits(text: str, date: str) -> None:
    assert find_date(text) == date


def documents(*names: str) -> list[Document]:
    return [Document(f"{i:02d}", Path("docs") / name, "文", title="旧题") for i, name in enumerate(names, 1)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
def test_rows_are_joined_by_file_name_and_the_rest_is_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "metadata.csv"
    path.write_bytes(
        "文件名,标题,年份,地区\n办法.docx,新题,2020年,上海\nＢ 二,,,北京\n没有.pdf,,,\n\n".encode(encoding)
    )
    table = load_metadata(path)
    joined = list(join_metadata(documents("办法.docx", "b 二.PDF", "c.txt"), table))
    assert (joined[0].title, joined[0].year, joined[0].metadata["地区"]) == ("新题", 2020, "上海")
    assert (joined[1].title, joined[1].metadata["地区"]) == ("旧题", "北京")
    assert joined[2].metadata == {}
    assert table.unmatched() == ["row 4: 没有.pdf"]
    assert table.columns == ("标题", "年份", "地区")


def test_a_workbook_of_metadata_is_read_with_its_numbers_and_dates(tmp_path: Path) -> None:
    import datetime

    import openpyxl

    workbook = openpyxl.Workbook()
    for row in (["file", "date", "level"], ["sub/a.txt", datetime.datetime(2021, 5, 6), 2.0]):
        workbook.active.append(row)
    workbook.save(tmp_path / "m.xlsx")
    (joined,) = join_metadata(documents("sub/a.txt"), load_metadata(tmp_path / "m.xlsx"))
    assert (joined.date, joined.year, joined.metadata["level"]) == ("2021-05-06", 2021, "2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,year\na,1\n", "expected a column"),
        (b"file,year\na.txt,1\nA.txt,2\n", "rows 2 and 3 both"),
        (b"file,year,year\n", "occurs twice"),
        (b"", "found nothing"),
        (b"PK\x03\x04 no workbook", "not a readable xlsx"),
        (bytes(range(256)) * 20, "expected a CSV"),
    ],
)
def test_a_table_that_cannot_be_joined_is_a_one_line_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_metadata(tmp_path / "m.csv")


def test_an_absent_table_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read"):
        load_metadata(tmp_path / "absent.csv")
