"""Precision of training on the machine at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import TrainingArguments

from policy_bert.encoder.hardware import trainer_precision


@pytest.mark.parametrize("supported", [True, False])
def test_trainer_takes_bfloat16_on_a_cpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, supported: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    arguments = TrainingArguments(output_dir=str(tmp_path), report_to="none", **trainer_precision())
    assert arguments.bf16 is supported
    assert arguments.device.type == "cpu"
