"""Writes a checkpoint's `model.onnx`, which scores without PyTorch, and checks it against the weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from policy_bert.checkpoint import check_checkpoint
from policy_bert.command import ArgumentParser, run_command
from policy_bert.errors import CheckpointError
from policy_bert.onnx_files import GraphFolder

Precision = Literal["fp32", "int8"]
# How far a float32 graph's logits may be from PyTorch's.
LOGIT_TOLERANCE = 1e-4


def export_onnx(checkpoint: str | Path, precision: Precision = "fp32") -> dict[str, Any]:
    """Write `model.onnx` and `onnx.json` into a checkpoint folder; return what `onnx.json` holds.

    The float32 graph is compared with PyTorch on random token ids before it gets its name.

    Raises:
        CheckpointError: The checkpoint is broken or no BERT classifier, or the graph does not match PyTorch.
        UserError: onnx or PyTorch is not installed.
    """
    folder = GraphFolder(Path(checkpoint))
    check_checkpoint(folder.path, onnx=False)
    return _export_float32(folder)


def _export_float32(folder: GraphFolder) -> dict[str, Any]:
    graph = folder.write_graph("fp32")
    try:
        difference = folder.compare_with_torch(graph)
        if not difference <= LOGIT_TOLERANCE:
            raise CheckpointError(
                f"{folder.path}: the ONNX graph's logits differ from PyTorch's by {difference:.2g}, expected at most "
                f"{LOGIT_TOLERANCE:.0e}; nothing was written"
            )
        return folder.publish(graph, "fp32", {"largest_logit_difference": difference})
    finally:
        graph.unlink(missing_ok=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Export a checkpoint; see `--help`."""
    parser = ArgumentParser(prog="python -m policy_bert.export", description=__doc__)
    parser.add_argument("checkpoint", type=Path, help="a run folder or another checkpoint folder")
    parser.add_argument("--precision", choices=("fp32", "int8"), default="fp32")
    arguments = parser.parse_args(argv)
    print(json.dumps(export_onnx(arguments.checkpoint, arguments.precision), ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
