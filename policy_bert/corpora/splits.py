"""Stratified parts and folds that keep near-duplicates together, and the `split.json` that records them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from policy_bert.corpora.near_duplicates import near_duplicate_groups
from policy_bert.corpora.settings import SplitConfig
from policy_bert.errors import DataError
from policy_bert.files import write_text

if TYPE_CHECKING:
    from policy_bert.corpora.reading import Corpus

__all__ = [
    "SPLIT_FILE",
    "Split",
    "near_duplicate_groups",
    "read_split",
    "sentences_digest",
    "stratified_folds",
    "stratified_split",
    "write_split",
]

SPLIT_FILE = "split.json"
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Indices of the sentences in each part, int64, ascending; together every sentence once."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def stratified_split(
    labels: ArrayLike,
    groups: ArrayLike,
    fractions: tuple[float, float, float],
    seed: int,
    names: Sequence[str] | None = None,
) -> Split:
    """Train, validation and test parts with the classes' shares of the whole and no group in two of them.

    Depends on the arguments alone; numpy's global generator is neither read nor moved.

    Args:
        labels: Class ids, shape (sentences,).
        groups: Group numbers, shape (sentences,), from `near_duplicate_groups`.
        fractions: Wanted shares of train, validation and test; they sum to 1, and 0 leaves a part empty.
        seed: Of the private generator that orders the groups.
        names: Names of all classes, in the order of their ids, for errors; given them, no class may be absent.

    Raises:
        DataError: A class has too few groups to be in every part, or no sentence at all.
        ValueError: The fractions are negative or do not sum to 1.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(f"fractions: expected three shares that sum to 1, found {fractions}")
    used = [place for place, fraction in enumerate(fractions) if fraction > 1e-9]
    purpose = f"{len(used)} parts ({', '.join(PARTS[place] for place in used)})"
    found = _distribute(labels, groups, [fractions[place] for place in used], seed, names, purpose)
    parts = [np.empty(0, dtype=np.int64) for _ in fractions]
    for place, indices in zip(used, found, strict=True):
        parts[place] = indices
    return Split(*parts)


def stratified_folds(
    labels: ArrayLike, groups: ArrayLike, folds: int, seed: int, names: Sequence[str] | None = None
) -> list[NDArray[np.int64]]:
    """The test indices of each fold, ascending; together every sentence once, no group in two folds.

    Arguments and errors are those of `stratified_split`.

    Raises:
        DataError: A class has fewer groups than there are folds.
        ValueError: Fewer than two folds are asked for.
    """
    if folds < 2:
        raise ValueError(f"folds: expected at least 2, found {folds}")
    return _distribute(labels, groups, [1 / folds] * folds, seed, names, f"{folds} folds")


def write_split(split: Split, path: str | Path, corpus: Corpus, settings: SplitConfig) -> None:
    """Record a split of `corpus.sentences` with what it was made from.

    Raises:
        DataError: The file cannot be written.
    """
    record = {
        "corpus_sha256": corpus.sha256,
        "sentences_sha256": sentences_digest(corpus),
        "sentences": len(corpus.sentences),
        "seed": settings.seed,
        "near_duplicate_threshold": settings.near_duplicate_threshold,
        "validation_fraction": settings.validation_fraction,
        "test_fraction": settings.test_fraction,
        **{part: getattr(split, part).tolist() for part in PARTS},
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
    try:
        write_text(Path(path), "{\n" + ",\n".join(lines) + "\n}\n")
    except OSError as error:
        raise DataError(f"{path}: cannot write the split: {error.strerror}") from error


def read_split(path: str | Path, corpus: Corpus) -> Split:
    """The split that `write_split` recorded, if the corpus is still the one it was made from.

    Raises:
        DataError: The file is missing or damaged, or belongs to another corpus, to other bytes of this one, or to
            the same bytes read with other labels or another policy for contradictions.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        parts = [_indices(record[part]) for part in PARTS]
        digests = str(record["corpus_sha256"]), str(record["sentences_sha256"])
    except OSError as error:
        raise DataError(f"{path}: cannot read the split: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a split written by policy_bert ({error}); train again to make one") from error
    if digests[0] != corpus.sha256:
        raise DataError(
            f"{path}: the split was made from a corpus with SHA-256 {digests[0][:12]}…, found {corpus.sha256[:12]}…; "
            "the corpus has changed: restore it or train again"
        )
    if digests[1] != sentences_digest(corpus):
        raise DataError(
            f"{path}: the corpus is read differently from when it was split (label scheme, columns, encoding or "
            "contradictions); use the settings of that run or train again"
        )
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(corpus.sentences))):
        raise DataError(
            f"{path}: its parts do not hold every one of {len(corpus.sentences)} sentences once; train again"
        )
    return Split(*parts)


def _indices(values: Any) -> NDArray[np.int64]:
    if not all(isinstance(value, int) for value in values):
        raise ValueError("indices are whole numbers")
    return np.array(values, dtype=np.int64)


def sentences_digest(corpus: Corpus) -> str:
    """SHA-256, in hexadecimal, of the sentences and their class ids in their order."""
    digest = hashlib.sha256()
    for sentence in corpus.sentences:
        digest.update(f"{sentence.label}\t{sentence.text}\n".encode())
    return digest.hexdigest()


def _distribute(
    labels: ArrayLike,
    groups: ArrayLike,
    fractions: Sequence[float],
    seed: int,
    names: Sequence[str] | None,
    purpose: str,
) -> list[NDArray[np.int64]]:
    """Sentence indices of each part: every class once in every part, then large groups first to where they lack."""
    classes, label_places = np.unique(np.asarray(labels), return_inverse=True)
    _, group_places = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((group_places.max(initial=-1) + 1, len(classes)))
    np.add.at(counts, (group_places, label_places), 1)
    absent = set(range(len(names or ()))) - set(classes.tolist())
    if names and absent:
        raise DataError(f"class {names[min(absent)]}: no sentence has it, so it is in none of {purpose}; add sentences")
    part_of = _Assignment(counts, np.asarray(fractions), np.random.default_rng(seed).permutation(len(counts)))
    short = part_of.place_every_class()
    if short is not None:
        name = names[classes[short]] if names else classes[short]
        held = np.count_nonzero(counts[:, short])
        raise DataError(
            f"class {name}: its {int(counts[:, short].sum())} sentences form {held} groups of near-duplicates, too few "
            f"for {purpose}; add sentences, use fewer parts or leave the class out"
        )
    part_of.place_the_rest()
    return [np.flatnonzero(part_of.parts[group_places] == part) for part in range(len(fractions))]


class _Assignment:
    """Groups on their way into parts.

    Args:
        counts: Sentences by group and class, shape (groups, classes).
        fractions: Wanted share of each part.
        order: The groups in random order.
    """

    def __init__(self, counts: NDArray[np.float64], fractions: NDArray[np.float64], order: NDArray[np.int64]) -> None:
        self.parts = np.full(len(counts), -1)
        self._counts = counts
        self._sizes = counts.sum(axis=1)
        self._by_size = order[np.argsort(self._sizes[order], kind="stable")]
        self._fractions = fractions
        totals = counts.sum(axis=0)
        self._weights = 1 / np.maximum(totals, 1)
        self._lacking = fractions[:, None] * totals[None, :]  # (parts, classes): sentences wanted and not yet there
        self._lacking_all = fractions * self._sizes.sum()

    def place_every_class(self) -> int | None:
        """Give each part a group of each class, rarest class and smallest group first; a class that cannot be."""
        for label in np.argsort((self._counts > 0).sum(axis=0), kind="stable"):
            holders = self._by_size[self._counts[self._by_size, label] > 0]
            for part in np.argsort(self._fractions, kind="stable"):
                if np.any(self.parts[holders] == part):
                    continue
                free = holders[self.parts[holders] < 0]
                if not len(free):
                    return int(label)
                self._place(free[0], part)
        return None

    def place_the_rest(self) -> None:
        """Give each group left, the largest first, to the part that lacks its classes most."""
        total = max(self._sizes.sum(), 1)
        for group in self._by_size[::-1]:
            if self.parts[group] < 0:
                by_class = self._lacking @ (self._counts[group] * self._weights)
                self._place(group, int(np.argmax(by_class + self._sizes[group] * self._lacking_all / total)))

    def _place(self, group: int, part: int) -> None:
        self.parts[group] = part
        self._lacking[part] -= self._counts[group]
        self._lacking_all[part] -= self._sizes[group]
