"""Codes Chinese policy sentences and documents by policy instrument."""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

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
