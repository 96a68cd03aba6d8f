"""A mark that all of a checkpoint is written, and what a person sees of a training."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

COMPLETE_FILE = "complete"
logger = logging.getLogger(__name__)

_SHOWN = {
    "loss": "loss",
    "eval_loss": "held-out loss",
    "eval_accuracy": "accuracy",
    "eval_macro_f1": "macro-F1",
}


class ProgressLog(TrainerCallback):
    """In place of `Trainer`'s own callbacks, which write to standard output."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Draw the bar; `disable=None` leaves it out where standard error is no terminal."""
        if state.is_world_process_zero:
            self.bar = tqdm(
                total=state.max_steps, initial=state.global_step, unit="step", file=sys.stderr, disable=None
            )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(state.global_step - self.bar.n)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Say a line."""
        shown = [f"{name} {float(logs[key]):.3f}" for key, name in _SHOWN.items() if logs and key in logs]
        if not shown or not state.is_world_process_zero:
            return
        if self.bar is not None:
            self.bar.clear()
        logger.info("step %d of %d: %s", state.global_step, state.max_steps, ", ".join(shown))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def show_progress(trainer: Trainer) -> None:
    """Give a trainer this progress in place of its own."""
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(ProgressLog())


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
