"""What the scoring command writes: columns and rows from scored windows of sentences."""

from __future__ import annotations

import logging
import unicodedata
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

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

    def columns(self, scheme: LabelScheme) -> tuple[str, ...]:
        """The columns of the output in their order."""
        columns = list(COLUMNS)
        if self.top_k > 1:
            columns.append("alternatives")
        if self.all_scores:
            columns += ["scores"] if self.format == "jsonl" else self.score_columns(scheme)
        if self.truncated or self.format == "jsonl":
            columns.append("truncated")
        return tuple(columns)

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
    waiting: deque[Window] = deque()

    def texts() -> Iterator[list[str]]:
        for window in windows:
            waiting.append(window)
            yield [sentence.text for sentence in window]

    scores = classifier.score_windows(texts(), batch_size)
    try:
        for scored in scores:
            yield waiting.popleft(), scored
    finally:
        scores.close()


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
            "label": prediction.label,
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
