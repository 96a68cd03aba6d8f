"""A document's parts and the frame around each: title, number, salutation, contents, signature, attachments."""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy_bert.documents.metadata import is_date_line
from policy_bert.documents.model import UnitKind
from policy_bert.documents.structure.marks import Level, find_marker
from policy_bert.documents.titles import BODY_NAME, LABEL, NUMBER, is_title_part, label_block, same_title, title_lines

_CONTENTS = re.compile(r"\s*目\s*[录次]\s*")
_LEADERS = re.compile(r"(?:[.．…·・]\s?){3,}\s*[-—]?\s*\d{0,4}\s*[-—]?\s*$")
ENACTED = re.compile(
    r"^[（(].{0,400}(?:通过|公布|修订|修正|发布|批准|印发|施行)"
    r"|^(?:根据)?(?:(?:19|20)\d\d|[一二][〇○零一二三四五六七八九]{3})年.{1,10}日[^。]{0,160}(?:通过|公布|修订|修正|发布|批准)[）)]?$"
)
# What exporters and web pages add of their own.
_EXPORT = re.compile(r"^(?:©|【?法宝|本篇【|扫描二维码|来自北大法宝|https?://)|法宝引证码|北大法宝|pkulaw")
_SALUTATION = re.compile(
    r"^(?:各|本|有关|省|市|县|区|国务院|自治区|中央|局|部|委|直属|驻)[^。；！？]*[：:]$"
    r"|^[^。；！？，]{2,60}(?:人民政府|委员会|办公厅|办公室|[厅局部委院会司处]|单位|企业|公司|代表|委员|同志(?:们)?)[：:]$"
)
_SPEECH = re.compile(r"^(?:各位|尊敬的)[^。]{1,20}[：:]$|^(?:同志们|朋友们)[！：:]$")
ATTACHMENT_LIST = re.compile(r"^附(?:件|录)?\s*[0-9０-９一二三四五六七八九十]*\s*[：:]\s*\S")
ATTACHMENT = re.compile(r"^附\s*(?:件|录)?\s*[0-9０-９一二三四五六七八九十]{0,3}(?:-\d+)?\s*[：:]?$")
_ATTACHMENT_TITLE = re.compile(r"附\s*件\s*[0-9０-９一二三四五六七八九十]{1,3}(?:-\d+)?[\s：:]\s*[^。；，]{2,60}$")
_OFFICER = re.compile(
    r"^(?:总\s*理|部\s*长|局\s*长|主\s*任|主\s*席|省\s*长|市\s*长|署\s*长|行\s*长|院\s*长|厅\s*长|检察长)\s*[\u4e00-\u9fff\s]{2,8}$"
)
AFTERWARDS = re.compile(
    r"^[（(](?:此件|联系人|联系电话|信息公开|本文有删减|.{0,12}公开)|^(?:抄\s*送|主\s*送|公开方式|联系人|信息公开|分\s*送)[：:]|印发$"
)
_SUBTITLE = re.compile(
    r"^(?:——|―|—|-{2,}|[（(]).{0,60}$|^.{0,4}(?:省长|市长|县长|区长|主席|总理|代市长|代省长)\s*\S{2,4}$"
)
_HEAD_LINES = 15
_ATTACHED = re.compile(r"^附\s*(?:件|录)\s*[0-9０-９一二三四五六七八九十]{0,3}(?:[：:\s]|$)")
_SHORTEST_PART = 150
_LONGEST_HEAD = 4


def part_starts(lines: Sequence[str]) -> list[int]:
    """Where the document's parts begin: its own first line, then each text attached to it.

    One begins after a signature with a date if much text follows, at a line that says 附件 and no more, and where
    第一条 or 第一章 occurs again outside the contents (then with the title above it).
    """
    contents = contents_lines(lines)
    starts = [0]
    firsts: set[Level] = set()
    remaining = sum(map(len, lines))
    for index, line in enumerate(lines):
        remaining -= len(line)
        if index in contents:
            continue
        marker = find_marker(line)
        is_first = marker is not None and marker.number == 1 and not marker.insertion
        level = marker.level if marker and is_first and marker.level in (Level.CHAPTER, Level.ARTICLE) else None
        start = None
        if level in firsts:
            start = _head_start(lines, index, starts[-1])
        elif index:
            stated = ATTACHMENT.match(line.strip()) and not announces_list(lines, index)
            long = remaining + len(line) >= _SHORTEST_PART or any(
                find_marker(text) for text in lines[index : index + 3]
            )
            attached = long and _follows_signature(lines, index)
            start = index if stated or attached else None
        if start is not None and start > starts[-1]:
            starts.append(start)
            firsts = set()
        if level is not None:
            firsts.add(level)
    return starts


def _head_start(lines: Sequence[str], index: int, part_start: int) -> int:
    """The first line of the head (title, 附件, enactment) that stands above a part's first article."""
    start = index
    while start - 1 > part_start and index - start < _LONGEST_HEAD and _may_head_part(lines[start - 1]):
        start -= 1
    return start


def _follows_signature(lines: Sequence[str], index: int) -> bool:
    """Whether the line before this one closes a signature block: a name, a date, perhaps （此件公开发布）."""
    line = lines[index].strip()
    if AFTERWARDS.search(line) or ATTACHMENT_LIST.match(line):
        return False
    before = index - 1
    while before > 0 and index - before < 6 and AFTERWARDS.search(lines[before].strip()):
        before -= 1
    return before > 0 and is_date_line(lines[before]) and is_signature_name(lines[before - 1].strip())


def _may_head_part(line: str) -> bool:
    line = line.strip()
    if re.search(r"[。；]", line) and not ENACTED.match(line):
        return False
    marker = find_marker(line)
    if marker is not None:
        return marker.level <= Level.CHAPTER
    return len(line) <= 60 or ENACTED.match(line) is not None or _ATTACHED.match(line) is not None


def frame_kinds(lines: Sequence[str]) -> list[UnitKind]:
    """What each line of a part is; `content` for its body."""
    kinds: list[UnitKind] = ["content"] * len(lines)
    for index in contents_lines(lines):
        kinds[index] = "toc"
    title = "".join(lines[index].strip() for index in title_lines(lines))
    body = _mark_head(lines, kinds)
    _mark_foot(lines, kinds, body)
    for index in range(body, len(lines)):
        line = lines[index].strip()
        if kinds[index] == "content" and _SPEECH.match(line):
            kinds[index] = "salutation"
        elif kinds[index] == "content" and title and same_title(line, title):
            kinds[index] = "title"
        elif kinds[index] == "content" and _ATTACHMENT_TITLE.match(line):
            kinds[index] = "attachment"
        elif kinds[index] == "content" and _is_label(line):
            kinds[index] = "front_matter"
    return kinds


def contents_lines(lines: Sequence[str]) -> set[int]:
    """The lines of a table of contents: those with leaders, and from 目录 to where its first entry occurs again."""
    found = {index for index, line in enumerate(lines) if len(line) < 100 and _LEADERS.search(line)}
    for index, line in enumerate(lines[:-1]):
        if not _CONTENTS.fullmatch(line):
            continue
        found.add(index)
        first = _entry(lines[index + 1])
        again = next((j for j in range(index + 2, min(index + 400, len(lines))) if _entry(lines[j]) == first), None)
        if first and again:
            found.update(range(index + 1, again))
    return found


def _entry(line: str) -> str:
    return re.sub(r"[\s.．…·・\d\-—]+", "", line)


def _mark_head(lines: Sequence[str], kinds: list[UnitKind]) -> int:
    """Mark the lines before the body; the index of the body's first line."""
    title = _title_lines(lines)
    name = "".join(lines[index].strip() for index in title)
    table = label_block(lines)
    for index, line in enumerate(lines[:_HEAD_LINES]):
        line = line.strip()
        if kinds[index] == "toc":
            continue
        if index in title or (name and same_title(line, name)):
            kinds[index] = "title"
        elif index in table or ATTACHMENT.match(line) or _is_front_matter(line, index):
            kinds[index] = "front_matter"
        elif _SALUTATION.match(line) or _SPEECH.match(line):
            kinds[index] = "salutation"
        elif max(title, default=-1) < index:
            return index
        elif not title and find_marker(line) is None and len(line) < 30 and not re.search(r"[。；，：]", line):
            kinds[index] = "front_matter"
        elif index < max(title, default=-1):
            kinds[index] = "front_matter" if len(line) < 60 and not re.search(r"[。；]", line) else "content"
    return min(len(lines), _HEAD_LINES)


def _title_lines(lines: Sequence[str]) -> list[int]:
    """The lines of the title, else a short first line above a longer one."""
    if found := title_lines(lines):
        return found
    alone = len(lines) > 1 and is_title_part(lines[0]) and len(lines[0].strip()) <= 40 and len(lines[1]) > len(lines[0])
    return [0] if alone and not ATTACHMENT.match(lines[0].strip()) else []


def _is_label(line: str) -> bool:
    """Whether a line is a label with its value (发布部门：…), or what an exporter adds."""
    labelled = LABEL.match(line) is not None and (
        len(line) < 60 or "【" in line[:2] or ("\t" in line and len(line) < 200)
    )
    return labelled or (_EXPORT.search(line) is not None and len(line) < 200)


def _is_front_matter(line: str, index: int) -> bool:
    if NUMBER.search(line) and len(line) < 60 and not re.search(r"[。，；]", line):
        return True
    if is_date_line(line) or _is_label(line) or ENACTED.match(line):
        return True
    if re.fullmatch(r"[（(]?(?:\d{4}年)?第\s*\S{1,6}\s*号[）)]?|.{2,40}(?:令|公告)(?:第\s*\S{1,6}\s*号)?", line):
        return True
    return index > 0 and _SUBTITLE.match(line) is not None and find_marker(line) is None


def _mark_foot(lines: Sequence[str], kinds: list[UnitKind], body: int) -> None:
    """Mark the signature and the list of attachments of a part."""
    last = len(lines) - 1
    dated = next((i for i in range(last, max(body, last - 12), -1) if is_date_line(lines[i])), None)
    if dated is not None:
        after = next((i for i in range(dated + 1, last + 1) if _is_text(lines[i])), last + 1)
        _mark(kinds, range(dated, after), "signature", body)
        end = dated - 1
    else:
        end = last
        while end > body and AFTERWARDS.search(lines[end].strip()):
            kinds[end] = "signature"
            end -= 1
    signed = 0
    while end > body and signed < 12 and is_signature_name(lines[end].strip()):
        kinds[end] = "signature"
        end, signed = end - 1, signed + 1
    for index in range(max(body, end - 30), end + 1):
        line = lines[index].strip()
        if ATTACHMENT_LIST.match(line) or (ATTACHMENT.match(line) and announces_list(lines, index)):
            if all(not re.search(r"。", text) for text in lines[index : end + 1]):
                _mark(kinds, range(index, end + 1), "attachment", body)
            else:
                kinds[index] = "attachment"
            return


def _is_text(line: str) -> bool:
    """Whether a line after the date is text again: numbered, or a sentence that is not about the paper."""
    line = line.strip()
    return not AFTERWARDS.search(line) and (find_marker(line) is not None or line.endswith(("。", "；")))


def _mark(kinds: list[UnitKind], indices: range, kind: UnitKind, body: int) -> None:
    for index in indices:
        if index >= body:
            kinds[index] = kind


def is_signature_name(line: str) -> bool:
    """Whether a line is a body's or an officer's name and no more."""
    if _OFFICER.match(line):
        return True
    short = len(line) <= 40 and not re.search(r"[。；：，]", line) and find_marker(line) is None
    return short and BODY_NAME.search(re.sub(r"\s+", "", line)) is not None


def announces_list(lines: Sequence[str], index: int) -> bool:
    """Whether 附件： announces a list of titles rather than beginning an attached text."""
    if index + 1 >= len(lines):
        return True
    marker = find_marker(lines[index + 1])
    return marker is not None and marker.level == Level.THIRD and "。" not in lines[index + 1]
