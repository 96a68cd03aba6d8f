"""One phase of fine-tuning with `transformers.Trainer`: rows in, a trained model out; and what a person sees of it."""

from __future__ import annotations

import importlib.util
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from accelerate import PartialState
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from policy_bert.encoder.hardware import trainer_precision
from policy_bert.evaluation.metrics import TITLES, measure
from policy_bert.scoring.batching import pad_batch
from policy_bert.scoring.classifier import softmax
from policy_bert.training.settings import FinetuneConfig

COMPLETE_FILE = "complete"
logger = logging.getLogger(__name__)

_SHOWN = {"loss": "loss", "eval_loss": "held-out loss", **{f"eval_{key}": title for key, title in TITLES.items()}}


class ProgressLog(TrainerCallback):
    """In place of `Trainer`'s own callbacks, which write to standard output."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Draw the bar; `disable=None` leaves it out where standard error is no terminal."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, unit="step", file=sys.stderr, disable=None
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Say a line."""
        shown = [f"{name} {float(logs[key]):.3f}" for key, name in _SHOWN.items() if logs and key in logs]
        if not shown or not state.is_world_process_zero:
            return
        if self.bar is not None:
            self.bar.clear()
        logger.info("step %d of %d: %s", state.global_step, state.max_steps, ", ".join(shown))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def show_progress(trainer: Trainer) -> None:
    """Give a trainer this progress in place of its own."""
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(ProgressLog())


class CompletionMarker(TrainerCallback):
    """Marks a checkpoint when all of it is written, so that one cut short by a kill is never resumed from."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the mark."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            (folder / COMPLETE_FILE).touch()


def last_complete_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that carries the mark, None where there is none."""
    marked = [mark.parent for mark in folder.glob(f"checkpoint-*/{COMPLETE_FILE}")]
    return str(max(marked, key=lambda path: int(path.name.rpartition("-")[2]))) if marked else None


class RecipeTrainer(Trainer):
    """`Trainer` with the recipe's loss: cross-entropy in which each row has its weight, and perhaps a soft target."""

    def __init__(self, recipe: FinetuneConfig, **arguments: Any) -> None:
        self.recipe = recipe
        super().__init__(**arguments)
        # The loss is a mean, so `Trainer` must divide it by the batches that it accumulates.
        self.model_accepts_loss_kwargs = False

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, Any]:
        """The mean loss of the batch, weighted and smoothed while training."""
        inputs = dict(inputs)
        labels, weight, target = inputs.pop("labels"), inputs.pop("weight"), inputs.pop("target", None)
        outputs = model(**inputs)
        goal = labels if target is None or not model.training else target
        smoothing = self.recipe.label_smoothing if model.training else 0.0
        row_loss = functional.cross_entropy(outputs.logits.float(), goal, reduction="none", label_smoothing=smoothing)
        loss = (weight * row_loss).mean() if model.training else row_loss.mean()
        return (loss, outputs) if return_outputs else loss


def encoded(rows: datasets.Dataset, tokenizer: Tokenizer, max_length_tokens: int) -> datasets.Dataset:
    """Rows with `text`, `label` and `weight` as `input_ids`, `length`, `labels` and `weight`; a `target` stays."""

    def encode(batch: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        ids = [encoding.ids for encoding in tokenizer.encode_batch(list(batch["text"]))]
        return {"input_ids": ids, "length": [len(row) for row in ids], "labels": batch["label"]}

    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length_tokens)
    dropped = [name for name in rows.column_names if name not in ("weight", "target")]
    found = rows.map(encode, batched=True, remove_columns=dropped, keep_in_memory=True)
    tokenizer.no_truncation()
    return found


class PaddingCollator:
    """Pads a batch of encoded rows to its longest."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask` (rows, length), `labels`, `weight` (rows,), maybe `target` (rows, classes)."""
        ids, mask = pad_batch([np.asarray(row["input_ids"], dtype=np.int64) for row in rows], self.pad_id)
        soft = {"target": torch.tensor([row["target"] for row in rows])} if "target" in rows[0] else {}
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.tensor([row["labels"] for row in rows]),
            "weight": torch.tensor([float(row["weight"]) for row in rows]),
            **soft,
        }


def finetune(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    rows: datasets.Dataset,
    recipe: FinetuneConfig,
    folder: str | Path,
    *,
    seed: int,
    max_length_tokens: int,
    validation: datasets.Dataset | None = None,
    keep_checkpoints: bool = True,
    log_folder: Path | None = None,
) -> list[dict[str, float]]:
    """The training log; `model` is trained in place and left on the CPU in evaluation mode.

    Args:
        model: A sequence classifier.
        tokenizer: Its tokenizer.
        rows: What to train on, with the columns `text`, `label` and `weight`, and `target` where the target is soft.
        recipe: How.
        folder: Where checkpoints go; one found there is resumed from, to the weights of an uninterrupted run.
        seed: Of order and dropout; the same seed gives the same weights on the same machine and thread count.
        max_length_tokens: Where sentences are cut.
        validation: Rows that are measured after each epoch by `metrics.measure`; needed for early stopping.
        keep_checkpoints: Whether to write a checkpoint an epoch; without them nothing can be resumed.
        log_folder: Where TensorBoard's events go if TensorBoard is installed; None for nowhere.
    """
    folder = Path(folder)
    stopping = recipe.early_stopping_patience > 0 and validation is not None
    callbacks: list[TrainerCallback] = [
        *([EarlyStoppingCallback(recipe.early_stopping_patience)] if stopping else []),
        CompletionMarker(),
        *_tensorboard(log_folder),
    ]
    trainer = RecipeTrainer(
        recipe,
        model=model,
        args=_training_arguments(recipe, folder, len(rows), seed, validation is not None, stopping, keep_checkpoints),
        data_collator=PaddingCollator(model.config.pad_token_id or 0),
        train_dataset=encoded(rows, tokenizer, max_length_tokens),
        eval_dataset=encoded(validation, tokenizer, max_length_tokens) if validation is not None else None,
        compute_metrics=_measure_logits,
        callbacks=callbacks,
    )
    show_progress(trainer)
    last = last_complete_checkpoint(folder) if keep_checkpoints else None
    if last:
        logger.info("resuming from %s", last)
    trainer.train(resume_from_checkpoint=last)
    model.cpu().eval()
    return trainer.state.log_history


def _tensorboard(folder: Path | None) -> list[TrainerCallback]:
    if folder is None or importlib.util.find_spec("tensorboard") is None or not PartialState().is_main_process:
        return []
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    return [TensorBoardCallback(SummaryWriter(log_dir=str(folder)))]


def _measure_logits(prediction: EvalPrediction) -> dict[str, float]:
    return measure(np.asarray(prediction.label_ids), softmax(np.asarray(prediction.predictions)))


def _training_arguments(
    recipe: FinetuneConfig,
    folder: Path,
    sentences: int,
    seed: int,
    validates: bool,
    stopping: bool,
    keep_checkpoints: bool,
) -> TrainingArguments:
    devices = max(torch.cuda.device_count(), 1)
    steps = -(-sentences // (recipe.batch_size * recipe.gradient_accumulation_steps * devices)) * recipe.epochs
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=recipe.gradient_accumulation_steps,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        optim="adamw_torch_fused",
        warmup_steps=int(steps * recipe.warmup_fraction),
        lr_scheduler_type="linear",
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        remove_unused_columns=False,
        label_names=["labels"],
        **trainer_precision(),
        eval_strategy="epoch" if validates else "no",
        save_strategy="epoch" if keep_checkpoints else "no",
        save_total_limit=2,  # a kill while one is written leaves the one before
        load_best_model_at_end=stopping and keep_checkpoints,
        metric_for_best_model="macro_f1" if stopping else None,
        logging_strategy="epoch",
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        disable_tqdm=True,
        seed=seed,
    )
