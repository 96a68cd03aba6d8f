"""What a document's head and foot say about it: title, 发文字号, issuing body, date."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from policy_bert.documents.structure.marks import NUMERAL, find_marker, parse_numeral
from policy_bert.documents.titles import (
    BODY_NAME,
    DATE,
    HEAD_CHARACTERS,
    HEAD_LINES,
    LABEL,
    NUMBER,
    TITLE_ISSUER,
    before_number,
    ends_title,
    find_date,
    find_title,
)

_FOOT_LINES = 12
_BRACKETED = re.compile(rf"[（(]((?:{NUMBER.pattern})|[\u4e00-\u9fff]{{2,20}}令.{{0,10}}第\S{{1,6}}号)[）)]$")
_DECREE = re.compile(
    r"(?P<body>[\u4e00-\u9fff]{1,80}?)(?P<form>令|公告)(?:公告)?[（(〔\[]?(?P<year>(?:19|20)\d\d年)?[）)〕\]]?"
    rf"第(?P<number>[\d{NUMERAL}]{{1,6}})号"
)
_GLUED_DECREE = re.compile(rf"(?<![（(])中华人民共和国(主席|国务院)令第([\d{NUMERAL}]{{1,6}})号(?![）)])")
_PROMULGATED = re.compile(
    r"(?:^|[日（(、\s])([\u4e00-\u9fff、]{2,30}?)(?:令第\s*\d{1,4}\s*号)?(?:联合)?(?:公布|发布|颁布|批准|印发)(?!的)"
)
_SIGNED_IN_BRACKETS = re.compile(
    rf"[（(](?:{DATE.pattern})(?P<body>[\u4e00-\u9fff]{{1,30}}(?:部|局|厅|署|院|会|行|委|办公[厅室]|政府))[）)]"
)
_ASSEMBLY = re.compile(
    r"([\u4e00-\u9fff]{2,12}?)?第[^，。]{1,6}届(全国|[\u4e00-\u9fff]{2,12}?)?(人民代表大会(?:常务委员会)?)[^，。]{0,20}(?:会议(?!上)|通过|公告)"
)
_MEETING = re.compile(
    r"([\u4e00-\u9fff]{2,16}?)(?:(?:19|20)\d\d年)?(?:第[^，。]{1,6}次)?(?:[部常委局厅行署办室]务|全体)会议[^。]{0,12}(?:审议|讨论|通过)"
)
_SPEAKER = re.compile(
    r"([\u4e00-\u9fff]{3,20}?)(?:有关|相关)?(?:部门|司局)?(?:有关|相关)?负责(?:人|同志)(?=.{0,40}记者)"
)
_COURT = re.compile(r"(最高人民法院|最高人民检察院)(?:审判委员会|检察委员会|公告)")
_OFFICER = re.compile(
    r"([\u4e00-\u9fff]{0,20}?)(?:总理|[部局省市署行院厅]长|检察长|主任|主席)[：:\s]*[\u4e00-\u9fff·]{2,4}$"
)
_REPORTS = re.compile(r"代表([\u4e00-\u9fff]{3,12}人民政府|国务院)[，,]?向")
_REPORT = re.compile(
    r"(?:(?P<year>(?:19|20)\d\d)年)?(?P<body>中华人民共和国国务院|国务院|[\u4e00-\u9fff]{2,12}?)?(?P<government>人民政府|政府)?工作报告(?:[（(].{1,20}[）)])?"
)
_DATE_LABELS = ("成文日期", "发文日期", "公布日期", "发布日期", "发布时间", "生成日期")
_ISSUER_LABELS = ("发文机关", "发布部门", "发布机构", "制定机关", "发布单位", "发文单位")
# What parts a body's name from what is glued before it, and what follows a date that signs nothing.
_BEFORE_BODY = re.compile(
    r"[。；：）)】\d》，]|说明|单|文件|要求|会签|规则|公报|技术政策|回执|结果|汇总|方案|办法|名录|指南|(?<!代)表|附件|目录|规[定划范]|标准(?!化)|导则|计划|路线图|\.\w{3,4}"
)
_NO_SIGNATURE = re.compile(r"起|前|至|，|以来|的|在|第|通过|联合|印发|[发公颁]布|批准")
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

    The date is that of the signature, else the one in the head (adopted, promulgated, published), else the page's. The
    issuer is what the title names before 关于, else the signature, else what a label, a decree or the line of its
    adoption names. A line into which title, number and salutation are glued is taken apart. Nothing is guessed where
    the form is unusual.
    """
    meta = meta or {}
    lines = text.split("\n")
    head = lines[:HEAD_LINES]
    labels = _labelled(head)
    title = find_title(lines) or labels.get("标题", "") or _meta(meta, "title")
    bracketed = _BRACKETED.search(title)
    title = title[: bracketed.start()] if bracketed else title
    numbers = [labels[name] for name in ("发文字号", "文号") if name in labels]
    number, number_year, decreed_by = _number([*([bracketed.group(1)] if bracketed else []), *numbers, *head], title)
    if re.fullmatch(r"(?:\d{4}年)?第\S{1,6}号", labels.get("发文字号", "")):
        number, number_year = labels["发文字号"], labels["发文字号"][:4] if "年" in labels["发文字号"] else ""
    signature_date, signed_by = _signature(lines)
    date = signature_date or _head_date(head, labels) or find_date(_meta(meta, "date"))
    report = _REPORT.fullmatch(title)
    year = date[:4] or number_year or (report.group("year") or "" if report else "")
    return Head(
        title=title,
        number=number,
        issuer=_issuer(title, signed_by, decreed_by, labels, head) or _meta(meta, "issuer"),
        date=date,
        year=int(year) if year else None,
    )


def _number(head: Sequence[str], title: str) -> tuple[str, str, str]:
    """发文字号, its year, and the body of a decree; a number that a sentence quotes is not the document's."""
    best: tuple[int, str, str] | None = None
    decreed_by = ""
    for line in head:
        for match in NUMBER.finditer(line[:HEAD_CHARACTERS]):
            before, letters = before_number(match.group(1))
            at = match.start() + len(before)
            quoted = line[max(at - 1, 0) : at] in ("（", "(") or re.search(r"[》，、]$|根据|按照|依据", line[:at][-6:])
            alone = len(line) < 60 and not re.search(r"[。；]|.[（(]\S*$", line[:at])
            rank = 0 if at == 0 or alone else 1 if before else 2
            apart = rank < 2 or line[at - 1] in " \u3000\t】：:"
            if (alone or not quoted) and apart and (best is None or rank < best[0]):
                ordinal = "第" if letters.endswith("令") else ""
                decreed_by = letters.removesuffix("令") if ordinal else ""
                best = rank, f"{letters}〔{match.group(2)}〕{ordinal}{int(match.group(3))}号", match.group(2)
    if best:
        return best[1], best[2], decreed_by
    if glued := _GLUED_DECREE.search("".join(head[:3])[:HEAD_CHARACTERS]):
        of_state = glued.group(1) == "主席"
        number = f"{'主席令' if of_state else '国令'}第{parse_numeral(glued.group(2))}号"
        return number, "", glued.group(1)
    for index, line in enumerate(head[:8]):
        joined = re.sub(r"\s+", "", line if "号" in line else "".join(head[index : index + 2]))
        joined = (joined.removeprefix(title) or joined)[:160]
        dated = re.sub(rf"^[（(]?(?:{DATE.pattern})", "", joined)
        decree = _DECREE.match(dated)
        if (
            decree
            and (len(line) < 80 or dated[decree.end() :].startswith("《") or dated != line)
            and find_marker(line) is None
        ):
            body, form = decree.group("body"), decree.group("form")
            number = f"{form}{decree.group('year') or ''}第{parse_numeral(decree.group('number'))}号"
            # A decree of the State Council is 国令, whoever the form says commands: the state or the council.
            if form == "令" and re.search(r"国(?:务院)?$", body):
                council = body[-3:] in ("国", "国务院") or any(re.match(r"\s*总\s*理", text) for text in head)
                return "国" + number, "", "国务院" if council else body
            body = body.removeprefix("中华人民共和国")
            return body + number, "", re.sub(r"第.{1,4}届", "", body)
    return "", "", ""


def _labelled(head: Sequence[str]) -> dict[str, str]:
    """What the labels of an information table or an export say: 发布部门, 发文字号, 标题 … to their values."""
    found: dict[str, str] = {}
    for index, line in enumerate(head):
        matches = list(LABEL.finditer(line[:1000]))
        for match, following in itertools.zip_longest(matches, matches[1:]):
            value = line[match.end() : following.start() if following else None].strip(" \t\u3000；;，")
            name = re.sub(r"\s", "", match.group("name"))
            after = LABEL.split(head[index + 1])[0].strip() if index + 1 < len(head) else ""
            wraps = not value or (name == "标题" and not ends_title(value) and ends_title(value + after))
            if following is None and wraps and len(after) < 80:
                value += after
            found.setdefault(name, value[:400])
    return {name: value for name, value in found.items() if value}


def is_date_line(line: str) -> bool:
    """Whether a line holds a date and nothing else."""
    return bool(find_date(line)) and not DATE.sub("", line).strip(" \t\u3000（）()")


def _head_date(head: Sequence[str], labels: Mapping[str, str]) -> str:
    in_force = re.compile(r"[自于从][^，。]{0,14}起(?:正式)?(?:施行|实施|执行|生效|印发)")
    lines = [in_force.sub("", line[:HEAD_CHARACTERS]) for line in head[:8] if _dates(line)]
    return next(filter(None, map(find_date, [*(labels.get(name, "") for name in _DATE_LABELS), *lines])), "")


def _dates(line: str) -> bool:
    """Whether a line's date may be the document's: a sentence tells other dates unless it says who adopted the text."""
    adopts = _SIGNED_IN_BRACKETS.search(line) or re.search(
        r"(?:通过|公布|发布|批准|印发|修[订正])(?:[，。；）)]|$|根据|自|\d)", line
    )
    return "\t" not in line and (adopts is not None or (len(line) < 200 and "。" not in line))


def _signature(lines: Sequence[str]) -> tuple[str, str]:
    """Date and body of the first signature: a body's name, then a date, on two lines or glued into one."""
    for index, line in enumerate(lines):
        if index and is_date_line(line):
            above = lines[index - 1].strip()
            if len(above) <= 40 and BODY_NAME.search(above) and not re.search(r"[。；：]", above):
                return find_date(line), re.sub(r"\s+", " ", above)
    for line in [*lines[:20], *lines[-_FOOT_LINES:]]:
        for match in DATE.finditer(line):
            before = _BEFORE_BODY.split(line[: match.start()][-200:])[-1].strip()
            if (officer := _OFFICER.search(before)) and not _NO_SIGNATURE.match(line, match.end()):
                body = officer.group(1).removeprefix("中华人民共和国")
                sole = len(re.findall(r"(?:[部局厅院行署]长|主任|主席)[\u4e00-\u9fff]", before)) == 1
                return find_date(match.group()), body if sole and BODY_NAME.search(body) else ""
            is_body = (
                2 < len(before) <= 160
                and BODY_NAME.search(before)
                and not re.search(r"[的于由等赴]|经(?!济|信)", before)
            )
            if is_body and not _NO_SIGNATURE.match(line, match.end()):
                return find_date(match.group()), re.sub(r"\s+", " ", before)
    return next((find_date(line) for line in reversed(lines[-_FOOT_LINES:]) if is_date_line(line)), ""), ""


def _issuer(title: str, signed_by: str, decreed_by: str, labels: Mapping[str, str], head: Sequence[str]) -> str:
    """The issuing body, from the surest place that names one."""
    report = _REPORT.fullmatch(title)
    if report and report.group("body") and report.group("government"):
        body = report.group("body").removeprefix("中华人民共和国")
        return body if body == "国务院" else body + "人民政府"
    match = TITLE_ISSUER.match(title)
    named = "、".join(match.group(1).split()).removesuffix("联合") if match else ""
    named = named if BODY_NAME.search(named) or re.search(r"等.{0,6}部门$", named) else ""
    if named and not (re.search(r"等.{0,6}部门$", named) and signed_by):
        return named
    labelled = next((labels[name] for name in _ISSUER_LABELS if name in labels), "")
    glued = (
        re.match(r"([\u4e00-\u9fff、\s]{3,60}?)(?:目\s*录|$|\d{4}年)", head[0].removeprefix(title).lstrip("，,"))
        if title
        else None
    )
    named = glued.group(1) if glued and head[0] != title and BODY_NAME.search(glued.group(1)) else ""
    above = next(
        (
            line.strip()
            for line in head[:6]
            if len(line) < 30 and re.fullmatch(r"[\u4e00-\u9fff\s]+", line) and BODY_NAME.search(line)
        ),
        "",
    )
    named = named or (above if title and "关于" not in above and above not in title else "")
    return (
        signed_by
        or labelled
        or named
        or (decreed_by if decreed_by != "主席" else "")
        or _adopted_by(head)
        or decreed_by
    )


def _adopted_by(head: Sequence[str]) -> str:
    """Who adopted, promulgated or explains the text, as one of the first lines says."""
    for line in sorted((line[:HEAD_CHARACTERS] for line in head[:6]), key=lambda x: "批准" in x and "通过" not in x):
        if match := _ASSEMBLY.search(line):
            place = re.sub(r"^.*[日年]|^[（(]|根据|已?[经由]|中华人民共和国", "", match.group(1) or "")
            return place + (match.group(2) or "") + match.group(3)
        if match := _REPORTS.search(line[:120]):
            return match.group(1)
        if match := _SIGNED_IN_BRACKETS.search(line):
            return match.group("body")
        dated = _PROMULGATED if len(line) < 100 and find_date(line[:16]) else _MEETING
        for pattern in (_MEETING, _SPEAKER, _COURT, dated):
            if match := pattern.search(line):
                body = re.sub(r"^.*(?:由|经|次|届|日前|近日|日|，)|^中华人民共和国|(?:有关|相关)$", "", match.group(1))
                if BODY_NAME.search(body):
                    return body
    return ""


def _meta(meta: Mapping[str, str], name: str) -> str:
    return next((meta[key] for key in _META_NAMES[name] if meta.get(key)), "")
