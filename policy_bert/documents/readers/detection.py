"""What a file is, read from its content, since names lie."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Literal

from policy_bert.documents.model import UnreadableDocumentError

FileType = Literal["docx", "pdf", "html", "plain"]

TYPE_NAMES: dict[FileType, str] = {"docx": "Word（docx）", "pdf": "PDF", "html": "网页（HTML）", "plain": "纯文本"}
SUFFIXES: dict[str, FileType] = {
    **dict.fromkeys((".docx", ".docm"), "docx"),
    ".pdf": "pdf",
    **dict.fromkeys((".html", ".htm", ".xhtml", ".shtml"), "html"),
    **dict.fromkeys((".txt", ".text", ".md", ".markdown"), "plain"),
}
_HEAD_BYTES = 4096
_HTML = re.compile(rb"<\s*(!doctype\s+html|html|head|body|meta|title|div|table|p|h1|article)\b", re.I)
_MAGIC: dict[str, tuple[bytes, ...]] = {
    "RTF 文件，请另存为 docx": (b"{\\rtf",),
    "图片，没有文字层；请先做文字识别（OCR）": (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"),
    "压缩包，请先解压": (b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b"),
    "程序文件，不是文档": (b"\x7fELF", b"MZ\x90"),
}


def detect_type(path: Path) -> FileType:
    """The type of a file by its content.

    Raises:
        UnreadableDocumentError: It is none that can be read, with what it is and what to do.
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if not head.strip(b"\0 \t\r\n"):
        raise UnreadableDocumentError("空文件")
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise UnreadableDocumentError(_describe_compound(path))
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _detect_zip(path)
    if b"%PDF-" in head[:1024]:
        return "pdf"
    for reason, magic in _MAGIC.items():
        if head.startswith(magic):
            raise UnreadableDocumentError(reason)
    text = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").replace(b"\0", b"")
    if _HTML.match(text) or (text[:1] == b"<" and _HTML.search(text)):
        return "html"
    if path.suffix.lower() in SUFFIXES and SUFFIXES[path.suffix.lower()] == "html" and _HTML.search(text):
        return "html"
    return "plain"


def _describe_compound(path: Path) -> str:
    """What an OLE compound file is: an encrypted docx keeps its package in one, the rest are old Office files."""
    with path.open("rb") as file:
        content = file.read(4 << 20)
    if "EncryptedPackage".encode("utf-16-le") in content:
        return "文件已加密，请去掉密码后重试"
    if "Workbook".encode("utf-16-le") in content:
        return "旧版 Excel 文件（xls），不是文档"
    return "旧版 Word 文件（doc），请用 Word 或 WPS 另存为 docx"


def _detect_zip(path: Path) -> FileType:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableDocumentError("文件损坏或不完整（压缩目录无法读取）") from error
    if "[Content_Types].xml" in names and any(name.startswith("word/") for name in names):
        return "docx"
    if any(name.startswith("xl/") for name in names):
        raise UnreadableDocumentError("Excel 表格，不是文档")
    if any(name.startswith("ppt/") for name in names):
        raise UnreadableDocumentError("PowerPoint 文件，请另存为 docx 或 PDF")
    if "mimetype" in names and "content.xml" in names:
        raise UnreadableDocumentError("OpenDocument 文件，请另存为 docx")
    if "OFD.xml" in names:
        raise UnreadableDocumentError("OFD 文件，请另存为 PDF 或 docx")
    raise UnreadableDocumentError("压缩包，请先解压")
