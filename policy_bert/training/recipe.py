"""The fine-tuning recipe, the same for a run and for a fold of the cross-validation: adapt, then fit."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

import datasets
import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from policy_bert.checkpoint.folder import longest_input
from policy_bert.corpora.dataset import AUXILIARY, CORPUS
from policy_bert.encoder.base import (
    class_names,
    find_base,
    keep_tokenizer,
    load_classifier,
    load_tokenizer,
    save_in_half,
)
from policy_bert.encoder.vocabulary import save_tokenizer
from policy_bert.errors import ConfigError
from policy_bert.files import write_text
from policy_bert.labels import SCHEME_FILE, LabelScheme
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.training.settings import FinetuneConfig, RunConfig
from policy_bert.training.trainer import finetune

logger = logging.getLogger(__name__)


class Recipe:
    """A run's configuration over its base model and the rows that it learns from.

    Args:
        config: The run's configuration.
        scheme: The classes.
        rows: The `train` part of `LabelledData`; where the model has no base its vocabulary is built from them.
        log_folder: Where TensorBoard's events go, if it is installed.

    Raises:
        CheckpointError: The base model can be neither found nor downloaded.
    """

    def __init__(
        self, config: RunConfig, scheme: LabelScheme, rows: datasets.Dataset, log_folder: Path | None = None
    ) -> None:
        self.config = config
        self.scheme = scheme
        self.rows = rows
        self.log_folder = log_folder
        self.base: Path | None = find_base(config.model)
        self.tokenizer: Tokenizer = load_tokenizer(config.model, self.base, rows["text"])
        origins = np.array(rows["origin"])
        self.corpus_rows, self.auxiliary_rows = (np.flatnonzero(origins == name) for name in (CORPUS, AUXILIARY))

    def initial_model(self, seed: int) -> PreTrainedModel:
        """The base model, its head linear and new unless it knows the scheme's classes."""
        return load_classifier(self.config.model, self.base, self.scheme, self.tokenizer.get_vocab_size(), seed)

    def max_length_tokens(self, model: PreTrainedModel) -> int:
        """Where training sentences are cut: the configuration's limit or the model's, whichever is less."""
        limit = longest_input(model.config.to_dict())
        return min(self.config.model.max_length_tokens or limit, limit)

    def adapt(self, model: PreTrainedModel, folder: Path, seed: int, keep_checkpoints: bool = True) -> None:
        """Train the initial model in place on the auxiliary rows, if there are any and the configuration says so.

        It learns nothing of the corpus's labels. The result is kept in `folder` and taken from there when it is there
        already.
        """
        recipe = self.config.adaptation
        if recipe is None or not len(self.auxiliary_rows):
            return
        kept = folder / f"adapted-{seed}.safetensors"
        if kept.is_file():
            model.load_state_dict(load_file(kept))
            return
        logger.info("adapting to %d auxiliary sentences", len(self.auxiliary_rows))
        rows, weights = self.auxiliary_rows, self._loss_weights(self.auxiliary_rows, recipe)
        scores = self._teacher_scores(rows) if recipe.teacher_share else None
        self._run(model, rows, weights, scores, recipe, folder / "adaptation", seed, keep_checkpoints)
        if PartialState().is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, kept)

    def fit(
        self,
        model: PreTrainedModel,
        folder: Path,
        seed: int,
        validation: datasets.Dataset | None = None,
        keep_checkpoints: bool = True,
    ) -> list[dict[str, float]]:
        """Fine-tune `model` in place on the corpus's rows and a share of the auxiliary ones; the training log.

        Args:
            model: As `adapt` leaves it.
            folder: Where checkpoints go.
            seed: Of order and dropout.
            validation: Measured after each epoch, and for early stopping.
            keep_checkpoints: Whether an interrupted fit can be resumed.
        """
        recipe = self.config.train
        rows, weights = self.corpus_rows, self._loss_weights(self.corpus_rows, recipe)
        if recipe.auxiliary_weight and len(self.auxiliary_rows):
            order = np.random.default_rng(seed).permutation(len(self.auxiliary_rows))
            drawn = self.auxiliary_rows[np.sort(order[: max(1, round(recipe.auxiliary_share * len(order)))])]
            extra = recipe.auxiliary_weight * self._loss_weights(drawn, recipe)
            rows, weights = np.concatenate([rows, drawn]), np.concatenate([weights, extra])
        scores = self.scores(model, self.rows.select(rows)["text"]) if recipe.teacher_share and self.is_taught else None
        return self._run(model, rows, weights, scores, recipe, folder, seed, keep_checkpoints, validation)

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the checkpoint files that plain transformers loads, and the label scheme."""
        save_in_half(model, folder)
        limit = longest_input(model.config.to_dict())
        if self.base:
            keep_tokenizer(self.base, folder, limit)
        else:
            save_tokenizer(self.tokenizer, folder, limit)
        write_text(folder / SCHEME_FILE, self.scheme.to_yaml())

    def scores(self, model: PreTrainedModel, sentences: Sequence[str]) -> NDArray[np.float32]:
        """The scores of sentences by the checkpoint that `save` would leave, shape (sentences, classes)."""
        with tempfile.TemporaryDirectory() as folder:
            self.save(model, Path(folder))
            classifier = PolicyClassifier.from_pretrained(folder, engine="torch", threads=torch.get_num_threads())
            return classifier.scores(sentences)

    @property
    def is_taught(self) -> bool:
        """Whether the model that a fit starts from knows the classes: by its base, or because it has been adapted."""
        adapted = self.config.adaptation is not None and len(self.auxiliary_rows) > 0
        return adapted or (self.base is not None and class_names(self.base) == list(self.scheme.names))

    def _teacher_scores(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        teacher = PolicyClassifier.from_pretrained(self.config.teacher, engine="torch", threads=torch.get_num_threads())
        if teacher.scheme.names != self.scheme.names:
            raise ConfigError(f"teacher {self.config.teacher}: expected the scheme's classes, found others")
        return teacher.scores(self.rows.select(rows)["text"])

    def _loss_weights(self, rows: NDArray[np.int64], recipe: FinetuneConfig) -> NDArray[np.float32]:
        labels = np.array(self.rows["label"], dtype=np.int64)[rows]
        by_class = class_weights(labels, len(self.scheme), recipe.class_weights)[labels]
        return by_class * np.array(self.rows["weight"], dtype=np.float32)[rows]

    def _run(
        self,
        model: PreTrainedModel,
        rows: NDArray[np.int64],
        weights: NDArray[np.float32],
        scores: NDArray[np.float32] | None,
        recipe: FinetuneConfig,
        folder: Path,
        seed: int,
        keep_checkpoints: bool,
        validation: datasets.Dataset | None = None,
    ) -> list[dict[str, float]]:
        chosen = self.rows.select(rows).remove_columns("weight").add_column("weight", weights)
        if scores is not None:
            certain = np.eye(len(self.scheme), dtype=np.float32)[np.array(chosen["label"])]
            target = (1 - recipe.teacher_share) * certain + recipe.teacher_share * scores
            chosen = chosen.add_column("target", target.tolist())
        return finetune(
            model,
            self.tokenizer,
            chosen,
            recipe,
            folder,
            seed=seed,
            max_length_tokens=self.max_length_tokens(model),
            validation=validation,
            keep_checkpoints=keep_checkpoints,
            log_folder=self.log_folder / folder.name if self.log_folder else None,
        )


def class_weights(labels: NDArray[np.int64], classes: int, kind: str) -> NDArray[np.float32]:
    """The loss weight of each class, shape (classes,), with mean 1 over the labelled sentences.

    Args:
        labels: The labels trained on.
        classes: How many classes there are.
        kind: `none`, `inverse` (1/n) or `inverse_sqrt` (1/√n).
    """
    counts = np.maximum(np.bincount(labels, minlength=classes), 1).astype(np.float64)
    power = {"none": 0.0, "inverse": 1.0, "inverse_sqrt": 0.5}[kind]
    weights = counts**-power
    return (weights / (weights[labels].mean() if len(labels) else 1.0)).astype(np.float32)
