"""The configuration of a pretraining, with its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field

from policy_bert.config import require_fraction, require_positive
from policy_bert.encoder.settings import EncoderConfig
from policy_bert.errors import ConfigError


@dataclass(frozen=True)
class TextSource:
    """A text file for pretraining; `weight` 2 reads each document twice, 0.25 one in four."""

    path: str
    weight: float = 1.0


@dataclass(frozen=True)
class PretrainConfig:
    """Pretraining of an encoder (`python -m policy_bert.pretrain`).

    Attributes:
        text: The files to read; the command line's `--text` replaces them.
        exclude: Labelled files whose sentences must not occur in the text; lines that hold one are dropped.
        output: The run folder; a run found there unfinished is resumed.
        start: The folder of an encoder to go on from, or `compact` for the shipped one; its shape and vocabulary are
            kept, so that `encoder` only says how long a text may be. None starts from random layers.
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
    start: str | None = None
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
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive(
            tokens=self.tokens,
            batch_windows=self.batch_windows,
            learning_rate=self.learning_rate,
            evaluate_every_steps=self.evaluate_every_steps,
        )
        for name in ("shallow_fraction", "mask_fraction", "shifted_fraction", "held_out_fraction"):
            require_fraction(name, getattr(self, name))
        if self.start and self.shallow_layers:
            raise ConfigError("start and shallow_layers exclude each other: an encoder to go on from has its layers")
        if not 3 <= self.window_tokens <= self.encoder.max_length_tokens:
            raise ConfigError(
                f"window_tokens: expected 3 to encoder.max_length_tokens ({self.encoder.max_length_tokens}), "
                f"found {self.window_tokens}"
            )
