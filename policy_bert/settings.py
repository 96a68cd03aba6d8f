"""The configurations of the commands, with their defaults; a YAML file in `configs/` holds only what differs."""

from __future__ import annotations

from dataclasses import dataclass, field

from policy_bert.errors import ConfigError


def _require_fraction(name: str, value: float) -> None:
    if not 0.0 <= value < 1.0:
        raise ConfigError(f"{name}: expected at least 0 and less than 1, found {value}")


def _require_positive(**values: float) -> None:
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
        _require_positive(layers=self.layers, hidden=self.hidden, heads=self.heads, intermediate=self.intermediate)
        if self.hidden % self.heads:
            raise ConfigError(f"heads: {self.heads} does not divide hidden {self.hidden}")
        if not 5 < self.vocabulary_size < 2**16:
            raise ConfigError(f"vocabulary_size: expected 6 to 65535, found {self.vocabulary_size}")


@dataclass(frozen=True)
class TextSource:
    """A text file for pretraining; `weight` 2 reads each document twice, 0.25 one in four."""

    path: str
    weight: float = 1.0


@dataclass(frozen=True)
class PretrainConfig:
    """Masked-language-model pretraining of an encoder (`python -m policy_bert.pretrain`).

    Attributes:
        text: The files to read; the command line's `--text` replaces them.
        exclude: Labelled files whose sentences must not occur in the text; lines that hold one are dropped.
        output: The run folder; a run found there unfinished is resumed.
        shallow_layers: Layers of the first phase, whose layers are then stacked; 0 for no such phase.
        shallow_fraction: The share of the tokens that the first phase sees.
        window_tokens: Tokens in a training window.
        mask_fraction: The share of tokens that the model must restore.
        shifted_fraction: The share of windows whose positions start at a random offset, so that every position
            up to `encoder.max_length_tokens` is trained (Kiyono et al. 2021).
        tokens: Tokens to train on, all phases together.
        batch_windows: Windows in one step and device.
        decay_fraction: The share of the last phase over which the learning rate falls to zero.
        held_out_fraction: The share of documents kept for the held-out loss.
    """

    text: tuple[TextSource, ...] = ()
    exclude: tuple[str, ...] = ()
    output: str = "runs/pretrain-compact"
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    shallow_layers: int = 0
    shallow_fraction: float = 0.3
    window_tokens: int = 128
    mask_fraction: float = 0.15
    shifted_fraction: float = 0.2
    tokens: int = 20_000_000
    batch_windows: int = 32
    gradient_accumulation_steps: int = 1
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    decay_fraction: float = 0.3
    weight_decay: float = 0.01
    held_out_fraction: float = 0.005
    evaluate_every_steps: int = 500
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _require_positive(
            tokens=self.tokens,
            batch_windows=self.batch_windows,
            learning_rate=self.learning_rate,
            evaluate_every_steps=self.evaluate_every_steps,
        )
        for name in ("shallow_fraction", "mask_fraction", "shifted_fraction", "held_out_fraction"):
            _require_fraction(name, getattr(self, name))
        if not 3 <= self.window_tokens <= self.encoder.max_length_tokens:
            raise ConfigError(
                f"window_tokens: expected 3 to encoder.max_length_tokens ({self.encoder.max_length_tokens}), "
                f"found {self.window_tokens}"
            )
