"""One phase of pretraining with `transformers.Trainer`: windows in, a trained model and its log out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from policy_bert.contrast import PairCollator, WindowPairs
from policy_bert.hardware import trainer_precision
from policy_bert.masking import SpanMasker, SparseBertForMaskedLM, WindowDataset
from policy_bert.pretraining_data import PretrainingData
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.resident import DeviceMasker, ResidentWindows, resident_device
from policy_bert.training_checkpoints import CompletionMarker, last_complete_checkpoint
from policy_bert.training_progress import show_progress

_COMPILATION = "ACCELERATE_DYNAMO_"


def run_phase(
    config: PretrainConfig,
    model: SparseBertForMaskedLM,
    data: PretrainingData,
    tokens: int,
    decay_fraction: float,
    folder: Path,
    tokens_before: int,
) -> list[dict[str, float]]:
    """Train one phase, resuming from its last checkpoint; the log with tokens seen, train and held-out loss."""
    with compilation_kept_here():
        arguments = training_arguments(config, tokens, decay_fraction, folder, len(data.train), len(data.held_out) > 0)
        trainer = make_trainer(config, model, data, arguments, [CompletionMarker()])
        show_progress(trainer)
        trainer.train(resume_from_checkpoint=last_complete_checkpoint(folder))
        if len(data.held_out) and not _is_evaluated(trainer):
            trainer.evaluate()
    step_tokens = tokens / arguments.max_steps
    history: list[dict[str, float]] = []
    for entry in trainer.state.log_history:
        point = {"tokens": tokens_before + entry["step"] * step_tokens}
        if "eval_loss" in entry:
            history.append({**point, "held_out_loss": entry["eval_loss"]})
        elif "loss" in entry:
            history.append({**point, "loss": entry["loss"]})
    return history


def _is_evaluated(trainer: Trainer) -> bool:
    """Whether the last step has its held-out loss: not every version of transformers sees to that."""
    return any(
        "eval_loss" in entry and entry["step"] == trainer.state.global_step for entry in trainer.state.log_history
    )


@contextmanager
def compilation_kept_here() -> Iterator[None]:
    """Keep `torch_compile` from later trainings of the process, and leave them all of the compiler's room.

    `TrainingArguments` hands it on by the environment, and after eight graphs of one function PyTorch compiles no more.
    """
    kept = {name: value for name, value in os.environ.items() if name.startswith(_COMPILATION)}
    try:
        yield
    finally:
        compiled = [name for name in os.environ if name.startswith(_COMPILATION)]
        for name in compiled:
            del os.environ[name]
        if compiled:
            torch.compiler.reset()
        os.environ.update(kept)


def make_trainer(
    config: PretrainConfig,
    model: SparseBertForMaskedLM,
    data: PretrainingData,
    arguments: TrainingArguments,
    callbacks: Iterable[TrainerCallback],
) -> Trainer:
    """A `Trainer` over the windows: resident on the GPU where one process has one, else through workers.

    The held-out windows are masked the same way every time, and none of their positions is shifted.
    """
    positions = int(model.config.max_position_embeddings)
    train, collator = _batches(config, data, data.train, config.shifted_fraction, positions, config.contrast_weight > 0)
    held_out, evaluator = _batches(config, data, data.held_out, 0.0, positions, pairs=False)
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=train,
        eval_dataset=held_out,
        callbacks=[*callbacks],
    )
    trainer.get_eval_dataloader = lambda eval_dataset=None: DataLoader(  # type: ignore[method-assign, assignment]
        held_out, batch_size=arguments.per_device_eval_batch_size, collate_fn=evaluator
    )
    return trainer


def _batches(
    config: PretrainConfig,
    data: PretrainingData,
    windows: NDArray[np.uint16],
    shifted_fraction: float,
    positions: int,
    pairs: bool,
) -> tuple[Dataset[Any], Any]:
    """A data set and its collator."""
    masking = (data.tokenizer, config.mask_fraction, shifted_fraction, positions, config.seed)
    device = resident_device()
    if device is not None:
        return ResidentWindows(windows, device, pairs), DeviceMasker(*masking)
    masker = SpanMasker(*masking)
    return (WindowPairs(windows), PairCollator(masker)) if pairs else (WindowDataset(windows), masker)


def training_arguments(
    config: PretrainConfig, tokens: int, decay_fraction: float, folder: Path, windows: int, can_evaluate: bool
) -> TrainingArguments:
    """The one place where the configuration becomes `TrainingArguments`.

    Args:
        config: How to train.
        tokens: For how many tokens.
        decay_fraction: The share of them over which the learning rate falls.
        folder: Where checkpoints go.
        windows: How many there are to train on.
        can_evaluate: Whether there are held-out windows.
    """
    devices = max(torch.cuda.device_count(), 1)
    batch = config.batch_windows * config.gradient_accumulation_steps * devices
    steps = max(1, tokens // (batch * config.window_tokens))
    on_gpu, resident = torch.cuda.is_available(), resident_device() is not None
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=config.batch_windows // (2 if config.contrast_weight else 1),
        per_device_eval_batch_size=config.batch_windows,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        adam_beta2=0.98,
        optim="adamw_torch_fused",
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": int(steps * decay_fraction), "min_lr_ratio": 0.0},
        warmup_steps=min(config.warmup_steps, steps // 2),
        **trainer_precision(),
        torch_compile=config.compile,
        eval_strategy="steps" if can_evaluate else "no",
        eval_steps=config.evaluate_every_steps,
        logging_steps=min(50, config.evaluate_every_steps),
        logging_nan_inf_filter=not on_gpu,  # looking at every loss would have the processor wait for the GPU
        save_steps=config.evaluate_every_steps,
        save_total_limit=2,
        remove_unused_columns=False,
        dataloader_num_workers=4 if on_gpu and not resident else 0,
        dataloader_pin_memory=on_gpu and not resident,
        dataloader_drop_last=resident and windows >= config.batch_windows,  # one shape, one compiled graph
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
    )
