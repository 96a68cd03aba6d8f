"""Text for pretraining: held out by document, tokenised and packed into full windows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from policy_bert.encoder.vocabulary import special_id

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
