"""Word documents (docx): paragraphs, automatic numbering and tables in reading order, hostile archives refused.

Reads the few parts it needs straight from the archive: Office Open XML is ECMA-376; a DTD, which the standard forbids,
is refused, so neither external entities nor entity bombs are ever resolved.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from policy_bert.documents.model import UnreadableDocumentError
from policy_bert.documents.readers.word_numbering import Numbering, W, load_numbering

MAX_PART_BYTES = 100 << 20
_OUTSIDE = frozenset(
    f"{W}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "instrText", "delText", "tblPr", "sectPr")
)
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TEXT_BOX = f"{W}txbxContent"
_CHARACTERS = {f"{W}tab": " ", f"{W}noBreakHyphen": "-", f"{W}br": "\n", f"{W}cr": "\n"}


def read_word(path: Path) -> list[str]:
    """The paragraphs of a docx; a table's row is one paragraph, its cells parted by tabs.

    Automatic numbers are written out; deleted text, field codes, headers and footers are left out; text boxes follow
    the paragraph they are anchored to; footnotes and endnotes come last.

    Raises:
        UnreadableDocumentError: The archive is damaged, encrypted, a zip bomb or not well-formed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            numbering = load_numbering(_part(archive, "word/numbering.xml"), _part(archive, "word/styles.xml"))
            document = _part(archive, _main_part(archive))
            notes = [_part(archive, f"word/{name}.xml") for name in ("footnotes", "endnotes")]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise UnreadableDocumentError("文件损坏或不完整（docx 压缩包无法读取）") from error
    body = document.find(f"{W}body") if document is not None else None
    if body is None:
        raise UnreadableDocumentError("文件损坏：docx 中没有正文")
    paragraphs = list(_blocks(body, numbering))
    for part in notes:
        for note in part.iterchildren() if part is not None else ():
            if note.get(f"{W}type") is None:
                paragraphs += _blocks(note, numbering)
    return [line for paragraph in paragraphs for line in paragraph.split("\n")]


def _main_part(archive: zipfile.ZipFile) -> str:
    """The name of the part that holds the text: `word/document.xml`, or `document2.xml` from some exporters."""
    names = [name for name in archive.namelist() if name.startswith("word/document") and name.endswith(".xml")]
    return "word/document.xml" if "word/document.xml" in names or not names else sorted(names)[0]


def _part(archive: zipfile.ZipFile, name: str) -> Any:
    """The root element of a part, or None if there is no such part."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.flag_bits & 1:
        raise UnreadableDocumentError("文件已加密，请去掉密码后重试")
    if info.file_size > MAX_PART_BYTES:
        raise UnreadableDocumentError(f"疑似压缩炸弹：{name} 解压后超过 {MAX_PART_BYTES >> 20} MB")
    with archive.open(info) as file:
        content = file.read(MAX_PART_BYTES + 1)
    if len(content) > MAX_PART_BYTES:
        raise UnreadableDocumentError(f"疑似压缩炸弹：{name} 解压后超过 {MAX_PART_BYTES >> 20} MB")
    return parse_xml(content)


def parse_xml(content: bytes) -> Any:
    """The root element of an XML file from a stranger: no entity of its own, in whatever encoding, and no network.

    Raises:
        UnreadableDocumentError: It is no complete XML, or declares a document type.
    """
    from lxml import etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        if b"<!ENTITY" in content[:65536].replace(b"\0", b""):
            raise UnreadableDocumentError("XML 含有实体声明（DTD），出于安全不读取") from error
        raise UnreadableDocumentError(f"文件损坏：不是完整的 XML（{error}）") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableDocumentError("XML 含有实体声明（DTD），出于安全不读取")
    return root


def _blocks(parent: Any, numbering: Numbering) -> Iterator[str]:
    """The paragraphs below an element, through content controls, insertions and other wrappers."""
    for element in parent.iterchildren():
        if element.tag == f"{W}p":
            yield from _paragraph(element, numbering)
        elif element.tag == f"{W}tbl":
            yield from _rows(element, numbering)
        elif element.tag not in _OUTSIDE and element.tag != _FALLBACK:
            yield from _blocks(element, numbering)


def _rows(table: Any, numbering: Numbering) -> Iterator[str]:
    for row in table.iter(f"{W}tr"):
        if next(row.iterancestors(f"{W}tbl")) is not table:
            continue
        cells = []
        for cell in row.iter(f"{W}tc"):
            if next(cell.iterancestors(f"{W}tr")) is row:
                cells.append("\n".join(filter(None, (text.strip() for text in _blocks(cell, numbering)))))
        yield "\t".join(cells)


def _paragraph(element: Any, numbering: Numbering) -> Iterator[str]:
    """The paragraph's text with its automatic number, then the paragraphs of the text boxes anchored in it."""
    boxes: list[Any] = []
    text = "".join(_characters(element, boxes))
    label = numbering.label(element) if text.strip() else ""
    if label and label[-1] not in "）)、.．" and text[:1].strip():
        label += "\u3000" if label.startswith("第") else " "
    yield label + text
    for box in boxes:
        yield from _blocks(box, numbering)


def _characters(element: Any, boxes: list[Any]) -> Iterator[str]:
    for child in element.iterchildren():
        if child.tag == f"{W}t":
            yield (child.text or "").replace("\n", " ")
        elif child.tag in _CHARACTERS:
            # A page or column break divides no paragraph.
            if child.get(f"{W}type") in (None, "textWrapping"):
                yield _CHARACTERS[child.tag]
        elif child.tag == _TEXT_BOX:
            boxes.append(child)
        elif child.tag not in _OUTSIDE and child.tag != _FALLBACK:
            yield from _characters(child, boxes)
