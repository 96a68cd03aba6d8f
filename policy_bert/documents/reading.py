"""Files and folders to documents, one after the other; what cannot be read is named and the rest goes on."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from policy_bert.documents.metadata import read_head
from policy_bert.documents.model import Document, SkippedDocument, UnreadableDocumentError
from policy_bert.documents.readers.detection import SUFFIXES, TYPE_NAMES, detect_type
from policy_bert.errors import DataError

MAX_CHARACTERS = 5_000_000
_LOG = logging.getLogger(__name__)
# Radicals that fonts put in the place of characters: ⽬ (U+2F6C) for 目.
_RADICALS = re.compile("[\u2e80-\u2fdf\uf900-\ufaff]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f\ufeff\u200b-\u200f\u202a-\u202e\u2060\u00ad]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANK_TAIL = " \t\u3000\xa0"


@dataclass(frozen=True)
class _Extract:
    lines: list[str]
    metadata: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_documents(
    paths: Sequence[str | Path],
    on_skip: Callable[[SkippedDocument], None] | None = None,
    exclude: Iterable[str | Path] = (),
) -> Iterator[Document]:
    """Documents one at a time, in the order of the paths, folders recursively and sorted (2 before 10).

    Identifiers count the documents that were read. Hidden files and Word's lock files are passed over; a file given
    twice is read once.

    Args:
        paths: Files and folders.
        on_skip: Called for each file that is not read; by default the log says so.
        exclude: Files and folders to pass over, such as the metadata table and the report's own folder.

    Raises:
        DataError: A path does not exist, or a folder holds no file.
    """
    files = find_files(paths, exclude)
    width = max(2, len(str(len(files))))
    number = 0
    for path in files:
        try:
            document = read_document(path, f"{number + 1:0{width}d}")
        except UnreadableDocumentError as error:
            _skip(SkippedDocument(path, str(error)), on_skip)
            continue
        number += 1
        yield document


def find_files(paths: Sequence[str | Path], exclude: Iterable[str | Path] = ()) -> list[Path]:
    """The files that the paths name or hold, each once.

    Raises:
        DataError: A path does not exist, or nothing was found.
    """
    excluded = {Path(path).resolve() for path in exclude}
    files: dict[Path, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder; name documents or folders of documents")
        for file in sorted(_walk(path), key=_natural_key) if path.is_dir() else [path]:
            resolved = file.resolve()
            if resolved not in excluded and not excluded.intersection(resolved.parents):
                files.setdefault(resolved, file)
    if not files:
        named = ", ".join(map(str, paths)) or "nothing"
        raise DataError(f"{named}: no documents found; expected docx, pdf, html, txt or md files")
    return list(files.values())


def read_document(path: str | Path, document_id: str = "01") -> Document:
    """One document, its type told by its content.

    Raises:
        UnreadableDocumentError: No text can be had from it; the message is the reason.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise UnreadableDocumentError("不是普通文件")
        extract = _extract(path)
    except OSError as error:
        raise UnreadableDocumentError(f"无法打开：{error.strerror or error}") from error
    text = normalize_text(extract.lines)
    if len(text) > MAX_CHARACTERS:
        raise UnreadableDocumentError(f"文字超过 {MAX_CHARACTERS // 10_000} 万字，不像一份文件")
    if not any(character.isalnum() for character in text):
        raise UnreadableDocumentError("没有文字内容")
    for note in extract.notes:
        _LOG.warning("%s: %s", path, note)
    head = read_head(text, extract.metadata)
    return Document(
        id=document_id,
        path=path,
        text=text,
        title=head.title or path.stem,
        number=head.number,
        issuer=head.issuer,
        date=head.date,
        year=head.year,
        metadata=extract.metadata,
        notes=tuple(extract.notes),
    )


def normalize_text(lines: Iterable[str]) -> str:
    r"""Lines as a document's text: `\n` between paragraphs, no blank ones, no indents, no invisible characters.

    Radicals and compatibility ideographs become the characters they stand for; nothing else is changed.
    """
    kept = []
    for line in lines:
        for part in _LINE_ENDS.sub("\n", line).split("\n"):
            part = _INVISIBLE.sub("", part.replace("\xa0", " "))
            part = _RADICALS.sub(lambda match: unicodedata.normalize("NFKC", match[0]), part).strip(_BLANK_TAIL)
            if part.strip():
                kept.append(part)
    return "\n".join(kept)


def _extract(path: Path) -> _Extract:
    file_type = detect_type(path)
    suffix = path.suffix.lower()
    if file_type == "plain" and suffix not in SUFFIXES:
        raise UnreadableDocumentError(f"不支持的文件类型（{suffix or '无扩展名'}）")
    notes = []
    if SUFFIXES.get(suffix) != file_type:
        notes.append(f"扩展名为 {suffix or '（无）'}，内容是{TYPE_NAMES[file_type]}，按内容读取")
    if file_type == "docx":
        from policy_bert.documents.readers.word import read_word

        return _Extract(read_word(path), notes=notes)
    if file_type == "pdf":
        from policy_bert.documents.readers.pdf import read_pdf

        lines, remarks = read_pdf(path)
        return _Extract(lines, notes=notes + remarks)
    if file_type == "html":
        from policy_bert.documents.readers.webpage import read_webpage

        lines, metadata = read_webpage(path)
        return _Extract(lines, metadata, notes)
    from policy_bert.documents.readers.plain import read_plain

    return _Extract(read_plain(path), notes=notes)


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith((".", "~$")) and name not in ("Thumbs.db", "desktop.ini"):
                yield Path(parent, name)


def _natural_key(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts if part]


def _skip(skipped: SkippedDocument, on_skip: Callable[[SkippedDocument], None] | None) -> None:
    if on_skip is not None:
        on_skip(skipped)
    else:
        _LOG.warning("%s: 跳过：%s", skipped.path, skipped.reason)
