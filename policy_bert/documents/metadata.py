"""What a document's head and foot say about it: title, 发文字号, issuing body, date."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_bert.documents.structure.marks import find_marker
from policy_bert.documents.structure.numerals import NUMERAL, parse_numeral

_HEAD_LINES = 15
_FOOT_LINES = 12
NUMBER = re.compile(
    r"([\u4e00-\u9fff]{2,16})\s*[〔\[［【（(﹝]\s*((?:19|20)\d{2})\s*[〕\]］】）)﹞]\s*(?:第\s*)?(\d{1,5})\s*号"
)
_DATE = re.compile(
    rf"(?<!\d)((?:19|20)\d{{2}})\s*[年./-]\s*(\d{{1,2}})\s*[月./-]\s*(\d{{1,2}})\s*(?:日|(?!\d))"
    rf"|([一二][{NUMERAL}]{{3}})\s*年\s*([一二三四五六七八九十]{{1,3}})\s*月\s*([一二三四五六七八九十廿卅]{{1,4}})\s*日"
)
_TITLE_END = re.compile(
    r"(法|条例|办法|规定|细则|意见|方案|规划|计划|通知|决定|决议|公告|通告|公报|报告|纲要|措施|指南|指引|制度|规则|解释|批复|函"
    r"|行动|办法（试行）|清单|标准|规范|要点|说明|白皮书|目录|令|讲话|讲话稿|摘要)(\s*[（(〔][^（）()]{1,24}[）)〕])?$"
)
_TITLE_ISSUER = re.compile(r"^([\u4e00-\u9fff、\s]{2,60}?)(?:关于|印发|转发|政府工作报告)")
BODY_NAME = re.compile(
    r"(政府|办公厅|办公室|委员会|部|局|厅|署|院|会|行|司|处|中心|组|室|省委|市委|区委|县委|党委|党组|集团|公司|大学)$"
)
_META_NAMES = {
    "title": ("ArticleTitle", "og:title"),
    "date": ("PubDate", "publishdate", "article:published_time"),
    "issuer": ("ContentSource",),
}


@dataclass(frozen=True)
class Head:
    """What stands in the usual places of an official document; empty where it does not."""

    title: str = ""
    number: str = ""
    issuer: str = ""
    date: str = ""
    year: int | None = None


def read_head(text: str, meta: Mapping[str, str] | None = None) -> Head:
    """Title, 发文字号, issuing body and date of a document from its text, and from a web page's `meta` elements.

    The date is that of the signature, else the one in brackets below the title (adopted or published), else one in
    the head, else the page's. The issuer is what the title names before 关于, else the signature, else the assembly
    that adopted it. Nothing is guessed where the form is unusual.
    """
    meta = meta or {}
    lines = text.split("\n")
    head = lines[:_HEAD_LINES]
    number = next((match for line in head if len(line) < 60 and (match := NUMBER.search(line))), None)
    title = find_title(lines) or _meta(meta, "title")
    signature_date, signed_by = _signature(lines)
    head_date = next((date for line in head[:8] if len(line) < 200 and (date := find_date(line))), "")
    date = signature_date or head_date or find_date(_meta(meta, "date"))
    issuer = _TITLE_ISSUER.match(title)
    year = date[:4] or (number.group(2) if number else "")
    return Head(
        title=title,
        number=format_number(number) if number else "",
        issuer="".join(issuer.group(1).split()) if issuer else signed_by or _adopted_by(head) or _meta(meta, "issuer"),
        date=date,
        year=int(year) if year else None,
    )


def find_title(lines: Sequence[str]) -> str:
    """The title among the first lines: up to three lines that end as titles of official documents do, joined."""
    for first in range(min(8, len(lines))):
        if not is_title_part(lines[first]):
            continue
        title = ""
        for line in lines[first : first + 3]:
            if not is_title_part(line):
                break
            title += line.strip()
            if _TITLE_END.search(title):
                return title
    return ""


def is_title_part(line: str) -> bool:
    """Whether a line may be part of a title: short, no sentence, no number, no marker, no label."""
    line = line.strip()
    if not 2 <= len(line) <= 80 or re.search(r"[。；，：:]|\t", line.rstrip("：")) or line.endswith(("：", "、")):
        return False
    return find_marker(line) is None and not NUMBER.search(line) and not find_date(line)


def ends_title(text: str) -> bool:
    """Whether a title may end here: 办法, 意见, 规划（2021—2025年） and the like."""
    return _TITLE_END.search(text.strip()) is not None


def format_number(match: re.Match[str]) -> str:
    """A 发文字号 in its standard form: 国发〔2021〕29号."""
    return f"{''.join(match.group(1).split())}〔{match.group(2)}〕{int(match.group(3))}号"


def find_date(text: str) -> str:
    """The first date in a text as ISO, in Arabic or Chinese digits; empty if there is none.

    >>> find_date("二〇二一年十二月十二日"), find_date("（2021年6月10日通过）"), find_date("2021年")
    ('2021-12-12', '2021-06-10', '')
    """
    for match in _DATE.finditer(text):
        parts = [part for part in match.groups() if part]
        try:
            return datetime.date(*(parse_numeral(part) for part in parts)).isoformat()
        except ValueError:
            continue
    return ""


def is_date_line(line: str) -> bool:
    """Whether a line holds a date and nothing else."""
    return bool(find_date(line)) and not _DATE.sub("", line).strip(" \t\u3000（）()")


def _signature(lines: Sequence[str]) -> tuple[str, str]:
    """Date and body of the first signature block: a short line that ends as a body's name, then a date alone."""
    for index, line in enumerate(lines):
        if index and is_date_line(line):
            above = lines[index - 1].strip()
            if len(above) <= 40 and BODY_NAME.search(above) and not re.search(r"[。；：]", above):
                return find_date(line), re.sub(r"\s+", " ", above)
    return next((find_date(line) for line in reversed(lines[-_FOOT_LINES:]) if is_date_line(line)), ""), ""


def _adopted_by(head: Sequence[str]) -> str:
    for line in head[:6]:
        if "通过" in line and (
            match := re.search(r"届([\u4e00-\u9fff]{2,30}?委员会|[\u4e00-\u9fff]{2,20}?代表大会)", line)
        ):
            return match.group(1)
    return ""


def _meta(meta: Mapping[str, str], name: str) -> str:
    return next((meta[key] for key in _META_NAMES[name] if meta.get(key)), "")
