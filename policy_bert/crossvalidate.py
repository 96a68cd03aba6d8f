"""Measure a recipe by repeated stratified grouped folds: `python -m policy_bert.crossvalidate --config FILE`."""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.classifier import PolicyClassifier
from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.config import dump_config, load_config
from policy_bert.encoder import quiet_transformers
from policy_bert.errors import UserError
from policy_bert.fold_scores import FoldScores, summarise, write_summary
from policy_bert.linear import BASELINES, make_baseline
from policy_bert.recipe import Recipe
from policy_bert.settings import RunConfig
from policy_bert.splits import stratified_folds, stratified_split
from policy_bert.training_data import LabelledTexts, TrainingData, load_training_data

logger = logging.getLogger(__name__)

RECIPE = "recipe"
WITH_AUXILIARY = "+auxiliary"  # a baseline that is given the auxiliary sentences as well


@dataclass(frozen=True)
class Fold:
    """One fold of one repeat; indices into the corpus's sentences."""

    repeat: int
    number: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def name(self) -> str:
        """As files are named: `repeat0-fold3`."""
        return f"repeat{self.repeat}-fold{self.number}"


def crossvalidate(
    config: RunConfig, output: Path, folds: int = 5, repeats: int = 3, share: float = 1.0, baselines: bool = True
) -> Path:
    """Score every sentence out of fold, `repeats` times, and return the summary's path.

    Folds are stratified, keep near-duplicates together and are drawn with seeds 0, 1, 2 …; the model's seed is the
    repeat's. Test sentences are scored once, after training, through `PolicyClassifier`; early stopping sees a part
    of the training sentences. Scores are written fold by fold under `scores/`, and those found there are not made
    again.

    Args:
        config: The recipe.
        output: The folder; it may hold an interrupted run of the same configuration.
        folds: Parts in a repeat.
        repeats: How many times the corpus is cut into folds.
        share: The share of each fold's training sentences that is used, for learning curves.
        baselines: Whether the linear baselines are scored beside the recipe.

    Raises:
        UserError: The folder holds another configuration's scores, or corpus or base model cannot be had.
    """
    quiet_transformers()
    _claim(output, dump_config(config) + f"folds: {folds}\nshare: {share}\n")
    data = load_training_data(config.data, config.split)
    recipe = Recipe(config, data.scheme, data.sentences.texts, data.auxiliary)
    plan = list(_folds(data, folds, repeats, share, config.split.seed))
    for number, fold in enumerate(plan, start=1):
        if baselines:
            _score_baselines(data, fold, output)
        if not (output / "scores" / RECIPE / f"{fold.name}.npy").is_file():
            logger.info("fold %d of %d: training on %d sentences", number, len(plan), len(fold.train))
            _save(_fit_and_score(recipe, data, fold, output), RECIPE, fold, output)
    scores = [
        FoldScores(system.name, [_load(system, fold) for fold in plan], [fold.test for fold in plan])
        for system in sorted((output / "scores").iterdir())
    ]
    summary = summarise(scores, data.sentences.labels, data.scheme, test_fraction=1 / folds, main=RECIPE)
    return write_summary(summary, output)


def _claim(output: Path, description: str) -> None:
    record = output / "config.yaml"
    if record.is_file() and record.read_text(encoding="utf-8") != description:
        raise UserError(f"{output} holds the scores of another configuration; name another folder with --output")
    try:
        output.mkdir(parents=True, exist_ok=True)
        record.write_text(description, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output}: cannot write the folder: {error.strerror}") from error


def _folds(data: TrainingData, folds: int, repeats: int, share: float, seed: int) -> Iterator[Fold]:
    labels, everything = data.sentences.labels, np.arange(len(data.sentences.labels))
    for repeat in range(repeats):
        tests = stratified_folds(labels, data.groups, folds, seed + repeat, names=data.scheme.names)
        for number, test in enumerate(tests):
            train = np.setdiff1d(everything, test)
            if share < 1.0:
                part = stratified_split(labels[train], data.groups[train], (share, 1.0 - share, 0.0), seed + repeat)
                train = train[part.train]
            yield Fold(repeat, number, train, test)


def _fit_and_score(recipe: Recipe, data: TrainingData, fold: Fold, output: Path) -> NDArray[np.float32]:
    """Scores of the fold's test sentences, shape (sentences, classes), by the recipe as it ships."""
    model = recipe.adapt(output / "adapted", seed=fold.repeat, keep_checkpoints=False)
    train, validation = fold.train, None
    if recipe.config.train.early_stopping_patience:
        inner = stratified_split(data.sentences.labels[train], data.groups[train], (0.9, 0.1, 0.0), fold.repeat)
        train, validation = fold.train[inner.train], data.sentences.subset(fold.train[inner.validation])
    folder = output / "fitting"
    shutil.rmtree(folder, ignore_errors=True)
    keep = bool(recipe.config.train.early_stopping_patience)
    recipe.fit(model, data.sentences.subset(train), data.groups[train], folder, fold.repeat, validation, keep)
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as checkpoint:
        recipe.save(model, Path(checkpoint))
        classifier = PolicyClassifier.from_pretrained(checkpoint, engine="torch")
        return classifier.scores(data.sentences.subset(fold.test).texts)


def _score_baselines(data: TrainingData, fold: Fold, output: Path) -> None:
    train, test = data.sentences.subset(fold.train), data.sentences.subset(fold.test)
    joined = LabelledTexts(
        train.texts + data.auxiliary.texts, np.concatenate([train.labels, data.auxiliary.labels])
    )
    parts = {"": train, **({WITH_AUXILIARY: joined} if data.auxiliary.texts else {})}
    for name in BASELINES:
        for suffix, part in parts.items():
            system = name + suffix
            if name == "majority" and suffix or (output / "scores" / system / f"{fold.name}.npy").is_file():
                continue
            baseline = make_baseline(name, len(data.scheme), seed=fold.repeat).fit(part.texts, part.labels)
            _save(baseline.predict_scores(test.texts), system, fold, output)


def _save(scores: NDArray[np.floating], system: str, fold: Fold, output: Path) -> None:
    folder = output / "scores" / system
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{fold.name}.unfinished"
    with unfinished.open("wb") as stream:
        np.save(stream, scores.astype(np.float32), allow_pickle=False)
    unfinished.replace(folder / f"{fold.name}.npy")


def _load(system: Path, fold: Fold) -> NDArray[np.float32]:
    file = system / f"{fold.name}.npy"
    if not file.is_file():
        raise UserError(f"{system.name} has no scores for {fold.name}; run with the same --repeats, or drop {system}")
    return np.load(file, allow_pickle=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, cross-validate, print the table."""
    parser = ArgumentParser(prog="policy_bert.crossvalidate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", required=True, help="YAML file of a fine-tuning run, such as configs/compact.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--output", "-o", type=Path, default=Path("runs/crossvalidate"), help="folder for the scores")
    parser.add_argument("--folds", type=positive_int, default=5)
    parser.add_argument("--repeats", type=positive_int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="share of the training sentences to use (default 1)")
    parser.add_argument("--no-baselines", action="store_true", help="score the recipe alone")
    arguments = parser.parse_args(argv)
    if not 0.0 < arguments.share <= 1.0:
        parser.error(f"--share: expected more than 0 and at most 1, found {arguments.share}")
    if arguments.folds < 2:
        parser.error("--folds: expected at least 2, found 1")
    config = load_config(RunConfig, arguments.config, arguments.set)
    summary = crossvalidate(
        config, arguments.output, arguments.folds, arguments.repeats, arguments.share, not arguments.no_baselines
    )
    print(summary.with_suffix(".md").read_text(encoding="utf-8"), end="")
    logger.info("written: %s", json.dumps(str(summary)))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
