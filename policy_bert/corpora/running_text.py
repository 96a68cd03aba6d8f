"""Running text in files: documents streamed one after the other, with the labelled sentences kept out if need be."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from policy_bert.errors import DataError
from policy_bert.text import comparison_key


def open_text(path: str | Path) -> IO[str]:
    """A UTF-8 text stream over a plain, `.xz`, `.gz` or `.zst` file.

    Raises:
        DataError: The file is missing, or `.zst` is asked for without the `zstandard` package.
    """
    path = Path(path)
    try:
        if path.suffix == ".xz":
            return lzma.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".zst":
            try:
                import zstandard
            except ImportError as error:
                raise DataError(f"{path}: reading .zst needs the zstandard package") from error
            return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(path.open("rb")), encoding="utf-8")
        return path.open(encoding="utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot read the text: {error.strerror}") from error


def iterate_documents(path: str | Path, excluded: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Documents of a text file, each a list of its lines; blank lines separate documents.

    Args:
        path: A text file as `open_text` reads it.
        excluded: Comparison keys (`policy_bert.text.comparison_key`) of sentences to keep out; a line that
            contains one is dropped whole.
    """
    lines: list[str] = []
    prefixes = _by_prefix(excluded)
    try:
        with open_text(path) as stream:
            for raw in stream:
                line = raw.strip()
                if not line:
                    if lines:
                        yield lines
                    lines = []
                elif not _contains_excluded(comparison_key(line), prefixes):
                    lines.append(line)
    except (UnicodeDecodeError, lzma.LZMAError, gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path}: not readable UTF-8 text: {error}") from error
    if lines:
        yield lines


def _by_prefix(excluded: frozenset[str]) -> dict[str, list[str]]:
    """The excluded keys by their first characters, as many as the shortest of them has."""
    shortest = min(map(len, excluded), default=0)
    prefixes: dict[str, list[str]] = {}
    for key in excluded:
        prefixes.setdefault(key[:shortest], []).append(key)
    return prefixes


def _contains_excluded(key: str, prefixes: dict[str, list[str]]) -> bool:
    length = len(next(iter(prefixes), ""))
    for start in range(len(key) - length + 1 if prefixes else 0):
        candidates = prefixes.get(key[start : start + length])
        if candidates and any(key.startswith(candidate, start) for candidate in candidates):
            return True
    return False
