"""The configuration of the model that is fine-tuned, and the shape of an encoder made from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field

from policy_bert.config import require_fraction, require_positive
from policy_bert.errors import ConfigError


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
