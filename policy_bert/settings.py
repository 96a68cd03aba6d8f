"""The configurations of the commands, with their defaults; a YAML file in `configs/` holds only what differs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from policy_bert.errors import ConfigError


def require_fraction(name: str, value: float) -> None:
    """Refuse what is not at least 0 and less than 1, with a `ConfigError` that names it."""
    if not 0.0 <= value < 1.0:
        raise ConfigError(f"{name}: expected at least 0 and less than 1, found {value}")


def require_positive(**values: float) -> None:
    """Refuse what is not more than 0, with a `ConfigError` that names it."""
    for name, value in values.items():
        if value <= 0:
            raise ConfigError(f"{name}: expected more than 0, found {value}")


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of a BERT encoder."""

    layers: int = 4
    hidden: int = 256
    heads: int = 4
    intermediate: int = 1024
    vocabulary_size: int = 6144
    max_length_tokens: int = 256

    def __post_init__(self) -> None:
        require_positive(layers=self.layers, hidden=self.hidden, heads=self.heads, intermediate=self.intermediate)
        if self.hidden % self.heads:
            raise ConfigError(f"heads: {self.heads} does not divide hidden {self.hidden}")
        if not 5 < self.vocabulary_size < 2**16:
            raise ConfigError(f"vocabulary_size: expected 6 to 65535, found {self.vocabulary_size}")


@dataclass(frozen=True)
class DataConfig:
    """What to train on.

    Attributes:
        corpus: The labelled file, in any form that `policy_bert.corpus` reads.
        labels: The scheme's YAML; None makes a scheme from the file.
        text_column: The column of the sentences in a file with named columns; None takes the usual names.
        label_column: The column of the labels, likewise.
        contradictions: What happens to a sentence with two labels.
        auxiliary: Labelled files that are only ever trained on, never split or scored.
    """

    corpus: str = "data/policy_sentences.tsv"
    labels: str | None = "data/labels.yaml"
    text_column: str | None = None
    label_column: str | None = None
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


@dataclass(frozen=True)
class ModelConfig:
    """The model that is fine-tuned.

    Attributes:
        base: `compact` (the encoder that the package ships), `adapted` (that encoder after `policy_bert.adapt`), a
            folder, a hub id, or `scratch` (random weights in the shape of `scratch`, with a vocabulary built from the
            training sentences).
        revision: The commit or tag of a hub id.
        scratch: The shape used by `base: scratch`.
        pooling_layer: Whether to add a layer that starts as the mean of all tokens; for encoders whose [CLS] no
            pretraining has taught to stand for the sentence.
        max_length_tokens: Where training sentences are cut; None takes the encoder's own limit.
        dropout: Of hidden states and attention while fine-tuning.
    """

    base: str = "compact"
    revision: str | None = None
    scratch: EncoderConfig = field(default_factory=EncoderConfig)
    pooling_layer: bool = False
    max_length_tokens: int | None = 128
    dropout: float = 0.1

    def __post_init__(self) -> None:
        require_fraction("dropout", self.dropout)
        if self.max_length_tokens is not None:
            require_positive(max_length_tokens=self.max_length_tokens)


@dataclass(frozen=True)
class FinetuneConfig:
    """One phase of fine-tuning.

    Attributes:
        epochs: Passes over the phase's sentences.
        batch_size: Sentences in one step and device.
        learning_rate: Of the top layer and the head.
        layer_decay: The factor by which each layer below learns more slowly (Howard & Ruder 2018); 1 for none.
        warmup_fraction: The share of the steps over which the learning rate rises; it falls linearly afterwards.
        label_smoothing: The share of the target spread over all classes (Szegedy et al. 2016).
        class_weights: How the loss weighs a class by its size: not at all, or by 1/n or 1/√n, mean 1.
        auxiliary_weight: The loss weight of auxiliary sentences beside the corpus's; 0 leaves them out.
        auxiliary_share: The share of the auxiliary sentences that stands beside the corpus, drawn with the seed.
        r_drop: The weight of the symmetric KL divergence between two dropout passes (Liang et al. 2021); 0 for none.
        linear_teacher: The share of the target given to cross-fitted scores of the linear model; 0 for none.
        base_teacher: The share of the target given to the scores of the model that the fit starts from (Li & Hoiem
            2016); for a base that knows the classes already. 0 for none.
        fits: Fits with an order and dropout of their own whose weights are averaged (Wortsman et al. 2022).
        average_fraction: The share of the last steps whose weights are averaged (Izmailov et al. 2018); 0 for none.
        early_stopping_patience: Epochs without a better validation macro-F1 before the end, the best epoch's weights
            being kept; 0 trains all epochs and keeps the last weights.
    """

    epochs: int = 8
    batch_size: int = 32
    gradient_accumulation_steps: int = 1
    learning_rate: float = 2e-4
    layer_decay: float = 1.0
    warmup_fraction: float = 0.1
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    class_weights: Literal["none", "inverse", "inverse_sqrt"] = "inverse_sqrt"
    auxiliary_weight: float = 0.0
    auxiliary_share: float = 1.0
    r_drop: float = 0.0
    linear_teacher: float = 0.0
    base_teacher: float = 0.0
    fits: int = 1
    average_fraction: float = 0.0
    early_stopping_patience: int = 0

    def __post_init__(self) -> None:
        require_positive(epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate)
        require_positive(fits=self.fits)
        require_positive(gradient_accumulation_steps=self.gradient_accumulation_steps, layer_decay=self.layer_decay)
        for name in ("warmup_fraction", "label_smoothing", "average_fraction", "linear_teacher", "base_teacher"):
            require_fraction(name, getattr(self, name))
        if self.linear_teacher + self.base_teacher >= 1:
            raise ConfigError("linear_teacher and base_teacher: expected less than 1 together")
        if not 0 < self.auxiliary_share <= 1:
            raise ConfigError(f"auxiliary_share: expected more than 0 and at most 1, found {self.auxiliary_share}")
        for name in ("auxiliary_weight", "r_drop", "weight_decay", "early_stopping_patience"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected at least 0, found {getattr(self, name)}")
        if self.average_fraction and self.early_stopping_patience:
            raise ConfigError("average_fraction and early_stopping_patience exclude each other; set one to 0")


@dataclass(frozen=True)
class SelfTrainingConfig:
    """A phase of `adapt` on unlabelled sentences that teachers have scored (Xie et al. 2020; Hinton et al. 2015).

    Attributes:
        sentences: How many unlabelled sentences are drawn from the text, none of the classes having more than one and
            a half times its even share.
        weight: Their loss weight beside the labelled ones.
        linear_share: The share of the target given to a linear model fitted on the same labels; the rest is the
            teachers' mean.
        teachers: Checkpoint folders of the same classes that have seen no corpus label, such as a larger model after
            `adapt` (Hinton et al. 2015); empty for the model itself as the first phase made it.
        phase: How the model, going on from the first phase, is trained on both.
    """

    sentences: int = 100_000
    weight: float = 0.5
    linear_share: float = 0.5
    teachers: tuple[str, ...] = ()
    phase: FinetuneConfig = field(default_factory=FinetuneConfig)

    def __post_init__(self) -> None:
        require_positive(sentences=self.sentences, weight=self.weight)
        require_fraction("linear_share", self.linear_share)


@dataclass(frozen=True)
class RunConfig:
    """A fine-tuning run (`python -m policy_bert.train`).

    Attributes:
        adaptation: A first phase on the auxiliary sentences alone; None for none.
        self_training: A second phase of `adapt` on unlabelled sentences too; None for none, and `train` has none.
        train: The phase on the corpus.
        fit_on: `train` fits on the training part and leaves validation and test for measuring; `all` fits on every
            labelled sentence, for a model that ships with the cross-validated figures of its recipe.
        calibration: The slopes of `policy_bert.calibration`, folded into the head; `crossvalidate` fits them on
            out-of-fold scores. Empty for none.
        output: The run folder; a run found there unfinished is resumed.
        seed: Of weights, order and dropout.
    """

    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    adaptation: FinetuneConfig | None = None
    self_training: SelfTrainingConfig | None = None
    train: FinetuneConfig = field(default_factory=FinetuneConfig)
    fit_on: Literal["train", "all"] = "train"
    calibration: tuple[float, ...] = ()
    output: str = "runs/train"
    seed: int = 0
