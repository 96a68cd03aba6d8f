"""Sentences to fine-tune on: targets and weights, token ids, padded batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset


@dataclass(frozen=True)
class Examples:
    """Sentences to train on.

    Attributes:
        texts: The sentences.
        targets: Probabilities of the classes, shape (sentences, classes), float32; one-hot where only a label is known.
        weights: The loss weight of each sentence, shape (sentences,), float32.
    """

    texts: Sequence[str]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]

    def joined(self, other: Examples) -> Examples:
        """These examples and the other's after them."""
        return Examples(
            [*self.texts, *other.texts],
            np.concatenate([self.targets, other.targets]),
            np.concatenate([self.weights, other.weights]),
        )


def one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Targets of shape (labels, classes) with a single 1 a row."""
    return np.eye(classes, dtype=np.float32)[labels]


def class_weights(labels: NDArray[np.int64], classes: int, kind: str) -> NDArray[np.float32]:
    """The loss weight of each class, shape (classes,), with mean 1 over the labelled sentences.

    Args:
        labels: The labels trained on.
        classes: How many classes there are.
        kind: `none`, `inverse` (1/n) or `inverse_sqrt` (1/√n).
    """
    counts = np.maximum(np.bincount(labels, minlength=classes), 1).astype(np.float64)
    power = {"none": 0.0, "inverse": 1.0, "inverse_sqrt": 0.5}[kind]
    weights = counts**-power
    return (weights / (weights[labels].mean() if len(labels) else 1.0)).astype(np.float32)


class EncodedDataset(Dataset[dict[str, Any]]):
    """Examples as token ids."""

    def __init__(self, examples: Examples, tokenizer: Tokenizer, max_length_tokens: int) -> None:
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length_tokens)
        encodings = tokenizer.encode_batch([*examples.texts])
        tokenizer.no_truncation()
        self.rows = [
            {"input_ids": encoding.ids, "targets": target, "weight": weight, "length": len(encoding.ids)}
            for encoding, target, weight in zip(encodings, examples.targets, examples.weights, strict=True)
        ]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.rows[index]


class PaddingCollator:
    """Pads a batch to its longest sentence and stacks its targets."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask` (rows, length), `labels` (rows, classes) and `weight` (rows,)."""
        length = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), length), self.pad_id, dtype=torch.long)
        mask = torch.zeros((len(rows), length), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            mask[index, : len(row["input_ids"])] = 1
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": torch.from_numpy(np.stack([row["targets"] for row in rows])),
            "weight": torch.tensor([float(row["weight"]) for row in rows]),
        }
