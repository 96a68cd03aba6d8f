"""Plain text and Markdown: bytes of any usual Chinese encoding to paragraphs."""

from __future__ import annotations

import re
from pathlib import Path

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.layout import join_wrapped_text
from policy_bert.encodings import guess_encoding

MAX_BYTES = 20 << 20
_NO_TEXT = "不是文本文件，或编码无法识别"
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
    """The text of bytes whose encoding nobody promises (see `guess_encoding`); damaged bytes become U+FFFD.

    Raises:
        UnreadableDocumentError: No encoding gives text.
    """
    encoding = guess_encoding(content, declared=declared)
    if encoding is None:
        raise UnreadableDocumentError(_NO_TEXT)
    return _checked(content[len(encoding.bom) :].decode(encoding.codec, errors="replace"))


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
