"""PyTorch, on a CPU or a CUDA GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.checkpoint.folder import WEIGHTS_FILE
from policy_bert.errors import CheckpointError, UserError
from policy_bert.scoring.batching import TOKEN_BUDGET
from policy_bert.scoring.engine import CPU_SHARES, CPU_WINDOW_SENTENCES, available_cores

# On a GPU a batch must be large enough to fill it, and a window so much larger that sorting by length leaves little
# padding: of 26-character sentences 2.5 % with these two, 9 % with windows of 4,096, 23 % with those and 65,536 tokens.
_CUDA_TOKEN_BUDGET = 16384
_CUDA_WINDOW_SENTENCES = 16384
_MOST_TOKENIZER_THREADS = 8  # a thread tokenises some 35,000 sentences a second, a GPU scores more than one can


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
        self._device = self._find_device(device)
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
        self.shares = 1 if on_cuda else CPU_SHARES
        self.window_sentences = _CUDA_WINDOW_SENTENCES if on_cuda else CPU_WINDOW_SENTENCES
        self.tokenizer_threads = min(threads or available_cores(), _MOST_TOKENIZER_THREADS) if on_cuda else 1
        if on_cuda and torch.cuda.is_bf16_supported():
            model = model.to(torch.bfloat16)
        if not on_cuda and threads is not None:
            torch.set_num_threads(threads)
        self._model = model.to(self._device).eval()

    def _find_device(self, device: str) -> Any:
        found = self._torch.cuda.is_available()
        if device.startswith("cuda") and not found:
            raise UserError("device cuda: PyTorch finds no CUDA GPU here; use --device cpu or auto")
        return self._torch.device(("cuda" if found else "cpu") if device == "auto" else device)

    def logits(self, input_ids: NDArray[np.int64], attention_mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `Engine`."""
        torch = self._torch
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.from_numpy(input_ids).to(self._device),
                attention_mask=torch.from_numpy(attention_mask).to(self._device),
            )
            return np.asarray(output.logits.float().cpu().numpy(), dtype=np.float32)
