"""The configuration of the corpus: which file, how it is read and how it is split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from policy_bert.config import require_fraction
from policy_bert.errors import ConfigError


@dataclass(frozen=True)
class DataConfig:
    """What to train on.

    Attributes:
        corpus: The labelled file, in any form that `policy_bert.corpus` reads.
        labels: The scheme's YAML; None makes a scheme from the file.
        text_column: The column of the sentences in a file with named columns; None takes the usual names.
        label_column: The column of the labels, likewise.
        encoding: Of a text file; `auto` finds it.
        contradictions: What happens to a sentence with two labels.
        auxiliary: Labelled files that are only ever trained on, never split or scored.
    """

    corpus: str = "data/policy_sentences.tsv"
    labels: str | None = "data/labels.yaml"
    text_column: str | None = None
    label_column: str | None = None
    encoding: str = "auto"
    contradictions: Literal["drop", "first", "majority"] = "drop"
    auxiliary: tuple[str, ...] = ()


@dataclass(frozen=True)
class SplitConfig:
    """Stratified parts that keep near-duplicates together; what the two fractions leave is trained on."""

    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    near_duplicate_threshold: float = 0.6
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("validation_fraction", "test_fraction"):
            require_fraction(name, getattr(self, name))
        if self.validation_fraction + self.test_fraction >= 1:
            raise ConfigError("validation_fraction and test_fraction: expected less than 1 together")
