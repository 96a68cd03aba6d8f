"""Sentences as batches of token ids: cut to what the model takes, sorted by length, filled up to a token budget."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import (
    MODEL_CONFIG_FILE,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    longest_input,
    read_json,
)
from policy_bert.errors import CheckpointError

# Activations of this many tokens stay in a core's cache. 26-character sentences, one AVX2 core with 1 MiB of L2, other
# work on the machine, the model alone: sentences in a second of processor time with 128, 256, 512, 1024 tokens:
# float32 345, 317, 310, 289; int8 535, 508, 500, 480. 256 makes half as many calls as 128.
TOKEN_BUDGET = 256
# A token stands for at most this many characters before a text is cut for the tokenizer; longer "words" are [UNK].
_CHARACTERS_PER_TOKEN = 64
_SMALLEST_SHARE_SENTENCES = 128  # fewer are not worth a thread


@dataclass(frozen=True)
class TokenizedSentences:
    """Token ids of sentences, special tokens included.

    Attributes:
        ids: One int64 array of at most the model's length a sentence.
        truncated: Whether each sentence was longer than the model takes, shape (sentences,).
    """

    ids: list[NDArray[np.int64]]
    truncated: NDArray[np.bool_]


class SentenceTokenizer:
    """A checkpoint's `tokenizer.json`, cutting after the tokens that the model takes.

    Attributes:
        max_length_tokens: The longest input of the model, special tokens included.
        pad_id: The id that fills up a batch.
    """

    def __init__(self, folder: str | Path, threads: int = 1) -> None:
        """Load the tokenizer of a checkpoint folder.

        Args:
            folder: The checkpoint folder.
            threads: How many threads tokenise a window.

        Raises:
            CheckpointError: The file is broken, or the token ids do not fit the model.
        """
        from tokenizers import Tokenizer

        # The caller overlaps tokenisation with inference; a second thread pool would fight for the same cores.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        folder = Path(folder)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        except Exception as error:
            raise CheckpointError(f"{folder / TOKENIZER_FILE}: corrupted tokenizer: {error}") from error
        config = read_json(folder / MODEL_CONFIG_FILE)
        if self._tokenizer.get_vocab_size() > int(config.get("vocab_size", 1 << 62)):
            raise CheckpointError(
                f"{folder}: the tokenizer has {self._tokenizer.get_vocab_size()} tokens, "
                f"the model {config['vocab_size']}: they do not belong together"
            )
        self.max_length_tokens = longest_input(config)
        if (folder / TOKENIZER_CONFIG_FILE).exists():
            stated = read_json(folder / TOKENIZER_CONFIG_FILE).get("model_max_length")
            if isinstance(stated, (int, float)):
                self.max_length_tokens = int(min(self.max_length_tokens, stated))
        self.pad_id = int(config.get("pad_token_id") or 0)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_length_tokens)
        self._threads = threads
        self._max_characters = self.max_length_tokens * _CHARACTERS_PER_TOKEN

    def encode(self, sentences: Sequence[str]) -> TokenizedSentences:
        """The token ids of sentences, in their order."""
        limit = self._max_characters
        encodings = self._encodings([sentence[:limit] for sentence in sentences])
        truncated = [
            len(sentence) > limit or bool(encoding.overflowing)
            for sentence, encoding in zip(sentences, encodings, strict=True)
        ]
        ids = [np.array(encoding.ids, dtype=np.int64) for encoding in encodings]
        return TokenizedSentences(ids, np.array(truncated, dtype=np.bool_))

    def _encodings(self, texts: list[str]) -> list[Any]:
        """Encodings of texts in their order; `tokenizers` releases Python's lock, so threads gain."""
        share = -(-len(texts) // self._threads)
        if self._threads == 1 or share < _SMALLEST_SHARE_SENTENCES:
            return self._tokenizer.encode_batch_fast(texts)
        parts = [texts[start : start + share] for start in range(0, len(texts), share)]
        with ThreadPoolExecutor(self._threads) as pool:
            return [encoding for part in pool.map(self._tokenizer.encode_batch_fast, parts) for encoding in part]


def batch_indices(
    lengths: Sequence[int] | NDArray[np.int64], token_budget: int = TOKEN_BUDGET, batch_size: int | None = None
) -> Iterator[NDArray[np.int64]]:
    """Index arrays of batches, longest sentences first, so that a batch has little padding.

    Args:
        lengths: Tokens of each sentence.
        token_budget: The most tokens in a batch, padding included; a longer sentence is a batch of its own.
        batch_size: The most sentences in a batch instead of the budget.

    Yields:
        Positions in `lengths`; together each occurs once.

    >>> [batch.tolist() for batch in batch_indices([3, 9, 4], token_budget=9)]
    [[1], [2, 0]]
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = batch_size or max(1, token_budget // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size


def pad_batch(ids: Sequence[NDArray[np.int64]], pad_id: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token ids and attention mask of a batch, both of shape (sentences, longest), padded at the end."""
    lengths = np.array([len(row) for row in ids])
    input_ids = np.full((len(ids), int(lengths.max())), pad_id, dtype=np.int64)
    attention_mask = (np.arange(input_ids.shape[1]) < lengths[:, None]).astype(np.int64)
    input_ids[attention_mask.astype(bool)] = np.concatenate(ids)
    return input_ids, attention_mask
