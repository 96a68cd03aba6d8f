"""The laws of what uses no instrument: sections hand down what they are, forms decide, a text has a course."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from policy_bert.documents import Document, cut_units
from policy_bert.documents.metadata import read_head
from policy_bert.documents.structure.background import section_kind, sentence_kind


def cut(*lines: str) -> dict[str, str]:
    """Text of each unit to its kind."""
    return {unit.text: unit.kind for unit in cut_units(Document("01", Path("a.txt"), "\n".join(lines)))}


def kinds(*lines: str) -> list[str]:
    return list(cut(*lines).values())


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("2023年工作回顾", "background"),
        ("过去五年的主要工作", "background"),
        ("“十三五”时期取得的成就", "background"),
        ("发展基础", "background"),
        ("现状与面临的形势", "background"),
        ("存在的主要问题", "background"),
        ("重要意义", "background"),
        ("有关工作开展情况", "background"),
        ("城市节水和污水再生利用情况", "background"),
        ("出台背景", "background"),
        ("指导思想", "principle"),
        ("基本原则", "principle"),
        ("名词解释", "definition"),
        ("申报材料", "formal"),
        ("联系方式", "formal"),
        ("主要目标", "content"),
        ("申报条件", "content"),
        ("优化营商环境", None),
        ("公开财政资金使用情况", None),
        ("着力解决突出问题", None),
        ("巩固脱贫攻坚成果", None),
        ("加快建设数字政府", None),
    ],
)
def test_a_heading_says_what_stands_below_it(heading: str, kind: str | None) -> None:
    assert section_kind(heading) == kind


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("各位代表！", "background"),
        ("让我们更加紧密地团结起来，为建设现代化强省而奋斗！", "background"),
        ("向全市人民和各界人士表示衷心的感谢！", "background"),
        ("今年是“十四五”规划的攻坚之年。", "background"),
        ("近年来，全省数据中心规模快速增长，算力水平显著提升。", "background"),
        ("数据是数字经济发展的关键要素，也是国家基础性战略资源。", "background"),
        ("标准体系和基础设施仍然滞后，专业人才缺失。", "background"),
        ("以习近平新时代中国特色社会主义思想为指导，全面贯彻党的二十大精神。", "principle"),
        ("各部门要高度重视，提高政治站位。", "principle"),
        ("安全标准主要包括功能安全和信息安全两个部分。", "definition"),
        ("本条例自2023年1月1日起施行。", "formal"),
        ("法律、行政法规另有规定的，从其规定。", "formal"),
        ("《某省数据条例》已经审议通过，现予公布，自2022年1月1日起施行。", "formal"),
        ("现将《数据管理办法》印发给你们，请认真贯彻执行。", "formal"),
        ("牵头单位：市发展改革委；责任单位：市财政局", "formal"),
        ("完成时限：2024年12月底前", "formal"),
        ("联系人：王某，电话：010-12345678", "formal"),
        ("申报书用A4纸双面打印，一式三份，加盖公章。", "formal"),
        ("请各地于9月20日前将汇总表报送我厅。", "formal"),
        ("感谢您对我市数字经济工作的关心！", "formal"),
        ("发布日期：2021年3月1日", "formal"),
        ("https://www.example.com/a/1.html", "fragment"),
        ("组长：王某省长", "fragment"),
        ("李某某省自然资源厅厅长", "fragment"),
        ("市发展改革委、市财政局、市大数据管理局", "fragment"),
        ("共享率=已满足的需求数÷全部需求数×100%", "fragment"),
        ("二〇二三年四月五日", "fragment"),
        ("GB/T 15969.1 可编程序控制器 第1部分：通用信息", "fragment"),
        ("支持企业弥补数字化能力不足，完善服务平台。", "content"),
        ("鼓励企业根据《办法》开展数据交易。", "content"),
        ("各部门应当高度重视数据安全，建立责任制度。", "content"),
        ("转制前住房补贴尚未解决的，由财政部门一次性拨付解决。", "content"),
        ("现代物流园区向企业配送数据服务。", "content"),
        ("收费标准不高于承担风险责任的0.5%。", "content"),
        ("到2025年，建成10个数据中心，算力水平显著提升。", "content"),
    ],
)
def test_a_sentence_tells_by_its_form(sentence: str, kind: str) -> None:
    assert sentence_kind(sentence) == kind


@pytest.mark.parametrize("sentence", ["场内飞行让场外飞行；", "政务数据包括下列内容。", "不得提供尚未公开的数据。"])
def test_norms_of_articles_are_never_narrative(sentence: str) -> None:
    assert sentence_kind(sentence, articles=True) == "content"


REPORT = (
    "某市2024年政府工作报告",
    "各位代表：",
    "现在，我代表市人民政府向大会报告工作，请予审议。",
    "{review}",
    "过去一年，我们迎难而上，主要做了以下工作：",
    "（一）加快建设产业园区",
    "推动数据共享，政务事项网办率达98%。",
    "（二）持续改善民生",
    "新建学校12所，提升就业服务水平。",
    "{plan}",
    "今年经济社会发展的主要预期目标是：地区生产总值增长6%左右。",
    "（一）扩大有效投资",
    "推动公共数据开放共享，完善一网通办平台。",
    "各位代表！让我们更加紧密地团结起来，为建设现代化新城而努力奋斗！",
    "［1］一网通办：",
    "统一受理、集中办理的政务服务方式。",
)


@pytest.mark.parametrize(
    ("review", "plan"),
    [
        ("一、2023年工作回顾", "二、2024年工作安排"),
        ("一、过去一年工作", "二、今年总体要求和重点任务"),
        ("2023年工作回顾", "2024年工作安排"),
        ("这一年，全市经济稳中有进。", "2024年是实施“十四五”规划的关键一年。"),
    ],
)
def test_a_report_tells_first_and_then_plans_whatever_its_headings(review: str, plan: str) -> None:
    found = cut(*(line.format(review=review, plan=plan) for line in REPORT))
    assert found["推动数据共享，政务事项网办率达98%。"] == "background"
    assert found["新建学校12所，提升就业服务水平。"] == "background"
    assert found["推动公共数据开放共享，完善一网通办平台。"] == "content"
    assert found["今年经济社会发展的主要预期目标是：地区生产总值增长6%左右。"] == "content"
    assert found["统一受理、集中办理的政务服务方式。"] == "definition"


def test_a_five_year_plan_is_review_or_plan_by_the_year_reported() -> None:
    def kind(title: str, sentence: str) -> str:
        told = "过去一年，经济稳中有进。改革成效明显。民生持续改善。"
        return cut(title, "各位代表！", told, f"“十三五”时期是全面建成小康社会的决胜阶段。{sentence}")[sentence]

    assert kind("2016年国务院政府工作报告", "推动大数据广泛应用。") == "content"
    assert kind("2021年某省政府工作报告", "推动大数据广泛应用。") == "background"


def test_a_reply_reports_and_then_promises() -> None:
    found = cut(
        "某市大数据局关于市政协第0123号提案的答复",
        "张某某委员：",
        "您提出的《关于加快数据要素市场建设的建议》收悉，现答复如下：",
        "一、工作开展情况",
        "我市高度重视数据要素市场建设，出台若干政策，组建数据集团。",
        "推动建设数据交易中心，交易额全省领先。",
        "二、下一步打算",
        "下一步，我局将完善数据交易规则。培育数据服务商。",
        "感谢您对数据工作的关心和支持！",
    )
    assert found["推动建设数据交易中心，交易额全省领先。"] == "background"
    assert found["下一步，我局将完善数据交易规则。"] == "content"
    assert found["培育数据服务商。"] == "content"
    assert found["感谢您对数据工作的关心和支持！"] == "formal"


def test_a_reply_that_never_looks_ahead_answers_with_its_measures() -> None:
    found = cut(
        "您提出的关于产业创新的建议收悉，现答复如下：",
        "一、实施招大引强工程",
        "引进上游制造商，建立产业信息库。",
        "去年出台了扶持办法，累计拨付资金300万元。",
    )
    assert found["引进上游制造商，建立产业信息库。"] == "content"
    assert found["去年出台了扶持办法，累计拨付资金300万元。"] == "background"


def test_each_question_of_an_interview_decides_on_its_answer() -> None:
    found = cut(
        "《数据安全办法》答记者问",
        "近日，有关部门公布了《数据安全办法》。",
        "问：请介绍《办法》的出台背景。",
        "数据流动需要统一规则，各方反映强烈。",
        "问：《办法》对企业提出了哪些要求？",
        "企业应当建立数据安全责任制度。",
    )
    assert list(found.values()) == ["title", "background", "heading", "background", "heading", "content"]


def test_a_topic_above_its_own_text_is_a_heading_and_the_same_words_alone_a_measure() -> None:
    found = cut(
        "某市数字经济发展规划",
        "一、重点任务",
        "培育数据要素市场。建设数据交易所，完善确权登记制度。",
        "二是强化人才支撑。引进高层次人才，建设实训基地。",
        "推动公共数据开放。",
    )
    assert found["培育数据要素市场。"] == "heading"
    assert found["二是强化人才支撑。"] == "heading"
    assert found["建设数据交易所，完善确权登记制度。"] == "content"
    assert found["推动公共数据开放。"] == "content"


def test_a_topic_line_above_its_paragraph_is_a_heading() -> None:
    text = "建设覆盖全省的一体化算力网络，完善调度机制，推动各类算力资源接入统一平台并向中小企业开放。"
    found = cut("某省算力规划", "一、任务", "提升算力供给水平。", text, "强化算力安全保障。", text + "加强监测。")
    assert found["提升算力供给水平。"] == found["强化算力安全保障。"] == "heading"
    assert found[text] == "content"


def test_notes_of_responsibility_are_parted_from_what_goes_on_after_them() -> None:
    found = cut(
        "某省实施方案",
        "一、重点任务",
        "（责任单位：省数字办、省财政厅）4.培育场内数据交易。建设交易平台，完善交易规则。",
        "推动数据开放共享。（牵头单位：省大数据局）",
    )
    assert found["（责任单位：省数字办、省财政厅）"] == "formal"
    assert found["4.培育场内数据交易。"] == "heading"
    assert found["推动数据开放共享。"] == "content"
    assert found["（牵头单位：省大数据局）"] == "formal"


def test_cells_are_judged_by_the_head_of_their_column() -> None:
    rows = [
        "序号\t工作任务\t责任单位\t完成时限\t指标来源",
        "1\t建设统一的政务云平台，推动系统迁移\t市大数据发展管理局会同市财政局\t2025年底前完成全部工作\t国家统计局年度统计调查报告",
        "指标名称\t计算方法\t指导部门",
        "政务数据资源共享满足率\t已满足的共享需求数除以全部共享需求数\t省政务服务数据管理局办公室",
    ]
    found = cut("任务分工方案", "一、分工", *rows)
    assert [text for text, kind in found.items() if kind == "content"] == ["建设统一的政务云平台，推动系统迁移"]


def test_a_heading_and_its_siblings_are_treated_alike() -> None:
    lines = ["研究制定数据标准，统一规范。", "积极推进共享。", "加强监督检查，定期通报结果。"]
    numbered = [f"{number}、{line}" for number, line in zip("一二三", lines, strict=True)]
    assert kinds("某市数据工作要点", *numbered, "各单位每季度报告进展。") == ["title", *["content"] * 4]
    below = [line for heading in numbered for line in (heading, f"{heading[2:5]}，建设平台并完善制度。")]
    assert kinds("某市数据工作要点", *below) == ["title", *["heading", "content"] * 3]


def test_an_unnumbered_heading_ranks_above_the_numbering_that_begins_anew_below_it() -> None:
    lines = ["某市数据工作方案", "第一阶段", "（一）开展调研", "摸清底数。", "第二阶段", "（一）组织实施", "推动共享。"]
    units = cut_units(Document("01", Path("a.txt"), "\n".join(lines)))
    assert units[-1].headings == ("第二阶段", "（一）组织实施")
    assert units[-3].headings == ()


@pytest.mark.parametrize("line", ["一、2023年工作", "二、“十三五”成就", "三、5G网络建设"])
def test_a_number_may_follow_the_comma_of_a_heading(line: str) -> None:
    (unit,) = [u for u in cut_units(Document("01", Path("a.txt"), f"数据规划\n{line}\n推动共享。")) if u.text == line]
    assert (unit.kind, unit.marker) == ("heading", line[:2])


@pytest.mark.parametrize(
    "tail", [["第一条　为规范管理，制定本规定。", "第二条　部门应当共享数据。"], ["一、报送清单。", "二、说明情况。"]]
)
def test_a_short_attached_text_after_the_date_is_content(tail: Sequence[str]) -> None:
    found = kinds("关于印发规定的通知", "各单位：", "请遵照执行。", "某市数据局", "2022年3月1日", *tail)
    assert found[3:5] == ["signature", "signature"]
    assert "signature" not in found[5:]
    assert found[-1] == "content"


EXPORT = (
    "【法宝引证码】 CLI.16.5113289",
    "原文链接：https://www.example.com/chl/1234.html",
    "某省人民政府办公厅关于印发《公共数据管理办法》的通知",
    "某省人民政府办公厅关于印发〈公共数据管理办法〉的通知",
    "(某政办发〔2023〕12号)",
    "省有关单位：",
)


def test_an_export_is_all_head_until_its_text_begins() -> None:
    found = kinds(*EXPORT, "推动公共数据开放共享。", "加强数据安全管理。")
    assert found == ["front_matter"] * 2 + ["title"] * 2 + ["front_matter", "salutation", "content", "content"]
    head = read_head("\n".join(EXPORT))
    assert (head.title, head.number, head.issuer) == (EXPORT[2], "某政办发〔2023〕12号", "某省人民政府办公厅")


def test_the_information_table_of_a_printed_page_is_metadata_even_where_it_wraps() -> None:
    lines = [
        "索 引 号：\t000014349/2021-00089\t主题分类：\t国民经济管理、国有资产监管",
        "其他",
        "发文机关：\t国务院\t成文日期：\t2021年12月12日",
        "标　　题：\t国务院关于印发数字经济发展规划的",
        "通知",
        "发文字号：\t国发〔2021〕29号\t发布日期：\t2022年01月12日",
        "推动公共数据开放共享。",
    ]
    head = read_head("\n".join(lines))
    assert (head.title, head.number, head.issuer, head.year) == (
        "国务院关于印发数字经济发展规划的通知", "国发〔2021〕29号", "国务院", 2021,
    )  # fmt: skip
    assert {unit.kind for unit in cut_units(Document("01", Path("a"), "\n".join(lines)))[:-1]} <= {
        "front_matter",
        "table",
    }


@pytest.mark.parametrize(
    "seed", ["为根据", "本办法是指", "（责任单位：", "数据，", "“", "1.", "目前", "、", "市财政局、", "\u3000", "\t"]
)
def test_eight_thousand_characters_without_an_end_mark_take_no_more_time_than_their_length(seed: str) -> None:
    def seconds(length: int) -> float:
        line = (seed * length)[:length]
        started = time.process_time()
        cut_units(Document("01", Path("a.txt"), f"标题\n{line}"))
        read_head(line)
        return time.process_time() - started

    seconds(8_000)
    assert min(seconds(32_000) for _ in range(2)) < max(10 * min(seconds(8_000) for _ in range(2)), 0.05) + 0.1
    assert seconds(8_000) < 1


def test_a_text_that_only_tells_uses_no_instrument() -> None:
    news = (
        "某交易中心举办数据流通研讨会",
        "4月22日下午，某交易中心与某研究院在某市举办了数据流通研讨会。",
        "中心负责人介绍了今年的交易情况，目前平台累计成交三亿元。",
        "参会专家表示，数据流通的标准是各方关注的问题。",
        "与会企业代表参观了展厅，并就合作交换了意见。",
        "会上，双方签署了合作备忘录。",
    )
    assert "content" not in kinds(*news)
    assert kinds("各有关单位：", *news[1:], "请各单位建立数据台账。")[-1] == "content"


def test_titles_in_a_list_are_no_measures() -> None:
    lines = (
        "某市科学技术局关于组织申报2022年度科技项目的通知",
        "某省数据条例(2019修正)",
        "某市科技局关于提案(第3号)的答复",
    )
    assert [sentence_kind(line) for line in lines] == ["fragment"] * 3
    assert sentence_kind("制定数据管理办法") == "content"


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("2025年，全面建成统一的数据平台。", "content"),
        ("本规定适用于数据处理活动。", "formal"),
        ("在本市从事数据交易，适用本条例。", "formal"),
        ("2026年是“十五五”规划的开局之年。", "background"),
        ("这是推动数据流通的基础。", "background"),
        ("任命某某某为某市数据局局长；", "fragment"),
        ("应提供统一服务，包括但不限于查询、支付等方面。", "content"),
    ],
)
def test_scope_years_and_posts_order_nothing(sentence: str, kind: str) -> None:
    assert sentence_kind(sentence) == kind
