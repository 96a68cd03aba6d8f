"""How good an encoder is downstream, on inner folds: no test sentence of the outer fold helps to choose it."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from policy_bert.classifier import PolicyClassifier
from policy_bert.encoder import quiet_transformers
from policy_bert.errors import DataError
from policy_bert.folds import plan_folds
from policy_bert.labels import SCHEME_FILE
from policy_bert.measures import accuracy, macro_f1
from policy_bert.recipe import Recipe
from policy_bert.self_training import load_teachers, self_train
from policy_bert.settings import FinetuneConfig, RunConfig
from policy_bert.silver_labels import find_sentences, find_unlabelled, read_silver_labels
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
        repeats: How many times the corpus is folded anew; of each, the first fold's training part is folded again.
    """

    def __init__(self, config: RunConfig, text: tuple[str, ...], silver_labels: str | None, repeats: int = 1) -> None:
        quiet_transformers()
        self.config = config
        self.text = text
        scheme = load_training_data(config.data, config.split).scheme
        silver = None
        self.silver_labels = read_silver_labels(silver_labels, len(scheme)) if silver_labels else {}
        if self.silver_labels:
            try:
                silver = find_sentences(text, self.silver_labels)
            except DataError:  # other text than the one that was coded
                silver = None
        self.silver_sentences = len(silver.texts) if silver else 0
        self.data: TrainingData = load_training_data(config.data, config.split, silver)
        plan = plan_folds(self.data, OUTER_FOLDS, repeats, 1.0, config.split.seed)
        self.train = [fold.train for fold in plan if fold.number == 0]

    def score(self, base: Path, folder: Path, adapted: bool = False) -> dict[str, Any]:
        """Accuracy and macro-F1 over the inner folds; `folder/adapted` keeps what no corpus label has taught.

        Args:
            base: An encoder, which is adapted first, or a model that is adapted already.
            folder: Where models are kept.
            adapted: Which of the two the base is.
        """
        started = time.perf_counter()
        recipe = self.recipe(base, adapted)
        repeats = [self._score_repeat(recipe, train, folder) for train in self.train]
        return {
            "accuracy": float(np.mean([one["accuracy"] for one in repeats])),
            "macro_f1": float(np.mean([one["macro_f1"] for one in repeats])),
            "repeats": repeats,
            "silver_sentences": self.silver_sentences,
            "recipe": asdict(recipe.config),
            "elapsed_s": time.perf_counter() - started,
        }

    def _score_repeat(self, recipe: Recipe, train: NDArray[np.int64], folder: Path) -> dict[str, Any]:
        """Both measures over the inner folds of one outer fold's training part, and macro-F1 in each of them."""
        labels = self.data.sentences.labels[train]
        classes = len(self.data.scheme)
        predicted = np.zeros_like(labels)
        folds = []
        for held_out in stratified_folds(labels, self.data.groups[train], INNER_FOLDS, INNER_SEED):
            part = train[np.setdiff1d(np.arange(len(labels)), held_out)]
            model = recipe.adapt(folder, seed=0, keep_checkpoints=False)
            if not (folder / "adapted").is_dir():
                recipe.save(model, folder / "adapted")
            sentences, groups = self.data.sentences.subset(part), self.data.groups[part]
            recipe.fit(model, sentences, groups, folder / "fit", seed=0, keep_checkpoints=False)
            recipe.save(model, folder / "fitted")
            classifier = PolicyClassifier.from_pretrained(folder / "fitted", engine="torch")
            texts = self.data.sentences.subset(train[held_out]).texts
            predicted[held_out] = classifier.scores(texts).argmax(axis=1)
            folds.append(macro_f1(labels[held_out], predicted[held_out], classes))
            del model, classifier
            free_memory()
        return {
            "accuracy": accuracy(labels, predicted),
            "macro_f1": macro_f1(labels, predicted, classes),
            "fold_macro_f1": folds,
            "sentences": len(labels),
        }

    def distil(self, student: Path, teachers: Sequence[Path], folder: Path) -> Path:
        """An adapted student taught by adapted teachers' scores of the text's unlabelled sentences; its folder."""
        distilled = folder / "distilled"
        if (distilled / SCHEME_FILE).is_file():  # the last file that is written
            return distilled
        recipe = self.recipe(student, adapted=True)
        settings = recipe.config.self_training
        assert settings is not None, "the configuration has no `self_training:`"
        unlabelled = find_unlabelled(self.text, self.silver_labels, self.data.sentences.texts)
        model, loaded = recipe.initial_model(0), load_teachers(list(map(str, teachers)), self.data.scheme)
        self_train(recipe, model, unlabelled, settings, folder / "phase", 0, loaded)
        recipe.save(model, distilled)
        return distilled

    def recipe(self, base: Path, adapted: bool = False) -> Recipe:
        """The recipe over an encoder or an adapted model, with learning rates in proportion to its width."""
        model = replace(
            self.config.model, base=str(base), pooling_layer=self.config.model.pooling_layer and not adapted
        )
        recipe = Recipe(
            replace(self.config, model=model), self.data.scheme, self.data.sentences.texts, self.data.auxiliary
        )
        width = int(recipe.initial_model(0).config.hidden_size)
        adaptation, distillation = self.config.adaptation, self.config.self_training
        recipe.config = replace(
            recipe.config,
            train=_for_width(self.config.train, width),
            adaptation=_for_width(adaptation, width) if adaptation and not adapted else None,
            self_training=replace(distillation, phase=_for_width(distillation.phase, width)) if distillation else None,
        )
        return recipe


def _for_width(recipe: FinetuneConfig, width: int) -> FinetuneConfig:
    return replace(recipe, learning_rate=recipe.learning_rate * REFERENCE_WIDTH / max(width, REFERENCE_WIDTH))


def free_memory() -> None:
    """Give back what models that are gone held on the GPU."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
