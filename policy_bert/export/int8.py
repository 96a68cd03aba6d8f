"""The int8 graph of a checkpoint: its matrices, calibrated on sentences, and the gate that it must pass.

Activations have one fixed scale a matrix, found on calibration sentences, and not one a batch ("dynamic
quantisation"), with which a sentence's scores would depend on what stands beside it. Weights have a scale a column
and seven bits: processors without VNNI add pairs of products in 16 bits, which eight would overflow, and so every
processor computes the same. The last layer, which is computed for [CLS] alone, stays in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import check_checkpoint
from policy_bert.evaluation.metrics import macro_f1
from policy_bert.export.files import GraphFolder
from policy_bert.export.graph import QuantizedMatrix, joined_attention
from policy_bert.scoring.batching import SentenceTokenizer
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.engine import OnnxEngine

_WEIGHT_STEPS, _INPUT_STEPS = 63, 255
_INPUT_CLIPS = np.linspace(0.2, 1.0, 17)
_WEIGHT_CLIPS = np.linspace(0.6, 1.0, 9)
_DAMPING_CAPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05)  # of the largest input
_WORTH_A_DIVISION = 0.95  # the error that a cap must leave of that of a higher one
_CALIBRATION_SENTENCES = 256
_ROWS_A_MATRIX = 512
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GateSentences:
    """What the int8 graph is made and judged on.

    Attributes:
        calibration: Sentences that set the scales; none of the others.
        held_out: Sentences for the gate.
        labels: Their true classes.
        others: More sentences whose agreement must pass too, such as the whole corpus; may be empty.
    """

    calibration: Sequence[str]
    held_out: Sequence[str]
    labels: Sequence[int]
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Int8Result:
    """The graph that passed the gate (None: it did not), and the figures that it was judged by."""

    graph: Path | None
    figures: dict[str, Any]


def make_int8_graph(folder: GraphFolder, exact_graph: Path, sentences: GateSentences, gate: Gate) -> Int8Result:
    """Write the graph with all its matrices but the last layer's in int8, and judge it by the gate.

    Args:
        folder: The checkpoint.
        exact_graph: Its float32 graph.
        sentences: What to calibrate on and to judge by.
        gate: What the graph must keep.
    """
    exact = _classifier(folder, exact_graph)
    graph = folder.write_graph("int8", _calibrate(folder, sentences.calibration))
    quantized = _classifier(folder, graph)
    held_out = exact.scores(sentences.held_out), quantized.scores(sentences.held_out)
    figures: dict[str, Any] = compare_labels(*held_out, sentences.labels)
    passed = gate.passes(figures)
    if passed and len(sentences.others):
        others = compare_labels(exact.scores(sentences.others), quantized.scores(sentences.others))
        figures["agreement_on_all_sentences"] = others["agreement"]
        passed = gate.passes(others)
    _log.info("int8: %s", _in_words(figures))
    if passed:
        return Int8Result(graph, figures)
    graph.unlink()
    return Int8Result(None, figures)


def _in_words(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in figures.items())


def _classifier(folder: GraphFolder, graph: Path) -> PolicyClassifier:
    return PolicyClassifier(
        folder.path, check_checkpoint(folder.path, onnx=False), OnnxEngine(folder.path, graph=graph)
    )


def _spread(sentences: Sequence[str], count: int) -> list[str]:
    """At most `count` sentences, evenly from the whole."""
    step = max(1, -(-len(sentences) // count))
    return list(sentences[::step])


def _calibrate(folder: GraphFolder, sentences: Sequence[str]) -> dict[str, QuantizedMatrix]:
    """Every matrix in int8, its scales from the inputs that it gets on these sentences."""
    import onnxruntime

    graph = folder.write_graph("probes", probes=True)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        names = matrix_names(folder.shape.layers)
        rows: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
        chosen = _spread(sentences, _CALIBRATION_SENTENCES)
        for ids in SentenceTokenizer(folder.path).encode(chosen).ids:
            inputs = {"input_ids": ids[None], "attention_mask": np.ones_like(ids)[None]}
            for name, value in zip(names, session.run(["probe:" + name for name in names], inputs), strict=True):
                rows[name].append(value[0])
    finally:
        graph.unlink()
    return {
        name: quantize_matrix(matrix_weights(folder.weights, name), _sample_rows(np.concatenate(rows.pop(name))))
        for name in names
    }


def _sample_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows[:: max(1, -(-len(rows) // _ROWS_A_MATRIX))]


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

    A few inputs may be many times as large as the others; one scale for all would leave these few steps. They are
    divided before they become integers, and their weights multiplied (Xiao et al. 2023), as far as that helps.

    Args:
        weights: Shape (inputs, outputs).
        inputs: Rows that the matrix is applied to, shape (rows, inputs), a sample.
    """
    exact, largest = inputs @ weights, np.maximum(np.abs(inputs).max(axis=0), 1e-6)
    best, least = None, np.inf
    for cap in _DAMPING_CAPS:
        damping = np.maximum(largest / (cap * largest.max()), 1.0).astype(np.float32)
        scaled, damped = weights * damping[:, None], inputs / damping
        scale, zero = _input_range(damped)
        scales = _column_scales(scaled)
        quantized = np.clip(np.round(scaled / scales), -_WEIGHT_STEPS, _WEIGHT_STEPS).astype(np.int8)
        steps = np.clip(np.round(damped / scale) + zero, 0, _INPUT_STEPS) - zero
        error = float(np.square((steps * scale) @ (quantized * scales) - exact).sum())
        if error < least * _WORTH_A_DIVISION:
            best, least = QuantizedMatrix(quantized, scales, scale, zero, damping), error
    assert best is not None
    return best


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
        labels: True classes.
    """
    first, second = exact.argmax(axis=1), quantized.argmax(axis=1)
    figures = {
        "sentences": float(len(first)),
        "agreement": float((first == second).mean()),
        "largest_score_difference": float(np.abs(exact - quantized).max()),
    }
    if labels is not None:
        true = np.asarray(labels)
        before, after = macro_f1(true, first), macro_f1(true, second)
        figures |= {"macro_f1_fp32": before, "macro_f1_int8": after, "macro_f1_loss": 100 * (before - after)}
    return figures
