"""The command `policy-bert <name>`: runs `policy_bert.<name>`, as `python -m policy_bert.<name>` does."""

from __future__ import annotations

import ast
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from policy_bert import __version__
from policy_bert.command import run_command
from policy_bert.errors import UserError

PACKAGE_FOLDER = Path(__file__).parent
COMMAND_ENDING = 'if __name__ == "__main__":\n    sys.exit(run_command(main))\n'


def commands() -> dict[str, Path]:
    """The modules that are commands, by name: those of the package that end in `sys.exit(run_command(main))`."""
    paths = (path for path in sorted(PACKAGE_FOLDER.glob("*.py")) if not path.stem.startswith("_"))
    return {path.stem: path for path in paths if path.read_text(encoding="utf-8").endswith(COMMAND_ENDING)}


def overview() -> str:
    """How to call the command, and the first line of each command's docstring."""
    lines = ["usage: policy-bert <command> [arguments]   (policy-bert <command> --help says more)", ""]
    known = commands()
    width = max(map(len, known), default=0)
    for name, path in known.items():
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        summary = docstring.partition("\n")[0].partition(": `python -m")[0].rstrip(".")
        lines.append(f"  {name:<{width}}  {summary}")
    return "\n".join(lines)


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
    known = commands()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"commands: {', '.join(known)}"
        raise UserError(f"no command {name!r}; {hint}")
    sys.argv[0] = f"policy-bert {name}"  # what the command's --help calls itself
    status: int = importlib.import_module(f"policy_bert.{name}").main(arguments)
    return status


def run() -> int:
    """The console script's entry: the exit status of the command named in `sys.argv`."""
    return run_command(dispatch, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
