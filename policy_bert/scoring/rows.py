"""What the scoring commands share: the options that choose a classifier, and rows from scored windows of sentences."""

from __future__ import annotations

import argparse
import contextlib
import logging
import unicodedata
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from typing import Any

from policy_bert.command import positive_int
from policy_bert.labels import LabelScheme
from policy_bert.rows import InputSentence
from policy_bert.scoring.batching import SentenceTokenizer
from policy_bert.scoring.classifier import PolicyClassifier, WindowScores

COLUMNS = ("line", "sentence", "label", "label_name", "group", "confidence")
Window = list[InputSentence]
_WINDOW_CHARACTERS = 2_000_000
# Tokens come from characters; Unicode's compatibility decomposition makes at most 18 of one.
_MOST_EXPANSION = 18
_SCORE_DECIMALS = 6
_log = logging.getLogger(__name__)


def add_row_options(parser: argparse.ArgumentParser) -> None:
    """Add what decides the rows: `--top-k`, `--all-scores`, `--text-column`, `--sheet` and `--encoding`."""
    add = parser.add_argument
    add("--top-k", type=positive_int, default=1, metavar="K", help="best classes to name: the first, and K-1 "
        "runners-up in the column alternatives as name:0.1234|name:0.0567")  # fmt: skip
    add("--all-scores", action="store_true", help="add every class's probability")
    add("--text-column", metavar="NAME", help="the column of a table; default: text, sentence, 句子, 文本 or 内容")
    add("--sheet", metavar="NAME", help="the sheet of a workbook; default: the first")
    add("--encoding", default="auto", help="of text files, such as gb18030 or big5; default: found out")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, `--revision`, `--engine` and `--batch-size`."""
    add = parser.add_argument
    add("--model", metavar="FOLDER_OR_HUB_ID", help="default: the classifier in the package")
    add("--revision", help="commit, tag or branch of a hub id")
    add("--engine", choices=("auto", "onnx", "torch"), default="auto", help="auto: ONNX where there is no GPU to use")
    add("--batch-size", type=positive_int, metavar="N", help="texts in a batch; default: by a budget of tokens")


def add_classifier_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `add_model_options`, `--device` and `--threads`."""
    add_model_options(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=positive_int, metavar="N", help="processor cores; default: all available")


def load_chosen_classifier(arguments: argparse.Namespace) -> PolicyClassifier:
    """The classifier that the options name; errors as `PolicyClassifier.from_pretrained`."""
    names = ("model", "revision", "engine", "device", "threads")
    return PolicyClassifier.from_pretrained(**{name: getattr(arguments, name) for name in names})


@dataclass(frozen=True)
class OutputOptions:
    """What a row holds.

    Attributes:
        format: One of `rows.FORMATS`.
        top_k: Classes to name: the first, and `top_k - 1` in the column `alternatives`.
        all_scores: Whether to write every class's probability.
        truncated: Whether rows say if their text was longer than the model takes; JSON lines always do.
    """

    format: str = "tsv"
    top_k: int = 1
    all_scores: bool = False
    truncated: bool = False

    def columns(self, scheme: LabelScheme) -> dict[str, type]:
        """The columns of the output in their order, with the type of their values."""
        label = type(scheme.codes[0])
        columns: dict[str, type] = dict(zip(COLUMNS, (int, str, label, str, str, float), strict=True))
        if self.top_k > 1:
            columns["alternatives"] = str
        if self.all_scores:
            columns |= {"scores": list} if self.format == "jsonl" else dict.fromkeys(self.score_columns(scheme), float)
        if self.truncated or self.format == "jsonl":
            columns["truncated"] = int
        return columns

    @staticmethod
    def score_columns(scheme: LabelScheme) -> list[str]:
        """A column a class, named as the class; a name that is another column's gets `score:` before it."""
        taken = {*COLUMNS, "alternatives", "truncated"}
        return [f"score:{name}" if name in taken else name for name in scheme.names]


def windows_of(sentences: Iterable[InputSentence], most_sentences: int) -> Iterator[Window]:
    """Windows of so many sentences at most, such as `Engine.window_sentences`, and about two million characters."""
    window: Window = []
    characters = 0
    for sentence in sentences:
        window.append(sentence)
        characters += len(sentence.text)
        if len(window) == most_sentences or characters >= _WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def scored_windows(
    classifier: PolicyClassifier, windows: Iterable[Window], batch_size: int | None = None
) -> Generator[tuple[Window, WindowScores], None, None]:
    """Each window with its scores, in order; close the iterator to stop early."""
    ahead, windows = tee(windows)
    texts = ([sentence.text for sentence in window] for window in ahead)
    with contextlib.closing(classifier.score_windows(texts, batch_size)) as scores:
        yield from zip(windows, scores, strict=False)


def rows_of(
    classifier: PolicyClassifier, window: Window, scored: WindowScores, options: OutputOptions
) -> Iterator[dict[str, Any]]:
    """The output rows of a window; a cut text that no column can tell of is named in the log."""
    columns = options.columns(classifier.scheme)
    score_columns = options.score_columns(classifier.scheme)
    for sentence, prediction in zip(window, classifier.predictions(scored, options.top_k), strict=True):
        row: dict[str, Any] = {
            "line": sentence.line,
            "sentence": sentence.text,
            "label": classifier.scheme.codes[prediction.label],
            "label_name": prediction.label_name,
            "group": prediction.group,
            "confidence": round(prediction.confidence, 4),
        }
        if options.top_k > 1:
            row["alternatives"] = "|".join(f"{name}:{score:.4f}" for name, score in prediction.alternatives)
        if options.all_scores:
            scores = prediction.scores.tolist()
            if options.format == "jsonl":
                row["scores"] = [round(score, _SCORE_DECIMALS) for score in scores]
            else:
                row.update(zip(score_columns, scores, strict=True))
        if "truncated" in columns:
            row["truncated"] = int(prediction.truncated)
        elif prediction.truncated:
            _log.warning("line %d: longer than the model takes; its beginning was scored", sentence.line)
        yield row


@dataclass(frozen=True)
class InputScan:
    """What a first pass over the input found: how many sentences, and whether one is longer than the model takes."""

    sentences: int
    truncated: bool


def scan_input(tokenizer: SentenceTokenizer, sentences: Iterable[InputSentence]) -> InputScan:
    """Count sentences and look for one that will be cut, without tokenising those that are surely short enough."""
    count, truncated = 0, False
    room = tokenizer.max_length_tokens - 2
    for sentence in sentences:
        count += 1
        text = sentence.text
        if not truncated and len(text) * _MOST_EXPANSION > room and len(unicodedata.normalize("NFKD", text)) > room:
            truncated = bool(tokenizer.encode([text]).truncated[0])
    return InputScan(count, truncated)
