"""Lines of a text file as a stream: constant memory, the encoding found out, bad bytes named by their place."""

from __future__ import annotations

import codecs
import functools
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from policy_bert.encodings import Encoding, guess_encoding, named_encoding
from policy_bert.errors import DataError

BLOCK_BYTES = 1 << 16
MAX_LINE_CHARACTERS = 10_000_000
_MAGIC = {
    "a zip archive (such as .xlsx or .docx)": (b"PK\x03\x04",),
    "a PDF document": (b"%PDF-",),
    "an old Office document (.xls or .doc)": (b"\xd0\xcf\x11\xe0",),
    "a Parquet file": (b"PAR1",),
    "an image": (b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
    "a compressed archive (gzip, xz, Zstandard, 7-Zip or RAR)": (
        b"\x1f\x8b",
        b"\xfd7zXZ",
        b"\x28\xb5\x2f\xfd",
        b"7z\xbc\xaf",
        b"Rar!",
    ),
    "a program": (b"\x7fELF",),
    "a SQLite database": (b"SQLite format 3\x00",),
}

_log = logging.getLogger(__name__)


@functools.cache
def say_once(message: str) -> None:
    """Put a remark about an input into the log, once a process: an input is opened and read more than once."""
    _log.warning("%s", message)


def find_encoding(head: bytes, complete: bool, source: str, wanted: str = "auto") -> Encoding:
    """The encoding of a text file from its first bytes; a guess that may be wrong is named in the log.

    Args:
        head: The file's first bytes.
        complete: Whether `head` is the whole file.
        source: The file's name, for the messages.
        wanted: `auto`, or the name of the encoding.

    Raises:
        DataError: The bytes are a known binary format or no text that can be told, or nobody knows the encoding wanted.
    """
    if wanted != "auto":
        try:
            return named_encoding(wanted, head)
        except LookupError:
            known = "auto, utf-8, gb18030, big5, utf-16 or another that Python knows"
            raise DataError(f"{source}: unknown encoding {wanted!r}; use {known}") from None
    for kind, beginnings in _MAGIC.items():
        if head.startswith(beginnings):
            raise DataError(f"{source}: expected a text file, found {kind}; give it its usual extension or convert it")
    found = guess_encoding(head, complete)
    if found is None:
        raise DataError(
            f"{source}: expected text in UTF-8, GB18030 or UTF-16, found none of them or a binary file; "
            "name its encoding (--encoding, data.encoding) or save it as UTF-8"
        )
    if not found.certain:
        say_once(f"{source}: read as {found.name}, which is a guess; if it is wrong, name the right one (--encoding)")
    return found


def open_input(path: str | Path) -> IO[bytes]:
    """A file opened for reading bytes; `-` is standard input.

    Raises:
        DataError: It is missing, a folder, or may not be read.
    """
    if str(path) == "-":
        return getattr(sys.stdin, "buffer", None) or io.BytesIO()
    if os.path.isdir(path):
        raise DataError(f"{path}: expected a file, found a folder")
    try:
        return open(path, "rb")
    except OSError as error:
        missing = "no such file; check the name and the folder"
        reason = missing if isinstance(error, FileNotFoundError) else f"cannot read the file: {error.strerror}"
        raise DataError(f"{path}: {reason}") from error


class LineReader:
    r"""The lines of a text stream, without their ends; a line ends at `\n` or `\r\n` and nowhere else.

    Iterating reads one block of 64 KiB at a time, so memory stays constant, and closes a stream that is not standard
    input at its end. The encoding is decided on the first block, when the reader is made.

    Attributes:
        encoding: The encoding's name, such as `utf-8`, `utf-8-sig`, `gb18030` or `utf-16` (with its mark).

    Raises:
        DataError: The file is empty or no text; while iterating: bytes that do not decode, with line and byte
            offset, or a line of more than `MAX_LINE_CHARACTERS`.
    """

    def __init__(self, stream: IO[bytes], source: str, encoding: str = "auto") -> None:
        self._stream, self._source = stream, source
        head = self._read()
        if not head:
            raise DataError(f"{source}: expected text, found an empty file")
        self._encoding = find_encoding(head, len(head) < BLOCK_BYTES, source, encoding)
        self.encoding = self._encoding.name
        self._head = head[len(self._encoding.bom) :]

    def __iter__(self) -> Iterator[str]:
        try:
            yield from self._lines()
        finally:
            if self._stream is not getattr(sys.stdin, "buffer", None):
                self._stream.close()

    def _lines(self) -> Iterator[str]:
        remainder, line = "", 1
        for text in self._texts():
            *lines, remainder = (remainder + text).split("\n") if remainder else text.split("\n")
            for found in lines:
                yield found[:-1] if found.endswith("\r") else found
            line += len(lines)
            if len(remainder) > MAX_LINE_CHARACTERS:
                raise DataError(f"{self._source}: line {line}: longer than {MAX_LINE_CHARACTERS:,} characters")
        if line == 1 and remainder.count("\r") > 1:
            raise DataError(f"{self._source}: lines end in carriage returns alone; save the file with usual line ends")
        if remainder:
            yield remainder[:-1] if remainder.endswith("\r") else remainder

    def _read(self) -> bytes:
        try:
            return self._stream.read(BLOCK_BYTES)
        except OSError as error:
            raise DataError(f"{self._source}: cannot read the file: {error.strerror}") from error

    def _texts(self) -> Iterator[str]:
        """Decoded blocks; at bytes that do not decode, the text before them and then the error."""
        decoder = codecs.getincrementaldecoder(self._encoding.codec)()
        block, offset, line = self._head, len(self._encoding.bom), 1
        while True:
            pending = decoder.getstate()[0]
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                data = pending + block
                text = data[: error.start].decode(self._encoding.codec, errors="ignore")
                yield text
                line += text.count("\n")
                place = offset - len(pending) + error.start
                raise DataError(
                    f"{self._source}: line {line}: byte {data[error.start]:#04x} at offset {place} "
                    f"is not {self.encoding}; name the right encoding or save the file as UTF-8"
                ) from None
            yield text
            if not block:
                return
            line += text.count("\n")
            offset += len(block)
            block = self._read()
