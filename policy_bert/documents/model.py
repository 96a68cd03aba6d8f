"""What reading and cutting give: documents, units, and the files that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

UnitKind = Literal[
    "content",
    "title",
    "front_matter",
    "toc",
    "heading",
    "salutation",
    "signature",
    "attachment",
    "table",
    "legal_basis",
    "definition",
    "background",
    "principle",
    "formal",
    "fragment",
]
UNIT_KINDS: tuple[UnitKind, ...] = get_args(UnitKind)

# What a reader of the report sees as the reason why a unit is not coded.
REASONS: Mapping[UnitKind, str] = {
    "content": "",
    "title": "文件标题",
    "front_matter": "文件信息",
    "toc": "目录",
    "heading": "标题",
    "salutation": "主送机关或称谓",
    "signature": "落款",
    "attachment": "附件说明",
    "table": "表格短项",
    "legal_basis": "制定目的或依据",
    "definition": "术语定义",
    "background": "背景叙述",
    "principle": "指导思想或原则",
    "formal": "程序性条款",
    "fragment": "无实义文字",
}

UnitSize = Literal["sentence", "paragraph", "article"]


class UnreadableDocumentError(Exception):
    """A file from which no text can be had; the message is the reason, one line in the reader's language."""


@dataclass(frozen=True)
class SkippedDocument:
    """A file that was not read, and why (one line in Chinese)."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Document:
    r"""A document's extracted text and what its head says about it.

    Attributes:
        id: `01`, `02` … in the order of the paths; as many digits as the number of files needs, at least two.
        path: The file it was read from.
        text: The extracted text, one paragraph a line, `\n` line ends; every offset refers to it.
        title: The title; the file's stem where the head shows none.
        number: 发文字号 such as `国发〔2021〕29号`, or empty.
        issuer: The issuing body, or empty.
        date: ISO date (`2021-12-12`), or empty.
        year: The year of the date or else of the number.
        metadata: Columns of the metadata file, and for HTML what its `meta` elements say.
        notes: Remarks of the reader's in Chinese, such as a name that disagrees with the content.
    """

    id: str
    path: Path
    text: str
    title: str = ""
    number: str = ""
    issuer: str = ""
    date: str = ""
    year: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """A stretch of a document that gets one code: a sentence, a paragraph or an article.

    Attributes:
        id: `03-2-5-1`: document, chapter, article, number within the article (0 is the article's or chapter's
            heading); unique within the document.
        start: First character in `Document.text`.
        end: One past the last character.
        text: Exactly `document.text[start:end]`.
        headings: The headings above the unit, outermost first.
        chapter: Number of the chapter (章, or 一、 where there are no 章 and 条); 0 before the first.
        article: Number of the article (条, or （一） where there is no 条); 0 before the first.
        paragraph: Number of the paragraph (款) within the article, from 1.
        sentence: The last part of `id`.
        kind: `content`, or what the form says the unit is instead.
        reason: Why the unit is not coded, in Chinese; empty for content.
        marker: The numbering at the beginning of `text`, such as `第十二条　` or `（一）`.
        item: Number of the item (项) in an enumeration, 0 outside one.
    """

    id: str
    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()
    chapter: int = 0
    article: int = 0
    paragraph: int = 1
    sentence: int = 1
    kind: UnitKind = "content"
    reason: str = ""
    marker: str = ""
    item: int = 0

    @property
    def body(self) -> str:
        """The text without its numbering: what a classifier should read."""
        return self.text[len(self.marker) :]
