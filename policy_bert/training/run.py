"""A fine-tuning run: corpus in, run folder out."""

from __future__ import annotations

import csv
import io
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from transformers import PreTrainedModel

from policy_bert.checkpoint.card import write_model_card
from policy_bert.checkpoint.folder import WEIGHTS_FILE
from policy_bert.corpora.dataset import LabelledData, load_data
from policy_bert.corpora.splits import SPLIT_FILE, Split, write_split
from policy_bert.encoder.base import quiet_transformers
from policy_bert.encoder.head import check_calibration, fold_calibration
from policy_bert.errors import ConfigError, UserError
from policy_bert.evaluation.calibration import fit_calibration
from policy_bert.evaluation.metrics import FIGURES
from policy_bert.files import write_text
from policy_bert.training.recipe import Recipe
from policy_bert.training.record import (
    CONFIG_FILE,
    describe,
    model_digests,
    recipe_digest,
    refuse_others,
    write_record,
)
from policy_bert.training.settings import RunConfig

logger = logging.getLogger(__name__)

LOG_FILE, CHECKPOINTS = "training_log.csv", "checkpoints"
# What other steps wrote about the weights that a run replaces.
STALE = (
    SPLIT_FILE, "metrics.json", "report.md", "errors.tsv", "confusion_matrix.png", "model.onnx", "onnx.json",
    "crossvalidation.json",
)  # fmt: skip
FEWEST_TO_CALIBRATE = 100  # validation sentences
# So few bear little but a temperature: fitted to 60 simulated sentences of overconfident scores, the calibration error
# falls from 0.23 to 0.04; with `calibration.BEND_PENALTY` to 0.05.
OWN_BEND_PENALTY = 0.1


def train(config: RunConfig, restart: bool = False) -> Path:
    """Train, or resume, the run that the configuration describes and return its folder.

    While it runs, checkpoints lie under `checkpoints/`; the run's own files are written when it is done, and the
    checkpoints go. The same configuration, machine and thread count give the same weights, resumed or not.

    Args:
        config: The run; `config.output` is the folder.
        restart: Whether to replace what the folder holds of another run, finished or not.

    Raises:
        UserError: The corpus or the base model cannot be had, or the folder holds a run of another configuration or
            other data.
    """
    quiet_transformers()
    state = PartialState()
    run = Path(config.output)
    data = load_data(config.data, config.split.near_duplicate_threshold)
    split = data.split(config.split) if config.fit_on == "train" else None
    parts = data.parts(split)
    recipe = Recipe(config, data.scheme, parts["train"], run / "tensorboard")
    model = recipe.initial_model(config.seed)
    record = describe(config, {**data.inputs, **model_digests(config, recipe.base)})
    slopes = _bound_slopes(config, record["inputs"], model)
    if state.is_main_process:
        claim(run, config, record, restart)
    state.wait_for_everyone()
    logger.info(
        "training on %d sentences of %d classes (%d auxiliary, %d left out as near-duplicates of the corpus), "
        "base model: %s",
        len(recipe.corpus_rows), len(data.scheme), len(recipe.auxiliary_rows), data.left_out, config.model.base,
    )  # fmt: skip
    checkpoints = run / CHECKPOINTS
    recipe.adapt(model, checkpoints, config.seed)
    history = recipe.fit(model, checkpoints / "fit", config.seed, parts.get("validation"))
    if state.is_main_process:
        if split:
            slopes = _own_slopes(recipe, model, parts)
        if slopes:
            fold_calibration(model, slopes)
        _write_run(run, config, {**record, "calibration_folded": list(slopes)}, model, recipe, data, split, history)
    state.wait_for_everyone()
    return run


def _bound_slopes(config: RunConfig, inputs: Mapping[str, str], model: PreTrainedModel) -> Sequence[float]:
    """The configuration's calibration, if the run fits all sentences of the very corpus that it was found on.

    Raises:
        ConfigError: The model's head cannot take it.
    """
    if not config.calibration or config.fit_on != "all":
        return ()
    here = recipe_digest(config, inputs)
    if here != config.calibrated_on:
        logger.warning(
            "calibration: its slopes are of other data or another recipe (calibrated_on is %s, this run is %s), so "
            "they are left out; `crossvalidate` finds those of this run", config.calibrated_on or "empty", here,
        )  # fmt: skip
        return ()
    check_calibration(model, config.calibration)
    return config.calibration


def _own_slopes(recipe: Recipe, model: PreTrainedModel, parts: Mapping[str, Any]) -> Sequence[float]:
    """A calibration fitted on the validation part; none where that is small or the head has no room."""
    validation = parts.get("validation")
    if validation is None or len(validation) < FEWEST_TO_CALIBRATE:
        return ()
    scores = recipe.scores(model, list(validation["text"]))
    slopes = fit_calibration(scores, validation["label"], OWN_BEND_PENALTY)
    try:
        check_calibration(model, slopes.tolist())
    except ConfigError as error:
        logger.info("the scores stay uncalibrated: %s", error)
        return ()
    return [round(float(slope), 4) for slope in slopes]


def claim(run: Path, config: Any, record: Mapping[str, Any], restart: bool) -> None:
    """Make the folder ours: go on only with what the same configuration and data began.

    Raises:
        UserError: The folder holds another run, finished or not, and `restart` is not set; or it cannot be written.
    """
    checkpoints = run / CHECKPOINTS
    if run.exists() and not run.is_dir():
        raise UserError(f"{run}: expected a folder for the run, found a file; name another with --set output=…")
    if restart:
        shutil.rmtree(checkpoints, ignore_errors=True)
    else:
        ways_out = "name another folder with --set output=…, or replace it with --restart"
        if (run / WEIGHTS_FILE).is_file() and not (run / CONFIG_FILE).is_file():
            raise UserError(f"{run}: holds a checkpoint that is no run of ours; {ways_out}")
        refuse_others(checkpoints, record, "an unfinished run", f"finish it, {ways_out}")
        refuse_others(run, record, "a finished run", ways_out)
    write_record(checkpoints, config, record)


def _write_run(
    run: Path,
    config: RunConfig,
    record: Mapping[str, Any],
    model: PreTrainedModel,
    recipe: Recipe,
    data: LabelledData,
    split: Split | None,
    history: Sequence[dict[str, float]],
) -> None:
    for stale in STALE:
        (run / stale).unlink(missing_ok=True)
    recipe.save(model, run)
    if split:
        write_split(split, run / SPLIT_FILE, data.corpus, config.split)
    _write_log(history, run / LOG_FILE)
    write_record(run, config, record)
    write_model_card(run)
    shutil.rmtree(run / CHECKPOINTS)


def _write_log(history: Sequence[dict[str, float]], path: Path) -> None:
    columns = ["epoch", "loss", "learning_rate", "eval_loss", *(f"eval_{name}" for name in FIGURES)]
    epochs: dict[float, dict[str, float]] = {}
    for entry in history:
        if "epoch" in entry:
            epochs.setdefault(round(entry["epoch"], 3), {}).update(entry)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(epochs.values())
    write_text(path, stream.getvalue())
