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
from policy_bert.config import load_config
from policy_bert.corpora.dataset import LabelledData, load_data
from policy_bert.encoder.base import SCRATCH, find_base, quiet_transformers
from policy_bert.errors import UserError
from policy_bert.evaluation.baselines import BASELINES, fit_system, systems_beside
from policy_bert.evaluation.folds import Fold, load_scores, plan_folds, save_scores, score_file
from policy_bert.evaluation.summary import FoldScores, summarise, write_summary
from policy_bert.training.recipe import Recipe
from policy_bert.training.record import (
    CONFIG_FILE,
    describe,
    differences,
    model_digests,
    read_record,
    recipe_digest,
    refuse_others,
    write_record,
)
from policy_bert.training.settings import RunConfig

logger = logging.getLogger("policy_bert.crossvalidate")  # under -m its name is __main__

RECIPE = "recipe"


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
        output: The folder; it may hold an interrupted run of the same configuration and data.
        folds: Parts in a repeat.
        repeats: How many times the corpus is cut into folds.
        share: The share of each fold's training sentences that is used, for learning curves.
        baselines: Whether the linear baselines are scored beside the recipe.
        workers: Processes that train folds side by side, sharing the cores; two with one core each train small
            models faster than one with two.
        others: Folders of cross-validations of other recipes on the same folds, by the name under which each is
            compared.

    Raises:
        UserError: A folder holds scores of another configuration or other data, or corpus or base model cannot be had.
    """
    # What calibration the configuration names plays no part: it is found here.
    config = replace(config, calibration=(), calibrated_on="")
    data = _load(config)
    inputs = {**data.inputs, **model_digests(config, find_base(config.model))}
    record = describe(config, inputs, folds=folds, share=share)
    ways_out = "name another folder with --output"
    refuse_others(output, record, "scores", ways_out)
    stopping = bool(config.train.early_stopping_patience)
    plan = list(plan_folds(data, folds, repeats, share, config.split.seed, stopping))
    for folder in (others or {}).values():
        _refuse_other_folds(folder, record)
    write_record(output, config, record)
    missing = [fold for fold in plan if not score_file(RECIPE, fold, output).is_file()]
    with ExitStack() as stack:
        each = _mapping(stack, config, output, workers)
        list(each(_adapt, range(bool(missing) and config.model.base != SCRATCH)))
        for done, fold in enumerate(each(_fit_and_score, missing), start=len(plan) - len(missing) + 1):
            logger.info("fold %d of %d: %s is scored", done, len(plan), fold.name)
        if baselines:
            list(each(_score_baselines, plan))
    systems = {path.name: path for path in sorted((output / "scores").iterdir())}
    systems |= {name: folder / "scores" / RECIPE for name, folder in (others or {}).items()}
    scores = [FoldScores(name, [load_scores(path, fold) for fold in plan], plan) for name, path in systems.items()]
    summaries = summarise(scores, data.labels, data.scheme, main=RECIPE)
    logger.info(
        "for a run with fit_on=all of this recipe: calibration=%s calibrated_on=%s",
        str(summaries[0].calibration).replace(" ", ""), recipe_digest(config, inputs),
    )  # fmt: skip
    return write_summary(summaries, output)


def _refuse_other_folds(folder: Path, record: Mapping[str, Any]) -> None:
    """Refuse a cross-validation on other folds; its recipe, auxiliary sentences and base may be others."""
    if read_record(folder) is None:
        raise UserError(f"{folder}: expected the folder of a cross-validation, found no {CONFIG_FILE} in it")
    same = {key: record[key] for key in ("folds", "share", "split")}
    found = read_record(folder) or {}
    other = {key: found.get(key) for key in same} | {"corpus": (found.get("inputs") or {}).get("corpus")}
    if differing := differences(other, {**same, "corpus": record["inputs"]["corpus"]}):
        raise UserError(f"{folder}: expected the same folds, found another {', '.join(differing)}; leave it out")


def _load(config: RunConfig) -> LabelledData:
    return load_data(config.data, config.split.near_duplicate_threshold)


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not (name and separator and folder):
        raise argparse.ArgumentTypeError(f"expected NAME=FOLDER, found {text!r}")
    return name, Path(folder)


@dataclass(frozen=True)
class _Workplace:
    """What a worker process holds between folds."""

    config: RunConfig
    data: LabelledData
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
    _workplace = _Workplace(config, _load(config), output)


def _adapt(_: int) -> None:
    """Make the adapted model, which all folds start from: it has seen no corpus label."""
    assert _workplace is not None
    _adapted(Recipe(_workplace.config, _workplace.data.scheme, _workplace.data.parts()["train"]), _workplace.output)


def _adapted(recipe: Recipe, folder: Path) -> PreTrainedModel:
    model = recipe.initial_model(recipe.config.seed)
    recipe.adapt(model, folder / "adapted", recipe.config.seed, keep_checkpoints=False)
    return model


def _fit_and_score(fold: Fold) -> Fold:
    """Train on a fold and write the scores of its test sentences, by the recipe as it ships; the fold."""
    assert _workplace is not None
    data, config, output = _workplace.data, _workplace.config, _workplace.output
    parts = data.parts(fold.split)
    recipe = Recipe(config, data.scheme, parts["train"])
    with tempfile.TemporaryDirectory() as folder:
        # A vocabulary made from a fold's own training sentences makes an adapted model of its own.
        model = _adapted(recipe, Path(folder) if recipe.base is None else output)
        validation = parts.get("validation")
        recipe.fit(model, Path(folder) / "fit", fold.repeat, validation, keep_checkpoints=validation is not None)
        save_scores(recipe.scores(model, list(parts["test"]["text"])), RECIPE, fold, output)
    return fold


def _score_baselines(fold: Fold) -> None:
    """Write the baselines' scores of a fold, without and with the auxiliary sentences."""
    assert _workplace is not None
    split, output = fold.split, _workplace.output
    everything = np.sort(np.concatenate([split.train, split.validation]))  # they stop nothing early
    parts = _workplace.data.parts(replace(split, train=everything))
    for system in systems_beside(BASELINES, parts["train"]):
        if not score_file(system, fold, output).is_file():
            baseline = fit_system(system, parts["train"], seed=fold.repeat)
            save_scores(baseline.predict_scores(list(parts["test"]["text"])), system, fold, output)


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
