"""Documents cut into the units that get a code: sentences, paragraphs or articles, each with its place."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from policy_bert.documents.model import REASONS, Document, Unit, UnitKind, UnitSize
from policy_bert.documents.structure.background import begins_with_act, section_kind, sentence_kind
from policy_bert.documents.structure.course import Course
from policy_bert.documents.structure.marks import find_marker
from policy_bert.documents.structure.outline import Segment, outline
from policy_bert.text import split_sentences

_GLOSSARY = re.compile(r"(?:下列|以下)?(?:用语|术语)的?(?:含义|定义)|下列用语")
_LETTERS = re.compile(r"[^\W\d_].*?[^\W\d_]", re.DOTALL)
_ORDINAL = re.compile(
    r"(?:第?[一二三四五六七八九十]{1,2}(?:是|要)|第[一二三四五六七八九十][，、]|其[一二三四][，、是]|——|[①-⑳])(?=\S)"
)
_NOTE = re.compile(
    r"[（(【](?:责任|牵头|配合|参与|主办|完成)?[^（）()]{0,300}(?:单位|部门|时限|负责|参与|配合|牵头)[^（）()]{0,300}[）)】][。；]?"
)
_LOOKS_BACK = re.compile(r"回顾|总结|过去|情况|成[效就绩果]|做法|经验|历程|进展")
_NO_TOPIC = re.compile(r"的。$|\d|应|须|不得|严禁|可以|^[A-Za-z]|[：；“]$|[%％]")
_LONGEST_TOPIC, _LONGEST_UNNUMBERED = 25, 18
_OWN_UNITS = ("heading", "title", "toc", "front_matter", "salutation", "signature", "attachment")
_SHORTEST_CELL = 8
# A column's head that names what is done; other heads (序号, 责任单位, 指标来源 …) stand above names and figures.
_MEASURES = re.compile(
    r"任务|措施|举措|内容|要求|做法|条款|方向|事项|政策|目标(?!值)|标准(?!号|编号)|重点|建设|安排|说明|描述|支持|职责|义务|成果|条件"
)
_NAMES = re.compile(
    r"序号|编号|代码|单位|部门|机构|来源|指标|名称|时间|时限|年度|年份|期限|进度|计算|公式|方法|备注|联系|电话|地区|区域|数值|目标值|属性|类别|类型|所属|依据|姓名|职务|职称|邮箱"
    r"|地址|层级|领域|数量|金额|频次|频率|权重|分值|得分|牵头|负责|责任人|参与|配合|标准号|标题|文号|日期|[A-Za-z]{2,}"
)
_VERBLESS = re.compile(
    r"[=＝×÷]|^[^。；，]{1,24}(?:率|数|额|量|比重|占比|规模|指数|面积|比例|水平|增速|产值|收入|投资|强度)(?:[（(][^（）()]{1,20}[）)])?$"
)


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
    course: Course | None = None
    columns = _Columns()
    glossary: tuple[int, int, int] | None = None
    segments = outline(text)
    lines = [text[segment.start : segment.end] for segment in segments]
    for index, (segment, line) in enumerate(zip(segments, lines, strict=True)):
        if course is None or segment.part != segments[index - 1].part:
            course = Course(
                [line for s, line in zip(segments[index:], lines[index:], strict=True) if s.part == segment.part]
            )
        place = (segment.part, segment.chapter, segment.article)
        body_start = segment.marker.length if segment.marker else 0
        if _GLOSSARY.search(line[:200]) and segment.kind == "content":
            glossary = place
        if segment.kind == "heading":
            course.head(line[body_start:], body_start > 0)
        elif segment.run_in:
            course.head(line[body_start : segment.run_in], body_start > 0)
        section = _section(segment.headings)
        spans = list(_spans(line))
        heads = columns.heads(line) if segment.kind == "content" else ()
        for number, (start, end, cell) in enumerate(spans):
            kind = segment.kind
            body = line[max(start, min(body_start, end)) : end]
            if kind != "content":
                pass
            elif end <= segment.run_in:
                kind = "heading"
            elif "\t" in line:
                kind = _cell_kind(body, heads[cell] if cell < len(heads) else "")
            elif not _LETTERS.search(body):
                kind = "fragment"
            else:
                told = None if segment.articles else course.kind(body, section)
                # Reports and replies look back and ahead by their course, whatever the ranks of their headings.
                by_course = course.genre in ("report", "reply") and section == "background"
                kind = sentence_kind(body, None if by_course else section, segment.articles)
                if told and kind in ("content", "background"):
                    kind = told
                elif (
                    kind == "content"
                    and not segment.articles
                    and (number or not segment.marker)
                    and _is_topic(line, spans, number, body)
                ):
                    kind = "heading"
                if kind == "content" and glossary == place and segment.article:
                    kind = "definition"
            yield _Sentence(segment.start + start, segment.start + end, kind, segment)


def _section(headings: Sequence[str]) -> UnitKind | None:
    """What the headings above say of all below them, the innermost that says something first."""
    for depth, heading in enumerate(reversed(headings)):
        if kind := _heading_kind(heading):
            # What is numbered below 指导思想 is no longer it, nor what is headed by an act below 发展形势.
            aims = kind == "principle" and "指导思想" in heading
            keeps = "原则" in heading or (kind == "background" and _LOOKS_BACK.search(heading))
            return None if depth and (aims or (not keeps and begins_with_act(headings[-1]))) else kind
    return None


@functools.lru_cache(maxsize=4096)
def _heading_kind(heading: str) -> UnitKind | None:
    marker = find_marker(heading)
    return section_kind(heading[marker.length :] if marker else heading)


def _spans(line: str) -> Iterator[tuple[int, int, int]]:
    """The sentences of a line, cell by cell where it is a table's row, with the number of the cell."""
    for number, cell in enumerate(re.finditer(r"[^\t]*(?:\t|$)", line)):
        for span in split_sentences(cell.group()):
            yield cell.start() + span.start, cell.start() + span.end, number


def _is_topic(line: str, spans: Sequence[tuple[int, int, int]], number: int, body: str) -> bool:
    """Whether a sentence names the topic of what follows it in its paragraph: 加强人才培养。 before 引进……。建设……。"""
    ordinal = _ORDINAL.match(body)
    if number and not ordinal and not _NOTE.fullmatch(line[slice(*spans[number - 1][:2])]):
        return False
    name = body[ordinal.end() :] if ordinal else body
    if len(name) > (_LONGEST_TOPIC if ordinal else _LONGEST_UNNUMBERED) or not name.endswith("。"):
        return False
    if _NO_TOPIC.search(name) or number + 1 >= len(spans):
        return False
    following = line[spans[number + 1][0] : spans[number + 1][1]]
    rest = line[spans[number][1] :].strip()
    return (
        len(rest) >= max(12, len(name)) and not (ordinal and _ORDINAL.match(following)) and not _NOTE.match(following)
    )


class _Columns:
    """The heads of the table that is being read, row by row."""

    def __init__(self) -> None:
        self._heads: tuple[str, ...] = ()

    def heads(self, line: str) -> Sequence[str]:
        """The heads of the columns of a row, one a cell; empty for a line that is no row or a row without known heads.

        The first row of a table whose cells are short and hold no sentence is its head, and heads itself by 名称.
        """
        if "\t" not in line:
            self._heads = ()
            return ()
        cells = [cell.strip() for cell in line.split("\t")]
        if _is_head_row(cells):
            self._heads = tuple(cells)
            return ["名称"] * len(cells)
        return self._heads if len(cells) == len(self._heads) else ()


def _is_head_row(cells: Sequence[str]) -> bool:
    """Whether a row's cells are the heads of columns: short, without a sentence, at least two of them usual."""
    if any(len(cell) > 16 or re.search(r"[。；]", cell) for cell in cells):
        return False
    named = sum(bool(_MEASURES.search(cell) or _NAMES.search(cell)) for cell in cells)
    return (
        named >= 2
        and named >= len([cell for cell in cells if cell]) / 2
        and not any(cell.isdecimal() for cell in cells)
    )


def _cell_kind(body: str, head: str) -> UnitKind:
    """What a cell's sentence is: `table` if it is short, a name, a formula, or below a head of such; else by form."""
    letters = sum(character.isalpha() for character in body)
    if letters < _SHORTEST_CELL or not re.search(r"[\u3400-\u9fff]", body):
        return "table"
    if head and _NAMES.search(head) and not re.search(r"任务|措施|举措|内容|要求|做法|目标(?!值)", head):
        return "table"
    if _VERBLESS.search(body):
        return "table"
    kind = sentence_kind(body)
    return "table" if kind == "fragment" else kind


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
