"""Broken lines back to paragraphs: a fixed width in a text file, a page's layout with its running heads in a PDF."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from policy_bert.documents.structure.marks import begins_paragraph

_PAGE_NUMBER = re.compile(
    r"\s*(?:[—–\-－―·•]+\s*\d{1,4}\s*[—–\-－―·•]+|第\s*\d{1,4}\s*页(?:\s*[,，/]?\s*共\s*\d{1,4}\s*页)?"
    r"|\d{1,4}\s*/\s*\d{1,4}|[Pp]age\s*\d{1,4}(?:\s*of\s*\d{1,4})?)\s*"
)
_BARE_NUMBER = re.compile(r"\s*\d{1,4}\s*")
_EDGE_ROWS = 3
_EDGE_SHARE = 0.15
_REPEATED_SHARE = 0.3
_FULL_TOLERANCE_EM = 2.1
_INDENT_EM = 0.8
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


@dataclass(frozen=True)
class Line:
    """A line of a page; coordinates in points from the page's lower left corner."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def size(self) -> float:
        """The line's font size."""
        return max(self.top - self.bottom, 1.0)


@dataclass(frozen=True)
class Page:
    """A page's height in points and its lines in reading order."""

    height: float
    lines: list[Line]


def join_pages(pages: Sequence[Page]) -> list[str]:
    """The paragraphs of a document, running heads, feet and page numbers left out.

    A line goes on with the next where it reaches the right margin and the next is neither indented nor numbered, or
    where it is full and stops in mid-sentence; the lines of a centred heading in larger type are one.
    """
    pages = [Page(page.height, lines) for page, lines in zip(pages, remove_running_lines(pages), strict=True)]
    lines = [line for page in pages for line in page.lines]
    if not lines:
        return []
    size = median(line.size for line in lines for _ in range(max(len(line.text) // 10, 1)))
    margins = _margins(lines, size)
    paragraphs: list[str] = []
    previous: Line | None = None
    for page in pages:
        page_margins = _margins(page.lines, size, margins)
        for line in page.lines:
            if previous is not None and _continues(previous, line, page_margins, size):
                paragraphs[-1] = join_text(paragraphs[-1], line.text)
            else:
                paragraphs.append(line.text)
            previous = line
    return paragraphs


def remove_running_lines(pages: Sequence[Page]) -> list[list[Line]]:
    """Each page's lines without what repeats at the same height in the top or bottom 15 % of the pages.

    Digits count as equal, so numbered feet repeat; lines go from the edge inwards, three rows at most, and the first
    that is not repeated stops. Page numbers in their usual forms go even where they stand once.
    """
    edges = [_edge_rows(page) for page in pages]
    counts = Counter(key for rows in edges for edge in rows for row in edge for key in {_key(line) for line in row})
    least = max(2, _REPEATED_SHARE * len(pages))

    def repeated(line: Line) -> bool:
        kind, position = _key(line)
        near = sum(counts.get((kind, other), 0) for other in (position - 1, position, position + 1))
        return near >= least or _PAGE_NUMBER.fullmatch(line.text) is not None

    kept = []
    for page, (top, bottom) in zip(pages, edges, strict=True):
        removed: set[int] = set()
        for edge in (top, bottom):
            for row in edge:
                alone_at_foot = edge is bottom and len(row) == 1 and _BARE_NUMBER.fullmatch(row[0].text)
                if not all(repeated(line) for line in row) and not (len(pages) == 1 and alone_at_foot):
                    break
                removed.update(id(line) for line in row)
        kept.append([line for line in page.lines if id(line) not in removed])
    return kept


def _key(line: Line) -> tuple[str, int]:
    return re.sub(r"\d+", "#", "".join(line.text.split())), round(line.bottom / 8)


def _edge_rows(page: Page) -> tuple[list[list[Line]], list[list[Line]]]:
    """The rows in the page's top and bottom strip, each from the edge inwards."""
    rows: dict[int, list[Line]] = {}
    for line in page.lines:
        rows.setdefault(round(line.bottom / 4), []).append(line)
    ordered = [rows[position] for position in sorted(rows)]
    foot = [row for row in ordered if row[0].top < _EDGE_SHARE * page.height]
    head = [row for row in reversed(ordered) if row[0].bottom > (1 - _EDGE_SHARE) * page.height]
    return head[:_EDGE_ROWS], foot[:_EDGE_ROWS]


def _margins(lines: Sequence[Line], size: float, usual: tuple[float, float] | None = None) -> tuple[float, float]:
    """The left and right margin of the body text: the commonest left edge and the right edge that full lines reach."""
    lefts = Counter(round(line.left / size * 2) for line in lines if len(line.text) > 10)
    rights = sorted(line.right for line in lines if len(line.text) > 10)
    if usual is not None and (len(rights) < 6 or rights[-1] < usual[1] - 4 * size):
        return usual
    if not rights:
        return min(line.left for line in lines), max(line.right for line in lines)
    frequent = [left for left, count in lefts.items() if count >= 0.15 * lefts.total()]
    return min(frequent or list(lefts)) * size / 2, rights[int(0.95 * (len(rights) - 1))]


def _continues(previous: Line, line: Line, margins: tuple[float, float], size: float) -> bool:
    """Whether a line goes on with the paragraph of the line before it."""
    left, right = margins
    if not 0.85 < previous.size / line.size < 1.18:
        return False
    if _is_heading(previous, left, right, size) and _is_heading(line, left, right, size):
        return 0 < previous.bottom - line.bottom < 3 * line.size and not previous.text.rstrip().endswith("号")
    if "\t" in previous.text or "\t" in line.text:
        return False
    if previous.left > left + 5 * size:  # a column of its own, such as a table's cell
        same = abs(previous.left - line.left) < 0.5 * size and 0 < previous.bottom - line.bottom < 2.5 * size
        return same and previous.right > line.right - _INDENT_EM * size and not begins_paragraph(line.text)
    if previous.right < right - _FULL_TOLERANCE_EM * size or line.left > left + 5 * size:
        return False
    if not ends_sentence(previous.text):
        return not (begins_paragraph(line.text) and not _refers(previous.text, line.text))
    return line.left <= left + _INDENT_EM * size and not begins_paragraph(line.text)


def _refers(previous: str, line: str) -> bool:
    """Whether numbering at a line's beginning goes on with a reference: 前款第 | （一）项."""
    return (
        previous.rstrip()[-1:] in "第、和与至或"
        or re.match(r"\s*[（(][^）)]{1,4}[）)]\s*[项、至和款]", line) is not None
    )


def _is_heading(line: Line, left: float, right: float, size: float) -> bool:
    """Whether a line is in larger type and centred."""
    centred = abs((line.left - left) - (right - line.right)) < 2 * size and line.left > left - size
    return line.size > 1.12 * size and centred and not begins_paragraph(line.text)
