"""A checkpoint's ONNX graph on the disk: built from its weights, compared with PyTorch, put under its name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import MODEL_CONFIG_FILE, ONNX_FILE, ONNX_RECORD_FILE, WEIGHTS_FILE, read_json
from policy_bert.checkpoint.weights import read_safetensors_header, weights_fingerprint
from policy_bert.errors import CheckpointError, UserError
from policy_bert.export.graph import MICROSOFT_OPSET, OPSET, BertShape, OnnxBert, QuantizedMatrix
from policy_bert.files import put_in_place, write_text
from policy_bert.scoring.batching import SentenceTokenizer
from policy_bert.scoring.engine import Engine, OnnxEngine, TorchEngine

_CHECKED_BATCHES, _CHECKED_ROWS = 16, 4


class GraphFolder:
    """A checkpoint folder whose ONNX graph is being made; trial graphs lie beside it under other names."""

    def __init__(self, checkpoint: Path) -> None:
        """Read the weights.

        Raises:
            CheckpointError: They are missing, broken or not a BERT classifier's.
        """
        if not (checkpoint / WEIGHTS_FILE).is_file():
            raise CheckpointError(f"{checkpoint}: cannot export: {WEIGHTS_FILE} is missing")
        self.path = checkpoint
        self.config = read_json(checkpoint / MODEL_CONFIG_FILE)
        self.shape = BertShape.from_config(self.config, str(checkpoint / MODEL_CONFIG_FILE))
        self.weights = read_weights(checkpoint / WEIGHTS_FILE)

    def write_graph(
        self, name: str, quantized: Mapping[str, QuantizedMatrix] | None = None, probes: bool = False
    ) -> Path:
        """Write a trial graph (arguments as `OnnxBert`) and return its path.

        Raises:
            UserError: onnx is not installed.
            CheckpointError: A weight is missing, or the file cannot be written.
        """
        try:
            import onnx
        except ImportError as error:
            raise UserError("export needs the package onnx: pip install 'policy-bert[train]'") from error
        model = OnnxBert(self.weights, self.shape, quantized, probes).build()
        path = self.path / f".{name}.{os.getpid()}.onnx"
        try:
            onnx.save(model, str(path))
        except OSError as error:
            path.unlink(missing_ok=True)
            raise CheckpointError(f"{self.path}: cannot write the ONNX graph: {error.strerror or error}") from error
        return path

    def publish(self, graph: Path, precision: str, figures: Mapping[str, Any]) -> dict[str, Any]:
        """Put a graph under the name `model.onnx` with its `onnx.json`, and return what that holds."""
        record = {
            "precision": precision,
            "opset": OPSET,
            "com.microsoft_opset": MICROSOFT_OPSET,
            "bytes": graph.stat().st_size,
            "weights_fingerprint": weights_fingerprint(self.path / WEIGHTS_FILE),
            **figures,
        }
        put_in_place(graph, self.published_graph)
        write_text(self.path / ONNX_RECORD_FILE, json.dumps(record, ensure_ascii=False, indent=2) + "\n")
        return record

    @property
    def published_graph(self) -> Path:
        """Where the graph lies that scoring loads."""
        return self.path / ONNX_FILE

    def compare_with_torch(self, graph: Path) -> float:
        """The largest difference of a graph's logits from PyTorch's on random token ids, padded batches included."""
        return largest_difference(
            OnnxEngine(self.path, graph=graph), TorchEngine(self.path, "cpu"), self.config, self.path
        )


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The floating-point tensors of a safetensors file as float32 arrays; integer tensors are left out.

    Raises:
        CheckpointError: The file is broken.
    """
    from safetensors.torch import load_file

    read_safetensors_header(path)
    return {name: tensor.float().numpy() for name, tensor in load_file(path).items() if tensor.is_floating_point()}


def largest_difference(first: Engine, second: Engine, config: Mapping[str, Any], checkpoint: Path) -> float:
    """The largest difference of two engines' logits on seeded random token ids of all lengths."""
    generator = np.random.default_rng(0)
    longest = SentenceTokenizer(checkpoint).max_length_tokens
    largest = 0.0
    for batch in range(_CHECKED_BATCHES):
        length = max(3, longest * (batch + 1) // _CHECKED_BATCHES)
        shape = (_CHECKED_ROWS, length)
        input_ids = generator.integers(0, int(config["vocab_size"]), shape)
        lengths = generator.integers(2, length + 1, (_CHECKED_ROWS, 1))
        lengths[0] = length
        attention_mask = (np.arange(length) < lengths).astype(np.int64)
        difference = first.logits(input_ids, attention_mask) - second.logits(input_ids, attention_mask)
        largest = max(largest, float(np.abs(difference).max()))
    return largest
