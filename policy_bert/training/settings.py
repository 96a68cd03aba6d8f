"""The configuration of a fine-tuning run, with its defaults; a YAML file in `configs/` holds only what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from policy_bert.config import require_fraction, require_positive
from policy_bert.corpora.settings import DataConfig, SplitConfig
from policy_bert.encoder.settings import ModelConfig
from policy_bert.errors import ConfigError


@dataclass(frozen=True)
class FinetuneConfig:
    """One phase of fine-tuning.

    Attributes:
        epochs: Passes over the phase's sentences.
        batch_size: Sentences in one step and device.
        learning_rate: The highest, which the warm-up ends at.
        warmup_fraction: The share of the steps over which the learning rate rises; it falls linearly afterwards.
        label_smoothing: The share of the target spread over all classes (Szegedy et al. 2016).
        class_weights: How the loss weighs a class by its size: not at all, or by 1/n or 1/√n, mean 1.
        auxiliary_weight: The loss weight of auxiliary sentences beside the corpus's; 0 leaves them out.
        auxiliary_share: The share of the auxiliary sentences that stands beside the corpus, drawn with the seed.
        teacher_share: The share of the target that is a teacher's scores in place of the label (Hinton et al. 2015):
            while adapting those of the run's `teacher`, while fitting those of the model that the fit starts from,
            which keeps what that has learned; a model that does not know the classes yet has none.
        early_stopping_patience: Epochs without a better validation macro-F1 before the end, the best epoch's weights
            being kept; 0 trains all epochs and keeps the last weights.
    """

    epochs: int = 8
    batch_size: int = 32
    gradient_accumulation_steps: int = 1
    learning_rate: float = 2e-4
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    class_weights: Literal["none", "inverse", "inverse_sqrt"] = "inverse_sqrt"
    auxiliary_weight: float = 0.0
    auxiliary_share: float = 1.0
    teacher_share: float = 0.0
    early_stopping_patience: int = 0

    def __post_init__(self) -> None:
        require_positive(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)
        require_positive(gradient_accumulation_steps=self.gradient_accumulation_steps)
        for name in ("warmup_fraction", "label_smoothing", "teacher_share"):
            require_fraction(name, getattr(self, name))
        if not 0 < self.auxiliary_share <= 1:
            raise ConfigError(f"auxiliary_share: expected more than 0 and at most 1, found {self.auxiliary_share}")
        for name in ("auxiliary_weight", "weight_decay", "early_stopping_patience"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected at least 0, found {getattr(self, name)}")


@dataclass(frozen=True)
class RunConfig:
    """A fine-tuning run (`python -m policy_bert.train`).

    Attributes:
        adaptation: A first phase on the auxiliary sentences alone; None for none.
        teacher: The folder of the checkpoint whose scores the adaptation aims at, as `adaptation.teacher_share` says.
        train: The phase on the corpus.
        fit_on: `train` fits on the training part and leaves validation and test for measuring; `all` fits on every
            labelled sentence, for a model that ships with the cross-validated figures of its recipe.
        calibration: The slopes of `evaluation.calibration`, folded into the head of a run that fits `all`;
            `crossvalidate` fits them on out-of-fold scores. A run with parts fits its own on its validation part.
        calibrated_on: What the slopes belong to, as `crossvalidate` says it: a digest of corpus, auxiliary sentences,
            base and recipe. A run of anything else leaves them out.
        output: The run folder; a run found there unfinished is resumed.
        seed: Of weights, order and dropout.
    """

    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    adaptation: FinetuneConfig | None = None
    teacher: str | None = None
    train: FinetuneConfig = field(default_factory=FinetuneConfig)
    fit_on: Literal["train", "all"] = "train"
    calibration: tuple[float, ...] = ()
    calibrated_on: str = ""
    output: str = "runs/train"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.adaptation and self.adaptation.teacher_share and not self.teacher:
            raise ConfigError("adaptation.teacher_share: expected a checkpoint under `teacher`, found none")
