"""The lines of a PDF's pages, by PDFium; `policy_bert.documents.readers.pdf` runs this in a process of its own."""

from __future__ import annotations

import json
import math
import sys
from typing import Any

MAX_PAGES = 3000
MAX_CHARACTERS = 5_000_000
MEMORY_LIMIT_BYTES = 2 << 30
_PASSWORD_ERROR = 4
_SLANT_DEGREES = 8.0
_WORD_GAP_EM = 0.4
_COLUMN_GAP_EM = 2.5


def main(path: str) -> None:
    """Print what `extract` finds in a file as JSON, under the memory limit."""
    _limit_memory()
    sys.stdout.buffer.write(json.dumps(extract(path)).encode("ascii"))


def extract(path: str) -> dict[str, Any]:
    """`pages`, each its height and lines (text, left, bottom, right, top in points), or else the `reason` for none."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
        if len(document) > MAX_PAGES:
            return {"reason": f"PDF 超过 {MAX_PAGES} 页"}
        return _extract_pages(document)
    except pypdfium2.PdfiumError as error:
        encrypted = getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower()
        return {"reason": "PDF 已加密，请去掉密码后重试" if encrypted else "PDF 损坏或不完整，无法打开"}
    except MemoryError:
        return {"reason": "PDF 占用内存过大"}


def _extract_pages(document: Any) -> dict[str, Any]:
    pages, characters = [], 0
    for index in range(len(document)):
        page = document[index]
        lines = _page_lines(page)
        characters += sum(len(line[0]) for line in lines)
        if characters > MAX_CHARACTERS:
            return {"reason": f"PDF 的文字超过 {MAX_CHARACTERS // 10_000} 万字"}
        pages.append((page.get_height(), lines))
        page.close()
    return {"pages": pages} if pages else {"reason": "PDF 中没有页面"}


def _page_lines(page: Any) -> list[tuple[str, float, float, float, float]]:
    """The page's lines in the order of its content: text, left, bottom, right, top in points.

    Slanted text (watermarks) is left out, and so are characters that are drawn twice to look bold.
    """
    import ctypes

    import pypdfium2.raw as pdfium

    textpage = page.get_textpage()
    box, matrix, x, y = pdfium.FS_RECTF(), pdfium.FS_MATRIX(), ctypes.c_double(), ctypes.c_double()
    builder = LineBuilder()
    for index in range(min(textpage.count_chars(), MAX_CHARACTERS)):
        code = pdfium.FPDFText_GetUnicode(textpage, index)
        character = chr(code) if 0 < code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"
        if character.isspace() or character in "\ufffe\u200b\ufeff":
            builder.add_space(generated=pdfium.FPDFText_IsGenerated(textpage, index) == 1)
            continue
        slant = math.degrees(pdfium.FPDFText_GetCharAngle(textpage, index)) % 90
        if _SLANT_DEGREES < slant < 90 - _SLANT_DEGREES:
            continue
        pdfium.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(box))
        pdfium.FPDFText_GetCharOrigin(textpage, index, ctypes.byref(x), ctypes.byref(y))
        scale = 1.0
        if pdfium.FPDFText_GetMatrix(textpage, index, ctypes.byref(matrix)):
            scale = math.hypot(matrix.b, matrix.d)
        size = pdfium.FPDFText_GetFontSize(textpage, index) * scale
        builder.add(character, box.left, box.right, y.value, size if size >= 1 else max(box.top - box.bottom, 1.0))
    textpage.close()
    return builder.lines()


class LineBuilder:
    """Glyphs in the order of the page's content, gathered to lines."""

    def __init__(self) -> None:
        self._lines: list[tuple[list[str], list[float]]] = []  # characters; left, baseline, right, height
        self._seen: dict[tuple[str, int, int], tuple[float, float]] = {}
        self._space = False

    def add_space(self, generated: bool) -> None:
        """White space before the next glyph; a parser's own (`generated`) says nothing about the text."""
        self._space = self._space or not generated

    def add(self, character: str, left: float, right: float, baseline: float, height: float) -> None:
        """A glyph with its box in points: on the last line, if it stands on it and follows, else on a new one."""
        if self._is_overprint(character, left, max(right - left, 0.1 * height), baseline, height):
            return
        space, self._space = self._space, False
        if self._lines:
            text, place = self._lines[-1]
            gap = (left - place[2]) / height
            if abs(baseline - place[1]) < 0.4 * height and gap > -0.6:
                latin = text[-1].isascii() and character.isascii()
                if gap > _COLUMN_GAP_EM:
                    text.append("\t")
                elif gap > _WORD_GAP_EM or (space and latin):
                    text.append(" ")
                text.append(character)
                place[2], place[3] = max(place[2], right), max(place[3], height)
                return
        self._lines.append(([character], [left, baseline, right, height]))

    def _is_overprint(self, character: str, left: float, width: float, baseline: float, height: float) -> bool:
        """Whether the same glyph stands here already, give or take a quarter of its width; else note it."""
        column, row = int(left // width), int(baseline // height)
        for cell in ((character, column + dx, row + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)):
            if cell in self._seen:
                other_left, other_baseline = self._seen[cell]
                if abs(left - other_left) < 0.25 * width and abs(baseline - other_baseline) < 0.15 * height:
                    return True
        self._seen[character, column, row] = (left, baseline)
        return False

    def lines(self) -> list[tuple[str, float, float, float, float]]:
        """Text, left, bottom, right and top of each line, a gap of two characters being a tab."""
        return [
            ("".join(text), left, baseline, right, baseline + height)
            for text, (left, baseline, right, height) in self._lines
        ]


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
