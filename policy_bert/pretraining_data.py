"""What a pretraining reads: its vocabulary and its windows, with the labelled sentences kept out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from policy_bert.errors import DataError
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.pretraining_text import is_held_out, iterate_documents, pack_documents, repeat_documents
from policy_bert.text import comparison_key
from policy_bert.vocabulary import build_tokenizer


@dataclass(frozen=True)
class PretrainingData:
    """The tokenizer and the windows, each of shape (windows, window_tokens) and dtype uint16."""

    tokenizer: Tokenizer
    train: NDArray[np.uint16]
    held_out: NDArray[np.uint16]

    def save(self, folder: str | Path) -> Path:
        """Write `tokenizer.json`, `train.npy` and `held_out.npy`, from which `load` makes the same data again."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        for name, windows in (("train", self.train), ("held_out", self.held_out)):
            np.save(folder / f"{name}.npy", windows, allow_pickle=False)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> PretrainingData:
        """What `save` wrote.

        Raises:
            DataError: A file is missing or broken.
        """
        folder = Path(folder)
        try:
            parts = [np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("train", "held_out")]
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # `tokenizers` raises no narrower one
            raise DataError(f"{folder}: not the data of a pretraining: {error}") from error
        return cls(tokenizer, parts[0], parts[1])


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
