"""What a training keeps beside `Trainer`'s own checkpoints: averaged weights, and a mark that all is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel, TrainerCallback

AVERAGE_FILE = "averaged_weights.safetensors"
COMPLETE_FILE = "complete"


class WeightAverager(TrainerCallback):
    """Averages the weights over the last share of the steps (Izmailov et al. 2018) and survives a resume."""

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction
        self.count = 0
        self.average: dict[str, Tensor] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take up the average of an interrupted run."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}" / AVERAGE_FILE
        if state.global_step and folder.is_file():
            self.average = load_file(folder)
            self.count = int(self.average.pop("count"))

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Add the weights of this step."""
        if state.global_step <= state.max_steps * (1.0 - self.fraction):
            return
        self.count += 1
        for name, parameter in model.named_parameters():
            if name in self.average:
                self.average[name] += (parameter.detach() - self.average[name]) / self.count
            else:
                self.average[name] = parameter.detach().clone()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the average into the checkpoint."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if self.count and folder.is_dir():
            save_file({**self.average, "count": torch.tensor(self.count)}, folder / AVERAGE_FILE)

    def apply(self, model: PreTrainedModel) -> None:
        """Put the average in the place of the model's weights."""
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name in self.average:
                    parameter.copy_(self.average[name])


class CompletionMarker(TrainerCallback):
    """Marks a checkpoint when all of it is written, so that one cut short by a kill is never resumed from."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the mark."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and folder.is_dir():
            (folder / COMPLETE_FILE).touch()


def last_complete_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that carries the mark, None where there is none."""
    marked = [mark.parent for mark in folder.glob(f"checkpoint-*/{COMPLETE_FILE}")]
    return str(max(marked, key=lambda path: int(path.name.rpartition("-")[2]))) if marked else None
