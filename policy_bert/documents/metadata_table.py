"""A table of metadata (CSV or Excel), joined to the documents by file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from policy_bert.documents.model import Document
from policy_bert.documents.titles import find_date
from policy_bert.errors import DataError
from policy_bert.rows import as_text, open_table
from policy_bert.text import look

_FILE_COLUMNS = ("file", "filename", "file name", "path", "文件", "文件名", "文件名称")
_FIELDS: dict[str, tuple[str, ...]] = {
    "title": ("title", "标题", "题名", "文件标题", "政策名称"),
    "number": ("number", "发文字号", "文号"),
    "issuer": ("issuer", "发文机关", "发布机构", "发文单位", "发布单位"),
    "date": ("date", "日期", "发布日期", "成文日期", "印发日期"),
    "year": ("year", "年份", "年度", "年"),
}


@dataclass
class MetadataTable:
    """Rows of metadata by file.

    Attributes:
        columns: The names of its columns, the file's own left out.
        rows: Normal form of the file's name to the row's line, the name as written, and the values by column.
        matched: The names that a document has claimed.
    """

    columns: tuple[str, ...]
    rows: dict[str, tuple[int, str, dict[str, str]]] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)

    def join(self, document: Document) -> Document:
        """The document with its row's values: all of them in `metadata`, the known ones in its fields too."""
        for key in _keys(document.path):
            if key in self.rows:
                self.matched.add(key)
                return _apply(document, self.rows[key][2])
        return document

    def unmatched(self) -> list[str]:
        """The rows that no document has claimed so far, as `row 3: 办法.docx`."""
        return [f"row {line}: {name}" for key, (line, name, _) in self.rows.items() if key not in self.matched]


def load_metadata(path: str | Path) -> MetadataTable:
    """A table of metadata with a column `file` or 文件名, of any kind that `rows.open_table` reads.

    Raises:
        DataError: The file cannot be read, has no such column, or names a file twice.
    """
    source = open_table(path)
    file_column = source.find_column(None, _FILE_COLUMNS, "names of the files")
    columns = tuple(name for name in source.columns if name and name != file_column)
    table = MetadataTable(columns)
    for line, cells, problem in source.read([file_column, *columns]):
        if problem:
            raise DataError(f"{path}: row {line}: {problem}")
        name, *values = (as_text(cell).strip() for cell in cells)
        key = _normal(name)
        if key in table.rows:
            raise DataError(f"{path}: rows {table.rows[key][0]} and {line} both name {name!r}; leave one")
        if name:
            table.rows[key] = (line, name, dict(zip(columns, values, strict=True)))
    return table


def join_metadata(documents: Iterable[Document], table: MetadataTable) -> Iterator[Document]:
    """The documents with their rows' values, one at a time; afterwards `table.unmatched()` names the rows left over."""
    for document in documents:
        yield table.join(document)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name).replace("\\", "/").strip().removeprefix("./").lower()


def _keys(path: Path) -> list[str]:
    """What a row may call the file: its path or any end of it, with or without the suffix, the fullest first."""
    ends = [_normal(path.as_posix())] + [_normal("/".join(path.parts[-n:])) for n in range(len(path.parts), 0, -1)]
    suffix = _normal(path.suffix)
    return ends + [end.removesuffix(suffix) for end in ends]


def _apply(document: Document, values: dict[str, str]) -> Document:
    known: dict[str, Any] = {}
    for name, columns in _FIELDS.items():
        value = next((v for column, v in values.items() if look(column) in columns and v), "")
        if value:
            known[name] = value
    if "date" in known:
        known["date"] = find_date(known["date"]) or known["date"]
    year = re.search(r"(?:19|20)\d{2}", known.pop("year", "") or known.get("date", ""))
    if year:
        known["year"] = int(year.group())
    return replace(document, metadata={**document.metadata, **values}, **known)
