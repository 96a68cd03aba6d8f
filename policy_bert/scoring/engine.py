"""Engines that run a classifier behind one protocol: arrays of token ids in, logits out."""

from __future__ import annotations

import os
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

EngineName = Literal["auto", "onnx", "torch"]
CPU_WINDOW_SENTENCES = 4096
# A window of few tokens is split for this many cores, however many there are: batches, and so the last digit of a
# score, must not depend on the machine.
CPU_SHARES = 4


class Engine(Protocol):
    """A loaded model.

    Attributes:
        workers: How many batches are worth running at once, each from its own thread.
        token_budget: The tokens in a batch that run fastest.
        shares: Into how many batches a window of few tokens is split.
        window_sentences: How many sentences are worth sorting by length together.
        tokenizer_threads: How many threads the engine leaves for tokenising.
    """

    workers: int
    token_budget: int
    shares: int
    window_sentences: int
    tokenizer_threads: int

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of shape (batch, classes) for two arrays of shape (batch, length); safe to call from threads."""
        ...


def available_cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
