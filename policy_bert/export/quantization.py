"""Int8 matrices for the ONNX graph, calibrated on sentences, and the gate that such a graph must pass.

Activations have one fixed scale a matrix, found on calibration sentences, and not one a batch ("dynamic
quantisation"), with which a sentence's scores would depend on what stands beside it. Weights have a scale a column
and seven bits: processors without VNNI add pairs of products in 16 bits, which eight would overflow, and so every
processor computes the same. The last layer, which is computed for [CLS] alone, stays in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policy_bert.export.bert_weights import QuantizedMatrix, joined_attention

_WEIGHT_STEPS, _INPUT_STEPS = 63, 255
_INPUT_CLIPS = np.linspace(0.2, 1.0, 17)
_WEIGHT_CLIPS = np.linspace(0.6, 1.0, 9)


@dataclass(frozen=True)
class Gate:
    """What a quantised model must keep of the float32 one.

    Attributes:
        agreement: The least share of sentences with the same class.
        macro_f1_loss: The most that macro-F1 may fall, in points of 100.
    """

    agreement: float = 0.99
    macro_f1_loss: float = 0.3

    def passes(self, figures: Mapping[str, float]) -> bool:
        """Whether the figures of `compare_labels` are good enough."""
        return figures["agreement"] >= self.agreement and figures.get("macro_f1_loss", 0.0) <= self.macro_f1_loss + 1e-9


def matrix_names(layers: int) -> list[str]:
    """The matrices that can be quantised, as `OnnxBert` names them: those of all layers but the last."""
    parts = ("attention.self", "attention.output.dense", "intermediate.dense", "output.dense")
    return [f"bert.encoder.layer.{layer}.{part}" for layer in range(layers - 1) for part in parts]


def matrix_weights(weights: Mapping[str, NDArray[np.float32]], name: str) -> NDArray[np.float32]:
    """A matrix by its name in `matrix_names`, shape (inputs, outputs); attention's three side by side."""
    return joined_attention(weights, name)[0] if name.endswith(".self") else weights[name + ".weight"].T


def quantize_matrix(weights: NDArray[np.float32], inputs: NDArray[np.float32]) -> QuantizedMatrix:
    """A matrix in int8, with the clipping of inputs and of each column that gives the least squared error.

    Args:
        weights: Shape (inputs, outputs).
        inputs: Rows that the matrix is applied to, shape (rows, inputs), a sample.
    """
    scale, zero = _input_range(inputs)
    weight_scales = _column_scales(weights)
    quantized = np.clip(np.round(weights / weight_scales), -_WEIGHT_STEPS, _WEIGHT_STEPS).astype(np.int8)
    return QuantizedMatrix(quantized, weight_scales, scale, zero)


def _input_range(inputs: NDArray[np.float32]) -> tuple[float, int]:
    """Scale and zero of uint8 inputs; the range always holds zero."""
    values = inputs.ravel()
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
    best = (np.inf, 1.0, 0)
    for clip in _INPUT_CLIPS:
        scale = (high - low) * float(clip) / _INPUT_STEPS
        zero = int(np.clip(round(-low * float(clip) / scale), 0, _INPUT_STEPS))
        restored = (np.clip(np.round(values / scale) + zero, 0, _INPUT_STEPS) - zero) * scale
        best = min(best, (float(np.square(restored - values).mean()), scale, zero))
    return best[1], best[2]


def _column_scales(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    widest = np.maximum(np.abs(weights).max(axis=0), 1e-8) / _WEIGHT_STEPS
    errors = []
    for clip in _WEIGHT_CLIPS:
        scales = widest * clip
        restored = np.clip(np.round(weights / scales), -_WEIGHT_STEPS, _WEIGHT_STEPS) * scales
        errors.append(np.square(restored - weights).sum(axis=0))
    return np.asarray(widest * _WEIGHT_CLIPS[np.argmin(errors, axis=0)], dtype=np.float32)


def compare_labels(
    exact: NDArray[np.float32], quantized: NDArray[np.float32], labels: Sequence[int] | None = None
) -> dict[str, float]:
    """Agreement of two models' classes, and with true labels macro-F1 of both and its loss in points.

    Args:
        exact: Scores of the float32 model, shape (sentences, classes).
        quantized: Scores of the other one.
        labels: True classes; those that occur make up macro-F1.
    """
    first, second = exact.argmax(axis=1), quantized.argmax(axis=1)
    figures = {
        "sentences": float(len(first)),
        "agreement": float((first == second).mean()),
        "largest_score_difference": float(np.abs(exact - quantized).max()),
    }
    if labels is not None:
        true = np.asarray(labels)
        before, after = _macro_f1(true, first), _macro_f1(true, second)
        figures |= {"macro_f1_fp32": before, "macro_f1_int8": after, "macro_f1_loss": 100 * (before - after)}
    return figures


def _macro_f1(true: NDArray[np.int64], found: NDArray[np.int64]) -> float:
    scores = []
    for label in np.unique(true):
        hits = int(((true == label) & (found == label)).sum())
        scores.append(2 * hits / (int((true == label).sum()) + int((found == label).sum())))
    return float(np.mean(scores))
