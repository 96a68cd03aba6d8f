"""Where the road begins: labelled files as rows of a `datasets.Dataset`, and a split of them as a `DatasetDict`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from policy_bert.corpora.reading import Corpus, load_corpus
from policy_bert.corpora.settings import DataConfig, SplitConfig
from policy_bert.corpora.splits import Split, near_duplicate_groups, sentences_digest, stratified_split
from policy_bert.labels import LabelScheme, load_scheme

if TYPE_CHECKING:
    import datasets

CORPUS, AUXILIARY = "corpus", "auxiliary"  # a row's origin

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledData:
    """All that a run may learn from or be measured on.

    Attributes:
        corpus: The labelled file as it was read, and its scheme.
        rows: The corpus's sentences in the file's order, then the auxiliary ones. Columns: `text`; `label`, a
            `ClassLabel` whose ids are in numeric order; `line` in the file; `group`, the near-duplicates' number;
            `weight`, by which the row's loss counts among its kind; `origin`, `corpus` or `auxiliary`.
        left_out: How many auxiliary sentences are near-duplicates of the corpus's and so no rows.
    """

    corpus: Corpus
    rows: datasets.Dataset
    left_out: int = 0

    @property
    def scheme(self) -> LabelScheme:
        """The classes."""
        return self.corpus.scheme

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class ids of the corpus's sentences."""
        return np.array(self.rows["label"], dtype=np.int64)[: len(self.corpus.sentences)]

    @property
    def groups(self) -> NDArray[np.int64]:
        """The near-duplicate groups of the corpus's sentences."""
        return np.array(self.rows["group"], dtype=np.int64)[: len(self.corpus.sentences)]

    @property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of what the rows hold, by origin: the classes' names and the corpus, and the auxiliary sentences."""
        names = "\n".join([*self.scheme.names, sentences_digest(self.corpus)])
        extra = self.rows[len(self.corpus.sentences) :]
        rows = zip(extra["label"], extra["weight"], extra["text"], strict=True)
        lines = "".join(f"{label}\t{'' if weight == 1 else weight}{text}\n" for label, weight, text in rows)
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in ((CORPUS, names), (AUXILIARY, lines))}

    def split(self, settings: SplitConfig) -> Split:
        """The corpus's stratified parts.

        Raises:
            DataError: A class has too few groups of near-duplicates to be in every part.
        """
        validation, test = settings.validation_fraction, settings.test_fraction
        fractions = (1.0 - validation - test, validation, test)
        return stratified_split(self.labels, self.groups, fractions, settings.seed, names=self.scheme.names)

    def parts(self, split: Split | None = None) -> datasets.DatasetDict:
        """The rows as `train`, `validation` and `test`, those that are not empty; without a split, as `train` alone.

        The auxiliary rows stand at the end of `train`.
        """
        import datasets

        corpus, everything = len(self.corpus.sentences), np.arange(len(self.rows))
        train = everything if split is None else np.concatenate([split.train, everything[corpus:]])
        chosen = {"train": train}
        if split is not None:
            chosen |= {"validation": split.validation, "test": split.test}
        return datasets.DatasetDict({name: self.rows.select(part) for name, part in chosen.items() if len(part)})


def read_corpus(data: DataConfig, scheme: LabelScheme | None = None, path: str | Path | None = None) -> Corpus:
    """The labelled file that a configuration names, or another that is read like it.

    Args:
        data: The file and how it is read.
        scheme: The classes; None for those that the configuration names.
        path: The file in place of the configuration's.

    Raises:
        UserError: A file cannot be read or has bad rows.
    """
    if scheme is None:
        scheme = load_scheme(data.labels) if data.labels else None
        logger.info("classes by %s", data.labels or "the labels of the corpus")
    return load_corpus(
        path or data.corpus,
        scheme,
        **data.reading(),
    )


def load_data(
    data: DataConfig,
    near_duplicate_threshold: float,
    extra: Mapping[str, tuple[int, float]] | None = None,
    corpus: Corpus | None = None,
) -> LabelledData:
    """Read the corpus and the auxiliary files and find the near-duplicates among them.

    No auxiliary row is a near-duplicate of a corpus sentence, so none can carry a test label into training.

    Args:
        data: What to read.
        near_duplicate_threshold: The cosine above which sentences are near-duplicates.
        extra: Class ids and weights of auxiliary sentences beside those of the files; all other rows weigh 1.
        corpus: The corpus where it has been read already.

    Raises:
        UserError: A file cannot be read or has bad rows.
    """
    import datasets

    corpus = corpus or read_corpus(data)
    own = corpus.sentences
    found = [load_corpus(path, corpus.scheme).sentences for path in data.auxiliary]
    auxiliary = [(sentence.text, sentence.label, sentence.line, 1.0) for part in found for sentence in part]
    auxiliary += [(text, label, 0, weight) for text, (label, weight) in (extra or {}).items()]
    groups = near_duplicate_groups([sentence.text for sentence in own], near_duplicate_threshold)
    texts = [*(sentence.text for sentence in own), *(text for text, *_ in auxiliary)]
    together = near_duplicate_groups(texts, near_duplicate_threshold)
    others = together[len(own) :]
    apart = np.flatnonzero(~np.isin(others, together[: len(own)]))
    kept = [auxiliary[place] for place in apart]
    columns = {
        "text": [*(sentence.text for sentence in own), *(text for text, *_ in kept)],
        "label": [*(sentence.label for sentence in own), *(label for _, label, *_ in kept)],
        "line": [*(sentence.line for sentence in own), *(line for _, _, line, _ in kept)],
        "group": np.concatenate([groups, len(own) + others[apart]]),
        "weight": [1.0] * len(own) + [weight for *_, weight in kept],
        "origin": [CORPUS] * len(own) + [AUXILIARY] * len(kept),
    }
    features = {
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=list(corpus.scheme.names)),
        "line": datasets.Value("int64"),
        "group": datasets.Value("int64"),
        "weight": datasets.Value("float32"),
        "origin": datasets.Value("string"),
    }
    rows = datasets.Dataset.from_dict(columns, features=datasets.Features(features))
    return LabelledData(corpus, rows, left_out=len(others) - len(apart))
