"""Numerals and numbering of Chinese official documents: which mark begins a line, on which level, with which number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_SHORT = {"廿": 20, "卅": 30}
NUMERAL = "零〇○一二三四五六七八九十百千两廿卅"


def parse_numeral(text: str) -> int:
    """The whole number that Chinese or Arabic digits of either width stand for.

    >>> [parse_numeral(text) for text in ("十二", "一百零五", "二〇二一", "３", "廿一", "一千二百六十")]
    [12, 105, 2021, 3, 21, 1260]

    Raises:
        ValueError: It is no such number.
    """
    text = "".join(text.split())
    if text.isdecimal():
        return int(text)
    if text and all(character in _DIGITS for character in text):
        return int("".join(str(_DIGITS[character]) for character in text))
    total, digit = 0, 0
    for character in text:
        if character in _UNITS:
            total += (digit or 1) * _UNITS[character]
            digit = 0
        elif character in _SHORT:
            total += _SHORT[character]
        elif character in _DIGITS:
            digit = _DIGITS[character]
        else:
            raise ValueError(f"no number: {text!r}")
    if not text:
        raise ValueError("no number: empty")
    return total + digit


def chinese_numeral(number: int) -> str:
    """A number from 0 to 9999 in Chinese, as automatic numbering writes it.

    >>> [chinese_numeral(number) for number in (0, 3, 10, 12, 20, 105, 110, 1010)]
    ['〇', '三', '十', '十二', '二十', '一百零五', '一百一十', '一千零一十']

    Raises:
        ValueError: The number is out of range.
    """
    if not 0 <= number <= 9999:
        raise ValueError(f"expected 0 to 9999, found {number}")
    if number == 0:
        return "〇"
    text, gap = "", False
    for value, unit in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, value)
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + unit
            gap = False
        else:
            gap = True
    return text.removeprefix("一") if text.startswith("一十") else text


class Level(IntEnum):
    """The levels of numbering, outermost first."""

    PART = 1  # 第一编, 第一篇, 第一部分
    CHAPTER = 2  # 第一章
    SECTION = 3  # 第一节
    ARTICLE = 4  # 第一条
    FIRST = 5  # 一、
    SECOND = 6  # （一）
    THIRD = 7  # 1.
    FOURTH = 8  # （1）
    FIFTH = 9  # ①


@dataclass(frozen=True)
class Marker:
    """The numbering at the beginning of a line.

    Attributes:
        level: Its level.
        number: Its number; 12 for 第十二条.
        length: Characters of the line that the mark takes, with the white space around it.
        insertion: 1 for 第十二条之一, else 0.
    """

    level: Level
    number: int
    length: int
    insertion: int = 0


_N = rf"[{NUMERAL}0-9０-９]"
_ORDINAL = rf"第\s*({_N}[{NUMERAL}0-9０-９ \u3000]{{0,12}}?)\s*"
# A reference to an article rather than its beginning: 第十二条规定的…, 第三条第二款, 第五条、第六条.
_JOINED = r"(?:和|与|至|或|或者|及|以及|到)第"
_REFERENCE = rf"(?!第[一二三四五六七八九十]+[款项]|[、，,]|{_JOINED}|[的之~～—-]|规定|所称|所列|所指|中的)"
_PATTERNS: tuple[tuple[Level, re.Pattern[str]], ...] = (
    (Level.PART, re.compile(rf"\s*{_ORDINAL}(?:编|篇|部\s*分)(?![\u4e00-\u9fff]{{0,2}}[，。；])[\s、：:]*")),
    (Level.CHAPTER, re.compile(rf"\s*{_ORDINAL}章{_REFERENCE}[\s、：:]*")),
    (Level.SECTION, re.compile(rf"\s*{_ORDINAL}节{_REFERENCE}[\s、：:]*")),
    (Level.ARTICLE, re.compile(rf"\s*{_ORDINAL}条(?:之({_N}{{1,3}}))?{_REFERENCE}[\s：:]*")),
    (Level.FIRST, re.compile(rf"\s*([{NUMERAL}]{{1,4}})\s*(?:、|[．.](?!\d))\s*")),
    (Level.SECOND, re.compile(rf"\s*[（(]\s*([{NUMERAL}]{{1,4}})\s*[）)][\s、]*")),
    (Level.THIRD, re.compile(r"\s*([0-9０-９]{1,3})\s*(?:[.．﹒](?![0-9０-９])|、)\s*")),
    (Level.FOURTH, re.compile(r"\s*[（(]\s*([0-9０-９]{1,3})\s*[）)][\s、]*")),
    (Level.FOURTH, re.compile(r"\s*([0-9０-９]{1,2})[）)][\s、]*")),
)
# 2.1 and 3.1.3 before a heading, not 2.1亿元.
_DECIMAL = re.compile(
    r"\s*\d{1,2}((?:[.．]\d{1,2}){1,3})[.．]?\s*(?![亿万千百十个元倍年月日公平立人次家项级版]|[\d.．])(?=[\u4e00-\u9fff“（])"
)
_SINGLE = re.compile(r"\s*(?:([㈠-㈩])|([⑴-⒇])|([①-⑳])|([⒈-⒛]))[\s、]*")
_SINGLE_LEVELS = ((Level.SECOND, "㈠"), (Level.FOURTH, "⑴"), (Level.FIFTH, "①"), (Level.THIRD, "⒈"))


def find_marker(line: str) -> Marker | None:
    """The numbering that a line begins with, or nothing; references such as 第十二条规定 are none.

    >>> find_marker("第十二条　国家鼓励")
    Marker(level=<Level.ARTICLE: 4>, number=12, length=5, insertion=0)
    >>> find_marker("（三）加强监管").number, find_marker("依照第三条") is None
    (3, True)
    """
    for level, pattern in _PATTERNS:
        if match := pattern.match(line):
            try:
                insertion = parse_numeral(match.group(2)) if pattern.groups > 1 and match.group(2) else 0
                return Marker(level, parse_numeral(match.group(1)), match.end(), insertion)
            except ValueError:
                continue
    if match := _DECIMAL.match(line):
        numbers = re.split("[.．]", match.group(1))[1:]
        return Marker(Level.FOURTH if len(numbers) == 1 else Level.FIFTH, int(numbers[-1]), match.end())
    if match := _SINGLE.match(line):
        index = match.lastindex or 1
        level, first = _SINGLE_LEVELS[index - 1]
        return Marker(level, ord(match.group(index)) - ord(first) + 1, match.end())
    return None


def begins_paragraph(line: str) -> bool:
    """Whether a line's form alone says that a paragraph begins there: it is numbered, or 附件, or a 专栏."""
    return (
        find_marker(line) is not None
        or re.match(r"\s*(附\s*[件录]\s*[\d一二三四五六七八九十]*\s*([：:]|$)|专栏\s*\d|目\s*录\s*$|——)", line)
        is not None
    )
