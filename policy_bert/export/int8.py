"""Makes the int8 graph of a checkpoint and lets it pass only if it keeps the float32 one's classes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import check_checkpoint
from policy_bert.export.bert_weights import QuantizedMatrix
from policy_bert.export.files import GraphFolder
from policy_bert.export.quantization import (
    Gate,
    compare_labels,
    matrix_names,
    matrix_weights,
    quantize_matrix,
)
from policy_bert.scoring.batching import SentenceTokenizer
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.engine import OnnxEngine

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
