"""The folds of a cross-validation, and the files that hold their scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.corpora.dataset import TrainingData
from policy_bert.corpora.splits import stratified_folds, stratified_split
from policy_bert.errors import UserError


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat; indices into the corpus's sentences."""

    repeat: int
    number: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def name(self) -> str:
        """As files are named: `repeat0-fold3`."""
        return f"repeat{self.repeat}-fold{self.number}"


def plan_folds(data: TrainingData, folds: int, repeats: int, share: float, seed: int) -> Iterator[Fold]:
    """Every fold of every repeat; `share` keeps that part of the training sentences, stratified and grouped."""
    labels, everything = data.sentences.labels, np.arange(len(data.sentences.labels))
    for repeat in range(repeats):
        tests = stratified_folds(labels, data.groups, folds, seed + repeat, names=data.scheme.names)
        for number, test in enumerate(tests):
            train = np.setdiff1d(everything, test)
            if share < 1.0:
                part = stratified_split(labels[train], data.groups[train], (share, 1.0 - share, 0.0), seed + repeat)
                train = train[part.train]
            yield Fold(repeat, number, train, test)


def score_file(system: str, fold: Fold, output: Path) -> Path:
    """Where a system's scores of a fold are kept."""
    return output / "scores" / system / f"{fold.name}.npy"


def save_scores(scores: NDArray[np.floating], system: str, fold: Fold, output: Path) -> None:
    """Write scores of shape (test sentences, classes); the file appears complete or not at all."""
    path = score_file(system, fold, output)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as stream:
        np.save(stream, scores.astype(np.float32), allow_pickle=False)
    unfinished.replace(path)


def load_scores(system: Path, fold: Fold) -> NDArray[np.float32]:
    """A fold's scores from a system's folder, float32 (test sentences, classes).

    Raises:
        UserError: The fold has not been scored.
    """
    file = system / f"{fold.name}.npy"
    if not file.is_file():
        raise UserError(f"{system.name} has no scores for {fold.name}; run with the same --repeats, or drop {system}")
    return np.load(file, allow_pickle=False)
