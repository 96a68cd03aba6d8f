"""Lines back to paragraphs: where a fixed page width, and not the author, broke the text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from policy_bert.documents.structure.marks import begins_paragraph

_ENDS = re.compile(r"[。！？；：:;!?]\s*[”’」』）)]*\s*$")
_WRAP_SHARE = 0.5
_NARROWEST_WRAP = 20


def ends_sentence(line: str) -> bool:
    """Whether a line ends on a mark that ends a sentence or announces a list."""
    return _ENDS.search(line) is not None


def join_text(before: str, after: str) -> str:
    """Two parts of a paragraph as one: a space only between Latin words.

    >>> join_text("推动", "共享"), join_text("Data", "Governance")
    ('推动共享', 'Data Governance')
    """
    before, after = before.rstrip(), after.lstrip()
    latin = before[-1:].isascii() and before[-1:].isalnum() and after[:1].isascii() and after[:1].isalpha()
    return before + (" " if latin and before[-1:].isalpha() else "") + after


def display_width(text: str) -> int:
    """Columns that a text takes: two for a full-width character, one for the others."""
    return sum(2 if unicodedata.east_asian_width(character) in "WFA" else 1 for character in text)


def join_wrapped_text(lines: Sequence[str]) -> list[str]:
    """The paragraphs of a text file; lines are joined only where the file is plainly hard-wrapped.

    It is hard-wrapped if at least half of its lines of more than 20 columns are as wide as the widest usual line (two
    characters less at most) and most of those end in mid-sentence. Then a line is joined to the one before if that one
    was full and the line is neither indented nor numbered.
    """
    lines = [line.rstrip() for line in lines]
    widths = [display_width(line) for line in lines]
    long_widths = [width for width in widths if width >= _NARROWEST_WRAP]
    if len(long_widths) < 8:
        return lines
    # The widest width that several lines share: a stray longer line (an URL) does not count.
    common = [width for width, count in Counter(w // 4 for w in long_widths).items() if count >= len(long_widths) / 5]
    if not common:
        return lines
    full = max(common) * 4 - 2
    wrapped = [line for line, width in zip(lines, widths, strict=True) if width >= full]
    too_wide = sum(width > full + 8 for width in long_widths)
    broken = sum(not ends_sentence(line) for line in wrapped)
    if len(wrapped) < _WRAP_SHARE * len(long_widths) or broken < 0.7 * len(wrapped) or too_wide:
        return lines
    paragraphs: list[str] = []
    joinable = False
    for line, width in zip(lines, widths, strict=True):
        indented = line[:1] in ("\u3000", " ", "\t")
        if joinable and line.strip() and not indented and not begins_paragraph(line):
            paragraphs[-1] = join_text(paragraphs[-1], line)
        else:
            paragraphs.append(line)
        joinable = width >= full
    return paragraphs
