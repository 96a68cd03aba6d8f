"""What a document's head and foot say about it: title, 发文字号, issuing body, date."""

from __future__ import annotations

import datetime
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy_bert.documents.structure.marks import NUMERAL, find_marker, parse_numeral
from policy_bert.text import comparison_key

_HEAD_LINES = 15
_HEAD_CHARACTERS = 400
_FOOT_LINES = 12
NUMBER = re.compile(
    r"([\u4e00-\u9fff]{2,16})(?:\s*[〔\[［【（(﹝]\s*|(?<=[发函办字规文]))((?:19|20)\d{2})\s*[〕\]］】）)﹞]?\s*(?:第\s*)?(\d{1,5})\s*号"
)
_BRACKETED = re.compile(rf"[（(]((?:{NUMBER.pattern})|[\u4e00-\u9fff]{{2,20}}令.{{0,10}}第\S{{1,6}}号)[）)]$")
_DECREE = re.compile(
    r"(?P<body>[\u4e00-\u9fff]{1,80}?)(?P<form>令|公告)(?:公告)?[（(〔\[]?(?P<year>(?:19|20)\d\d年)?[）)〕\]]?"
    rf"第(?P<number>[\d{NUMERAL}]{{1,6}})号"
)
_GLUED_DECREE = re.compile(rf"(?<![（(])中华人民共和国(主席|国务院)令第([\d{NUMERAL}]{{1,6}})号(?![）)])")
_DATE = re.compile(
    rf"(?<!\d)((?:19|20)\d{{2}})\s*[年./-]\s*(\d{{1,2}})\s*[月./-]\s*(\d{{1,2}})\s*(?:日|(?!\d)|(?=\d\d[:：]\d\d))"
    rf"|(?<![{NUMERAL}])([一二][{NUMERAL}]{{3}}|二[一二三四五六七八九]{{1,2}})\s*年\s*([一二三四五六七八九十]{{1,3}})\s*月\s*([一二三四五六七八九十廿卅]{{1,4}})\s*日"
)
# The forms of documents: 关于…的 ends in one of the first; a title without 关于 may name any.
_FORMS = (
    "意见|通知|决定|决议|公告|公示|通告|公报|报告|批复|复函|函|答复|请示|议案|解释|规定|办法|方案|规划|计划|纲要|纪要|通报|措施|说明|细则|命令|令"
    "|答记者问|建议|政策|声明|修正案"
)
_TITLE_END = re.compile(
    rf"(?:法|条例|{_FORMS}|指南|指引|制度|规则|行动|清单|标准|规范|要点|白皮书|目录|名录|讲话|讲话稿|摘要|答问|问答|解读|准则|通则|章程|法典"
    r"|预案|总结|倡议|公约|协定|守则|须知|路线图|体系)(?:\s*[（(〔][^（）()]{1,24}[）)〕]){0,2}$|(?:印发|发布|公布|转发)《[^》]{4,80}》$"
)
_PROMULGATED = re.compile(
    r"(?:^|[日（(、\s])([\u4e00-\u9fff、]{2,30}?)(?:令第\s*\d{1,4}\s*号)?(?:联合)?(?:公布|发布|颁布|批准|印发)(?!的)"
)
_SIGNED_IN_BRACKETS = re.compile(
    rf"[（(](?:{_DATE.pattern})(?P<body>[\u4e00-\u9fff]{{1,30}}(?:部|局|厅|署|院|会|行|委|办公[厅室]|政府))[）)]"
)
_ASSEMBLY = re.compile(
    r"([\u4e00-\u9fff]{2,12}?)?第[^，。]{1,6}届(全国|[\u4e00-\u9fff]{2,12}?)?(人民代表大会(?:常务委员会)?)[^，。]{0,20}(?:会议(?!上)|通过|公告)"
)
_MEETING = re.compile(
    r"([\u4e00-\u9fff]{2,16}?)(?:(?:19|20)\d\d年)?(?:第[^，。]{1,6}次)?(?:[部常委局厅行署办室]务|全体)会议[^。]{0,12}(?:审议|讨论|通过)"
)
_CONTINUES = re.compile("关于|印发|转发|公布|发布|对")
_SPEAKER = re.compile(
    r"([\u4e00-\u9fff]{3,20}?)(?:有关|相关)?(?:部门|司局)?(?:有关|相关)?负责(?:人|同志)(?=.{0,40}记者)"
)
_COURT = re.compile(r"(最高人民法院|最高人民检察院)(?:审判委员会|检察委员会|公告)")
_FORM_END = re.compile(rf"(?:{_FORMS})(?:[（(〔][^（）()]{{1,24}}[）)〕])?$")
_TITLE_ISSUER = re.compile(
    r"^(?!关于|印发|转发)([\u4e00-\u9fff、\s]{2,200}?)(?:关于|印发|转发|公布|发布|决定(?:废止|修改)|对(?=.+答复))"
)
_OFFICER = re.compile(
    r"([\u4e00-\u9fff]{0,20}?)(?:总理|[部局省市署行院厅]长|检察长|主任|主席)[：:\s]*[\u4e00-\u9fff·]{2,4}$"
)
_REPORTS = re.compile(r"代表([\u4e00-\u9fff]{3,12}人民政府|国务院)[，,]?向")
_REPORT = re.compile(
    r"(?:(?P<year>(?:19|20)\d\d)年)?(?P<body>中华人民共和国国务院|国务院|[\u4e00-\u9fff]{2,12}?)?(?P<government>人民政府|政府)?工作报告(?:[（(].{1,20}[）)])?"
)
# What parts the pieces of a head that an exporter glued into one line.
LABEL_NAMES = (
    r"索\s*引\s*号|主\s*题\s*(?:分\s*类|词)|发\s*[文布]\s*(?:机\s*[关构]|字\s*号|日\s*期|部\s*门|单\s*位|时\s*间|文\s*号)|成\s*文\s*日\s*期|生\s*成\s*日\s*期|公\s*[布开]\s*(?:日\s*期|方\s*式|时\s*间)"
    r"|制\s*[定发]\s*机\s*关|颁\s*[布发]\s*(?:单\s*位|部\s*门|机\s*关|时\s*间|日\s*期)|(?:信\s*息|文\s*章)?\s*来\s*源|文\s*号|有\s*效\s*性|时\s*效\s*性?|效\s*力\s*(?:状\s*态|级\s*别|等\s*级|位\s*阶)"
    r"|(?:施\s*行|实\s*施|生\s*效|通\s*过|批\s*准)\s*日\s*期|公文种类|法规类别|所属类别|体裁|字体|字号|浏览次数|点击数|责任编辑|标\s*题|名\s*称|法宝引证码|原文链接|网页链接|链接"
)
LABEL = re.compile(rf"(?:[【\[]\s*)?(?P<name>{LABEL_NAMES})\s*(?:[】\]]\s*[：:]?|[：:\t])\s*")
_SALUTE = (
    "(?:各(?:省|市|区|县|州|设区|有关|部|地|单位|直属|高|企业|中央|乡|镇)|国务院各|有关(?:单位|企业|部门)"
    "|[省市区县]直|[省市县区]有关|驻)"
)
_PIECE_ENDS = re.compile(
    rf"{LABEL.pattern.replace('?P<name>', '?:')}|(?<![《（(])(?={_SALUTE}[^。]{{2,200}}[：:])|目\s*[录次](?=一、|第一)"
    r"|[，,](?=[\u4e00-\u9fff]{2,30}关于)"
)
_GLUED = re.compile(
    rf"(?:[\u4e00-\u9fff、\s]{{0,160}}关于[^。：]{{4,120}}?的[\u4e00-\u9fff]{{0,6}}?(?:{_FORMS})"
    r"|[\u4e00-\u9fff、\s]{4,60}(?:印发|发布|公布)《[^》]{4,60}》"
    r"|[^。；：，将请《]{2,50}?(?:(?<![方做看用执])法|规[定划则]|细则|方案|计划|纲要|条例|指南|白皮书)"
    r"(?=$|[\s，,（(《]|第[一1]章|目\s*[录次]|\d{4}年|为|中华|来源|首页|版本|[\u4e00-\u9fff]{3,30}(?:[部局厅院会]|政府|办公室)(?:目|\d|$)))(?:[（(][^（）()]{1,24}[）)])?"
)
_AFTER_TITLE = re.compile(
    rf"\s|[（(《]|为|[，,](?:[\u4e00-\u9fff]{{2,30}}(?:[部局院署]|办公[厅室]|委员会)|中共中央)|{_SALUTE}|目\s*[录次]|第[一1]章|一、|发|来源|文章|首页|版本|索引|各|\d{{4}}"
)
_NAMED = re.compile(
    r"《([^《》]{4,80}(?:《[^》]{2,60}》)?[^《》]{0,40})》(?:（[^（）]{2,30}）)?[^。《》]{0,60}"
    r"(?:印发给|予以?(?:公布|发布|印发)|公布|现印发|经.{0,30}通过)"
)
BODY_NAME = re.compile(
    r"(政府|办公厅|办公室|委员会|部|局|厅|署|院|会|行|司|处|中心|组|室|省委|市委|区委|县委|党委|党组|集团|公司|大学|[信字数革融据]办|国资委|改革委|健康委|国务院|中共中央|人大|军委)$"
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
    head = lines[:_HEAD_LINES]
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


def find_title(lines: Sequence[str]) -> str:
    """The title among the first lines, put together where it is broken, taken out where it is glued or named only.

    First up to five lines that together end as titles of official documents do; then the beginning of a line that
    goes on with a number, a salutation or a label; then the text that a covering line names in 《》.
    """
    if found := title_lines(lines):
        title = _once("".join(lines[index].strip() for index in found))
        if "关于" not in title and found[-1] + 1 < len(lines):
            official = _glued_title(next(_pieces(lines[found[-1] + 1][:_HEAD_CHARACTERS])))
            if _TITLE_ISSUER.match(official) and "《" not in official:
                return official
        last = lines[-1].strip()
        issuer = _TITLE_ISSUER.match(last)
        return last if last.endswith(title) and issuer and BODY_NAME.search(issuer.group(1)) else title
    head = [line[:_HEAD_CHARACTERS] for line in lines[:6]]
    for line in head:
        glued = [title for piece in _pieces(line) if (title := _glued_title(piece))]
        if glued:
            # The one with the issuer before 关于, where an exporter put the bare title first.
            return next((title for title in glued if title != glued[0] and glued[0] in title), glued[0])
    last = lines[-1].strip()
    if ends_title(last) and len(last) < 120 and lines[0].strip()[:12] in last and _TITLE_ISSUER.match(last):
        return last
    named = [match.group(1) for line in head if (match := _NAMED.search(line)) and ends_title(match.group(1))]
    return named[0] if named else ""


def title_lines(lines: Sequence[str]) -> list[int]:
    """The lines that are the title and no more: up to five in a row that together end as a title does."""
    labelled = label_block(lines)
    for first in range(min(_HEAD_LINES - 3, len(lines))):
        if find_marker(lines[first]) and not lines[first].strip().endswith(("的通知", "的意见", "的决定")):
            return []
        if first in labelled or not is_title_part(lines[first]) or _is_decree_line(lines, first):
            length = len(lines[first])
            if (length > 120 or (length > 60 and "。" in lines[first])) and not _announces(lines[first]):
                return []
            continue
        following = lines[first + 1].strip() if first + 1 < len(lines) else ""
        if (
            "关于" not in lines[first]
            and BODY_NAME.search(lines[first])
            and ends_title(following)
            and not _CONTINUES.match(following)
        ):
            continue
        title, best = "", None
        for last in range(first, min(first + 5, len(lines))):
            if not is_title_part(lines[last]) or same_title(lines[last], title):
                break
            title += lines[last].strip()
            if ends_title(title):
                best = last
                if "关于" not in title or _FORM_END.search(title):
                    break
        if best is not None:
            return list(range(first, best + 1))
    return []


def label_block(lines: Sequence[str]) -> range:
    """The lines of an information table above the text: from its first label to its last, with what wraps between."""
    found = [index for index, line in enumerate(lines[:_HEAD_LINES]) if LABEL.match(line) and len(line) < 200]
    if len(found) < 2 or any(re.search(r"[。；]", line) for line in lines[found[0] : found[-1]]):
        return range(0)
    return range(found[0], found[-1] + 1)


def is_title_part(line: str) -> bool:
    """Whether a line may be part of a title: short, no sentence, no number, no marker, no label."""
    line = line.strip()
    if not 2 <= len(line) <= 120:
        return False
    bare = re.sub(r"《[^》]*》|[（(][^）)]*[）)]", "", line)
    if re.search(r"\d{5}|主题词", line) or re.search(r"[。；，：:]|\t", bare):
        return False
    if line.endswith("、") or re.match(r"详见|见附件|根据|按照|目\s*[录次]$|附件?\s*\d*$", line) or LABEL.match(line):
        return False
    return (
        find_marker(line) is None
        and not NUMBER.search(line)
        and not (find_date(bare) or (find_date(line) and len(line) < 40))
    )


def ends_title(text: str) -> bool:
    """Whether a title may end here: 办法, 意见, 规划（2021—2025年） and the like."""
    return _TITLE_END.search(text.strip()) is not None


def same_title(line: str, title: str) -> bool:
    """Whether a line is the title again, perhaps with other brackets."""
    key = comparison_key(line)
    return len(key) > 5 and key == comparison_key(title)


def _is_decree_line(lines: Sequence[str], index: int) -> bool:
    """Whether a line names a decree, whose text and title follow: 中华人民共和国国务院令, above 第707号."""
    line = re.sub(r"\s", "", lines[index])
    following = re.sub(r"\s", "", lines[index + 1]) if index + 1 < len(lines) else ""
    return (
        "关于" not in line
        and re.search(r"(?:令|公告)(?:第.{1,6}号)?$", line) is not None
        and (
            line.endswith("号")
            or re.search(r"现予?公布|现予?发布", following) is not None
            or re.match(r"[（(]?(?:\d{4}年)?第.{1,6}号", following) is not None
        )
    )


def _announces(line: str) -> bool:
    return re.search(r"现?予?(?:公布|发布|印发)|施行|通过", line) is not None


def _once(title: str) -> str:
    """A title without the repetitions and additions of exporters: 甲甲乙乙 for the two lines 甲乙, …规划目录."""
    title = re.sub(rf"^(?:[：:，\s]|{_DATE.pattern}|\d\d:\d\d(?::\d\d)?)+", "", title.strip())
    title = re.sub(r"^[^《]{2,12}《(.{4,80})》\1$", r"\1", title)
    for form in (r"(.{6,})\1", r"(.{4,}?)\1(.{4,}?)\2", r"(.{4,}?)\1(.+)"):
        if match := re.fullmatch(form, title[:300]):
            title = "".join(match.groups())
    title = re.sub(r"^([\u4e00-\u9fff]{2,20})\1(?=关于)", r"\1", title)
    without = re.sub(r"\s*(?:\d{4}年\d{1,2}月)?目\s*[录次]$", "", title)
    return without if without != title and ends_title(without) else title


def _pieces(line: str) -> Iterator[str]:
    """A head line's pieces: what stands between labels, before a number, before a salutation, before the contents."""
    for part in _PIECE_ENDS.split(line):
        match = NUMBER.search(part)
        yield (_before_number(part[: match.start(2)])[0] if match else "") or part


def _glued_title(piece: str) -> str:
    """The title that a piece of a glued line begins with."""
    piece = _once(piece)
    match = _GLUED.match(piece)
    if match is None or find_marker(piece):
        return ""
    rest = piece[match.end() :]
    if again := _glued_title(rest) if rest else "":
        return again  # the bare title, before the official one
    addressed = re.match(r"[^。；：《]{2,60}[：:]", rest)
    if re.match("根据|按照|依据|为|[你您各现我]", piece) or not (
        not rest or addressed or _AFTER_TITLE.match(rest) or BODY_NAME.search(rest)
    ):
        return ""
    return _once(match.group().strip())


def _before_number(text: str) -> tuple[str, str]:
    """A text that ends in a 发文字号's letters, parted into what stands before them and the letters."""
    match = re.match(
        r"(.*(?:通知|意见|决定|公告|通告|批复|方案|规划|计划|办法(?!规)|条例|规定|细则|纲要|答复|[日司）)】：:\s]))?([\u4e00-\u9fff]{2,16})",
        text.rstrip("〔[［【（(﹝ "),
    )
    return (match.group(1) or "", match.group(2)) if match else ("", "")


def _number(head: Sequence[str], title: str) -> tuple[str, str, str]:
    """发文字号, its year, and the body of a decree; a number that a sentence quotes is not the document's."""
    best: tuple[int, str, str] | None = None
    decreed_by = ""
    for line in head:
        for match in NUMBER.finditer(line[:_HEAD_CHARACTERS]):
            before, letters = _before_number(match.group(1))
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
    if glued := _GLUED_DECREE.search("".join(head[:3])[:_HEAD_CHARACTERS]):
        of_state = glued.group(1) == "主席"
        number = f"{'主席令' if of_state else '国令'}第{parse_numeral(glued.group(2))}号"
        return number, "", glued.group(1)
    for index, line in enumerate(head[:8]):
        joined = re.sub(r"\s+", "", line if "号" in line else "".join(head[index : index + 2]))
        joined = (joined.removeprefix(title) or joined)[:160]
        dated = re.sub(rf"^[（(]?(?:{_DATE.pattern})", "", joined)
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


def find_date(text: str) -> str:
    """The first date in a text as ISO, in Arabic or Chinese digits; empty if there is none.

    >>> find_date("二〇二一年十二月十二日"), find_date("（2021年6月10日通过）"), find_date("2021年")
    ('2021-12-12', '2021-06-10', '')
    """
    for match in _DATE.finditer(text):
        parts = [part for part in match.groups() if part]
        try:
            year, month, day = map(parse_numeral, parts)
            lost = {2: 10, 3: 100}.get(len(parts[0]))  # 二五年四月 is 2005: the zeros were lost on the way
            return datetime.date(2000 + year % lost if lost else year, month, day).isoformat()
        except ValueError:
            continue
    return ""


def is_date_line(line: str) -> bool:
    """Whether a line holds a date and nothing else."""
    return bool(find_date(line)) and not _DATE.sub("", line).strip(" \t\u3000（）()")


def _head_date(head: Sequence[str], labels: Mapping[str, str]) -> str:
    in_force = re.compile(r"[自于从][^，。]{0,14}起(?:正式)?(?:施行|实施|执行|生效|印发)")
    lines = [in_force.sub("", line[:_HEAD_CHARACTERS]) for line in head[:8] if _dates(line)]
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
        for match in _DATE.finditer(line):
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
    match = _TITLE_ISSUER.match(title)
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
    for line in sorted((line[:_HEAD_CHARACTERS] for line in head[:6]), key=lambda x: "批准" in x and "通过" not in x):
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
