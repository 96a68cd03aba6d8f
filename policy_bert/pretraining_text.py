"""Text for pretraining: streamed from files, held out by document, tokenised and packed into full windows."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from policy_bert.errors import DataError
from policy_bert.text import comparison_key
from policy_bert.vocabulary import special_id

TOKENIZE_BATCH_DOCUMENTS = 256


@dataclass(frozen=True)
class Packed:
    """Token windows of one part of the text.

    Attributes:
        windows: Token ids, shape (windows, length_tokens), dtype uint16; each begins with [CLS] and ends with [SEP].
        tokens: How many tokens of text the windows hold.
    """

    windows: NDArray[np.uint16]

    @property
    def tokens(self) -> int:
        """The number of tokens in all windows."""
        return int(self.windows.size)


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


def is_held_out(document: Sequence[str], fraction: float) -> bool:
    """Whether a document belongs to the held-out part: decided by a hash of its first lines, so never by its place.

    Args:
        document: The document's lines.
        fraction: The share of documents to hold out, 0 to 1.
    """
    digest = hashlib.sha256("\n".join(document[:3]).encode()).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def repeat_documents(documents: Iterable[list[str]], weight: float, seed: int) -> Iterator[list[str]]:
    """Documents repeated `weight` times on average: 2.0 twice each, 0.25 one in four, drawn with the seed."""
    generator = np.random.default_rng(seed)
    for document in documents:
        for _ in range(int(weight) + int(generator.random() < weight % 1)):
            yield document


def pack_documents(documents: Iterable[list[str]], tokenizer: Tokenizer, length_tokens: int) -> Packed:
    """Tokenise documents and cut their stream into full windows, so that no position is padding.

    Lines of a document follow each other; a [SEP] stands between documents. The rest that fills no window is left out.

    Args:
        documents: Lists of lines.
        tokenizer: A tokenizer with [CLS] and [SEP].
        length_tokens: Tokens in a window, [CLS] and [SEP] included.
    """
    cls_id, sep_id = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    body = length_tokens - 2
    blocks: list[NDArray[np.uint16]] = []
    rest = np.empty(0, dtype=np.uint16)
    for batch in _batched(documents):
        encodings = tokenizer.encode_batch_fast(["".join(lines) for lines in batch], add_special_tokens=False)
        stream = np.concatenate([rest, *(np.array([*e.ids, sep_id], dtype=np.uint16) for e in encodings)])
        full = len(stream) // body
        block = np.empty((full, length_tokens), dtype=np.uint16)
        block[:, 0], block[:, -1] = cls_id, sep_id
        block[:, 1:-1] = stream[: full * body].reshape(full, body)
        blocks.append(block)
        rest = stream[full * body :]
    empty = np.empty((0, length_tokens), dtype=np.uint16)
    return Packed(np.concatenate(blocks) if blocks else empty)


def _batched(documents: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    batch: list[list[str]] = []
    for document in documents:
        batch.append(document)
        if len(batch) == TOKENIZE_BATCH_DOCUMENTS:
            yield batch
            batch = []
    if batch:
        yield batch
