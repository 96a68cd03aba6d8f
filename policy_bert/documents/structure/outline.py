"""The outline of a document: what each line is, and under which chapter, article and headings it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from policy_bert.documents.model import UnitKind
from policy_bert.documents.structure.frame import frame_kinds, part_starts
from policy_bert.documents.structure.marks import Level, Marker, find_marker
from policy_bert.text import Span, split_sentences

_UNMARKED = 10.0
_HEADING_END = re.compile(r"[。；！？，：:;,、…]$")
# A heading and the first numbered paragraph below it on one line: 一、总体要求（一）指导思想…, （五）治理1.健全…
_GLUED = re.compile(
    r"\s*(?:(?:第[^\s，。；]{1,5}[章节]|[一二三四五六七八九十]{1,3}、)[^。；：]{2,40}?(?:\s+(?=[（(][一二三四五六七八九十]{1,3}[）)]|第[^\s，。；]{1,6}条)|(?=[（(]一[）)]))"
    r"|[（(][一二三四五六七八九十]{1,3}[）)][^。；：]{2,40}?(?<=[\u4e00-\u9fff])(?=1[.．](?!\d)))"
)
# A note on who is responsible, before what the line goes on with.
_NOTE = re.compile(
    r"[（(【〔](?:(?:责任|牵头|配合|参与|主办|完成)(?:单位|部门|时限)?[：:][^（）()【】〕]{2,300}|[^（）()【】〕。；]{2,300}(?:负责|参与|配合|牵头))[）)】〕][。；]?\s*(?=\S)"
)
_LONGEST_HEADING = 40
_LONGEST_RUN_IN = 25


@dataclass(frozen=True)
class Segment:
    """A line, or a part of one that has numbering of its own.

    Attributes:
        line: Number of the line in the text, from 0.
        start: First character in the text.
        end: One past the last.
        marker: Its numbering.
        kind: `content` for the body, else what its place and form say.
        run_in: Characters of a heading that the paragraph begins with: （一）总体思路。坚持…
        headings: The headings above it.
        part: 0 for the document itself, 1 … for what is attached to it.
        articles: Whether its part is numbered by 条.
    """

    line: int
    start: int
    end: int
    marker: Marker | None = None
    kind: UnitKind = "content"
    run_in: int = 0
    headings: tuple[str, ...] = ()
    part: int = 0
    articles: bool = False
    chapter: int = 0
    article: int = 0
    paragraph: int = 1
    item: int = 0


def outline(text: str) -> list[Segment]:
    """The segments of a text in order, each with its place; together they hold every line.

    Chapter and article are 章 and 条 where a document has 条; else the two outermost levels of numbering that it uses.
    A part attached to the document (after the signature, 附件, or a second 第一条) is numbered by its own levels.
    """
    segments = list(_segments(text))
    lines = [text[segment.start : segment.end] for segment in segments]
    starts = part_starts(lines)
    placed: list[Segment] = []
    for part, (first, last) in enumerate(zip(starts, [*starts[1:], len(lines)], strict=True)):
        kinds = frame_kinds(lines[first:last])
        members = [replace(s, kind=k, part=part) for s, k in zip(segments[first:last], kinds, strict=True)]
        placed += _Numberer(members, lines[first:last]).place()
    return placed


def _segments(text: str) -> Iterator[Segment]:
    """The lines, cut where a sentence within one begins with numbering, after notes and after glued headings."""
    start = 0
    for number, line in enumerate(text.split("\n")):
        if line.strip():
            cuts = {0}
            if "\t" not in line:
                spans = split_sentences(line) if len(line) > 2 * _LONGEST_RUN_IN or "（" in line else []
                cuts.update(
                    span.start for span in spans[1:] if len(line) > 2 * _LONGEST_RUN_IN and _begins_segment(line, span)
                )
                cuts.update(note.end() for span in spans if (note := _NOTE.match(line, span.start)))
                for begin in sorted(cuts):
                    while glued := _GLUED.match(line, begin):
                        begin = glued.end()
                        cuts.add(begin)
            ordered = sorted(cuts)
            for begin, end in zip(ordered, [*ordered[1:], len(line)], strict=True):
                yield Segment(number, start + begin, start + end, find_marker(line[begin:end]))
        start += len(line) + 1


def _begins_segment(line: str, span: Span) -> bool:
    marker = find_marker(line[span.start : span.end])
    return marker is not None and marker.level in (Level.CHAPTER, Level.ARTICLE, Level.FIRST, Level.SECOND)


class _Numberer:
    """Places the segments of one part, one after the other."""

    def __init__(self, segments: Sequence[Segment], lines: Sequence[str]) -> None:
        self.segments, self.lines = segments, lines
        self.chapter_level: Level = Level.CHAPTER
        self.article_level: Level = Level.ARTICLE
        body = [s.marker.level for s in segments if s.marker and s.kind == "content"]
        articles = body.count(Level.ARTICLE)
        self.has_articles = (articles >= 2 and 12 * articles >= len(lines)) or {Level.ARTICLE, Level.CHAPTER} <= set(
            body
        )
        levels = sorted(level for level in set(body) if level != Level.ARTICLE or self.has_articles)
        if self.has_articles:
            above = [level for level in (Level.CHAPTER, Level.PART, Level.SECTION) if level in levels]
            self.chapter_level = (above or [Level.CHAPTER])[0]
        else:
            if Level.CHAPTER in levels:
                levels = [level for level in levels if level >= Level.CHAPTER]
            self.chapter_level = levels[0] if levels else Level.CHAPTER
            self.article_level = levels[1] if len(levels) > 1 else Level.FIFTH
        self.chapter = self.article = self.paragraph = self.item = 0
        self.path: list[tuple[float, str]] = []
        self.votes = self._vote()
        self.topics = self._topics()

    def place(self) -> list[Segment]:
        """The segments with chapter, article, paragraph, item and headings."""
        return [self._place(index) for index in range(len(self.segments))]

    def _place(self, index: int) -> Segment:
        segment, line = self.segments[index], self.lines[index]
        if segment.kind != "content":
            return self._numbered(segment, keep_path=segment.kind == "signature")
        marker = segment.marker
        if marker and marker.level == Level.ARTICLE and not self.has_articles:
            marker = None
        self._count(marker)
        if marker:
            self.path = [entry for entry in self.path if entry[0] < marker.level]
        if self._is_heading(index, marker):
            rank = marker.level if marker else self._rank(index)
            self.path = [entry for entry in self.path if entry[0] < rank]
            placed = self._numbered(segment, kind="heading", marker=marker)
            self._push(rank, line)
            self.paragraph = 0
            return placed
        run_in = self._run_in(marker, line) if self.votes.get(index, True) else 0
        if run_in:
            self._push(marker.level if marker else _UNMARKED, line[:run_in])
        elif marker and marker.level == Level.ARTICLE:
            self._push(marker.level, line[: marker.length])
        return self._numbered(segment, run_in=run_in, marker=marker)

    def _numbered(self, segment: Segment, keep_path: bool = True, **changes: Any) -> Segment:
        return replace(
            segment,
            articles=self.has_articles,
            chapter=self.chapter,
            article=self.article,
            paragraph=max(self.paragraph, 1),
            item=self.item,
            headings=tuple(text for _, text in self.path) if keep_path else (),
            **changes,
        )

    def _count(self, marker: Marker | None) -> None:
        if marker is None or marker.level > self.article_level:
            self.item = marker.number if marker else 0
            self.paragraph += not (marker and self.has_articles and self.paragraph)
            return
        self.item, self.paragraph = 0, 1
        if marker.level == self.article_level:
            self.article = marker.number
        elif marker.level <= self.chapter_level:
            self.chapter = marker.number if marker.level == self.chapter_level else 0
            self.article = 0
        elif not self.has_articles:
            self.article = 0

    def _push(self, rank: float, text: str) -> None:
        self.path = [entry for entry in self.path if entry[0] < rank]
        self.path.append((rank, " ".join(text.split()).rstrip("。：:")))

    def _rank(self, index: int) -> float:
        """The level of an unnumbered heading: just above the numbering that begins anew below it, else the lowest."""
        for segment in self.segments[index + 1 : index + 8]:
            if segment.marker and segment.kind == "content":
                return segment.marker.level - 0.5 if segment.marker.number == 1 else _UNMARKED
        return _UNMARKED

    def _deeper(self, index: int) -> bool:
        """Whether the text below a numbered line belongs to it: it has none or deeper numbering."""
        marker, following = self.segments[index].marker, self._following(index)
        return (
            marker is not None
            and following is not None
            and (not following.marker or following.marker.level > marker.level)
        )

    def _following(self, index: int) -> Segment | None:
        """The segment after one if it is of the body and of another line or numbered."""
        following = self.segments[index + 1] if index + 1 < len(self.segments) else None
        if following is None or following.kind != "content":
            return None
        return following if following.marker or following.line != self.segments[index].line else None

    def _vote(self) -> dict[int, bool]:
        """For each numbered line, whether what it begins with is a heading as far as its siblings tell.

        A line of one sentence is one if most such siblings have text below them. A run-in sentence is none beside a
        sibling that is as short and complete: 一、研究制定办法。 against 二、推进共享，优化流程。建设平台。
        """
        votes: dict[int, bool] = {}
        open_groups: dict[int, list[int]] = {}

        def close(level: int) -> None:
            for group in [open_groups.pop(key) for key in list(open_groups) if key >= level]:
                alone = [index for index in group if "。" not in self.lines[index].rstrip("。 ")]
                below = sum(self._deeper(index) for index in alone)
                votes.update(dict.fromkeys(alone, 2 * below > len(alone) or below == len(alone)))
                if any(not votes[index] and len(self.lines[index]) <= _LONGEST_RUN_IN + 5 for index in alone):
                    votes.update(dict.fromkeys((index for index in group if index not in alone), False))

        for index, segment in enumerate(self.segments):
            if segment.kind != "content" or segment.marker is None:
                continue
            close(segment.marker.level + (segment.marker.number > 1))
            open_groups.setdefault(segment.marker.level, []).append(index)
        close(0)
        return votes

    def _topics(self) -> set[int]:
        """Lines that are a short sentence and name the topic of the longer line below, as most such of a part do."""
        short = [
            index
            for index, line in enumerate(self.lines[:-1])
            if self.segments[index].kind == "content"
            and not self.segments[index].marker
            and re.fullmatch(r"[^，。；：！？\d\t]{4,18}。", line.strip())
        ]
        topics = {
            index
            for index in short
            if (following := self._following(index))
            and not following.marker
            and len(self.lines[index + 1]) > max(2 * len(self.lines[index]), 40)
        }
        return topics if len(topics) >= 0.6 * len(short) else set()

    def _is_heading(self, index: int, marker: Marker | None) -> bool:
        line = self.lines[index].strip()
        rest = line[marker.length :].strip() if marker else line
        if "\t" in line or len(rest) > _LONGEST_HEADING:
            return False
        if marker is None:
            following = self._following(index)
            if following is None or self.has_articles:
                return False
            return index in self.topics or self._is_unmarked_heading(index, rest, following)
        if marker.level <= Level.ARTICLE:
            return not re.search(r"[。；，：:]", rest)
        if self.has_articles:
            return False
        below = self.votes.get(index, self._deeper(index))
        if rest.endswith("。"):
            return (
                below
                and len(rest) <= _LONGEST_RUN_IN + 5
                and not re.search(r"[。；]|的$|应当|不得|严禁|者要|位要|门要", rest[:-1])
            )
        if _HEADING_END.search(rest) or "。" in rest:
            return False
        return below or len(rest) < 8 or (marker.level == Level.FIRST and self._deeper(index))

    def _is_unmarked_heading(self, index: int, line: str, following: Segment) -> bool:
        if re.match(r"专栏\s*\d", line):
            return not _HEADING_END.search(line.rstrip("。"))
        if (
            len(line) > _LONGEST_RUN_IN
            or re.search(r"[。；！？：:]", line)
            or line.startswith(("—", "－", "-", "●", "•"))
        ):
            return False
        before, after = self.lines[index - 1].strip() if index else "", self.lines[index + 1].strip()
        if before.endswith(("：", ":")):
            return False
        if following.marker and following.marker.number == 1 and following.marker.level >= Level.FIRST:
            return True
        return "，" not in line and len(after) > len(line) and after[-1] in "。；："

    def _run_in(self, marker: Marker | None, line: str) -> int:
        if self.has_articles or (marker.level < Level.FIRST if marker else not line.startswith("——")):
            return 0
        sentences = split_sentences(line)
        if len(sentences) < 2 or line[sentences[0].end - 1] != "。":
            return 0
        length = sentences[0].end - (marker.length if marker else 2)
        return sentences[0].end if length <= _LONGEST_RUN_IN else 0
