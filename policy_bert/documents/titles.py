"""The title at a document's head: over lines, glued to number and salutation, repeated; and the labels beside it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence

from policy_bert.documents.structure.marks import NUMERAL, find_marker, parse_numeral
from policy_bert.text import comparison_key

HEAD_LINES = 15
HEAD_CHARACTERS = 400
NUMBER = re.compile(
    r"([\u4e00-\u9fff]{2,16})(?:\s*[〔\[［【（(﹝]\s*|(?<=[发函办字规文]))((?:19|20)\d{2})\s*[〕\]］】）)﹞]?\s*(?:第\s*)?(\d{1,5})\s*号"
)
DATE = re.compile(
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
_CONTINUES = re.compile("关于|印发|转发|公布|发布|对")
_FORM_END = re.compile(rf"(?:{_FORMS})(?:[（(〔][^（）()]{{1,24}}[）)〕])?$")
TITLE_ISSUER = re.compile(
    r"^(?!关于|印发|转发)([\u4e00-\u9fff、\s]{2,200}?)(?:关于|印发|转发|公布|发布|决定(?:废止|修改)|对(?=.+答复))"
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


def find_title(lines: Sequence[str]) -> str:
    """The title among the first lines, put together where it is broken, taken out where it is glued or named only.

    First up to five lines that together end as titles of official documents do; then the beginning of a line that
    goes on with a number, a salutation or a label; then the text that a covering line names in 《》.
    """
    if found := title_lines(lines):
        title = _once("".join(lines[index].strip() for index in found))
        if "关于" not in title and found[-1] + 1 < len(lines):
            official = _glued_title(next(_pieces(lines[found[-1] + 1][:HEAD_CHARACTERS])))
            if TITLE_ISSUER.match(official) and "《" not in official:
                return official
        last = lines[-1].strip()
        issuer = TITLE_ISSUER.match(last)
        return last if last.endswith(title) and issuer and BODY_NAME.search(issuer.group(1)) else title
    head = [line[:HEAD_CHARACTERS] for line in lines[:6]]
    for line in head:
        glued = [title for piece in _pieces(line) if (title := _glued_title(piece))]
        if glued:
            # The one with the issuer before 关于, where an exporter put the bare title first.
            return next((title for title in glued if title != glued[0] and glued[0] in title), glued[0])
    last = lines[-1].strip()
    if ends_title(last) and len(last) < 120 and lines[0].strip()[:12] in last and TITLE_ISSUER.match(last):
        return last
    named = [match.group(1) for line in head if (match := _NAMED.search(line)) and ends_title(match.group(1))]
    return named[0] if named else ""


def title_lines(lines: Sequence[str]) -> list[int]:
    """The lines that are the title and no more: up to five in a row that together end as a title does."""
    labelled = label_block(lines)
    for first in range(min(HEAD_LINES - 3, len(lines))):
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
    found = [index for index, line in enumerate(lines[:HEAD_LINES]) if LABEL.match(line) and len(line) < 200]
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
    title = re.sub(rf"^(?:[：:，\s]|{DATE.pattern}|\d\d:\d\d(?::\d\d)?)+", "", title.strip())
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
        yield (before_number(part[: match.start(2)])[0] if match else "") or part


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


def before_number(text: str) -> tuple[str, str]:
    """A text that ends in a 发文字号's letters, parted into what stands before them and the letters."""
    match = re.match(
        r"(.*(?:通知|意见|决定|公告|通告|批复|方案|规划|计划|办法(?!规)|条例|规定|细则|纲要|答复|[日司）)】：:\s]))?([\u4e00-\u9fff]{2,16})",
        text.rstrip("〔[［【（(﹝ "),
    )
    return (match.group(1) or "", match.group(2)) if match else ("", "")


def find_date(text: str) -> str:
    """The first date in a text as ISO, in Arabic or Chinese digits; empty if there is none.

    >>> find_date("二〇二一年十二月十二日"), find_date("（2021年6月10日通过）"), find_date("2021年")
    ('2021-12-12', '2021-06-10', '')
    """
    for match in DATE.finditer(text):
        parts = [part for part in match.groups() if part]
        try:
            year, month, day = map(parse_numeral, parts)
            lost = {2: 10, 3: 100}.get(len(parts[0]))  # 二五年四月 is 2005: the zeros were lost on the way
            return datetime.date(2000 + year % lost if lost else year, month, day).isoformat()
        except ValueError:
            continue
    return ""
