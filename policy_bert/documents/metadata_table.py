"""A table of metadata (CSV or Excel), joined to the documents by file name."""

from __future__ import annotations

import csv
import datetime
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from policy_bert.documents.metadata import find_date
from policy_bert.documents.model import Document, UnreadableDocumentError
from policy_bert.documents.readers.plain import decode
from policy_bert.errors import DataError

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
        path: The table's file.
        columns: The names of its columns, the file's own left out.
        rows: Normal form of the file's name to the row's line, the name as written, and the values by column.
        matched: The names that a document has claimed.
    """

    path: Path
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
    """A table of metadata from a CSV (any usual Chinese encoding) or xlsx file with a column `file` or 文件名.

    Raises:
        DataError: The file cannot be read, has no such column, or names a file twice.
    """
    path = Path(path)
    rows = list(_read_rows(path))
    header = [unicodedata.normalize("NFKC", cell).strip() for cell in rows[0]] if rows else []
    named = [index for index, name in enumerate(header) if name.lower() in _FILE_COLUMNS]
    if not named:
        found = ", ".join(filter(None, header)) or "nothing"
        raise DataError(
            f"{path}: expected a column 'file' or '文件名', found {found}; name the column of file names so"
        )
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        raise DataError(f"{path}: the column {min(twice)!r} occurs twice; rename one")
    table = MetadataTable(path, tuple(name for i, name in enumerate(header) if name and i != named[0]))
    for line, row in enumerate(rows[1:], 2):
        cells = dict(zip(header, [*row, *[""] * (len(header) - len(row))], strict=False))
        name = cells.pop(header[named[0]], "").strip()
        if not name:
            continue
        key = _normal(name)
        if key in table.rows:
            raise DataError(f"{path}: rows {table.rows[key][0]} and {line} both name {name!r}; leave one")
        table.rows[key] = (line, name, {column: value.strip() for column, value in cells.items() if column})
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
        value = next((v for column, v in values.items() if column.lower() in columns and v), "")
        if value:
            known[name] = value
    if "date" in known:
        known["date"] = find_date(known["date"]) or known["date"]
    year = re.search(r"(?:19|20)\d{2}", known.pop("year", "") or known.get("date", ""))
    if year:
        known["year"] = int(year.group())
    return replace(document, metadata={**document.metadata, **values}, **known)


def _read_rows(path: Path) -> Iterator[list[str]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot read the metadata: {error.strerror}") from error
    if content.startswith(b"PK\x03\x04"):
        return _read_workbook(path)
    try:
        text = decode(content)
    except UnreadableDocumentError as error:
        raise DataError(f"{path}: expected a CSV or xlsx table of metadata; {error}") from error
    first = text.partition("\n")[0]
    delimiter = max(",\t;，", key=first.count)
    return csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)


def _read_workbook(path: Path) -> Iterator[list[str]]:
    import openpyxl

    try:
        workbook = openpyxl.load_workbook(io.BytesIO(path.read_bytes()), read_only=True, data_only=True)
        rows = [[_cell_text(cell) for cell in row] for row in workbook.worksheets[0].iter_rows(values_only=True)]
        workbook.close()
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable xlsx file; save it again or as CSV") from error
    return iter(rows)


def _cell_text(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)
