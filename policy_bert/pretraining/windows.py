"""What a pretraining reads: its vocabulary and its windows, with the labelled sentences kept out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from policy_bert.corpora.running_text import iterate_documents
from policy_bert.encoder.vocabulary import build_tokenizer
from policy_bert.errors import DataError
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.pretraining.text import is_held_out, pack_documents, repeat_documents
from policy_bert.text import comparison_key


@dataclass(frozen=True)
class PretrainingData:
    """The tokenizer and the windows, each of shape (windows, window_tokens) and dtype uint16."""

    tokenizer: Tokenizer
    train: NDArray[np.uint16]
    held_out: NDArray[np.uint16]


def prepare_data(config: PretrainConfig, tokenizer: Tokenizer | None = None) -> PretrainingData:
    """Read the text, build the vocabulary unless one is given, and pack the windows.

    Raises:
        DataError: No text file is named or readable, or the text fills no window.
    """
    excluded = frozenset(
        key for path in config.exclude for key in map(comparison_key, _excluded_sentences(path)) if key
    )
    kept = Path(config.output) / "tokenizer.json"  # what an interrupted run began with
    if kept.is_file():
        tokenizer = Tokenizer.from_file(str(kept))
    else:
        if tokenizer is None:
            lines = (line for document in _documents(config, excluded, held_out=False) for line in document)
            tokenizer = build_tokenizer(lines, config.encoder.vocabulary_size)
        kept.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(kept))
    parts = [
        pack_documents(_documents(config, excluded, held_out=part), tokenizer, config.window_tokens).windows
        for part in (False, True)
    ]
    if not len(parts[0]):
        raise DataError(f"the text fills no window of {config.window_tokens} tokens; give more text with --text")
    return PretrainingData(tokenizer, parts[0], parts[1])


def _excluded_sentences(path: str) -> Iterator[str]:
    try:
        for line in Path(path).read_text(encoding="utf-8-sig").splitlines():
            yield line.partition("\t")[0]
    except OSError as error:
        raise DataError(f"{path}: cannot read the sentences to exclude: {error.strerror}") from error


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
