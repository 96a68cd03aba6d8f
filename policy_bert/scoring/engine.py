"""Engines that run a classifier behind one protocol, ONNX Runtime and PyTorch: token ids in, logits out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import ONNX_FILE, WEIGHTS_FILE
from policy_bert.errors import CheckpointError, UserError
from policy_bert.scoring.batching import TOKEN_BUDGET

EngineName = Literal["auto", "onnx", "torch"]
_CPU_WINDOW_SENTENCES = 4096
# A window of few tokens is split for this many cores, however many there are: batches, and so the last digit of a
# score, must not depend on the machine.
_CPU_SHARES = 4
# On a GPU a batch must be large enough to fill it, and a window so much larger that sorting by length leaves little
# padding: of 26-character sentences 2.5 % with these two, 9 % with windows of 4,096, 23 % with those and 65,536 tokens.
_CUDA_TOKEN_BUDGET = 16384
_CUDA_WINDOW_SENTENCES = 16384
_MOST_TOKENIZER_THREADS = 8  # a thread tokenises some 35,000 sentences a second, a GPU scores more than one can


class Engine(Protocol):
    """A loaded model.

    Attributes:
        workers: How many batches are worth running at once, each from its own thread.
        token_budget: The tokens in a batch that run fastest.
        shares: Into how many batches a window of few tokens is split.
        window_sentences: How many sentences are worth sorting by length together.
        tokenizer_threads: How many threads the engine leaves for tokenising.
    """

    workers: int
    token_budget: int
    shares: int
    window_sentences: int
    tokenizer_threads: int

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of shape (batch, classes) for two arrays of shape (batch, length); safe to call from threads."""
        ...


def available_cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_engine(folder: Path, engine: EngineName = "auto", device: str = "auto", threads: int | None = None) -> Engine:
    """The engine for a checkpoint folder.

    `auto` is ONNX Runtime where the folder holds `model.onnx` and the device is not a GPU, otherwise PyTorch.

    Raises:
        UserError: The engine, or PyTorch, or the device is not there.
        CheckpointError: The engine's file is missing or broken.
    """
    has_onnx = (folder / ONNX_FILE).is_file()
    if engine == "auto":
        engine = "onnx" if has_onnx and not device.startswith("cuda") else "torch"
    if engine == "torch":
        return TorchEngine(folder, device, threads)
    if device.startswith("cuda"):
        raise UserError("device cuda: the ONNX engine runs on the CPU; use --engine torch")
    if not has_onnx:
        raise CheckpointError(
            f"{folder}: the ONNX engine needs {ONNX_FILE}: run `python -m policy_bert.export {folder}`, "
            "or use --engine torch"
        )
    return OnnxEngine(folder, threads)


class OnnxEngine:
    """ONNX Runtime on the CPU: one single-threaded run a core, which scales better than threads inside a run."""

    shares = _CPU_SHARES
    window_sentences = _CPU_WINDOW_SENTENCES
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


class TorchEngine:
    """PyTorch through transformers: float32 on a CPU; bfloat16 on a CUDA GPU that has it."""

    workers = 1  # on a GPU batches are large, on a CPU PyTorch uses the cores within a batch

    def __init__(self, folder: Path, device: str = "auto", threads: int | None = None) -> None:
        """Load `model.safetensors` of a checkpoint folder.

        Args:
            folder: The checkpoint folder.
            device: `auto`, `cpu` or `cuda`.
            threads: Processor cores to use; None for all that the process may use.

        Raises:
            UserError: PyTorch is not installed, or the device is not there.
            CheckpointError: The weights are broken, or some of the model's are not in the file.
        """
        try:
            import torch
            import transformers
        except ImportError as error:
            raise UserError(
                "the PyTorch engine needs torch and transformers: pip install 'policy-bert[train]'"
            ) from error
        if not (folder / WEIGHTS_FILE).is_file():
            raise CheckpointError(
                f"{folder}: the PyTorch engine needs {WEIGHTS_FILE}, which is missing; use --engine onnx"
            )
        self._torch = torch
        found = torch.cuda.is_available()
        if device.startswith("cuda") and not found:
            raise UserError("device cuda: PyTorch finds no CUDA GPU here; use --device cpu or auto")
        self._device = torch.device(("cuda" if found else "cpu") if device == "auto" else device)
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        try:
            model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{folder}: transformers cannot load it: {error}") from error
        if loading["missing_keys"]:
            raise CheckpointError(
                f"{folder}: {WEIGHTS_FILE} lacks {sorted(loading['missing_keys'])[0]}: not a classifier"
            )
        on_cuda = self._device.type == "cuda"
        self.token_budget = _CUDA_TOKEN_BUDGET if on_cuda else TOKEN_BUDGET
        self.shares = 1 if on_cuda else _CPU_SHARES
        self.window_sentences = _CUDA_WINDOW_SENTENCES if on_cuda else _CPU_WINDOW_SENTENCES
        self.tokenizer_threads = min(threads or available_cores(), _MOST_TOKENIZER_THREADS) if on_cuda else 1
        if on_cuda and torch.cuda.is_bf16_supported():
            model = model.to(torch.bfloat16)
        if not on_cuda and threads is not None:
            torch.set_num_threads(threads)
        self._model = model.to(self._device).eval()

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Engine`."""
        torch = self._torch
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.from_numpy(input_ids).to(self._device),
                attention_mask=torch.from_numpy(attention_mask).to(self._device),
            )
            return np.asarray(output.logits.float().cpu().numpy(), dtype=np.float32)
