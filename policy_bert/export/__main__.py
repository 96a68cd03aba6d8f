"""Write a checkpoint's `model.onnx`, which scores without PyTorch, and check it: `python -m policy_bert.export RUN`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from policy_bert.command import ArgumentParser, run_command
from policy_bert.export.onnx_export import export_onnx, sentences_of_file


def main(argv: Sequence[str] | None = None) -> int:
    """Export a checkpoint; see `--help`."""
    parser = ArgumentParser(prog="policy-bert export", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a run folder or another checkpoint folder")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    parser.add_argument(
        "--sentences",
        type=Path,
        metavar="FILE",
        help="labelled sentences for int8's gate; default: the run's validation part",
    )
    arguments = parser.parse_args(argv)
    sentences = None
    if arguments.precision == "int8" and arguments.sentences is not None:
        sentences = sentences_of_file(arguments.sentences, arguments.checkpoint)
    record = export_onnx(arguments.checkpoint, arguments.precision, sentences)
    print(json.dumps(record, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
