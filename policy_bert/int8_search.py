"""Finds the int8 graph that keeps the float32 one's classes: calibrate, rank the matrices, leave out as few as pass."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.batching import SentenceTokenizer
from policy_bert.bert_weights import QuantizedMatrix
from policy_bert.checkpoint import check_checkpoint
from policy_bert.classifier import PolicyClassifier
from policy_bert.engines import OnnxEngine
from policy_bert.onnx_files import GraphFolder
from policy_bert.quantization import (
    Gate,
    compare_labels,
    exclusions,
    matrix_names,
    matrix_weights,
    quantize_matrix,
)

_CALIBRATION_SENTENCES, _RANKING_SENTENCES = 256, 128
_ROWS_A_MATRIX = 512
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GateSentences:
    """What the search works on.

    Attributes:
        calibration: Sentences that set the scales and rank the matrices; none of the others.
        held_out: Sentences for the gate.
        labels: Their true classes.
        others: More sentences whose agreement must pass too, such as the whole corpus; may be empty.
    """

    calibration: Sequence[str]
    held_out: Sequence[str]
    labels: Sequence[int]
    others: Sequence[str] = ()


@dataclass(frozen=True)
class SearchResult:
    """The graph that passed (None: none did), the matrices left in float32, and the figures of the last one tried."""

    graph: Path | None
    excluded: tuple[str, ...]
    figures: dict[str, Any]


def find_int8_graph(folder: GraphFolder, exact_graph: Path, sentences: GateSentences, gate: Gate) -> SearchResult:
    """Try graphs with ever more matrices in float32 until one passes the gate.

    Args:
        folder: The checkpoint.
        exact_graph: Its float32 graph.
        sentences: What to calibrate on and to judge by.
        gate: What the graph must keep.
    """
    exact = _classifier(folder, exact_graph)
    matrices = _calibrate(folder, sentences.calibration)
    sample = _spread(sentences.calibration, _RANKING_SENTENCES)
    sensitivity = _rank(folder, matrices, sample, exact.scores(sample))
    held_out_scores, other_scores = exact.scores(sentences.held_out), exact.scores(sentences.others)
    figures: dict[str, Any] = {}
    for excluded in exclusions(sensitivity):
        graph = folder.write_graph("int8", {name: matrices[name] for name in matrices if name not in excluded})
        quantized = _classifier(folder, graph)
        figures = compare_labels(held_out_scores, quantized.scores(sentences.held_out), sentences.labels)
        passed = gate.passes(figures)
        if passed and len(other_scores):
            others = compare_labels(other_scores, quantized.scores(sentences.others))
            figures["agreement_on_all_sentences"] = others["agreement"]
            passed = gate.passes(others)
        _log.info("int8 without %d of %d matrices: %s", len(excluded), len(matrices), _in_words(figures))
        if passed:
            return SearchResult(graph, excluded, figures)
        graph.unlink()
    return SearchResult(None, (), figures)


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


def _rank(
    folder: GraphFolder,
    matrices: Mapping[str, QuantizedMatrix],
    sentences: Sequence[str],
    exact: NDArray[np.float32],
) -> dict[str, float]:
    """How far each matrix alone, in int8, moves the scores: the mean absolute difference."""
    sensitivity = {}
    for name, matrix in matrices.items():
        graph = folder.write_graph("rank", {name: matrix})
        try:
            sensitivity[name] = float(np.abs(_classifier(folder, graph).scores(sentences) - exact).mean())
        finally:
            graph.unlink()
    return sensitivity
