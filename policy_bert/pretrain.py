"""Pretrain a small Chinese BERT: `python -m policy_bert.pretrain`.

The text is tokenised, packed into full windows and held in memory; embeddings and positions start warm
(`policy_bert.pretraining.warmstart`); short spans are masked. `transformers.Trainer` runs the steps, and brings
resuming, several GPUs and logging. The one thing changed is that the output layer is computed at the masked positions
alone.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from policy_bert.checkpoint.folder import TOKENIZER_FILE
from policy_bert.command import ArgumentParser, run_command, weighted_file
from policy_bert.config import load_config
from policy_bert.encoder.base import find_base, load_tokenizer, quiet_transformers
from policy_bert.encoder.settings import ModelConfig
from policy_bert.files import file_digest, write_text
from policy_bert.pretraining.model import initial_model, load_start, save_encoder, stacked_model
from policy_bert.pretraining.run import run_phase
from policy_bert.pretraining.settings import PretrainConfig, TextSource
from policy_bert.pretraining.windows import PretrainingData, prepare_data
from policy_bert.training.record import base_digest, describe, read_record, refuse_others, write_record

logger = logging.getLogger("policy_bert.pretrain")  # under -m its name is __main__


def pretrain(config: PretrainConfig, data: PretrainingData | None = None, restart: bool = False) -> Path:
    """Run or resume the pretraining and return the folder `output/encoder`, a standard checkpoint in float16.

    The run folder also holds the configuration, `curve.csv`, `curve.png` and `result.json`.

    Args:
        config: How to pretrain.
        data: Windows and tokenizer that are at hand already; None reads the configuration's text.
        restart: Whether to replace what the folder holds of another run.

    Raises:
        UserError: The text cannot be read, or the folder holds a run of another configuration or other text.
    """
    quiet_transformers()
    output = Path(config.output)
    base = ModelConfig(base=config.start) if config.start else None
    start = find_base(base) if base else None
    files = [*(source.path for source in config.text), *config.exclude] if data is None else []
    inputs = {path: file_digest(Path(path)) for path in files if Path(path).is_file()}
    record = describe(config, {**inputs, "base": base_digest(start)})
    if not restart:
        refuse_others(output, record, "a pretraining", "name another folder with --set output=…, or use --restart")
    kept = output / TOKENIZER_FILE  # what an interrupted run began with
    if data is None:
        resumes = not restart and read_record(output) is not None and kept.is_file()
        begun = Tokenizer.from_file(str(kept)) if resumes else None
        data = prepare_data(config, begun or (load_tokenizer(base, start, ()) if base else None))
    for phase in ("shallow", "full") if restart else ():
        shutil.rmtree(output / phase, ignore_errors=True)
    write_record(output, config, record)
    data.tokenizer.save(str(kept))
    logger.info(
        "%d windows to train on (%.1f M tokens), %d held out, vocabulary of %d",
        len(data.train), data.train.size / 1e6, len(data.held_out), data.tokenizer.get_vocab_size(),
    )  # fmt: skip
    history: list[dict[str, float]] = []
    tokens = config.tokens
    shallow_tokens = int(tokens * config.shallow_fraction) if config.shallow_layers else 0
    if shallow_tokens:
        shallow = initial_model(config, data, config.shallow_layers)
        history += run_phase(config, shallow, data, shallow_tokens, 0.0, output / "shallow", 0)
        model = stacked_model(config, shallow)
    elif start:
        model = load_start(config, start)
    else:
        model = initial_model(config, data, config.encoder.layers)
    full_tokens = tokens - shallow_tokens
    history += run_phase(config, model, data, full_tokens, config.decay_fraction, output / "full", shallow_tokens)
    _write_curve(history, output)
    held_out = [entry["held_out_loss"] for entry in history if "held_out_loss" in entry]
    result: dict[str, Any] = {
        "tokens": tokens,
        "text_tokens": data.train.size,
        "held_out_loss": held_out[-1] if held_out else None,
    }
    write_text(output / "result.json", json.dumps(result, indent=2) + "\n")
    return save_encoder(model, data.tokenizer, output / "encoder")


def _write_curve(history: Sequence[dict[str, float]], output: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with (output / "curve.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["tokens", "loss", "held_out_loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for name, label in (("loss", "training"), ("held_out_loss", "held out")):
        points = [(entry["tokens"] / 1e6, entry[name]) for entry in history if name in entry]
        axes.plot(*zip(*points, strict=True), label=label) if points else None
    axes.set(xlabel="million tokens", ylabel="masked-token loss (nats)")
    if history:
        axes.legend()
    figure.savefig(output / "curve.png", dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, pretrain, print the encoder's folder."""
    parser = ArgumentParser(prog="policy-bert pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--config", help="YAML file, such as configs/pretrain-compact.yaml")
    parser.add_argument("--text", nargs="+", default=[], metavar="FILE[:WEIGHT]", help="replaces the file's `text:`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    parser.add_argument("--restart", action="store_true", help="replace another pretraining in the folder")
    arguments = parser.parse_args(argv)
    config = load_config(PretrainConfig, arguments.config, arguments.set)
    if arguments.text:
        config = with_text(config, arguments.text)
    print(pretrain(config, restart=arguments.restart))
    return 0


def with_text(config: PretrainConfig, files: Sequence[str]) -> PretrainConfig:
    """The configuration with other text: files, each with `:weight` behind it or without."""
    return dataclasses.replace(config, text=tuple(TextSource(*weighted_file(file)) for file in files))


if __name__ == "__main__":
    sys.exit(run_command(main))
