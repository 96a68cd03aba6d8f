"""PDF files with a text layer: lines from PDFium in a process of their own, paragraphs from the lines.

A damaged or hostile PDF can hang or crash a parser, so extraction runs in a child process with a time and, where the
system has it, a memory limit; the child writes the lines as JSON to its standard output.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.layout import Line, Page, join_pages

MAX_BYTES = 300 << 20
TIME_LIMIT_S = 120.0
_FEWEST_CHARACTERS_A_PAGE = 10
_LOST_SHARE = 0.3
_CHILD = "policy_bert.documents.readers.pdf_extraction"


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
    root = str(Path(__file__).resolve().parents[3])
    return f"import sys; sys.path.insert(0, {root!r}); from {_CHILD} import main; main(sys.argv[1])"


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
