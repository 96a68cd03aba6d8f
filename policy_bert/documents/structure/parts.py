"""A document's parts: the text itself, and what is attached to it after the signature."""

from __future__ import annotations

import re
from collections.abc import Sequence

from policy_bert.documents.metadata import is_date_line
from policy_bert.documents.structure.frame import (
    AFTERWARDS,
    ATTACHMENT,
    ATTACHMENT_LIST,
    ENACTED,
    announces_list,
    contents_lines,
    is_signature_name,
)
from policy_bert.documents.structure.marks import Level, find_marker

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
