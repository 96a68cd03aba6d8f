"""The course of a text that tells before it plans: work reports, replies to proposals, questions and answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from policy_bert.documents.model import UnitKind
from policy_bert.documents.structure.background import begins_with_act, section_kind
from policy_bert.documents.structure.marks import find_marker, parse_numeral
from policy_bert.documents.titles import title_lines

Genre = Literal["report", "reply", "interview", "account"]

_GENRES: tuple[tuple[Genre, re.Pattern[str]], ...] = (
    (
        "interview",
        re.compile(r"(?:答记者问|解读|问答)(?:[（(].{1,20}[）)])?$|^(?:政策)?解读|^一图读懂"),
    ),
    (
        "report",
        re.compile(
            r"工作(?:报告|总结)(?:[（(].{1,20}[）)])?$|执行情况(?:和|与|及).{0,60}(?:草案|计划).{0,12}报告"
            r"|^(?:.{2,12}：)?(?:现在|下面)?，?我?.{0,6}代表(?!.{0,10}中央委员会).{2,20}[，,]?(?:向.{0,12})?作?.{0,6}(?:报告|汇报)"
        ),
    ),
    (
        "reply",
        re.compile(
            r"(?:提案|建议|议案|来信|来函).{0,40}(?:答复|复函|回复)(?:意见|函)?(?:[（(].{1,20}[）)])?$|的答复(?:[（(].{1,20}[）)])?$"
            r"|收悉.{0,30}(?:答复|函复|回复)|(?:提案|建议).{0,40}收悉"
        ),
    ),
)
# How the body of a report begins where its head is lost: with the year that it reports.
_REVIEWS = re.compile(r"^(?:刚刚)?过去的?(?:一年|五年|20\d\d年)|^20\d\d年[，,]?是[^。]{4,60}(?:之年|一年)")
_TARGETS = re.compile(r"总体要求|预期目标|主要目标")
_QUESTION = re.compile(r"^(?:记者|问题?|Q)\s*\d{0,2}\s*[：:、.]|^问[：:]?\S|[？?]$")
_ASKED_OF_BACKGROUND = re.compile(
    r"背景|意义|考虑|总体思路|过程|原则|亮点|特点|定位|适用范围|什么是|区别|关系|为什么|为何|目的|依据|理解|成效|进展|现状|基础|情况如何"
)
_FIVE_YEARS = r"“?十(?P<plan>[一二三四五六七])五”?(?:时期|期间|规划|计划)"
_FUTURE = r"下一?步|今后|接下来|下一?阶段|未来[一二三四五几]年|新的一年"
_PLAN_NAME = re.compile(
    rf"^(?:对|关于|(?:扎实|努力)?做好)?(?:(?:今|明|(?P<year>20\d\d))年|{_FIVE_YEARS}|{_FUTURE}|本届|后\S年)\S{{0,24}}(?:工作|任务|安排|目标|要求|重点|思路|举措|打算|部署|计划|建议|发展|措施|建设)"
    r"|^(?:总体|基本)(?:要求|思路)|^主要(?:预期)?目标|^(?:重点|主要)(?:工作|任务)|^(?:工作|有关)?(?:安排|打算|计划|建议|措施)|^进一步"
    r"|^(?:实现|推动|加快|全面|坚持|努力|扎实|聚焦|奋力|切实)\S{2,30}(?:今|明|(?P<later>20\d\d))年"
)
_PLAN_OPENING = re.compile(
    rf"^(?:各位代表[！，：])?(?:(?:(?:今|新的一|(?P<year>20\d\d))年|{_FIVE_YEARS}|今后五年)[，,]?(?:是|也是|我们(?:要|将)|要|将|政府工作|经济社会发展|全[省市县国区](?:经济|上下要)))"
    rf"|[，在]?今后\S{{1,5}}年[，内]|^(?:各位代表[！，：])?(?:{_FUTURE})[，,]?(?:我们|我[局委市厅办部省会区县]|将|要|全[省市县])"
    r"|(?:经济社会发展|政府工作|全年)的?(?:主要|总体)?(?:预期)?(?:目标|要求)[^，。\s]{0,3}[是为：]|(?:做好|关于)(?:今|(?P<now>20\d\d))年(?:的)?\S{0,8}(?:工作|安排)|(?:今|(?P<this>20\d\d))年\S{0,12}(?:总体要求|主要目标|预期目标|目标任务|工作思路|重点工作|总体思路)\S{0,6}[是：]"
)
_INTENDS = re.compile(
    r"^(?:[一二三四五六七八九十]是|第[一二三四五六七八九]，)?(?:要|必须|我们(?:要|将|必须)|继续|下一步|今后)|[，；]要|必须(?!的)|应当|不[得能]"
    r"|(?<![即必])将(?:继续|进一步|着力|会同|积极|加大|加强|加快|按照|统筹|大力|坚持|全力|努力|重点|不断|组织|持续|以|在|结合|推动|认真|抓)|拟(?:研究|制定|出台|采取|在|于|对)|力争|底前|[到至]20\d\d年"
)
_CLOSES = re.compile(r"让我们(?:更加)?紧密|(?:奋斗|努力|前进|贡献|篇章)[！!]$")
_FOOTNOTE = re.compile(
    r"^(?:[［\[〔【]\d{1,3}[］\]〕】]|注?\d{1,3}[.．、](?=[^。]{2,20}[：:])|附[件录]?[：:]?\s*(?:名词|有关))"
)
_PAST_TENSE = re.compile(
    r"[\u4e00-\u9fff]了|已[经于在成建形完]?|累计|达到?\d|目前|取得|近年来|去年|以来|20\d\d年[^，。]{0,6}(?:月|，)|增长|荣获|先后|共(?:有|计|组织)"
)
# What a text that orders does in most of its sentences, and what one that only tells (news, research, statistics) does.
_ACTS = re.compile(
    r"应当|应该|必须|不得|严禁|可以|给予|奖励|补助|处以|负责|[，；](?:要|须|应)|(?:^|\n)[^\u4e00-\u9fff]*(?:[一二三四五六七八九十]+(?:是|[）)、])\s*)?(?:要|应|须|禁止|请|进一步|积极|大力|充分|全面|继续|切实"
    r"|各|组织|围绕|探索|坚持|发展|建设|对|依托|统筹|促进|鼓励|支持|加[快强大]|推[动进]|建立|健全|完善|实施|开展|提[升高]|强化|深化|优化|落实|规范|严格|明确|制定)"
)
_TELLS = re.compile(
    r"表示|指出|介绍|认为|记者|通讯员|出席|致辞|[\u4e00-\u9fff]了(?!解)|去年|今年|同比|显示|截至|目前|[是为][^。]{2,30}的|\d日[，,]|\d年[，,]|分别[为是]"
)
_ORDERED = re.compile(r"第[一二三四五六七八九十]+条|^各[^。]{2,60}[：:]$|特此|印发给你们|通知如下", re.MULTILINE)
# In the plans of a report: what a thing is, the standing of the country in the world.
_CLAIMS = re.compile(
    r"^(?!.{0,30}(?:目标|任务|重点|要求|指标))(?!.*(?:应当|应该|必须|不得|需要|[，；要须]要|将|力争))[^，。]{2,30}，?(?:是|[既就也正]是)[^：]*。$"
    r"|霸权|祖国(?:和平)?统一|两岸|台湾|和平共处|和平外交|世界和平|强权|这些[^，。]{0,6}(?:问题|困难|不足)"
)
_YEAR = re.compile(r"(?<!\d)((?:19|20)\d\d)年")
# Headings that begin the telling anew; others that look like it may name an aim: 高质量发展取得显著成效.
_TURNS_BACK = re.compile(r"回顾|总结|过去|情况|国际|外交|统一|问题|[近\d一二三四五]年来")
_RUN = 4


class Course:
    """Whether the text, as it is followed sentence by sentence, still tells of what has been or has come to its plans.

    Reports and replies begin with what was done; a heading or an opening that names what is to come (今年总体要求,
    下一步, a year after the one reported) ends it, a heading that looks back begins it again. In questions and answers
    each question decides. Other texts have no course.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        self.genre = _genre(lines)
        self.tells = self.genre is not None
        # A reply that never says what is to come answers with its measures: only what is plainly past is told apart.
        self.plainly = self.genre == "reply" and not any(
            _PLAN_OPENING.search(line[:200]) or (len(line) < 40 and _PLAN_NAME.search(_unnumbered(line)))
            for line in lines
        )
        self.reported_year = 0
        self._intending = 0
        self._closed = False
        if self.genre == "report":
            titled = _YEAR.findall(next((line for line in lines[:3] if "报告" in line and len(line) < 60), ""))
            opening = _YEAR.findall("".join(line[:200] for line in lines[:6]))
            told = Counter(_YEAR.findall("\n".join(lines[: len(lines) // 3]))).most_common(1)
            self.reported_year = (
                int(titled[0]) - 1 if titled else max(map(int, [*opening[:1], *(year for year, _ in told)]), default=0)
            )

    def head(self, heading: str, numbered: bool = False) -> None:
        """Take note of a heading, given without its numbering; only a numbered one goes on after the closing words."""
        self._closed = self._closed and not numbered
        if self.genre in (None, "account"):
            return
        if self.genre == "interview":
            if is_question(heading):
                self.tells = _ASKED_OF_BACKGROUND.search(heading) is not None
            else:
                self.tells = self.tells and section_kind(heading) is not None
        elif section_kind(heading) == "background" and (
            "回顾" in heading or not self._is_ahead(_PLAN_NAME.search(heading))
        ):
            self.tells, self._intending = self.tells or _TURNS_BACK.search(heading) is not None, 0
        elif heading.endswith(("：", ":")) or (heading.startswith("进一步") and self.genre == "report"):
            return
        else:
            self.tells = self.tells and not self._is_ahead(_PLAN_NAME.search(heading))

    def kind(self, sentence: str, section: UnitKind | None = None) -> UnitKind | None:
        """`background` for a sentence of the telling part; None where the sentence itself must decide.

        `section` is what the headings above it say.
        """
        if self.genre is None:
            return None
        if self.genre == "interview":
            if is_question(sentence):
                self.head(sentence)
                return "heading"
            return "background" if self.tells and not _INTENDS.search(sentence[:400]) else None
        if self.genre == "account":
            return None if _INTENDS.search(sentence[:400]) else "background"
        if self._closed or _FOOTNOTE.match(sentence):
            return "definition"
        if self.genre == "report" and _CLOSES.search(sentence[-200:]):
            self._closed = not self.tells
            return "background"
        if not self.tells:
            claims = self.genre == "report" and _CLAIMS.search(sentence[:400]) and not begins_with_act(sentence[:20])
            return "background" if claims else None
        if "。" not in sentence and len(sentence) < 40:
            self.head(sentence)
            return "background" if self.tells else None
        if self._is_ahead(_PLAN_OPENING.search(sentence[:200])):
            self.tells = False
            return None
        if not _INTENDS.search(sentence[:400]):
            self._intending = 0
            # A reply may list its measures before it looks ahead: where no heading says that it looks back, tense must.
            acts = (
                self.genre == "reply" and section != "background" and (self.plainly or begins_with_act(sentence[:20]))
            )
            return None if acts and not _PAST_TENSE.search(sentence[:400]) else "background"
        if self.plainly:
            return None
        self._intending += 1
        if self._intending >= _RUN:
            self.tells = False
        return None

    def _is_ahead(self, match: re.Match[str] | None) -> bool:
        """Whether what names a time names one after the year that is reported, or none."""
        if match is None:
            return False
        found = {name: text for name, text in match.groupdict().items() if text}
        if plan := found.pop("plan", None):
            # The last year of a five-year plan: 2020 for the thirteenth.
            return 1955 + 5 * (10 + parse_numeral(plan)) > self.reported_year
        return not found or int(found.popitem()[1]) > self.reported_year


def _unnumbered(line: str) -> str:
    marker = find_marker(line)
    return line[marker.length :] if marker else line


def is_question(text: str) -> bool:
    """Whether a line or sentence is a question put to whom an interview is with."""
    return len(text) < 200 and _QUESTION.search(_unnumbered(text).strip()) is not None


def _genre(lines: Sequence[str]) -> Genre | None:
    for line in lines[:6]:
        for genre, pattern in _GENRES:
            if pattern.search(line.strip() if len(line) < 200 else line[:80]):
                return genre
    reviews = any(_REVIEWS.match(line.removeprefix("各位代表：")) for line in lines[:3])
    if (reviews and any(_TARGETS.search(line[:60]) for line in lines)) or (
        sum(line.startswith("各位代表") for line in lines) >= 2
    ):
        return "report"
    if sum(is_question(line) for line in lines[:80] if len(line) < 100) >= 3:
        return "interview"
    return "account" if _only_tells(lines) else None


def _only_tells(lines: Sequence[str]) -> bool:
    """Whether a text without an order's title, addressee or articles tells in more of its sentences than it orders."""
    title = "".join(lines[index] for index in title_lines(lines))
    if (title and not title.strip().endswith("报告")) or _ORDERED.search("\n".join(line[:400] for line in lines)):
        return False
    sentences = [s for line in lines for s in re.split(r"[。；！？\t]", line) if len(s) >= 10]
    acts = sum(_ACTS.search(s[:200]) is not None for s in sentences)
    tells = sum(_TELLS.search(s[:200]) is not None for s in sentences)
    few = acts < 0.2 * len(sentences) and tells > 0.05 * len(sentences)
    return len(sentences) >= 5 and acts <= tells and (few or 1.5 * acts < tells)
