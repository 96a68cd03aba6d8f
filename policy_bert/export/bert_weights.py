"""A BERT classifier as arrays, without torch: its shape, its joined attention matrices, its matrices in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.errors import CheckpointError


@dataclass(frozen=True)
class BertShape:
    """What a `config.json` says about the encoder's shape."""

    layers: int
    hidden: int
    heads: int
    epsilon: float
    classes: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any], source: str) -> BertShape:
        """Read and check a `config.json`.

        Raises:
            CheckpointError: It describes something else than a BERT sequence classifier with erf-GELU and
                absolute positions.
        """
        expected = {
            "model_type": "bert",
            "hidden_act": "gelu",
            "position_embedding_type": "absolute",
            "is_decoder": False,
            "problem_type": "single_label_classification",
        }
        for key, value in expected.items():
            if config.get(key) not in (None, value):
                raise CheckpointError(f"{source}: cannot export: expected {key} {value!r}, found {config[key]!r}")
        try:
            return cls(
                layers=int(config["num_hidden_layers"]),
                hidden=int(config["hidden_size"]),
                heads=int(config["num_attention_heads"]),
                epsilon=float(config.get("layer_norm_eps", 1e-12)),
                classes=len(config["id2label"]),
            )
        except KeyError as error:
            raise CheckpointError(f"{source}: cannot export: no {error.args[0]}") from error


@dataclass(frozen=True)
class QuantizedMatrix:
    """A matrix product in integers: uint8 activations of fixed scale times int8 weights with a scale a column.

    Attributes:
        weights: int8, shape (inputs, outputs).
        weight_scales: float32, shape (outputs,).
        input_scale: What one step of the uint8 activations is worth.
        input_zero: The uint8 value that stands for zero.
    """

    weights: NDArray[np.int8]
    weight_scales: NDArray[np.float32]
    input_scale: float
    input_zero: int


def joined_attention(weights: Mapping[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Query, key and value of a layer side by side: weights (hidden, 3 · hidden) and bias (3 · hidden,)."""
    parts = ("query", "key", "value")
    matrix = np.concatenate([weights[f"{name}.{part}.weight"].T for part in parts], axis=1)
    return matrix, np.concatenate([weights[f"{name}.{part}.bias"] for part in parts])
