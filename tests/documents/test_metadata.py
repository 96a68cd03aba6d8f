"""What a document's head says, and metadata joined by file name."""

from __future__ import annotations

from pathlib import Path

import pytest

from policy_bert.documents import Document, join_metadata, load_metadata
from policy_bert.documents.metadata import Head, read_head
from policy_bert.documents.titles import find_date
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
    assert read_head(text) == Head("数据条例", "", "某市人民代表大会常务委员会", "2021-06-29", 2021)


def head(*lines: str) -> Head:
    return read_head("\n".join(lines))


def test_a_decree_names_the_text_that_it_promulgates() -> None:
    signed = ("总理　某某某", "2018年3月2日", "快递暂行条例", "第一条　为促进快递业发展，制定本条例。")
    promulgates = "现公布《快递暂行条例》，自2018年5月1日起施行。"
    expected = Head("快递暂行条例", "国令第707号", "国务院", "2018-03-02", 2018)
    assert head("中华人民共和国国务院令", "第707号", promulgates, *signed) == expected
    assert head("某某国令", "第707号", promulgates, *signed) == expected
    decree = (
        "某省人民政府令",
        "第388号",
        "现公布《数据管理办法》，自2021年3月1日起施行。",
        "省长　某某",
        "2021年2月3日",
    )
    found = head(*decree, "数据管理办法", "第一条　为规范数据，制定本办法。")
    assert found == Head("数据管理办法", "某省人民政府令第388号", "某省人民政府", "2021-02-03", 2021)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ("关于印发《数据名录》的通知", "各单位：", "请执行。", "某某部办公厅", "2020年2月3日"),
            Head("关于印发《数据名录》的通知", "", "某某部办公厅", "2020-02-03", 2020),
        ),
        (("2018年政府工作报告", "各位代表：", "现在报告工作。"), Head("2018年政府工作报告", year=2018)),
        (
            ("2020年某省政府工作报告", "各位代表：", "现在报告工作。"),
            Head("2020年某省政府工作报告", issuer="某省人民政府", year=2020),
        ),
        (
            ("某市财政局关于市政协第十三届二次会议", "第0123号提案的答复", "某委员：", "现答复如下：", "2024年5月6日"),
            Head("某市财政局关于市政协第十三届二次会议第0123号提案的答复", "", "某市财政局", "2024-05-06", 2024),
        ),
        (
            ("国务院办公厅关于加强数据", "共享工作的函", "某省人民政府：", "现函告如下。"),
            Head("国务院办公厅关于加强数据共享工作的函", issuer="国务院办公厅"),
        ),
        (
            ("某省人民政府办公厅关于全面推行", "数据公示制度", "和审核制度的指导意见", "数据公示是基础工作。"),
            Head("某省人民政府办公厅关于全面推行数据公示制度和审核制度的指导意见", issuer="某省人民政府办公厅"),
        ),
        (
            ("数据条例", "2018年3月1日浙江省第十二届人民代表大会常务委员会第五次会议通过", "第一条　为规范数据。"),
            Head("数据条例", "", "浙江省人民代表大会常务委员会", "2018-03-01", 2018),
        ),
        (
            (
                "国务院关于扩大消费的意见国发〔2017〕40号各省、自治区人民政府，国务院各部委：近年来消费增长。",
                "一、要求",
            ),
            Head("国务院关于扩大消费的意见", "国发〔2017〕40号", "国务院", "", 2017),
        ),
        (
            ("国务院关于扩大信息消费国务院关于扩大信息消费释放潜力的意见释放潜力的意见国发〔2017〕40号各省人民政府：",),
            Head("国务院关于扩大信息消费释放潜力的意见", "国发〔2017〕40号", "国务院", "", 2017),
        ),
        (
            (
                "各设区市人民政府：《某省数据改革实施方案》已经省政府同意，现印发给你们，请认真执行。",
                "某省数字办2023年9月19日",
            ),
            Head("某省数据改革实施方案", "", "某省数字办", "2023-09-19", 2023),
        ),
        (
            ("某部关于开展评估的函", "某部关于开展评估的函发文字号：", "某科函〔2020〕97号成文日期：", "2020-05-13"),
            Head("某部关于开展评估的函", "某科函〔2020〕97号", "某部", "2020-05-13", 2020),
        ),
        (
            ("某部关于数据的公告", "附件：数据技术规范某某环境部2021年4月28日某某环境部办公厅2021年4月28日印发"),
            Head("某部关于数据的公告", "", "某部", "2021-04-28", 2021),
        ),
        (
            (
                "数据监督办法",
                "《数据监督办法》已经局务会议审议通过，现予公布。",
                "某某总局局长张某某二五年四月二十五日主题词：数据",
            ),
            Head("数据监督办法", "", "某某总局", "2005-04-25", 2005),
        ),
        (
            ("某市发展改革委关于征集项目的通知", "某发改函20155149号各有关单位：请申报。"),
            Head("某市发展改革委关于征集项目的通知", "某发改函〔2015〕5149号", "某市发展改革委", "", 2015),
        ),
        (
            (
                "数据报告办法（某国银行令〔2016〕第3号）版本: 现行有效",
                "行长某某某2016年12月28日数据报告办法",
                "第一条　为了规范数据。",
            ),
            Head("数据报告办法", "某国银行令〔2016〕第3号", "某国银行", "2016-12-28", 2016),
        ),
        (
            ("数据安全办法（征求意见稿）为规范数据活动，某办起草了办法。", "2018年11月30日到2024年，平台成交增长。"),
            Head("数据安全办法（征求意见稿）"),
        ),
        (("现在，我代表某某市人民政府向大会报告工作。", "过去一年，成绩显著。"), Head(issuer="某某市人民政府")),
    ],
)
def test_heads_of_real_files_are_taken_apart(lines: tuple[str, ...], expected: Head) -> None:
    assert head(*lines) == expected


def test_a_number_that_is_only_quoted_is_not_the_documents() -> None:
    line = (
        "根据《国务院关于数据的意见》（国发〔2020〕5号）和工作实际，现就有关事项通知如下，请各地结合实际认真贯彻落实。"
    )
    assert head("某部关于数据工作的通知", line).number == ""


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
        (b"file,year,year\n", "two columns are named"),
        (b"", "found an empty file"),
        (b"PK\x03\x04 no workbook", "found a zip archive"),
        (bytes(range(256)) * 20, "expected text in"),
    ],
)
def test_a_table_that_cannot_be_joined_is_a_one_line_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_metadata(tmp_path / "m.csv")


def test_an_absent_table_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load_metadata(tmp_path / "absent.csv")
