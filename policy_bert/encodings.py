"""Which encoding bytes of text are in: the one guess that everything which reads files shares."""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig", "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32", "utf-32-le"),  # before UTF-16's, with which it begins
    (codecs.BOM_UTF16_LE, "utf-16", "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16", "utf-16-be"),
)
_ALIASES = {"gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "ansi": "gb18030", "big5": "big5hkscs"}
# The commonest characters of official and general Chinese, simplified and traditional: they tell decodings apart.
_COMMON = frozenset(
    "的一是在和有为国不了人中大这上以年和政发会市部建展业制行理务设化法关工管实民立规推信加数据应条第"
    "产新资金技术服企动力强进支平服学区公开创经济提对生全安保用能"
    "國為務發會業實據應條關設規機構資訊與及各區政府推動辦理數經濟產創術學開進強對會個來這們說時後點還過"
)
_PLAUSIBLE = re.compile(
    r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef\U00020000-\U0003ffff"  # Chinese: punctuation, characters, wide forms
    r" -~\0\t\n\r\xa0-\xff\u2000-\u2bff\U0001f300-\U0001faff]"  # Latin, punctuation and symbols, emoji
)
_LEAST_COMMON_SHARE = 0.05
_FEW = 8  # characters, of which none need be common
_LEAST_PLAUSIBLE_SHARE = 0.9
_MOST_CONTROL_SHARE = 0.3
_SAMPLE_BYTES = 1 << 16


class Encoding(NamedTuple):
    """An encoding as it is reported, the codec that decodes it, the byte order mark to skip, and how sure it is.

    `certain` is False where the bytes would also be text in another encoding, so that a reader has to be told.
    """

    name: str
    codec: str
    bom: bytes = b""
    certain: bool = True


def named_encoding(name: str, head: bytes = b"") -> Encoding:
    """The encoding that somebody named; `utf-8` and `utf-16` accept a byte order mark in `head` or none.

    Raises:
        LookupError: Python knows no such text encoding.
    """
    wanted = _ALIASES.get(name.lower(), name.lower())
    codec = codecs.lookup(wanted).name
    "".encode(wanted)  # a codec that is none of text, such as hex, is refused here
    for bom, bom_name, bom_codec in _BOMS:
        if head.startswith(bom) and codec.startswith(bom_name.removesuffix("-sig")):
            return Encoding(bom_name, bom_codec, bom)
    plain = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(codec, codec)
    return Encoding(plain, plain)


def guess_encoding(content: bytes, complete: bool = True, declared: str = "") -> Encoding | None:
    """The encoding of text that nobody promises anything of, or None where the bytes are text in none of those known.

    A byte order mark decides; then valid UTF-8, and UTF-8 with little damage; then UTF-16, where there are
    zero bytes; then Windows-1252, where bytes beyond ASCII stand alone between letters; then GB 18030
    or Big5, whichever gives more of the commonest characters. UTF-16 is never guessed without a zero byte: two Latin
    letters are a Chinese character in it.

    Args:
        content: The text's bytes, or its first ones.
        complete: Whether that is all; otherwise a character may be cut at the end.
        declared: What the text says of itself, as pages do; it decides where two encodings fit equally.
    """
    for bom, name, codec in _BOMS:
        if content.startswith(bom):
            return Encoding(name, codec, bom)
    complete &= len(content) <= _SAMPLE_BYTES
    content = content[:_SAMPLE_BYTES]
    wide = _wide(content, complete)
    if wide and content.count(0) > 0.35 * len(content):  # mostly Latin letters: valid UTF-8 too
        return wide
    text = _decode(content, "utf-8", complete)
    if text is not None:
        return Encoding("utf-8", "utf-8") if _control_share(text) <= _MOST_CONTROL_SHARE else None
    if _is_damaged_utf8(content):
        return Encoding("utf-8", "utf-8")
    return wide or _western(content) or _chinese(content, complete, declared.strip().lower())


def _decode(content: bytes, codec: str, complete: bool, errors: str = "strict") -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)(errors).decode(content, final=complete)
    except UnicodeDecodeError:
        return None


def _control_share(text: str) -> float:
    return sum(c < " " and c not in "\t\n\r\x0b\x0c\x1a" for c in text) / max(len(text), 1)


def _wide(content: bytes, complete: bool) -> Encoding | None:
    texts = {codec: _decode(content, codec, complete) or "" for codec in ("utf-16-le", "utf-16-be")}
    codec = max(texts, key=lambda name: _plausible_share(texts[name]))
    letters = sum(0x20 <= byte < 0x7F for byte in content)  # most of the bytes of Latin text with a stray zero
    if 0 not in content or _plausible_share(texts[codec]) < _LEAST_PLAUSIBLE_SHARE or letters > 0.8 * len(content):
        return None
    return Encoding(codec, codec, certain=False)


def _is_damaged_utf8(content: bytes) -> bool:
    """Whether the text holds many good UTF-8 characters of three bytes and few broken ones.

    Two-byte characters do not count: pairs of bytes of GB18030 text often look like them.
    """
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    good = sum(c >= "\u0800" for c in text) - broken
    return 10 * broken <= good


def _western(content: bytes) -> Encoding | None:
    """Windows-1252, where at most a third of the bytes are beyond ASCII and most of these have ASCII on both sides."""
    beyond = [place for place, byte in enumerate(content) if byte >= 0x80]
    padded = b" " + content + b" "
    alone = sum(padded[place] < 0x80 and padded[place + 2] < 0x80 for place in beyond)
    text = _decode(content, "cp1252", complete=True)
    if text is None or 3 * len(beyond) > len(content) or 2 * alone < len(beyond) or _control_share(text) > 0.01:
        return None
    return Encoding("windows-1252", "cp1252", certain=False)


def _chinese(content: bytes, complete: bool, declared: str) -> Encoding | None:
    """GB 18030 or Big5; certain only where all is GB 2312 with the characters that any Chinese text is full of."""
    found: dict[str, tuple[float, list[str]]] = {}
    for codec in ("big5hkscs", "gb18030") if declared.startswith("big5") else ("gb18030", "big5hkscs"):
        text = _decode(content, codec, complete, "replace") or ""
        beyond = [c for c in text if c > "\x7f"]
        bad = sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" for c in beyond)
        if _plausible_share(text) >= _LEAST_PLAUSIBLE_SHARE and _control_share(text) <= 0.01:
            found[codec] = ((sum(c in _COMMON for c in beyond) - 5 * bad) / max(len(beyond), 1), beyond)
    if not found:
        return None
    codec, (common, beyond) = max(found.items(), key=lambda item: item[1][0])
    clean = codec == "gb18030" and all(map(_is_gb2312, beyond))
    if common < _LEAST_COMMON_SHARE and not clean:
        return None
    return Encoding(codec, codec, certain=clean and (common >= _LEAST_COMMON_SHARE or len(beyond) <= _FEW))


def _is_gb2312(character: str) -> bool:
    """Whether it is of the old set, in two bytes beyond A0, or one of four bytes, which stray text never gives."""
    encoded = character.encode("gb18030", "replace")
    return len(encoded) == 4 or min(encoded) >= 0xA1


def _plausible_share(text: str) -> float:
    return len(_PLAUSIBLE.findall(text)) / max(len(text), 1)
