"""What a run trains on: the corpus's distinct sentences, their groups, and auxiliary sentences apart from them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from policy_bert.corpora.reading import Corpus, load_corpus
from policy_bert.corpora.settings import DataConfig, SplitConfig
from policy_bert.corpora.splits import Split, near_duplicate_groups
from policy_bert.labels import LabelScheme, load_scheme

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledTexts:
    """Sentences and their class ids, int64 of shape (sentences,)."""

    texts: tuple[str, ...]
    labels: NDArray[np.int64]

    def subset(self, indices: NDArray[np.int64]) -> LabelledTexts:
        """The sentences at these indices, in their order."""
        return LabelledTexts(tuple(self.texts[index] for index in indices), self.labels[indices])


@dataclass(frozen=True)
class TrainingData:
    """The corpus with the near-duplicate group of each sentence, and the auxiliary sentences.

    No auxiliary sentence is a near-duplicate of a corpus sentence, so none can carry a test label into training.
    """

    corpus: Corpus
    sentences: LabelledTexts
    groups: NDArray[np.int64]
    auxiliary: LabelledTexts

    @property
    def scheme(self) -> LabelScheme:
        """The label scheme."""
        return self.corpus.scheme


def load_training_data(data: DataConfig, split: SplitConfig, extra: LabelledTexts | None = None) -> TrainingData:
    """Read the corpus and the auxiliary files and find the near-duplicates among them.

    Args:
        data: What to read.
        split: Its threshold says what a near-duplicate is.
        extra: Auxiliary sentences beside those of the files.

    Raises:
        UserError: A file cannot be read or has bad rows.
    """
    scheme = load_scheme(data.labels) if data.labels else None
    logger.info("classes by %s", data.labels or "the labels of the corpus")
    corpus = load_corpus(
        data.corpus,
        scheme,
        **data.reading(),
    )
    sentences = _labelled_texts(corpus)
    parts = [_labelled_texts(load_corpus(path, corpus.scheme)) for path in data.auxiliary]
    parts += [extra] if extra else []
    auxiliary = LabelledTexts(
        tuple(text for part in parts for text in part.texts),
        np.concatenate([part.labels for part in parts]) if parts else np.empty(0, dtype=np.int64),
    )
    threshold = split.near_duplicate_threshold
    together = near_duplicate_groups([*sentences.texts, *auxiliary.texts], threshold)
    own, others = together[: len(sentences.texts)], together[len(sentences.texts) :]
    apart = np.flatnonzero(~np.isin(others, own))
    if len(apart) < len(others):
        logger.info("%d auxiliary sentences left out as near-duplicates of the corpus", len(others) - len(apart))
    groups = near_duplicate_groups(sentences.texts, threshold)
    return TrainingData(corpus, sentences, groups, auxiliary.subset(apart))


def _labelled_texts(corpus: Corpus) -> LabelledTexts:
    return LabelledTexts(
        tuple(sentence.text for sentence in corpus.sentences),
        np.array([sentence.label for sentence in corpus.sentences], dtype=np.int64),
    )


def load_dataset_dict(corpus: Corpus, split: Split | None = None) -> datasets.DatasetDict:
    """The corpus as a `datasets.DatasetDict` with `text` and a `ClassLabel` named `label`, ids in numeric order.

    Its parts are `train`, `validation` and `test` (those that are not empty), or `train` alone without a split.
    """
    import datasets

    columns = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(corpus.scheme.names))}
    features = datasets.Features(columns)
    parts: dict[str, Iterable[int]] = {"train": range(len(corpus.sentences))}
    if split is not None:
        parts = {"train": split.train, "validation": split.validation, "test": split.test}
    tables = {}
    for name, indices in parts.items():
        chosen = [corpus.sentences[index] for index in indices]
        if chosen:
            content = {"text": [sentence.text for sentence in chosen], "label": [sentence.label for sentence in chosen]}
            tables[name] = datasets.Dataset.from_dict(content, features=features)
    return datasets.DatasetDict(tables)
