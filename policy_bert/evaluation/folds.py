"""The folds of a cross-validation, and the files that hold their scores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.corpora.dataset import LabelledData
from policy_bert.corpora.splits import Split, stratified_folds, stratified_split
from policy_bert.errors import UserError
from policy_bert.files import written_whole


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat; indices into the corpus's sentences."""

    repeat: int
    number: int
    split: Split

    @property
    def name(self) -> str:
        """As files are named: `repeat0-fold3`."""
        return f"repeat{self.repeat}-fold{self.number}"


def plan_folds(
    data: LabelledData, folds: int, repeats: int, share: float, seed: int, validates: bool = False
) -> Iterator[Fold]:
    """Every fold of every repeat.

    Args:
        data: What is cut into folds.
        folds: Parts in a repeat.
        repeats: How many times the corpus is cut.
        share: Keeps that part of the training sentences, stratified and grouped.
        seed: Of the first repeat; each further one adds 1.
        validates: Whether a tenth of the training sentences is kept for early stopping.
    """
    labels, groups = data.labels, data.groups

    def part(rows: NDArray[np.int64], kept: float, repeat: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        found = stratified_split(labels[rows], groups[rows], (kept, 1.0 - kept, 0.0), repeat)
        return rows[found.train], rows[found.validation]

    for repeat in range(repeats):
        tests = stratified_folds(labels, groups, folds, seed + repeat, names=data.scheme.names)
        for number, test in enumerate(tests):
            train, validation = np.setdiff1d(np.arange(len(labels)), test), np.empty(0, dtype=np.int64)
            if share < 1.0:
                train, _ = part(train, share, seed + repeat)
            if validates:
                train, validation = part(train, 0.9, repeat)
            yield Fold(repeat, number, Split(train, validation, test))


def score_file(system: str, fold: Fold, output: Path) -> Path:
    """Where a system's scores of a fold are kept."""
    return output / "scores" / system / f"{fold.name}.npy"


def save_scores(scores: NDArray[np.floating], system: str, fold: Fold, output: Path) -> None:
    """Write scores of shape (test sentences, classes); the file appears complete or not at all."""
    path = score_file(system, fold, output)
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as partial, partial.open("wb") as stream:
        np.save(stream, scores.astype(np.float32), allow_pickle=False)


def load_scores(system: Path, fold: Fold) -> NDArray[np.float32]:
    """A fold's scores from a system's folder, float32 (test sentences, classes).

    Raises:
        UserError: The fold has not been scored, or was scored on other sentences.
    """
    file = system / f"{fold.name}.npy"
    if not file.is_file():
        raise UserError(f"{system.name} has no scores for {fold.name}; run with the same --repeats, or drop {system}")
    scores = np.load(file, allow_pickle=False)
    if len(scores) != len(fold.split.test):
        raise UserError(f"{file}: expected {len(fold.split.test)} test sentences, found {len(scores)}; drop {system}")
    return scores
