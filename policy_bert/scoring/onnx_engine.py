"""ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import ONNX_FILE
from policy_bert.errors import CheckpointError
from policy_bert.scoring.batching import TOKEN_BUDGET
from policy_bert.scoring.engine import CPU_SHARES, CPU_WINDOW_SENTENCES, available_cores


class OnnxEngine:
    """ONNX Runtime on the CPU: one single-threaded run a core, which scales better than threads inside a run."""

    shares = CPU_SHARES
    window_sentences = CPU_WINDOW_SENTENCES
    tokenizer_threads = 1  # all cores are busy with inference

    def __init__(self, folder: Path, threads: int | None = None, graph: Path | None = None) -> None:
        """Load `model.onnx` of a checkpoint folder, or another graph file.

        Raises:
            CheckpointError: The file is broken, or needs operators that this ONNX Runtime lacks.
        """
        import onnxruntime

        self.workers = threads or available_cores()
        self.token_budget = TOKEN_BUDGET
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        path = graph or folder / ONNX_FILE
        try:
            self._session = onnxruntime.InferenceSession(
                str(path),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=["SkipLayerNormFusion"],  # slower on a CPU: see docs/log.md
            )
        except Exception as error:
            if not type(error).__module__.startswith("onnxruntime"):
                raise
            raise CheckpointError(
                f"{path}: corrupted, or made for another ONNX Runtime; export it again ({error})"
            ) from error
        names = {value.name for value in self._session.get_inputs()}
        if names != {"input_ids", "attention_mask"}:
            raise CheckpointError(f"{path}: expected the inputs input_ids and attention_mask, found {sorted(names)}")

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Engine`."""
        outputs = self._session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})
        return np.asarray(outputs[0], dtype=np.float32)
