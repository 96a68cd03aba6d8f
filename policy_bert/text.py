"""Text as the corpus and the documents need it: normal forms, and sentences with character offsets."""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from typing import NamedTuple

_SPACE = re.compile(r"\s+")
_FILLERS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b-\u200d\u2060]")


def clean(text: str) -> str:
    r"""The text without control characters, zero-width characters and stray white space; nothing else changes.

    >>> clean(" 推动\u200b数据 \t 共享。 ")
    '推动数据 共享。'
    """
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def is_blank(text: str) -> bool:
    r"""Whether a reader would see nothing: white space, control characters, zero-width characters, fillers.

    >>> is_blank("\u200b \u3000\ufeff"), is_blank("。")
    (True, False)
    """
    return all(c.isspace() or c in _FILLERS or unicodedata.category(c) in ("Cc", "Cf") for c in text)


def comparison_key(text: str) -> str:
    """What two sentences are compared by: NFKC, lower case, letters and digits only.

    >>> comparison_key("发展“互联网＋养老”。") == comparison_key('发展"互联网+养老"')
    True
    """
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())


def look(text: str) -> str:
    r"""What a text looks like at a glance: width, case, white space, what nobody sees and zeros around a number aside.

    >>> look("Ａ\u200b类\xa0") == look("a类"), look("01") == look("1.0")
    (True, True)
    """
    seen = "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if not is_blank(c))
    return re.sub(r"^0+(?=[0-9])|(?<=[0-9])\.0+$", "", seen)


class Span(NamedTuple):
    """A stretch of a text: `text[start:end]`."""

    start: int
    end: int


_CLOSING = dict(zip("“‘（(《〈「『【〔[［{", "”’）)》〉」』】〕]］}", strict=True))
_OPENING = {closing: opening for opening, closing in _CLOSING.items()}
_PAIRED = re.compile("[" + re.escape("".join([*_CLOSING, *_OPENING, '"'])) + "]")
_QUOTES = frozenset('“”"')
_END = re.compile(r"[。！？；｡!?;]+")
_ASCII_END = frozenset("!?;")
_CLOSING_QUOTES = '”’」』"'
# What may follow a quotation without a new sentence beginning: 提出“……。”的要求.
_CONTINUES = re.compile(r"\s*[的地得等之为是，、：；。！？）》,]")
_SHORTEST_LIST_ITEM = 8
_DEEPEST_NESTING = 20


def split_sentences(text: str) -> list[Span]:
    r"""The sentences of a text as character offsets, in order, without the white space around them.

    A line break ends a sentence always. Within a line 。！？； (and the half-width forms after a Chinese character) end
    one, outside quotation marks and brackets. Only pairs that are complete within the line protect what they hold,
    so a quotation mark without its partner swallows nothing. A quotation that closes on an end mark ends the
    sentence, unless 的, 等, a comma or the like continues it.

    An enumeration after ：within a line is cut at its ；, the first item staying with its lead-in, unless an item is
    shorter than 8 characters: such a list is one sentence.

    >>> text = "要求：“稳中求进。”加快建设（一期；二期）。\n支持：云；网；端。"
    >>> [text[start:end] for start, end in split_sentences(text)]
    ['要求：“稳中求进。”', '加快建设（一期；二期）。', '支持：云；网；端。']
    """
    sentences: list[Span] = []
    for line in re.finditer(r"[^\r\n\u2028\u2029\x0b\x0c\x85]+", text):
        cuts = _join_short_items(line.group(), _cuts(line.group()))
        for start, end in zip([0, *cuts], [*cuts, len(line.group())], strict=True):
            stripped = line.group()[start:end].strip()
            if stripped:
                start += line.start() + line.group()[start:end].index(stripped)
                sentences.append(Span(start, start + len(stripped)))
    return sentences


def _cuts(line: str) -> list[int]:
    """Where sentences end within a line, the line's own end left out."""
    inside = _protected(line)
    cuts = []
    for match in _END.finditer(line):
        end = match.end()
        if match.group()[0] in _ASCII_END and not "\u3400" <= line[match.start() - 1 : match.start()] <= "\u9fff":
            continue
        if inside[match.start()]:
            closes = end
            while closes < len(line) and line[closes] in _CLOSING_QUOTES and inside[closes - 1]:
                closes += 1
            if closes == end or inside[closes - 1] > 1 or _CONTINUES.match(line, closes):
                continue
            end = closes
        if end < len(line):
            cuts.append(end)
    return cuts


def _protected(line: str) -> list[int]:
    """How many complete pairs hold each character; a pair's closing mark still counts as inside it."""
    steps = [0] * (len(line) + 1)
    open_marks: list[tuple[str, int]] = []
    for match in _PAIRED.finditer(line):
        mark, index = match.group(), match.start()
        is_open = {m for m, _ in open_marks}
        opening = _OPENING.get(mark)
        if mark in _QUOTES and opening not in is_open:
            # Real texts close “ with an ASCII quotation mark, and the other way round.
            opening = next((m for m in ('"', "“") if m in is_open), None) if mark in '"”' else opening
        if opening in is_open:
            while open_marks[-1][0] != opening:
                open_marks.pop()
            steps[open_marks.pop()[1]] += 1
            steps[index + 1] -= 1
        elif mark in _CLOSING or mark == '"':
            if mark in is_open and mark in _QUOTES:
                # A quotation that was never closed ends where its sentence ends, if another one opens after that.
                open_marks = [(m, i) for m, i in open_marks if m != mark or not _END.search(line, i, index)]
            open_marks = [*open_marks[-_DEEPEST_NESTING:], (mark, index)]
    return list(accumulate(steps))


def _join_short_items(line: str, cuts: list[int]) -> list[int]:
    """The cuts without those inside a colon's list that has an item of fewer than 8 characters."""
    kept: list[int] = []
    listed: list[int] = []
    start = 0
    for cut in [*cuts, len(line)]:
        colon = max(line.rfind("：", start, cut), line.rfind(":", start, cut))
        in_list = bool(listed) or colon >= 0
        items = [*listed, cut]
        if cut < len(line) and line[cut - 1] in "；;" and in_list:
            listed = items
            if len(listed) == 1:
                first_item = colon + 1
        else:
            if listed:
                starts = [first_item, *listed]
                if min(b - a for a, b in zip(starts, items, strict=False)) >= _SHORTEST_LIST_ITEM:
                    kept += listed
            listed = []
            if cut < len(line):
                kept.append(cut)
        start = cut
    return kept
