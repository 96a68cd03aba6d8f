"""Measure a recipe by repeated stratified grouped folds: `python -m policy_bert.crossvalidate --config FILE`."""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.config import dump_config, load_config
from policy_bert.corpora.dataset import LabelledTexts, TrainingData, load_training_data
from policy_bert.corpora.splits import stratified_split
from policy_bert.encoder.base import find_base, quiet_transformers
from policy_bert.errors import UserError
from policy_bert.evaluation.baselines import BASELINES, make_baseline
from policy_bert.evaluation.folds import Fold, load_scores, plan_folds, save_scores, score_file
from policy_bert.evaluation.summary import FoldScores, summarise, write_summary
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.training.recipe import Recipe
from policy_bert.training.settings import RunConfig

logger = logging.getLogger(__name__)

RECIPE = "recipe"
WITH_AUXILIARY = "+auxiliary"  # a baseline that is given the auxiliary sentences as well


def crossvalidate(
    config: RunConfig,
    output: Path,
    folds: int = 5,
    repeats: int = 3,
    share: float = 1.0,
    baselines: bool = True,
    workers: int = 1,
    others: Mapping[str, Path] | None = None,
) -> Path:
    """Score every sentence out of fold, `repeats` times, and return the summary's path.

    Folds are stratified, keep near-duplicates together and are drawn with seeds 0, 1, 2 …; order and dropout have
    the repeat's seed. Test sentences are scored once, after training, through `PolicyClassifier`; early stopping sees
    a part of the training sentences. Scores are written fold by fold under `scores/`, and those found there are not
    made again.

    Args:
        config: The recipe.
        output: The folder; it may hold an interrupted run of the same configuration.
        folds: Parts in a repeat.
        repeats: How many times the corpus is cut into folds.
        share: The share of each fold's training sentences that is used, for learning curves.
        baselines: Whether the linear baselines are scored beside the recipe.
        workers: Processes that train folds side by side, sharing the cores; two with one core each train small
            models faster than one with two.
        others: Folders of cross-validations of other recipes on the same folds, by the name under which each is
            compared.

    Raises:
        UserError: The folder holds another configuration's scores, or corpus or base model cannot be had.
    """
    # What calibration the configuration names plays no part: it is found here.
    _claim(output, dump_config(replace(config, calibration=())) + f"folds: {folds}\nshare: {share}\n")
    data = load_training_data(config.data, config.split)
    find_base(config.model)  # before any work, one clear error
    plan = list(plan_folds(data, folds, repeats, share, config.split.seed))
    missing = [fold for fold in plan if not score_file(RECIPE, fold, output).is_file()]
    with ExitStack() as stack:
        each = _mapping(stack, config, output, workers)
        list(each(_adapt, range(bool(missing))))
        for done, fold in enumerate(each(_fit_and_score, missing), start=len(plan) - len(missing) + 1):
            logger.info("fold %d of %d: %s is scored", done, len(plan), fold.name)
        if baselines:
            list(each(_score_baselines, plan))
    scores = [
        FoldScores(system.name, [load_scores(system, fold) for fold in plan], [fold.test for fold in plan])
        for system in sorted((output / "scores").iterdir())
    ]
    scores += [_other_recipe(name, folder, plan) for name, folder in (others or {}).items()]
    summary = summarise(scores, data.sentences.labels, data.scheme, test_fraction=1 / folds, main=RECIPE)
    return write_summary(summary, output)


def _other_recipe(name: str, output: Path, plan: Sequence[Fold]) -> FoldScores:
    scores = [load_scores(output / "scores" / RECIPE, fold) for fold in plan]
    if any(len(part) != len(fold.test) for part, fold in zip(scores, plan, strict=True)):
        raise UserError(f"{output}: expected the same folds, found other numbers of test sentences; drop {name}")
    return FoldScores(name, scores, [fold.test for fold in plan])


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not (name and separator and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, found {text!r}")
    return name, Path(folder)


@dataclass(frozen=True)
class _Workplace:
    """What a worker process holds between folds."""

    data: TrainingData
    recipe: Recipe
    output: Path


_workplace: _Workplace | None = None


def _mapping(stack: ExitStack, config: RunConfig, output: Path, workers: int) -> Callable[..., Iterator[Any]]:
    """A `map` whose work is done in this process, or in so many processes that the stack ends with it."""
    if workers == 1:
        _set_up(config, output, 0)
        return map
    threads = max(1, (os.cpu_count() or 1) // workers)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=_set_up, initargs=(config, output, threads))
    return stack.enter_context(pool).map


def _set_up(config: RunConfig, output: Path, threads: int) -> None:
    global _workplace
    quiet_transformers()
    if threads:
        torch.set_num_threads(threads)
    data = load_training_data(config.data, config.split)
    _workplace = _Workplace(data, Recipe(config, data.scheme, data.sentences.texts, data.auxiliary), output)


def _adapt(_: int) -> None:
    """Make the adapted model, which all folds start from: it has seen no corpus label."""
    _adapted_model()


def _adapted_model() -> PreTrainedModel:
    assert _workplace is not None
    recipe = _workplace.recipe
    return recipe.adapt(_workplace.output / "adapted", seed=recipe.config.seed, keep_checkpoints=False)


def _claim(output: Path, description: str) -> None:
    record = output / "config.yaml"
    if record.is_file() and record.read_text(encoding="utf-8") != description:
        raise UserError(f"{output} holds the scores of another configuration; name another folder with --output")
    try:
        output.mkdir(parents=True, exist_ok=True)
        record.write_text(description, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output}: cannot write the folder: {error.strerror}") from error


def _fit_and_score(fold: Fold) -> Fold:
    """Train on a fold and write the scores of its test sentences, by the recipe as it ships; the fold."""
    assert _workplace is not None
    data, recipe, output = _workplace.data, _workplace.recipe, _workplace.output
    model = _adapted_model()
    train, validation = fold.train, None
    stopping = bool(recipe.config.train.early_stopping_patience)
    if stopping:
        inner = stratified_split(data.sentences.labels[train], data.groups[train], (0.9, 0.1, 0.0), fold.repeat)
        train, validation = fold.train[inner.train], data.sentences.subset(fold.train[inner.validation])
    with tempfile.TemporaryDirectory() as folder:
        checkpoints, checkpoint = Path(folder) / "checkpoints", Path(folder) / "checkpoint"
        part = data.sentences.subset(train)
        recipe.fit(model, part, checkpoints, fold.repeat, validation, keep_checkpoints=stopping)
        recipe.save(model, checkpoint)
        classifier = PolicyClassifier.from_pretrained(checkpoint, engine="torch", threads=torch.get_num_threads())
        save_scores(classifier.scores(data.sentences.subset(fold.test).texts), RECIPE, fold, output)
    return fold


def _score_baselines(fold: Fold) -> None:
    """Write the baselines' scores of a fold, without and with the auxiliary sentences."""
    assert _workplace is not None
    data, output = _workplace.data, _workplace.output
    train, test = data.sentences.subset(fold.train), data.sentences.subset(fold.test)
    joined = LabelledTexts(train.texts + data.auxiliary.texts, np.concatenate([train.labels, data.auxiliary.labels]))
    parts = {"": train, **({WITH_AUXILIARY: joined} if data.auxiliary.texts else {})}
    for name in BASELINES:
        for suffix, part in parts.items():
            system = name + suffix
            if (name == "majority" and suffix) or score_file(system, fold, output).is_file():
                continue
            baseline = make_baseline(name, len(data.scheme), seed=fold.repeat).fit(part.texts, part.labels)
            save_scores(baseline.predict_scores(test.texts), system, fold, output)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, cross-validate, print the table."""
    parser = ArgumentParser(prog="policy-bert crossvalidate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", required=True, help="YAML file of a fine-tuning run, such as configs/compact.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--output", "-o", type=Path, default=Path("runs/crossvalidate"), help="folder for the scores")
    parser.add_argument("--folds", type=positive_int, default=5)
    parser.add_argument("--repeats", type=positive_int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="share of the training sentences to use (default 1)")
    parser.add_argument("--workers", type=positive_int, default=1, help="folds trained side by side (default 1)")
    parser.add_argument(
        "--other", type=_named_folder, action="append", default=[], metavar="NAME=FOLDER",
        help="compare with the recipe cross-validated in FOLDER on the same folds",
    )  # fmt: skip
    parser.add_argument("--no-baselines", action="store_true", help="score the recipe alone")
    arguments = parser.parse_args(argv)
    if not 0.0 < arguments.share <= 1.0:
        parser.error(f"--share: expected more than 0 and at most 1, found {arguments.share}")
    if arguments.folds < 2:
        parser.error("--folds: expected at least 2, found 1")
    config = load_config(RunConfig, arguments.config, arguments.set)
    summary = crossvalidate(
        config,
        arguments.output,
        folds=arguments.folds,
        repeats=arguments.repeats,
        share=arguments.share,
        baselines=not arguments.no_baselines,
        workers=arguments.workers,
        others=dict(arguments.other),
    )
    print(summary.with_suffix(".md").read_text(encoding="utf-8"), end="")
    logger.info("written: %s", json.dumps(str(summary)))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
