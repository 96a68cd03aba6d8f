"""The run on one GPU, stage by stage: `python benchmarks/gpu_run.py --text FILE[:WEIGHT] …` or `make gpu-run TEXT=…`.

Every stage writes `result.json` below `runs/gpu/STAGE` and is not run again while that is there; an interrupted stage
goes on from its last checkpoint. A stage that fails leaves `error.txt` and the next ones run. docs/gpu.md says what
each stage is for, what it costs and what comes back. `--toy` runs all of it on a CPU in about a minute.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gpu_toy
import torch
from gpu_stages import OBJECTIVES, STAGES, GpuRun, write_table

from policy_bert.checkpoint import SHIPPED_CLASSIFIER
from policy_bert.command import configure_logging
from policy_bert.config import load_config
from policy_bert.pretrain import with_text
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.settings import EncoderConfig, RunConfig

ROOT = Path(__file__).parents[1]
SIZES = ("4x256", "6x384", "8x512", "12x768")
MINUTES = {"sizes": 3.0, "objectives": 3.0, "long": 25.0, "teacher": 10.0}
SILVER_LABELS = "data/silver_labels.tsv"
BERT_BASE = EncoderConfig(12, 768, 12, 3072, 21128, 512)  # the shape of bert-base-chinese

logger = logging.getLogger("policy_bert.gpu_run")


def full_run(output: Path, text: Sequence[str], settings: Sequence[str] = ()) -> GpuRun:
    """The run of a data-centre GPU; `settings` override those of every pretraining, as `compile=false`."""
    folder = ROOT / "configs" / "gpu"
    configs = {size: load_config(PretrainConfig, folder / f"pretrain-{size}.yaml", settings) for size in SIZES}
    return GpuRun(
        output=output,
        sizes={size: with_text(config, text) for size, config in configs.items()},
        finetune=load_config(RunConfig, folder / "finetune.yaml"),
        minutes=dict(MINUTES),
        silver_labels=SILVER_LABELS,
        figures={
            "shape": BERT_BASE, "classifier": SHIPPED_CLASSIFIER, "sentences": 131_072, "pipeline_sentences": 16_384,
            "epochs": 5, "rounds": 3,
        },
    )  # fmt: skip


def run_stages(run: GpuRun, names: Sequence[str], again: bool = False) -> list[str]:
    """Run the stages that have no result yet, or all of them again; the names of those that failed."""
    failed = []
    for name in names:
        folder = run.output / name
        if (folder / "result.json").is_file() and not again:
            logger.info("%s: done already", name)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        logger.info("%s: begins", name)
        started = time.perf_counter()
        try:
            result = STAGES[name](run)
        except Exception:
            (folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
            logger.exception("%s: failed", name)
            failed.append(name)
            continue
        record = {**result, "elapsed_s": time.perf_counter() - started, **environment()}
        (folder / "result.json").write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
        (folder / "error.txt").unlink(missing_ok=True)
        write_table(run.output)
        logger.info("%s: %.0f s", name, record["elapsed_s"])
    return failed


def environment() -> dict[str, Any]:
    """Device, versions and commit, which every figure carries."""
    import transformers

    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "commit": git.stdout.strip() or None,
    }


def _stages(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown stage {unknown[0]!r}; stages: {', '.join(STAGES)}")
    return names


def _minutes(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        minutes = float(value)
    except ValueError:
        minutes = 0.0
    if name not in MINUTES or minutes <= 0:
        raise argparse.ArgumentTypeError(f"expected STAGE=MINUTES with one of {', '.join(MINUTES)}, found {text!r}")
    return name, minutes


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, run the stages, print the summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--text", nargs="+", default=[], metavar="FILE[:WEIGHT]", help="text to pretrain on")
    parser.add_argument("--output", "-o", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--stages", type=_stages, default=list(STAGES), help=f"of {','.join(STAGES)} (default: all)")
    parser.add_argument("--skip", type=_stages, default=[], help="stages to leave out")
    parser.add_argument("--again", action="store_true", help="run the stages even where they have a result")
    parser.add_argument("--minutes", type=_minutes, nargs="+", default=[], metavar="STAGE=MINUTES", help=str(MINUTES))
    parser.add_argument("--size", choices=SIZES, help="for objectives and long (default: the best of the stage sizes)")
    parser.add_argument(
        "--objective", choices=OBJECTIVES, help="for long and teacher (default: the best of objectives)"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for every pretraining")
    parser.add_argument("--toy", action="store_true", help="tiny models on a few kilobytes, on a CPU")
    arguments = parser.parse_args(argv)
    if not arguments.text and not arguments.toy:
        parser.error("name the text: --text FILE[:WEIGHT] …")
    configure_logging()
    arguments.output.mkdir(parents=True, exist_ok=True)
    build = gpu_toy.toy_run if arguments.toy else full_run
    run = build(arguments.output, arguments.text, arguments.set)
    run = replace(run, size=arguments.size, objective=arguments.objective)
    run.minutes.update(arguments.minutes)
    failed = run_stages(run, [name for name in arguments.stages if name not in arguments.skip], arguments.again)
    summary = arguments.output / "summary.csv"
    print(summary.read_text(encoding="utf-8") if summary.is_file() else "", end="")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
