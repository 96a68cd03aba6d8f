"""Self-training and distillation before any corpus label: the model learns teachers' scores of unlabelled sentences."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from policy_bert.classifier import PolicyClassifier
from policy_bert.errors import UserError
from policy_bert.labels import LabelScheme
from policy_bert.linear import make_baseline
from policy_bert.recipe import Recipe
from policy_bert.settings import SelfTrainingConfig
from policy_bert.training_examples import Examples, class_weights

logger = logging.getLogger(__name__)

LARGEST_SHARE = 1.5  # of a class, as a multiple of its even share
SCORED_AT_ONCE = 20_000


def load_teachers(folders: Sequence[str], scheme: LabelScheme) -> list[PolicyClassifier]:
    """The checkpoints of `SelfTrainingConfig.teachers`.

    Raises:
        UserError: A teacher cannot be loaded or knows other classes.
    """
    teachers = [PolicyClassifier.from_pretrained(folder, engine="torch") for folder in folders]
    for teacher in teachers:
        if teacher.scheme.names != scheme.names:
            raise UserError(
                f"{teacher.checkpoint}: a teacher must know the classes of the label scheme, in their order"
            )
    return teachers


def self_train(
    recipe: Recipe,
    model: PreTrainedModel,
    unlabelled: Sequence[str],
    config: SelfTrainingConfig,
    folder: Path,
    seed: int,
    teachers: Sequence[PolicyClassifier] = (),
) -> None:
    """Train `model` in place on the auxiliary sentences, and on unlabelled ones by the scores of teachers.

    The teachers are a linear model and other classifiers, or else the model itself. The mean of unlike teachers knows
    more than each (Hinton et al. 2015); none may have seen a corpus label.

    Args:
        recipe: Holds the auxiliary sentences, which the linear teacher is fitted on.
        model: The student, as `Recipe.adapt` leaves it.
        unlabelled: What to draw from.
        config: How many, how they count and how to train.
        folder: Where checkpoints go.
        seed: Of the draw, order and dropout.
        teachers: From `load_teachers`; none for the model itself.
    """
    linear = make_baseline("tfidf_logistic", len(recipe.scheme))
    linear.fit(recipe.auxiliary.texts, recipe.auxiliary.labels)
    parts = range(0, len(unlabelled), SCORED_AT_ONCE)
    linear_scores = np.concatenate(
        [linear.predict_scores(unlabelled[start : start + SCORED_AT_ONCE]).astype(np.float32) for start in parts]
    )
    drawn = draw(linear_scores.argmax(axis=1), config.sentences, len(recipe.scheme), seed)
    texts = [unlabelled[index] for index in drawn]
    logger.info("self-training on %d of %d unlabelled sentences", len(texts), len(unlabelled))
    share = np.float32(config.linear_share)
    tables = [teacher.scores(texts) for teacher in teachers] or [recipe.scores(model, texts)]
    targets = share * linear_scores[drawn] + (1 - share) * np.mean(tables, axis=0)
    labels = targets.argmax(axis=1).astype(np.int64)
    weights = class_weights(labels, len(recipe.scheme), config.phase.class_weights)[labels]
    pseudo = Examples(texts, targets, np.float32(config.weight) * weights)
    recipe.fit_auxiliary(model, config.phase, folder, seed, pseudo)


def draw(predicted: NDArray[np.int64], count: int, classes: int, seed: int) -> NDArray[np.int64]:
    """Indices of at most `count` sentences at random, in order, no predicted class beyond its largest share."""
    order = np.random.default_rng(seed).permutation(len(predicted))
    limit = int(LARGEST_SHARE * count / classes) + 1
    kept = [order[predicted[order] == number][:limit] for number in range(classes)]
    chosen = np.concatenate(kept)
    return np.sort(np.random.default_rng(seed).permutation(chosen)[:count])
