"""Plain text and Markdown: bytes of any usual Chinese encoding to paragraphs."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.layout import join_wrapped_text

MAX_BYTES = 20 << 20
_NO_TEXT = "不是文本文件，或编码无法识别"
_LEAST_PLAUSIBILITY = 0.02
# The commonest characters of official and general Chinese, simplified and traditional: they tell decodings apart.
_COMMON = frozenset(
    "的一是在和有为国不了人中大这上以年和政发会市部建展业制行行理务设化法关工管实民立规推信加数据应条第"
    "國為務發會業實據應條關設規機構資訊與及各區政府推動辦理"
)
_MARKDOWN = (".md", ".markdown")


def read_plain(path: Path) -> list[str]:
    """The paragraphs of a text or Markdown file, hard line wraps undone, marks of Markdown taken off.

    Raises:
        UnreadableDocumentError: The file is too large or no text.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableDocumentError(f"文本超过 {MAX_BYTES >> 20} MB，不像一份文件")
    text = decode(path.read_bytes())
    if path.suffix.lower() in _MARKDOWN:
        return [_strip_markdown(line) for line in _NO_TEXT_OF_MARKDOWN.sub("", text).splitlines()]
    return join_wrapped_text(text.splitlines())


def decode(content: bytes, declared: str = "") -> str:
    """The text of bytes whose encoding nobody promises: UTF-8, UTF-16, GB 18030 (GBK, GB 2312) or Big5.

    A byte-order mark decides, then valid UTF-8, then a declared encoding; between GB 18030 and Big5 the decoding
    with more common characters wins. A few damaged bytes in UTF-8 become U+FFFD.

    Raises:
        UnreadableDocumentError: No encoding gives text.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return _checked(content.decode(encoding, errors="replace"))
    try:
        return _checked(content.decode("utf-8"))
    except UnicodeDecodeError:
        pass
    candidates = [_lenient(content, encoding) for encoding in _encodings(declared)]
    candidates.append(content.decode("utf-8", errors="replace"))
    if len(content) % 2 == 0:
        candidates += [_lenient(content, "utf-16-le"), _lenient(content, "utf-16-be")]
    best = max(candidates, key=_plausibility)
    foreign = sum(character > "\x7f" for character in best[:20_000])
    if foreign > 0.3 * len(best[:20_000]) and _plausibility(best) < _LEAST_PLAUSIBILITY:
        raise UnreadableDocumentError(_NO_TEXT)
    return _checked(best)


def _encodings(declared: str) -> list[str]:
    declared = declared.strip().lower()
    encodings = ["gb18030", "big5hkscs"]
    try:
        name = codecs.lookup(declared).name if declared else ""
    except LookupError:
        name = ""
    if name.startswith("big5"):
        encodings.reverse()
    return encodings


def _lenient(content: bytes, encoding: str) -> str:
    return content.decode(encoding, errors="replace")


def _plausibility(text: str) -> float:
    """Common characters less damaged ones, as a share of the text; the beginning is enough to tell."""
    sample = text[:20_000]
    bad = sum(c == "\ufffd" or (c < " " and c not in "\t\r\n\f") or "\ue000" <= c <= "\uf8ff" for c in sample)
    return (sum(c in _COMMON for c in sample) - 5 * bad) / max(len(sample), 1)


def _checked(text: str) -> str:
    sample = text[:100_000]
    bad = sum(c == "\ufffd" or (c < " " and c not in "\t\r\n\f\x0b\x1a") for c in sample)
    if bad > max(2, len(sample) // 50):
        raise UnreadableDocumentError(_NO_TEXT)
    return text


# Front matter between two lines of --- or +++ at the very beginning, and comments, over several lines too.
_NO_TEXT_OF_MARKDOWN = re.compile(
    r"\A\ufeff?\s*(?P<fence>---|\+\+\+)[ \t]*\r?\n(?:[^\r\n]*\r?\n){0,200}?(?P=fence)[ \t]*(?=\r?\n|\Z)"
    r"|<!--(?s:.*?)(?:-->|\Z)"
)
_MARKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$"), r"\1"),
    (re.compile(r"^\s{0,3}(?:>\s?)+"), ""),
    (re.compile(r"^\s*[-*+]\s+(?=\S)"), ""),
    (re.compile(r"^\s*(?:```.*|~~~.*|[-*_=]{3,}|\|?(?:\s*:?-+:?\s*\|)+\s*(?::?-+:?)?\s*)$"), ""),
    (re.compile(r"!\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![*\w])\*(?=[^\s*])([^*]+?)\*(?!\*)"), r"\1"),
    (re.compile(r"`([^`]+)`"), r"\1"),
    (re.compile(r"^(\s*\d{1,3})\\?\.\s+"), r"\1."),
)


def _strip_markdown(line: str) -> str:
    for pattern, replacement in _MARKS:
        line = pattern.sub(replacement, line)
    if line.strip().startswith("|") and line.strip().endswith("|") and len(line.strip()) > 1:
        line = "\t".join(cell.strip() for cell in line.strip()[1:-1].split("|"))
    return line
