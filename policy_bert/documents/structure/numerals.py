"""Chinese numerals, as headings and dates write them."""

from __future__ import annotations

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
