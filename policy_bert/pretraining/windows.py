"""What a pretraining reads: text, held out by document and packed into full windows, without labelled sentences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from policy_bert.corpora.labelled_rows import read_labelled_rows
from policy_bert.corpora.running_text import iterate_documents
from policy_bert.encoder.vocabulary import build_tokenizer, special_id
from policy_bert.errors import DataError
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.text import comparison_key

TOKENIZE_BATCH_DOCUMENTS = 256


@dataclass(frozen=True)
class PretrainingData:
    """The tokenizer and the windows, each of shape (windows, window_tokens) and dtype uint16."""

    tokenizer: Tokenizer
    train: NDArray[np.uint16]
    held_out: NDArray[np.uint16]


def prepare_data(config: PretrainConfig, tokenizer: Tokenizer | None = None) -> PretrainingData:
    """Read the text, build the vocabulary unless one is given, and pack the windows.

    Raises:
        DataError: No text file is named or readable, the text fills no window, or a file of labelled sentences to
            exclude has bad rows.
    """
    excluded = frozenset(
        key for path in config.exclude for key in map(comparison_key, _excluded_sentences(path)) if key
    )
    if tokenizer is None:
        lines = (line for document in _documents(config, excluded, held_out=False) for line in document)
        tokenizer = build_tokenizer(lines, config.encoder.vocabulary_size)
    parts = [
        pack_documents(_documents(config, excluded, held_out=part), tokenizer, config.window_tokens)
        for part in (False, True)
    ]
    if not len(parts[0]):
        raise DataError(f"the text fills no window of {config.window_tokens} tokens; give more text with --text")
    return PretrainingData(tokenizer, parts[0], parts[1])


def _excluded_sentences(path: str) -> Iterator[str]:
    """The sentences of a labelled file, whatever their labels are."""
    for row in read_labelled_rows(path)[0]:
        if row.problem:
            raise DataError(f"{path}, line {row.line}: {row.problem}; mend it, or it would not be kept out of the text")
        yield row.text


def _documents(config: PretrainConfig, excluded: frozenset[str], held_out: bool) -> Iterator[list[str]]:
    if not config.text:
        raise DataError("no text to pretrain on: name files with --text or under `text:` in the configuration")
    for source in config.text:
        part = (
            document
            for document in iterate_documents(source.path, excluded)
            if is_held_out(document, config.held_out_fraction) == held_out
        )
        yield from part if held_out else repeat_documents(part, source.weight, config.seed)


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


def pack_documents(documents: Iterable[list[str]], tokenizer: Tokenizer, length_tokens: int) -> NDArray[np.uint16]:
    """Tokenise documents and cut their stream into full windows, so that no position is padding.

    Lines of a document follow each other; a [SEP] stands between documents. The rest that fills no window is left out.

    Args:
        documents: Lists of lines.
        tokenizer: A tokenizer with [CLS] and [SEP].
        length_tokens: Tokens in a window, [CLS] and [SEP] included.

    Returns:
        Token ids, shape (windows, length_tokens); each window begins with [CLS] and ends with [SEP].
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
    return np.concatenate(blocks) if blocks else empty


def _batched(documents: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    batch: list[list[str]] = []
    for document in documents:
        batch.append(document)
        if len(batch) == TOKENIZE_BATCH_DOCUMENTS:
            yield batch
            batch = []
    if batch:
        yield batch
