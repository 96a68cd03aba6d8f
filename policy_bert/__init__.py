"""Codes Chinese policy sentences and documents by policy instrument."""

from __future__ import annotations

import os
import sys

_RUN_AS_MODULE = any(
    flag == "-m" and name.partition(".")[0] == "policy_bert"
    for flag, name in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
)
if _RUN_AS_MODULE and sys.path[0] in ("", os.getcwd()):
    # `python -m` looks for modules in the current folder first: a user's csv.py would take the library's place there.
    sys.path.append(sys.path.pop(0))

import importlib  # noqa: E402
import signal  # noqa: E402
import types  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from policy_bert.corpora.reading import load_corpus
    from policy_bert.labels import LabelScheme
    from policy_bert.reports.analysis import analyze
    from policy_bert.scoring.classifier import PolicyClassifier, Prediction
    from policy_bert.training.run import train

__version__ = "0.1.0"
__all__ = ["LabelScheme", "PolicyClassifier", "Prediction", "analyze", "load_corpus", "train"]

# Importing the package loads none of these; each is loaded when it is first asked for.
_HOMES = {
    "LabelScheme": "policy_bert.labels",
    "PolicyClassifier": "policy_bert.scoring.classifier",
    "Prediction": "policy_bert.scoring.classifier",
    "analyze": "policy_bert.reports.analysis",
    "load_corpus": "policy_bert.corpora.reading",
    "train": "policy_bert.training.run",
}


def leave_quietly(*_: object) -> None:
    """End the process as Ctrl-C does, without a traceback; `command.run_command` takes over when all is imported."""
    os._exit(130)


if (
    _RUN_AS_MODULE or any(os.path.basename(part).startswith("policy-bert") for part in sys.orig_argv[:2])
) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, leave_quietly)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


class _Package(types.ModuleType):
    """This package: `policy_bert.train` and `policy_bert.analyze` stay functions.

    The commands of the same names are submodules, and importing one would otherwise put it in the function's place.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
