"""PDF files with a text layer: lines from PDFium in a process of their own, paragraphs from the lines.

A damaged or hostile PDF can hang or crash a parser, so extraction runs in a child process with a time and, where the
system has it, a memory limit; the child writes the lines as JSON to its standard output.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from policy_bert.documents.layout import Line, Page, join_pages
from policy_bert.documents.model import UnreadableDocumentError

MAX_BYTES = 300 << 20
MAX_PAGES = 3000
MAX_CHARACTERS = 5_000_000
TIME_LIMIT_S = 120.0
MEMORY_LIMIT_BYTES = 2 << 30
_PASSWORD_ERROR = 4
_FEWEST_CHARACTERS_A_PAGE = 10
_LOST_SHARE = 0.3
_SLANT_DEGREES = 8.0
_WORD_GAP_EM = 0.4
_COLUMN_GAP_EM = 2.5


def read_pdf(path: Path, time_limit_s: float = TIME_LIMIT_S) -> tuple[list[str], list[str]]:
    """The paragraphs of a PDF's text layer, and remarks in Chinese on pages without one.

    Raises:
        UnreadableDocumentError: Encrypted, damaged, a scan, too long, or over the time or memory limit.
    """
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableDocumentError(f"PDF 超过 {MAX_BYTES >> 20} MB")
    command = [sys.executable, "-I", "-c", _bootstrap(), str(path.resolve())]
    try:
        child = subprocess.run(command, capture_output=True, timeout=time_limit_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreadableDocumentError(f"PDF 解析超过 {time_limit_s:g} 秒，可能含有循环或已损坏") from error
    try:
        result = json.loads(child.stdout)
    except ValueError as error:
        raise UnreadableDocumentError("PDF 解析中断（文件损坏或占用内存过大）") from error
    if "reason" in result:
        raise UnreadableDocumentError(result["reason"])
    pages = [Page(height, [Line(*line) for line in lines]) for height, lines in result["pages"]]
    return join_pages(pages), _remarks(pages)


def _bootstrap() -> str:
    """What the child runs: isolated mode has no working folder on its path, so the package's place is named."""
    root = str(Path(__file__).resolve().parents[2])
    return (
        f"import sys; sys.path.insert(0, {root!r}); from policy_bert.documents.pdf import extract; extract(sys.argv[1])"
    )


def _remarks(pages: list[Page]) -> list[str]:
    texts = ["".join(line.text for line in page.lines) for page in pages]
    characters = "".join(texts)
    if len(characters) < _FEWEST_CHARACTERS_A_PAGE * len(pages):
        raise UnreadableDocumentError("PDF 没有文字层（扫描件），请先做文字识别（OCR）")
    lost = sum(c == "\ufffd" or "\ue000" <= c <= "\uf8ff" or (c < " " and c not in "\t\n") for c in characters)
    if lost > _LOST_SHARE * len(characters):
        raise UnreadableDocumentError("PDF 的文字层无法还原为汉字（字体缺少编码表），请先做文字识别（OCR）")
    empty = [str(number) for number, text in enumerate(texts, 1) if not text.strip()]
    return [f"第 {'、'.join(empty[:20])} 页没有文字层，未读取"] if empty else []


def extract(path: str) -> None:
    """The child's work: print the file's pages and lines, or the reason why there are none, as JSON."""
    _limit_memory()
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
        if len(document) > MAX_PAGES:
            result: dict[str, Any] = {"reason": f"PDF 超过 {MAX_PAGES} 页"}
        else:
            result = _extract_pages(document)
    except pypdfium2.PdfiumError as error:
        encrypted = getattr(error, "err_code", None) == _PASSWORD_ERROR or "password" in str(error).lower()
        result = {"reason": "PDF 已加密，请去掉密码后重试" if encrypted else "PDF 损坏或不完整，无法打开"}
    except MemoryError:
        result = {"reason": "PDF 占用内存过大"}
    sys.stdout.buffer.write(json.dumps(result).encode("ascii"))


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
