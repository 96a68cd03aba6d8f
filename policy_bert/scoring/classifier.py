"""The classifier that everything else uses: sentences in, classes with confidences out."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import check_checkpoint, find_checkpoint
from policy_bert.errors import CheckpointError, UserError
from policy_bert.labels import LabelScheme
from policy_bert.scoring.batching import SentenceTokenizer, TokenizedSentences, batch_indices, pad_batch
from policy_bert.scoring.engine import Engine, EngineName, load_engine

_SMALLEST_SHARE_TOKENS = 128  # fewer are not worth a batch of their own


@dataclass(frozen=True)
class Prediction:
    """A sentence's class.

    Attributes:
        label: The class id.
        label_name: The class's name in the scheme.
        group: The id of the class's group, empty in a scheme without groups.
        confidence: The class's probability.
        scores: The probabilities of all classes, float32, shape (classes,), sum 1.
        truncated: The text was longer than the model takes; its beginning was scored.
        alternatives: Names and probabilities of the next classes, best first: `top_k - 1` of them.
    """

    label: int
    label_name: str
    group: str
    confidence: float
    scores: NDArray[np.float32]
    truncated: bool
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class WindowScores:
    """Scores of a window of sentences, float32 (sentences, classes), and which of them were cut, (sentences,)."""

    scores: NDArray[np.float32]
    truncated: NDArray[np.bool_]


@dataclass
class _Started:
    """A window whose batches are under way: `rows` says which distinct sentence each sentence is."""

    rows: NDArray[np.int64]
    tokenized: TokenizedSentences
    batches: list[tuple[NDArray[np.int64], Future[NDArray[np.float32]]]] = field(default_factory=list)


class PolicyClassifier:
    """A checkpoint with an engine.

    Attributes:
        scheme: The classes.
        checkpoint: The folder that was loaded.
    """

    def __init__(self, checkpoint: Path, scheme: LabelScheme, engine: Engine) -> None:
        self.checkpoint = checkpoint
        self.scheme = scheme
        self.tokenizer = SentenceTokenizer(checkpoint, engine.tokenizer_threads)
        self.engine = engine

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path | None = None,
        *,
        revision: str | None = None,
        engine: EngineName = "auto",
        device: str = "auto",
        threads: int | None = None,
    ) -> PolicyClassifier:
        """Load the shipped classifier (None), a checkpoint folder, or a hub id.

        Args:
            model: What to load.
            revision: A commit, tag or branch of a hub id.
            engine: `auto` takes ONNX Runtime where the checkpoint has `model.onnx` and no GPU is asked for.
            device: `auto`, `cpu` or `cuda`.
            threads: Processor cores to use; None for all that the process may use.

        Raises:
            CheckpointError: The model cannot be found, downloaded or loaded, or contradicts its label scheme.
            UserError: The engine or the device is not there.
        """
        folder = find_checkpoint(model, revision)
        scheme = check_checkpoint(folder)
        return cls(folder, scheme, load_engine(folder, engine, device, threads))

    def scores(self, sentences: Sequence[str], batch_size: int | None = None) -> NDArray[np.float32]:
        """Probabilities of all classes, float32, shape (sentences, classes), in the order of the sentences.

        A sentence's scores do not depend on what stands beside it (to 1e-5 in float32).

        Args:
            sentences: Texts; one longer than the model takes is scored by its beginning.
            batch_size: Sentences in a batch; None for batches by token budget.

        Raises:
            UserError: `batch_size` is less than 1.
        """
        return self._score(sentences, batch_size).scores

    def predict(self, sentences: Sequence[str], batch_size: int | None = None, top_k: int = 1) -> list[Prediction]:
        """A `Prediction` a sentence, in their order; arguments and errors as `scores`.

        Args:
            sentences: Texts.
            batch_size: Sentences in a batch; None for batches by token budget.
            top_k: The best classes to name: the first, and `top_k - 1` alternatives.
        """
        scored = self._score(sentences, batch_size)
        return list(self.predictions(scored, top_k))

    def predictions(self, scored: WindowScores, top_k: int = 1) -> Iterator[Prediction]:
        """The `Prediction`s that scores mean; among equal scores the smaller id comes first."""
        if top_k < 1:
            raise UserError(f"top_k: expected at least 1, found {top_k}")
        order = np.argsort(-scored.scores, axis=1, kind="stable")[:, :top_k].tolist()
        names = self.scheme.names
        for row, best, truncated in zip(scored.scores, order, scored.truncated.tolist(), strict=True):
            first = best[0]
            yield Prediction(
                label=first,
                label_name=names[first],
                group=self.scheme.group_of(first),
                confidence=float(row[first]),
                scores=row,
                truncated=truncated,
                alternatives=tuple((names[label], float(row[label])) for label in best[1:]),
            )

    def score_windows(
        self, windows: Iterable[Sequence[str]], batch_size: int | None = None
    ) -> Generator[WindowScores, None, None]:
        """Scores of one window of sentences after another, in their order, with memory for two windows.

        While a window is scored the next one is taken and tokenised. Close the iterator to stop early.

        Raises:
            UserError: `batch_size` is less than 1.
            CheckpointError: The model gives scores that are no numbers.
        """
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch size: expected at least 1, found {batch_size}")
        pool = ThreadPoolExecutor(self.engine.workers)
        pending: _Started | None = None
        try:
            for window in windows:
                started = self._start(pool, window, batch_size)
                if pending is not None:
                    yield self._collect(pending)
                pending = started
            if pending is not None:
                yield self._collect(pending)
        finally:
            pool.shutdown(cancel_futures=True)

    def _score(self, sentences: Sequence[str], batch_size: int | None) -> WindowScores:
        sentences = list(sentences)
        size = max(self.engine.window_sentences, batch_size or 0)
        windows = (sentences[start : start + size] for start in range(0, len(sentences), size))
        parts = list(self.score_windows(windows, batch_size))
        if not parts:
            return WindowScores(np.zeros((0, len(self.scheme)), np.float32), np.zeros(0, np.bool_))
        return WindowScores(
            np.concatenate([part.scores for part in parts]), np.concatenate([part.truncated for part in parts])
        )

    def _start(self, pool: ThreadPoolExecutor, window: Sequence[str], batch_size: int | None) -> _Started:
        """Tokenise a window's distinct sentences and hand its batches to the pool."""
        distinct = {sentence: row for row, sentence in enumerate(dict.fromkeys(window))}
        started = _Started(np.array([distinct[sentence] for sentence in window]), self.tokenizer.encode(list(distinct)))
        ids = started.tokenized.ids
        lengths = np.array([len(row) for row in ids])
        share = max(_SMALLEST_SHARE_TOKENS, -(-int(lengths.sum()) // self.engine.shares))
        for batch in batch_indices(lengths, min(self.engine.token_budget, share), batch_size):
            padded = pad_batch([ids[row] for row in batch], self.tokenizer.pad_id)
            started.batches.append((batch, pool.submit(self.engine.logits, *padded)))
        return started

    def _collect(self, started: _Started) -> WindowScores:
        """Wait for a window's batches and bring their scores into the window's order."""
        scores = np.zeros((len(started.tokenized.ids), len(self.scheme)), dtype=np.float32)
        for batch, future in started.batches:
            scores[batch] = softmax(future.result())
        if not np.isfinite(scores).all():
            raise CheckpointError(f"{self.checkpoint}: corrupted weights: the scores are no numbers")
        return WindowScores(scores[started.rows], started.tokenized.truncated[started.rows])


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities along the last axis, float64."""
    powers = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
