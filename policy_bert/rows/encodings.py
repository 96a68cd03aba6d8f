"""Which encoding a text file is in, decided on its first block of bytes."""

from __future__ import annotations

import codecs
from typing import NamedTuple

from policy_bert.errors import DataError

BLOCK_BYTES = 1 << 16
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ALIASES = {"gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030", "ansi": "gb18030", "utf8": "utf-8"}
_MAGIC = {
    b"PK\x03\x04": "a zip archive (such as .xlsx or .docx)",
    b"%PDF-": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Office document (.xls or .doc)",
    b"PAR1": "a Parquet file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"GIF8": "an image",
    b"\x1f\x8b": "a gzip archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"SQLite format 3\x00": "a SQLite database",
}
_MAX_CONTROL_SHARE = 0.3
_MIN_PLAUSIBLE_SHARE = 0.9
_MAX_BROKEN_SHARE = 0.1


class Encoding(NamedTuple):
    """An encoding as it is reported, the codec that decodes it, and the byte order mark to skip."""

    name: str
    codec: str
    bom: bytes = b""


def detect_encoding(head: bytes, complete: bool, source: str) -> Encoding:
    """The encoding of a text file: a byte order mark's, else UTF-8, else the likelier of GB18030 and UTF-16.

    Args:
        head: The file's first bytes, at most `BLOCK_BYTES` of them.
        complete: Whether `head` is the whole file; otherwise a character may be cut at its end.
        source: The file's name, for the error.

    Raises:
        DataError: The bytes are a known binary format or no text in any of these encodings.
    """
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            raise DataError(f"{source}: expected a text file, found {kind}; give it its usual extension or convert it")
    for bom, name in _BOMS:
        if head.startswith(bom):
            return _with_bom(name, bom)
    wide = _wide_ascii(head)
    if wide:
        return Encoding(wide, wide)
    text = _decode(head, "utf-8", complete)
    if text is not None:
        if _control_share(text) > _MAX_CONTROL_SHARE:
            raise DataError(f"{source}: expected a text file, found a binary file (mostly control characters)")
        return Encoding("utf-8", "utf-8")
    if _is_damaged_utf8(head):
        return Encoding("utf-8", "utf-8")  # the reader names the line and the byte
    shares = {}
    for codec in ("gb18030", "utf-16-le", "utf-16-be"):
        decoded = _decode(head, codec, complete)
        shares[codec] = _plausible_share(decoded) if decoded else 0.0
    best = max(shares, key=lambda codec: shares[codec])
    if shares[best] < _MIN_PLAUSIBLE_SHARE:
        raise DataError(
            f"{source}: expected text in UTF-8, GB18030 or UTF-16, found none of them or a binary file; "
            "name its encoding or save it as UTF-8"
        )
    return Encoding(best, best)


def named_encoding(name: str, head: bytes, source: str) -> Encoding:
    """The encoding that a user named; `utf-8` and `utf-16` accept a byte order mark or none.

    Raises:
        DataError: Python knows no such text encoding.
    """
    wanted = _ALIASES.get(name.lower(), name.lower())
    try:
        codec = codecs.lookup(wanted)
        "".encode(wanted)
    except LookupError:
        raise DataError(
            f"{source}: unknown encoding {name!r}; use auto, utf-8, gb18030, utf-16 or another that Python knows"
        ) from None
    for bom, bom_name in _BOMS:
        family = bom_name.removesuffix("-sig")
        if head.startswith(bom) and codec.name.startswith(family):
            return _with_bom(bom_name, bom)
    plain = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(codec.name, codec.name)
    return Encoding(plain, plain)


def _with_bom(name: str, bom: bytes) -> Encoding:
    codec = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le"}.get(bom, "utf-16-be")
    return Encoding(name, codec, bom)


def _decode(head: bytes, codec: str, complete: bool) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(head, final=complete)
    except UnicodeDecodeError:
        return None


def _wide_ascii(head: bytes) -> str | None:
    """UTF-16 of mostly ASCII text without a mark, which is valid UTF-8 too: every other byte is NUL."""
    half = len(head) // 2
    zeros_even, zeros_odd = head[0::2].count(0), head[1::2].count(0)
    if half >= 4 and zeros_odd > 0.7 * half and not zeros_even:
        return "utf-16-le"
    if half >= 4 and zeros_even > 0.7 * half and not zeros_odd:
        return "utf-16-be"
    return None


def _is_damaged_utf8(head: bytes) -> bool:
    """Whether the text holds many good UTF-8 characters of three bytes and few broken ones.

    Two-byte characters do not count: pairs of bytes of GB18030 text often look like them.
    """
    text = head.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    good = sum(c >= "\u0800" for c in text) - broken
    return broken <= _MAX_BROKEN_SHARE * good


def _control_share(text: str) -> float:
    return sum(c < " " and c not in "\t\n\r\x0b\x0c" for c in text) / max(len(text), 1)


def _plausible_share(text: str) -> float:
    return sum(_is_plausible(ord(c)) for c in text) / max(len(text), 1)


def _is_plausible(code: int) -> bool:
    return (
        0x4E00 <= code <= 0x9FFF  # Chinese characters
        or 0x20 <= code < 0x7F
        or code in (0, 9, 10, 13)
        or 0x3000 <= code <= 0x303F  # CJK punctuation
        or 0xFF00 <= code <= 0xFFEF  # full-width forms
        or 0x2000 <= code <= 0x2BFF  # punctuation, symbols, circled numbers
        or 0xA0 <= code <= 0xFF
        or 0x1F300 <= code <= 0x1FAFF  # emoji
    )
