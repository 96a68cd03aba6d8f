"""Encoders of several sizes pretrained for equal time on the device at hand: loss, worth downstream, scoring speed.

    python benchmarks/encoder_sizes.py --text FILE[:WEIGHT] … [--minutes 15] [--sizes 4x256 …] [--objective mlm]

Like the stage `sizes` of gpu_run.py, with the steps and batches of configs/pretrain-compact.yaml. Downstream: the
recipe of configs/gpu/finetune.yaml without silver labels, over the inner folds of three outer folds. Speeds are ratios
to the first size, of float32 graphs, interleaved in this process. Needs idle cores; an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gpu_run import ROOT, environment
from gpu_stages import DEFAULT_OBJECTIVE, OBJECTIVES, GpuRun
from scoring import distinct_sentences, interleaved_rates

from policy_bert.checkpoint import check_checkpoint
from policy_bert.classifier import PolicyClassifier
from policy_bert.command import run_command
from policy_bert.config import load_config
from policy_bert.engines import OnnxEngine
from policy_bert.onnx_files import GraphFolder
from policy_bert.pretrain import with_text
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.settings import RunConfig

HEAD_WIDTH, REPEATS, SPEED_SENTENCES, SPEED_ROUNDS = 64, 3, 2000, 5


def size_run(output: Path, text: Sequence[str], names: Sequence[str]) -> GpuRun:
    """The run of these sizes, written as layers × hidden width."""
    base = with_text(load_config(PretrainConfig, ROOT / "configs" / "pretrain-compact.yaml"), text)
    configs = {}
    for name in names:
        layers, hidden = _layers_and_hidden(name)
        shape = replace(base.encoder, layers=layers, hidden=hidden, heads=hidden // HEAD_WIDTH, intermediate=4 * hidden)
        configs[name] = replace(base, encoder=shape, shallow_layers=0)
    finetune = load_config(RunConfig, ROOT / "configs" / "gpu" / "finetune.yaml")
    return GpuRun(output, configs, finetune, {}, None, {}, repeats=REPEATS)


def scoring_speeds(folders: dict[str, Path]) -> dict[str, float]:
    """Sentences a second of each fitted classifier's float32 graph; medians of interleaved rounds."""
    sentences = distinct_sentences(SPEED_SENTENCES)
    scorers = {}
    for name, folder in folders.items():
        graph = GraphFolder(folder).write_graph("fp32")
        engine = OnnxEngine(folder, graph=graph)
        graph.unlink()
        scorers[name] = PolicyClassifier(folder, check_checkpoint(folder), engine).scores
    return interleaved_rates(scorers, dict.fromkeys(scorers, sentences), SPEED_ROUNDS)


def table(result: dict[str, Any]) -> str:
    """One Markdown row a size."""
    rows = ["| size | tokens | held-out loss | macro-F1 | accuracy | speed |", "|---|---|---|---|---|---|"]
    first = next(iter(result["speeds"].values()))
    for name, one in result["runs"].items():
        scores = one["downstream"]
        rows.append(
            f"| {name} | {one['tokens'] / 1e6:.1f} M | {_loss(one)} | {scores['macro_f1']:.3f} "
            f"| {scores['accuracy']:.3f} | {result['speeds'][name] / first:.2f} |"
        )
    return "\n".join(rows)


def _layers_and_hidden(name: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", name)
    if not found or int(found[2]) % HEAD_WIDTH:
        raise argparse.ArgumentTypeError(f"expected LAYERSxHIDDEN, hidden a multiple of {HEAD_WIDTH}, found {name!r}")
    return int(found[1]), int(found[2])


def _size(name: str) -> str:
    _layers_and_hidden(name)
    return name


def _loss(one: dict[str, Any]) -> str:
    return "none" if one["held_out_loss"] is None else f"{one['held_out_loss']:.2f}"  # of a text of few documents


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, train and measure, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--text", nargs="+", required=True, metavar="FILE[:WEIGHT]", help="text to pretrain on")
    parser.add_argument("--sizes", nargs="+", type=_size, default=["4x256", "4x384", "6x384"], metavar="LAYERSxHIDDEN")
    parser.add_argument("--minutes", type=float, default=15.0, help="of each pretraining")
    parser.add_argument("--objective", choices=OBJECTIVES, default=DEFAULT_OBJECTIVE)
    parser.add_argument("--output", "-o", type=Path, default=Path("runs/sizes"))
    arguments = parser.parse_args(argv)
    run = size_run(arguments.output, arguments.text, arguments.sizes)
    folders = {name: arguments.output / f"{name}-{arguments.objective}" for name in arguments.sizes}
    result: dict[str, Any] = {
        "runs": {
            name: run.train(folder, name, arguments.objective, arguments.minutes) for name, folder in folders.items()
        }
    }
    fitted = {name: folder / "finetuned" / "fitted" for name, folder in folders.items()}
    result |= {"speeds": scoring_speeds(fitted), **environment()}
    record = arguments.output / f"{arguments.objective}.json"
    record.write_text(json.dumps(result, indent=2, default=str) + "\n", encoding="utf-8")
    print(table(result))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
