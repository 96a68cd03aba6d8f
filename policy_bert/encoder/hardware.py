"""What the processor or GPU at hand can do."""

from __future__ import annotations

from typing import Any

import torch


def supports_bfloat16() -> bool:
    """Whether bfloat16 autocast is faster than float32 here.

    It is on a GPU of the Ampere generation or later and on a CPU with AVX512-BF16 or AMX; other CPUs emulate it,
    thirty times slower.
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def trainer_precision() -> dict[str, Any]:
    """`TrainingArguments` for bfloat16 where it is fast; on a CPU they must name the processor too."""
    bfloat16 = supports_bfloat16()
    return {"bf16": bfloat16, "use_cpu": bfloat16 and not torch.cuda.is_available()}


def training_attention() -> str:
    """The attention to train with: on a CPU the plain one, where the fused kernel is slower (`docs/log.md`)."""
    return "sdpa" if torch.cuda.is_available() else "eager"
