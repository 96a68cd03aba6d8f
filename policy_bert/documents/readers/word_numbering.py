"""Word's automatic numbering: the 第一条 and （一） that a docx shows but does not contain as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from policy_bert.documents.structure.marks import chinese_numeral

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DEEPEST_STYLE = 20


def _roman(number: int) -> str:
    text = ""
    for value, letters in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"),
        strict=True,
    ):
        text += letters * (number // value)
        number %= value
    return text


def _letters(number: int) -> str:
    return chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)


def _circled(number: int) -> str:
    return chr(ord("①") + number - 1) if 1 <= number <= 20 else str(number)


_CHINESE = ("chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting", "ideographDigital")
_FORMATS: dict[str, Callable[[int], str]] = {
    "decimal": str,
    "decimalZero": lambda number: f"{number:02d}",
    "decimalFullWidth": lambda number: str(number).translate({ord("0") + i: ord("０") + i for i in range(10)}),
    "decimalEnclosedCircle": _circled,
    "decimalEnclosedCircleChinese": _circled,
    "upperRoman": _roman,
    "lowerRoman": lambda number: _roman(number).lower(),
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
}
_FORMATS.update(dict.fromkeys(_CHINESE, chinese_numeral))


@dataclass
class _Level:
    text: str = ""
    format: str = "decimal"
    start: int = 1
    legal: bool = False


@dataclass
class Numbering:
    """The lists of a docx and where each has got to.

    Attributes:
        lists: List id to its abstract list's id.
        levels: Abstract list's id and level to how the level is written.
        styles: Style id to (style it is based on, list id, level).
        counters: Abstract list's id to the numbers reached on each level.
    """

    lists: dict[str, str] = field(default_factory=dict)
    levels: dict[tuple[str, int], _Level] = field(default_factory=dict)
    styles: dict[str, tuple[str, str, int | None]] = field(default_factory=dict)
    counters: dict[str, dict[int, int]] = field(default_factory=dict)
    _restarts: dict[tuple[str, int], int] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)

    def label(self, paragraph: Any) -> str:
        """The label of the next paragraph in reading order, such as `第三条`; empty for one that is not numbered.

        Advances the counters: call it once a paragraph, in order.
        """
        list_id, depth = self._list_of(paragraph)
        abstract = self.lists.get(list_id)
        if abstract is None or (abstract, depth) not in self.levels:
            return ""
        level = self.levels[abstract, depth]
        counters = self.counters.setdefault(abstract, {})
        if list_id not in self._started:
            self._started.add(list_id)
            for key, start in self._restarts.items():
                if key[0] == list_id:
                    counters[key[1]] = start - 1
        counters[depth] = counters.get(depth, level.start - 1) + 1
        for deeper in [other for other in counters if other > depth]:
            del counters[deeper]
        if level.format in ("bullet", "none"):
            return ""
        return re.sub(r"%([1-9])", lambda match: self._number(abstract, int(match[1]) - 1, level.legal), level.text)

    def _number(self, abstract: str, depth: int, legal: bool) -> str:
        level = self.levels.get((abstract, depth), _Level())
        number = min(max(self.counters[abstract].get(depth, level.start), 0), 9999)
        return str(number) if legal else _FORMATS.get(level.format, str)(number)

    def _list_of(self, paragraph: Any) -> tuple[str, int]:
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return "", 0
        list_id, depth = _list_reference(properties)
        style = properties.find(f"{W}pStyle")
        name = style.get(f"{W}val", "") if style is not None else ""
        for _ in range(_DEEPEST_STYLE):
            if list_id or name not in self.styles:
                break
            name, list_id, style_depth = self.styles[name]
            depth = style_depth if depth is None else depth
        return list_id, depth or 0


def _list_reference(properties: Any) -> tuple[str, int | None]:
    reference = properties.find(f"{W}numPr")
    if reference is None:
        return "", None
    list_id, depth = reference.find(f"{W}numId"), reference.find(f"{W}ilvl")
    return (
        list_id.get(f"{W}val", "") if list_id is not None else "",
        _integer(depth.get(f"{W}val"), 0) if depth is not None else None,
    )


def _integer(text: str | None, default: int) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,4}", text) else default


def load_numbering(numbering: Any, styles: Any) -> Numbering:
    """The lists from the root elements of `word/numbering.xml` and `word/styles.xml`, either of which may be None."""
    result = Numbering()
    if styles is not None:
        for style in styles.iterfind(f"{W}style"):
            based, properties = style.find(f"{W}basedOn"), style.find(f"{W}pPr")
            reference = _list_reference(properties) if properties is not None else ("", None)
            name = style.get(f"{W}styleId", "")
            result.styles[name] = (based.get(f"{W}val", "") if based is not None else "", *reference)
    if numbering is None:
        return result
    for abstract in numbering.iterfind(f"{W}abstractNum"):
        for level in abstract.iterfind(f"{W}lvl"):
            key = (abstract.get(f"{W}abstractNumId", ""), _integer(level.get(f"{W}ilvl"), 0))
            result.levels[key] = _read_level(level)
    for concrete in numbering.iterfind(f"{W}num"):
        list_id, abstract = concrete.get(f"{W}numId", ""), concrete.find(f"{W}abstractNumId")
        if abstract is not None:
            result.lists[list_id] = abstract.get(f"{W}val", "")
        for override in concrete.iterfind(f"{W}lvlOverride"):
            start = override.find(f"{W}startOverride")
            if start is not None:
                depth = _integer(override.get(f"{W}ilvl"), 0)
                result._restarts[list_id, depth] = _integer(start.get(f"{W}val"), 1)
    return result


def _read_level(level: Any) -> _Level:
    def value(name: str, default: str) -> str:
        element = level.find(f"{W}{name}")
        return element.get(f"{W}val", default) if element is not None else default

    return _Level(
        text=value("lvlText", ""),
        format=value("numFmt", "decimal"),
        start=_integer(value("start", "1"), 1),
        legal=level.find(f"{W}isLgl") is not None,
    )
