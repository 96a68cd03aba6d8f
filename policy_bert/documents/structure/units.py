"""Documents cut into the units that get a code: sentences, paragraphs or articles, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from policy_bert.documents.model import REASONS, Document, Unit, UnitKind, UnitSize
from policy_bert.documents.structure.background import sentence_kind
from policy_bert.documents.structure.outline import Segment, outline
from policy_bert.text import split_sentences

_GLOSSARY = re.compile(r"(?:下列|以下)?(?:用语|术语)的?(?:含义|定义)|下列用语")
_SHORTEST_CELL = 8
_OWN_UNITS = ("heading", "title", "toc", "front_matter", "salutation", "signature", "attachment")


@dataclass(frozen=True)
class _Sentence:
    start: int
    end: int
    kind: UnitKind
    segment: Segment


def cut_units(document: Document, unit: UnitSize = "sentence") -> list[Unit]:
    """The units of a document in order; together they hold every character of its text that is not white space.

    `sentence`: a line of the text cut as `policy_bert.text.split_sentences` does; the first sentence keeps the line's
    numbering, and `Unit.body` is the text without it. The items of a list (（一）…；on lines of their own) are
    sentences each, their lead-in another. A table's cells are sentences; short ones are told apart. `paragraph`: a line
    of the text, headings apart. `article`: all that one article holds, or one （一） where a document has no 条; what
    stands before the first is one unit.

    A unit larger than a sentence is content unless all its sentences are told apart.
    """
    sentences = list(_sentences(document.text))
    if unit == "paragraph":
        groups = [list(group) for _, group in groupby(sentences, key=lambda s: (s.segment.line, s.segment.kind))]
    elif unit == "article":
        groups = list(_articles(sentences))
    else:
        groups = [[sentence] for sentence in sentences]
    return _number(document, groups)


def _sentences(text: str) -> Iterator[_Sentence]:
    glossary: tuple[int, int, int] | None = None
    for segment in outline(text):
        line = text[segment.start : segment.end]
        place = (segment.part, segment.chapter, segment.article)
        if _GLOSSARY.search(line) and segment.kind == "content":
            glossary = place
        for start, end in _spans(line):
            kind = segment.kind
            if kind == "content":
                kind = _kind(segment, line, start, end)
                if kind == "content" and glossary == place and segment.article:
                    kind = "definition"
            yield _Sentence(segment.start + start, segment.start + end, kind, segment)


def _spans(line: str) -> Iterator[tuple[int, int]]:
    """The sentences of a line, cell by cell where it is a table's row."""
    for cell in re.finditer(r"[^\t]+", line):
        for span in split_sentences(cell.group()):
            yield cell.start() + span.start, cell.start() + span.end


def _kind(segment: Segment, line: str, start: int, end: int) -> UnitKind:
    if end <= segment.run_in:
        return "heading"
    marker_end = segment.marker.length if segment.marker else 0
    body = line[max(start, min(marker_end, end)) : end]
    letters = sum(character.isalpha() for character in body)
    if "\t" in line and (letters < _SHORTEST_CELL or not re.search(r"[\u3400-\u9fff]", body)):
        return "table"
    if letters < 2:
        return "fragment"
    return sentence_kind(body, segment.headings, segment.preamble)


def _articles(sentences: list[_Sentence]) -> Iterator[list[_Sentence]]:
    """Sentences gathered by article; a heading inside an article belongs to it, one before its text stands alone."""
    group: list[_Sentence] = []
    for sentence in sentences:
        frame = sentence.kind in _OWN_UNITS and not (sentence.kind == "heading" and group)
        if group and (_place(group[0]) != _place(sentence) or sentence.kind in _OWN_UNITS[1:]):
            yield group
            group = []
            frame = sentence.kind in _OWN_UNITS
        if frame:
            yield [sentence]
        else:
            group.append(sentence)
    if group:
        yield group


def _place(sentence: _Sentence) -> tuple[int, int, int]:
    return sentence.segment.part, sentence.segment.chapter, sentence.segment.article


def _number(document: Document, groups: list[list[_Sentence]]) -> list[Unit]:
    """Units with identifiers: the first heading of a chapter or article is number 0, the rest count on from 1."""
    reached: dict[tuple[int, int], int] = {}
    headed: set[tuple[int, int]] = set()
    units = []
    for group in groups:
        segment = group[0].segment
        place = (segment.chapter, segment.article)
        kind = _group_kind(group)
        if kind == "heading" and place not in headed:
            headed.add(place)
            number = 0
        else:
            number = reached[place] = reached.get(place, 0) + 1
        start, end = group[0].start, group[-1].end
        marker_end = segment.start + segment.marker.length if segment.marker else start
        units.append(
            Unit(
                id=f"{document.id}-{segment.chapter}-{segment.article}-{number}",
                start=start,
                end=end,
                text=document.text[start:end],
                headings=segment.headings,
                chapter=segment.chapter,
                article=segment.article,
                paragraph=segment.paragraph,
                sentence=number,
                kind=kind,
                reason=REASONS[kind],
                marker=document.text[start : min(marker_end, end)] if start < marker_end else "",
                item=segment.item,
            )
        )
    return units


def _group_kind(group: list[_Sentence]) -> UnitKind:
    kinds = [sentence.kind for sentence in group]
    if "content" in kinds:
        return "content"
    apart = [kind for kind in kinds if kind != "heading"]
    return apart[0] if apart else kinds[0]
