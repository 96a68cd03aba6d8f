"""The command `policy-bert <name>`: runs `policy_bert.<name>`, as `python -m policy_bert.<name>` does."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from policy_bert import __version__
from policy_bert.command import run_command
from policy_bert.errors import UserError

COMMANDS = {
    "predict": "Score sentences from a file or standard input: class and confidence of each.",
    "analyze": "Code whole documents and write a report: coding table, workbook, page, figures, QDA project.",
    "review": "Compare a reviewer's codes with the classifier's: reliability, corrected shares, new training rows.",
    "corpus": "Check a labelled file and print what it holds.",
    "train": "Fine-tune a classifier: corpus in, run folder out.",
    "evaluate": "Measure a run on sentences it was not trained on.",
    "crossvalidate": "Measure a recipe by repeated stratified grouped folds.",
    "export": "Write a checkpoint's ONNX graph, which scores without PyTorch, and check it.",
    "scale": "Score many files on all cores or on a Ray cluster.",
    "adapt": "Teach an encoder the classes before any corpus label.",
    "encoder": "Make the base encoder from installed packages.",
    "pretrain": "Pretrain an encoder on running text.",
}
FOLDERS = ("encoder", "export", "scale")  # commands that are folders with a `__main__`


def command_module(name: str) -> str:
    """The module whose `main` is the command."""
    return f"policy_bert.{name}.__main__" if name in FOLDERS else f"policy_bert.{name}"


def overview() -> str:
    """How to call the command, and one line a command."""
    width = max(map(len, COMMANDS))
    lines = ["usage: policy-bert <command> [arguments]   (policy-bert <command> --help says more)", ""]
    return "\n".join([*lines, *(f"  {name:<{width}}  {summary.rstrip('.')}" for name, summary in COMMANDS.items())])


def dispatch(argv: Sequence[str] | None) -> int:
    """Run the command that the first argument names with the rest of them.

    Raises:
        UserError: There is no such command.
    """
    name, *arguments = argv or ["--help"]
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name == "--version":
        print(f"policy-bert {__version__}")
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(COMMANDS)}"
        raise UserError(f"no command {name!r}; {hint}")
    status: int = importlib.import_module(command_module(name)).main(arguments)
    return status


def run() -> int:
    """The console script's entry: the exit status of the command named in `sys.argv`."""
    return run_command(dispatch, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
