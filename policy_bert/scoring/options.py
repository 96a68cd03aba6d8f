"""The options with which a command chooses its classifier, engine and processor cores."""

from __future__ import annotations

import argparse

from policy_bert.command import positive_int
from policy_bert.scoring.classifier import PolicyClassifier


def add_classifier_options(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, `--revision`, `--engine`, `--device`, `--threads` and `--batch-size`."""
    add = parser.add_argument_group("classifier").add_argument
    add("--model", metavar="FOLDER_OR_HUB_ID", help="default: the classifier in the package")
    add("--revision", help="commit, tag or branch of a hub id")
    add("--engine", choices=("auto", "onnx", "torch"), default="auto", help="auto: ONNX where there is no GPU to use")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto")
    add("--threads", type=positive_int, metavar="N", help="processor cores; default: all that are available")
    add("--batch-size", type=positive_int, metavar="N", help="texts in a batch; default: by a budget of tokens")


def load_chosen_classifier(arguments: argparse.Namespace) -> PolicyClassifier:
    """The classifier that the options name; errors as `PolicyClassifier.from_pretrained`."""
    return PolicyClassifier.from_pretrained(
        arguments.model,
        revision=arguments.revision,
        engine=arguments.engine,
        device=arguments.device,
        threads=arguments.threads,
    )
