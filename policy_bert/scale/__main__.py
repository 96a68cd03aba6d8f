"""Score many files on all cores or on a Ray cluster: one Parquet file an input file, none lost, none doubled.

Command: `python -m policy_bert.scale INPUT… --output DIR [--workers N] [--address …]`; needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from policy_bert.checkpoint.folder import find_checkpoint
from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.scale.job import Cluster, score_folder
from policy_bert.scale.parquet import ModelChoice, RowSettings, ScoredFile
from policy_bert.scoring.engine import EngineName
from policy_bert.scoring.rows import add_model_options, add_row_options


def main(argv: Sequence[str] | None = None) -> int:
    """Score what has not been scored yet, and print a line a file: source, output, rows."""
    options = _parser().parse_args(argv)
    data = sys.stdout

    def report(result: ScoredFile) -> None:
        print(result.source, result.output, result.rows, sep="\t", file=data, flush=True)

    checkpoint = find_checkpoint(options.model, options.revision)
    names = ("top_k", "all_scores", "text_column", "encoding", "sheet", "batch_size")
    score_folder(
        options.inputs,
        Path(os.path.abspath(options.output)),
        checkpoint,
        _choose_model(options, checkpoint),
        RowSettings(**{name: getattr(options, name) for name in names}),
        Cluster(options.address, options.workers, options.threads, options.gpus),
        report,
        options.restart,
    )
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="policy-bert scale",
        description=(__doc__ or "").splitlines()[0],
        epilog="On one machine predict scores a single file faster; scale pays with many files and many cores.",
    )
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="text, CSV, TSV, JSON, XLSX or Parquet files, or folders of them")
    add("--output", "-o", required=True, metavar="DIR", help="folder of the Parquet files; seen by all machines")
    add("--workers", type=positive_int, metavar="N", help="workers, each with its own model; default: all cores")
    add("--threads", type=positive_int, default=1, metavar="N", help="processor cores of a worker (default 1)")
    add("--gpus", type=_share, default=0.0, metavar="G", help="GPUs of a worker, such as 1 or 0.5; default: none")
    add("--address", metavar="ADDRESS", help="a Ray cluster, such as auto or ray://head:10001; default: this machine")
    add_row_options(parser)
    add_model_options(parser)
    add("--restart", action="store_true", help="score all again and remove what other models or settings scored")
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1024:
        raise argparse.ArgumentTypeError(f"expected a number of GPUs from 0, found {text!r}")
    return value


def _choose_model(options: argparse.Namespace, checkpoint: Path) -> ModelChoice:
    """The model as workers load it: here by its folder, on a cluster by what they find there themselves."""
    model, revision = str(checkpoint), None
    if options.address:
        is_folder = options.model is not None and Path(options.model).is_dir()
        model, revision = os.path.abspath(options.model) if is_folder else options.model, options.revision
    engine: EngineName = "torch" if options.gpus > 0 else options.engine
    device = "cuda" if options.gpus > 0 else "cpu"
    return ModelChoice(model, revision, engine, device, options.threads)


if __name__ == "__main__":
    sys.exit(run_command(main))
