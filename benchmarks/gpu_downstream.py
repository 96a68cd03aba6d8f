"""How good an encoder is downstream, on inner folds: no test sentence of the outer fold helps to choose it."""

from __future__ import annotations

import gc
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from policy_bert.classifier import PolicyClassifier
from policy_bert.encoder import quiet_transformers
from policy_bert.errors import DataError
from policy_bert.folds import plan_folds
from policy_bert.measures import accuracy, macro_f1
from policy_bert.recipe import Recipe
from policy_bert.settings import FinetuneConfig, RunConfig
from policy_bert.silver_labels import find_sentences, read_silver_labels
from policy_bert.splits import stratified_folds
from policy_bert.training_data import TrainingData, load_training_data

OUTER_FOLDS, INNER_FOLDS, INNER_SEED = 5, 3, 99  # as in docs/log.md
REFERENCE_WIDTH = 384  # the width whose learning rates the configuration names


class Downstream:
    """The corpus, the outer fold's training part, and the auxiliary sentences.

    Args:
        config: The recipe; `model.base` is replaced by each encoder.
        text: Files that may hold the sentences with silver labels.
        silver_labels: Their table; None for none.
    """

    def __init__(self, config: RunConfig, text: tuple[str, ...], silver_labels: str | None) -> None:
        quiet_transformers()
        self.config = config
        scheme = load_training_data(config.data, config.split).scheme
        silver = None
        if silver_labels is not None:
            try:
                silver = find_sentences(text, read_silver_labels(silver_labels, len(scheme)))
            except DataError:  # other text than the one that was coded
                silver = None
        self.silver_sentences = len(silver.texts) if silver else 0
        self.data: TrainingData = load_training_data(config.data, config.split, silver)
        fold = next(plan_folds(self.data, OUTER_FOLDS, 1, 1.0, config.split.seed))
        self.train = fold.train

    def score(self, encoder: Path, folder: Path) -> dict[str, Any]:
        """Accuracy and macro-F1 over the inner folds; `folder/adapted` keeps what no corpus label has taught."""
        started = time.perf_counter()
        recipe = self.recipe(encoder)
        labels = self.data.sentences.labels[self.train]
        predicted = np.zeros_like(labels)
        for held_out in stratified_folds(labels, self.data.groups[self.train], INNER_FOLDS, INNER_SEED):
            part = self.train[np.setdiff1d(np.arange(len(labels)), held_out)]
            model = recipe.adapt(folder, seed=0, keep_checkpoints=False)
            if not (folder / "adapted").is_dir():
                recipe.save(model, folder / "adapted")
            sentences, groups = self.data.sentences.subset(part), self.data.groups[part]
            recipe.fit(model, sentences, groups, folder / "fit", seed=0, keep_checkpoints=False)
            recipe.save(model, folder / "fitted")
            classifier = PolicyClassifier.from_pretrained(folder / "fitted", engine="torch")
            texts = self.data.sentences.subset(self.train[held_out]).texts
            predicted[held_out] = classifier.scores(texts).argmax(axis=1)
            del model, classifier
            free_memory()
        return {
            "accuracy": accuracy(labels, predicted),
            "macro_f1": macro_f1(labels, predicted, len(self.data.scheme)),
            "sentences": len(labels),
            "silver_sentences": self.silver_sentences,
            "recipe": asdict(recipe.config),
            "elapsed_s": time.perf_counter() - started,
        }

    def recipe(self, encoder: Path) -> Recipe:
        """The recipe over an encoder, with learning rates in proportion to its width."""
        model = replace(self.config.model, base=str(encoder))
        recipe = Recipe(
            replace(self.config, model=model), self.data.scheme, self.data.sentences.texts, self.data.auxiliary
        )
        width = int(recipe.initial_model(0).config.hidden_size)
        adaptation = self.config.adaptation
        recipe.config = replace(
            recipe.config,
            train=_for_width(self.config.train, width),
            adaptation=_for_width(adaptation, width) if adaptation else None,
        )
        return recipe


def _for_width(recipe: FinetuneConfig, width: int) -> FinetuneConfig:
    return replace(recipe, learning_rate=recipe.learning_rate * REFERENCE_WIDTH / max(width, REFERENCE_WIDTH))


def free_memory() -> None:
    """Give back what models that are gone held on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
