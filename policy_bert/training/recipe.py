"""The fine-tuning recipe, the same for a run and for a fold of the cross-validation: adapt, then fit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from policy_bert.corpora.dataset import LabelledTexts
from policy_bert.encoder.base import find_base, load_classifier, load_tokenizer, save_in_half
from policy_bert.encoder.head import check_calibration
from policy_bert.encoder.vocabulary import save_tokenizer
from policy_bert.evaluation.measures import accuracy, macro_f1
from policy_bert.labels import SCHEME_FILE, LabelScheme
from policy_bert.training.examples import Examples, class_weights, one_hot
from policy_bert.training.settings import FinetuneConfig, RunConfig
from policy_bert.training.trainer import finetune

logger = logging.getLogger(__name__)


class Recipe:
    """A run's configuration over its base model and label scheme.

    Args:
        config: The run's configuration.
        scheme: The classes.
        vocabulary_texts: What a vocabulary is built from where the model has no base.
        auxiliary: Sentences that are only trained on.
        log_folder: Where TensorBoard's events go, if it is installed.

    Raises:
        CheckpointError: The base model can be neither found nor downloaded.
    """

    def __init__(
        self,
        config: RunConfig,
        scheme: LabelScheme,
        vocabulary_texts: tuple[str, ...],
        auxiliary: LabelledTexts,
        log_folder: Path | None = None,
    ) -> None:
        self.config = config
        self.scheme = scheme
        self.auxiliary = auxiliary
        self.log_folder = log_folder
        self.base: Path | None = find_base(config.model)
        self.tokenizer: Tokenizer = load_tokenizer(config.model, self.base, vocabulary_texts)

    def initial_model(self, seed: int) -> PreTrainedModel:
        """The base model, its head linear and new unless it knows the scheme's classes.

        Raises:
            ConfigError: Its head cannot take the configuration's calibration.
        """
        model = load_classifier(self.config.model, self.base, self.scheme, self.tokenizer.get_vocab_size(), seed)
        if self.config.calibration:
            check_calibration(model, self.config.calibration)
        return model

    def max_length_tokens(self, model: PreTrainedModel) -> int:
        """Where training sentences are cut: the configuration's limit or the model's, whichever is less."""
        limit = int(model.config.max_position_embeddings)
        return min(self.config.model.max_length_tokens or limit, limit)

    def adapt(self, folder: Path, seed: int, keep_checkpoints: bool = True) -> PreTrainedModel:
        """The base model after the phase on the auxiliary sentences, which knows nothing of the corpus's labels.

        The result is kept in `folder` and taken from there when it is there already.
        """
        model = self.initial_model(seed)
        recipe = self.config.adaptation
        if recipe is None or not self.auxiliary.texts:
            return model
        kept = folder / f"adapted-{seed}.safetensors"
        if kept.is_file():
            model.load_state_dict(load_file(kept))
            return model
        logger.info("adapting to %d auxiliary sentences", len(self.auxiliary.texts))
        examples = self._examples(self.auxiliary, recipe)
        self._run(model, examples, recipe, folder / "adaptation", seed, keep_checkpoints)
        if PartialState().is_main_process:
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, kept)
        return model

    def fit(
        self,
        model: PreTrainedModel,
        train: LabelledTexts,
        folder: Path,
        seed: int,
        validation: LabelledTexts | None = None,
        keep_checkpoints: bool = True,
    ) -> list[dict[str, float]]:
        """Fine-tune `model` in place on the corpus's training sentences; the training log.

        Args:
            model: As `adapt` gives it.
            train: The sentences to fit.
            folder: Where checkpoints go.
            seed: Of order and dropout.
            validation: Scored after each epoch, and for early stopping.
            keep_checkpoints: Whether an interrupted fit can be resumed.
        """
        recipe = self.config.train
        examples = self._examples(train, recipe)
        if recipe.auxiliary_weight and self.auxiliary.texts:
            extra = self._examples(self._drawn_auxiliary(recipe.auxiliary_share, seed), recipe)
            weights = np.float32(recipe.auxiliary_weight) * extra.weights
            examples = examples.joined(replace(extra, weights=weights))
        return self._run(model, examples, recipe, folder, seed, keep_checkpoints, validation)

    def save(self, model: PreTrainedModel, folder: Path) -> None:
        """Write the checkpoint files that plain transformers loads, and the label scheme."""
        save_in_half(model, folder)
        save_tokenizer(self.tokenizer, folder, int(model.config.max_position_embeddings))
        (folder / SCHEME_FILE).write_text(self.scheme.to_yaml(), encoding="utf-8")

    def _run(
        self,
        model: PreTrainedModel,
        examples: Examples,
        recipe: FinetuneConfig,
        folder: Path,
        seed: int,
        keep_checkpoints: bool,
        validation: LabelledTexts | None = None,
    ) -> list[dict[str, float]]:
        classes = len(self.scheme)
        return finetune(
            model,
            self.tokenizer,
            examples,
            recipe,
            folder,
            seed=seed,
            max_length_tokens=self.max_length_tokens(model),
            validation=self._examples(validation, recipe) if validation is not None else None,
            measure=_validation_measure(classes),
            keep_checkpoints=keep_checkpoints,
            log_folder=self.log_folder / folder.name if self.log_folder else None,
        )

    def _examples(self, part: LabelledTexts, recipe: FinetuneConfig) -> Examples:
        classes = len(self.scheme)
        weights = class_weights(part.labels, classes, recipe.class_weights)[part.labels]
        return Examples(part.texts, one_hot(part.labels, classes), weights)

    def _drawn_auxiliary(self, share: float, seed: int) -> LabelledTexts:
        order = np.random.default_rng(seed).permutation(len(self.auxiliary.texts))
        return self.auxiliary.subset(np.sort(order[: max(1, round(share * len(order)))]))


def _validation_measure(classes: int) -> Callable[[NDArray[np.float32], NDArray[np.int64]], dict[str, float]]:
    def measure(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
        predictions = logits.argmax(-1)
        return {"accuracy": accuracy(labels, predictions), "macro_f1": macro_f1(labels, predictions, classes)}

    return measure
