"""One phase of fine-tuning with `transformers.Trainer`: sentences and targets in, a trained model out."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from policy_bert.encoder.hardware import trainer_precision
from policy_bert.training.callbacks import CompletionMarker, last_complete_checkpoint, show_progress
from policy_bert.training.examples import EncodedDataset, Examples, PaddingCollator
from policy_bert.training.settings import FinetuneConfig

logger = logging.getLogger(__name__)


class RecipeTrainer(Trainer):
    """`Trainer` with the recipe's loss (soft targets, weights, smoothing)."""

    def __init__(self, recipe: FinetuneConfig, **arguments: Any) -> None:
        self.recipe = recipe
        super().__init__(**arguments)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor | tuple[Tensor, Any]:
        """Weighted cross-entropy to the soft targets, smoothed while training."""
        inputs = dict(inputs)
        targets, weight = inputs.pop("labels"), inputs.pop("weight")
        outputs = model(**inputs)
        log_scores = functional.log_softmax(outputs.logits.float(), dim=-1)
        if not model.training:
            loss = -(targets * log_scores).sum(-1).mean()
            return (loss, outputs) if return_outputs else loss
        smoothing = self.recipe.label_smoothing
        targets = (1.0 - smoothing) * targets + smoothing / targets.shape[-1]
        row_loss = -(targets * log_scores).sum(-1)
        loss = (weight * row_loss).mean()
        return (loss, outputs) if return_outputs else loss


def finetune(
    model: PreTrainedModel,
    tokenizer: Tokenizer,
    examples: Examples,
    recipe: FinetuneConfig,
    folder: str | Path,
    *,
    seed: int,
    max_length_tokens: int,
    validation: Examples | None = None,
    measure: Callable[[NDArray[np.float32], NDArray[np.int64]], dict[str, float]] | None = None,
    keep_checkpoints: bool = True,
    log_folder: Path | None = None,
) -> list[dict[str, float]]:
    """The training log; `model` is trained in place and left on the CPU in evaluation mode.

    Args:
        model: A sequence classifier with as many classes as the targets.
        tokenizer: Its tokenizer.
        examples: What to train on.
        recipe: How.
        folder: Where checkpoints go; one found there is resumed from, to the weights of an uninterrupted run.
        seed: Of order and dropout; the same seed gives the same weights on the same machine and thread count.
        max_length_tokens: Where sentences are cut.
        validation: Scored after each epoch; needed for early stopping.
        measure: Metrics of logits (sentences, classes) and labels; must give `macro_f1` for early stopping.
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
    sentences = len(examples.texts)
    trainer = RecipeTrainer(
        recipe,
        model=model,
        args=_training_arguments(recipe, folder, sentences, seed, validation is not None, stopping, keep_checkpoints),
        data_collator=PaddingCollator(model.config.pad_token_id or 0),
        train_dataset=EncodedDataset(examples, tokenizer, max_length_tokens),
        eval_dataset=EncodedDataset(validation, tokenizer, max_length_tokens) if validation is not None else None,
        compute_metrics=_metrics_of(measure) if measure is not None else None,
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


def _metrics_of(
    measure: Callable[[NDArray[np.float32], NDArray[np.int64]], dict[str, float]],
) -> Callable[[EvalPrediction], dict[str, float]]:
    return lambda prediction: measure(np.asarray(prediction.predictions), np.asarray(prediction.label_ids).argmax(-1))


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
