"""One phase of pretraining with `transformers.Trainer`: windows in, a trained model and its log out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments

from policy_bert.encoder.hardware import trainer_precision
from policy_bert.pretraining.masking import SpanMasker, SparseBertForMaskedLM, WindowDataset
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.pretraining.windows import PretrainingData
from policy_bert.training.trainer import CompletionMarker, last_complete_checkpoint, show_progress


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
    arguments = training_arguments(config, tokens, decay_fraction, folder, len(data.held_out) > 0)
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


def make_trainer(
    config: PretrainConfig,
    model: SparseBertForMaskedLM,
    data: PretrainingData,
    arguments: TrainingArguments,
    callbacks: Iterable[TrainerCallback],
) -> Trainer:
    """A `Trainer` over the windows.

    The held-out windows are masked the same way every time, and none of their positions is shifted.
    """
    positions = int(model.config.max_position_embeddings)
    masking = (data.tokenizer, config.mask_fraction)
    held_out = WindowDataset(data.held_out)
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=SpanMasker(*masking, config.shifted_fraction, positions, config.seed),
        train_dataset=WindowDataset(data.train),
        eval_dataset=held_out,
        callbacks=[*callbacks],
    )
    evaluator = SpanMasker(*masking, 0.0, positions, config.seed)
    trainer.get_eval_dataloader = lambda eval_dataset=None: DataLoader(  # type: ignore[method-assign, assignment]
        held_out, batch_size=arguments.per_device_eval_batch_size, collate_fn=evaluator
    )
    return trainer


def training_arguments(
    config: PretrainConfig, tokens: int, decay_fraction: float, folder: Path, can_evaluate: bool
) -> TrainingArguments:
    """The one place where the configuration becomes `TrainingArguments`.

    Args:
        config: How to train.
        tokens: For how many tokens.
        decay_fraction: The share of them over which the learning rate falls.
        folder: Where checkpoints go.
        can_evaluate: Whether there are held-out windows.
    """
    devices = max(torch.cuda.device_count(), 1)
    batch = config.batch_windows * config.gradient_accumulation_steps * devices
    steps = max(1, tokens // (batch * config.window_tokens))
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=config.batch_windows,
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
        eval_strategy="steps" if can_evaluate else "no",
        eval_steps=config.evaluate_every_steps,
        logging_steps=min(50, config.evaluate_every_steps),
        save_steps=config.evaluate_every_steps,
        save_total_limit=2,
        remove_unused_columns=False,
        dataloader_num_workers=4 if on_gpu else 0,
        dataloader_pin_memory=on_gpu,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
    )
