"""A fine-tuning run: corpus in, run folder out."""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState
from transformers import PreTrainedModel

from policy_bert.checkpoint.card import write_model_card
from policy_bert.config import dump_config
from policy_bert.corpora.dataset import TrainingData, load_training_data
from policy_bert.corpora.splits import Split, stratified_split, write_split
from policy_bert.encoder.base import quiet_transformers
from policy_bert.encoder.head import fold_calibration
from policy_bert.errors import UserError
from policy_bert.training.recipe import Recipe
from policy_bert.training.settings import RunConfig

logger = logging.getLogger(__name__)

CONFIG_FILE, LOG_FILE, SPLIT_FILE = "config.yaml", "training_log.csv", "split.json"
CHECKPOINTS = "checkpoints"


def train(config: RunConfig, restart: bool = False) -> Path:
    """Train, or resume, the run that the configuration describes and return its folder.

    While it runs, checkpoints lie under `checkpoints/`; the run's own files are written when it is done, and the
    checkpoints go. The same configuration, machine and thread count give the same weights, resumed or not.

    Args:
        config: The run; `config.output` is the folder.
        restart: Whether to drop an unfinished run of another configuration found in the folder.

    Raises:
        UserError: The corpus or the base model cannot be had, or the folder holds an unfinished run of another
            configuration.
    """
    quiet_transformers()
    state = PartialState()
    run = Path(config.output)
    if state.is_main_process:
        _claim(run, config, restart)
    state.wait_for_everyone()
    data = load_training_data(config.data, config.split)
    split = _split(data, config) if config.fit_on == "train" else None
    train_part = data.sentences.subset(split.train) if split else data.sentences
    validation = data.sentences.subset(split.validation) if split and len(split.validation) else None
    recipe = Recipe(config, data.scheme, train_part.texts, data.auxiliary, run / "tensorboard")
    logger.info(
        "training on %d sentences of %d classes (%d auxiliary), base model: %s",
        len(train_part.texts), len(data.scheme), len(data.auxiliary.texts), config.model.base,
    )  # fmt: skip
    checkpoints = run / CHECKPOINTS
    model = recipe.adapt(checkpoints, config.seed)
    history = recipe.fit(model, train_part, checkpoints / "fit", config.seed, validation)
    if config.calibration:
        fold_calibration(model, config.calibration)
    if state.is_main_process:
        _write_run(run, config, model, recipe, data, split, history)
    state.wait_for_everyone()
    return run


def _claim(run: Path, config: RunConfig, restart: bool) -> None:
    """Make the folder ours: resume only what the same configuration began."""
    checkpoints = run / CHECKPOINTS
    if run.exists() and not run.is_dir():
        raise UserError(f"{run}: expected a folder for the run, found a file; name another with --set output=…")
    begun = checkpoints / CONFIG_FILE
    text = dump_config(config)
    if begun.is_file() and begun.read_text(encoding="utf-8") != text:
        if not restart:
            raise UserError(
                f"{run} holds an unfinished run of another configuration; finish it, name another folder with "
                "--set output=…, or drop it with --restart"
            )
        shutil.rmtree(checkpoints)
    try:
        checkpoints.mkdir(parents=True, exist_ok=True)
        begun.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{run}: cannot write the run folder: {error.strerror}") from error


def _split(data: TrainingData, config: RunConfig) -> Split:
    validation, test = config.split.validation_fraction, config.split.test_fraction
    fractions = (1.0 - validation - test, validation, test)
    return stratified_split(data.sentences.labels, data.groups, fractions, config.split.seed, names=data.scheme.names)


def _write_run(
    run: Path,
    config: RunConfig,
    model: PreTrainedModel,
    recipe: Recipe,
    data: TrainingData,
    split: Split | None,
    history: Sequence[dict[str, float]],
) -> None:
    recipe.save(model, run)
    (run / CONFIG_FILE).write_text(dump_config(config), encoding="utf-8")
    for stale in (SPLIT_FILE, "metrics.json", "report.md", "model.onnx", "onnx.json"):
        (run / stale).unlink(missing_ok=True)
    if split:
        write_split(split, run / SPLIT_FILE, data.corpus, config.split)
    _write_log(history, run / LOG_FILE)
    write_model_card(run)
    shutil.rmtree(run / CHECKPOINTS)


def _write_log(history: Sequence[dict[str, float]], path: Path) -> None:
    columns = ["epoch", "loss", "learning_rate", "eval_loss", "eval_accuracy", "eval_macro_f1"]
    epochs: dict[float, dict[str, float]] = {}
    for entry in history:
        if "epoch" in entry:
            epochs.setdefault(round(entry["epoch"], 3), {}).update(entry)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(epochs.values())
