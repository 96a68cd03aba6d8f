"""What cross-validated scores say: figures with intervals, tests against the baselines, calibration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from policy_bert.evaluation.calibration import calibrate, fit_calibration
from policy_bert.evaluation.intervals import (
    Difference,
    Interval,
    corrected_resampled_interval,
    corrected_resampled_t_test,
    coverage_accuracy,
    expected_calibration_error,
    paired_bootstrap,
)
from policy_bert.evaluation.measures import accuracy, class_report, confusion_matrix, log_loss, macro_f1, top_k_accuracy
from policy_bert.labels import LabelScheme

SUMMARY_FILE = "summary.json"
KEPT_SHARE = 0.6  # the coverage at which selective accuracy is told
FIGURES = ("accuracy", "macro_f1", "top_3_accuracy", "log_loss", "calibration_error", "accuracy_at_60_percent")


@dataclass(frozen=True)
class FoldScores:
    """A system's scores of each fold's test sentences.

    Attributes:
        system: Its name.
        scores: Probabilities, one array a fold, each of shape (test sentences, classes).
        tests: Indices of those sentences in the corpus, one array a fold.
    """

    system: str
    scores: Sequence[NDArray[np.float32]]
    tests: Sequence[NDArray[np.int64]]


@dataclass(frozen=True)
class SystemSummary:
    """A system's figures as means over the folds with 95 % intervals, and what sets it apart from the main one.

    Attributes:
        system: Its name.
        figures: By the names in `FIGURES`.
        calibration: The slopes of `policy_bert.evaluation.calibration`, fitted on all out-of-fold scores.
        pooled_calibration_error: Over the calibrated scores of all repeats together: as many times the rows in a bin,
            so less of it is the noise of counting than in the figure of a repeat.
        main_less_this: The main system's macro-F1 less this one's, by the corrected resampled t-test.
        main_less_this_bootstrap: The same on the first repeat's pooled predictions, by the paired bootstrap.
        f1_by_class: F1 of each class over all out-of-fold predictions.
    """

    system: str
    figures: dict[str, Interval]
    calibration: list[float]
    pooled_calibration_error: float
    main_less_this: Difference | None
    main_less_this_bootstrap: Difference | None
    f1_by_class: dict[str, float]


def summarise(
    systems: Sequence[FoldScores],
    labels: NDArray[np.int64],
    scheme: LabelScheme,
    test_fraction: float,
    main: str,
) -> list[SystemSummary]:
    """One summary a system, the main one first.

    All figures are of calibrated scores, as a checkpoint ships, and out of fold twice over: each fold's scores are
    calibrated by what the other folds of its own repeat say, so neither weights nor calibration have seen its
    sentences.

    Args:
        systems: All on the same folds.
        labels: The corpus's class ids.
        scheme: The classes.
        test_fraction: The share of the corpus in a fold.
        main: The system that the others are compared with.
    """
    ordered = sorted(systems, key=lambda system: system.system != main)
    fitted = {system.system: _calibration(system, labels) for system in ordered}
    ordered = [_calibrated(system, labels) for system in ordered]
    per_fold = {system.system: _figures_by_fold(system, labels, len(scheme)) for system in ordered}
    summaries = []
    for system in ordered:
        figures = {
            name: corrected_resampled_interval([fold[name] for fold in per_fold[system.system]], test_fraction)
            for name in FIGURES
        }
        tested = system.system != main
        differences = [
            ours["macro_f1"] - theirs["macro_f1"]
            for ours, theirs in zip(per_fold[main], per_fold[system.system], strict=True)
        ]
        summaries.append(
            SystemSummary(
                system.system,
                figures,
                fitted[system.system],
                _calibration_error(system.scores, system.tests, labels),
                corrected_resampled_t_test(differences, test_fraction) if tested else None,
                _bootstrap(ordered[0], system, labels, len(scheme)) if tested else None,
                _f1_by_class(system, labels, scheme),
            )
        )
    return summaries


def _calibration(system: FoldScores, labels: NDArray[np.int64]) -> list[float]:
    slopes = fit_calibration(np.concatenate(system.scores), labels[np.concatenate(system.tests)])
    return [round(float(slope), 4) for slope in slopes]


def _repeats(system: FoldScores, sentences: int) -> list[list[int]]:
    """Fold numbers by repeat: a repeat ends when its folds have covered the corpus."""
    repeats: list[list[int]] = [[]]
    covered = 0
    for number, test in enumerate(system.tests):
        if covered == sentences:
            repeats.append([])
            covered = 0
        repeats[-1].append(number)
        covered += len(test)
    return repeats


def _figures_by_fold(system: FoldScores, labels: NDArray[np.int64], classes: int) -> list[dict[str, float]]:
    pairs = zip(system.scores, system.tests, strict=True)
    results = [_figures(scores, labels[test], classes) for scores, test in pairs]
    for repeat in _repeats(system, len(labels)):
        # Over a whole repeat: in a fold of some 300 sentences, 15 bins of 20 measure mostly noise.
        parts = [system.scores[number] for number in repeat]
        error = _calibration_error(parts, [system.tests[number] for number in repeat], labels)
        for number in repeat:
            results[number]["calibration_error"] = error
    return results


def _calibration_error(
    scores: Sequence[NDArray[np.float32]], tests: Sequence[NDArray[np.int64]], labels: NDArray[np.int64]
) -> float:
    table, true = np.concatenate(scores), labels[np.concatenate(tests)]
    return expected_calibration_error(table.max(axis=1), table.argmax(axis=1) == true)


def _calibrated(system: FoldScores, labels: NDArray[np.int64]) -> FoldScores:
    """Each fold's scores, calibrated by what the other folds of its repeat say."""
    calibrated = []
    for repeat in _repeats(system, len(labels)):
        for number in repeat:
            others = [other for other in repeat if other != number]
            true = labels[np.concatenate([system.tests[other] for other in others])]
            slopes = fit_calibration(np.concatenate([system.scores[other] for other in others]), true)
            calibrated.append(calibrate(system.scores[number], slopes).astype(np.float32))
    return FoldScores(system.system, calibrated, system.tests)


def _figures(scores: NDArray[np.float32], labels: NDArray[np.int64], classes: int) -> dict[str, float]:
    predictions, confidences = scores.argmax(axis=1), scores.max(axis=1)
    correct = predictions == labels
    return {
        "accuracy": accuracy(labels, predictions),
        "macro_f1": macro_f1(labels, predictions, classes),
        "top_3_accuracy": top_k_accuracy(labels, scores, 3),
        "log_loss": log_loss(labels, scores),
        "accuracy_at_60_percent": coverage_accuracy(confidences, correct, KEPT_SHARE).accuracy,
    }


def _bootstrap(main: FoldScores, other: FoldScores, labels: NDArray[np.int64], classes: int) -> Difference:
    first = _repeats(main, len(labels))[0]
    rows = np.concatenate([main.tests[number] for number in first])
    predictions = [
        np.concatenate([system.scores[number] for number in first]).argmax(axis=1) for system in (main, other)
    ]
    return paired_bootstrap(lambda true, predicted: macro_f1(true, predicted, classes), labels[rows], *predictions)


def _f1_by_class(system: FoldScores, labels: NDArray[np.int64], scheme: LabelScheme) -> dict[str, float]:
    true = labels[np.concatenate(system.tests)]
    predicted = np.concatenate(system.scores).argmax(axis=1)
    f1 = class_report(confusion_matrix(true, predicted, len(scheme))).f1
    return {name: float(value) for name, value in zip(scheme.names, f1, strict=True)}


def write_summary(summaries: Sequence[SystemSummary], folder: Path) -> Path:
    """Write `summary.json` and the same as a Markdown table, `summary.md`; the former's path."""
    path = folder / SUMMARY_FILE
    content = json.dumps([dataclasses.asdict(summary) for summary in summaries], ensure_ascii=False, indent=2)
    path.write_text(content + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown_table(summaries), encoding="utf-8")
    return path


def markdown_table(summaries: Sequence[SystemSummary]) -> str:
    """The systems' figures, a row each: mean and 95 % interval, and the main system's lead in macro-F1 with its p."""
    header = [
        "system",
        "macro-F1",
        "accuracy",
        "top-3",
        "log loss",
        "calibration error",
        "accuracy at 60 %",
        "lead (p)",
    ]
    rows = [header, ["---"] * len(header)]
    order = ("macro_f1", "accuracy", "top_3_accuracy", "log_loss", "calibration_error", "accuracy_at_60_percent")
    for summary in summaries:
        lead = summary.main_less_this
        rows.append(
            [
                summary.system,
                *(str(summary.figures[name]) for name in order),
                f"{lead.value:+.3f} ({lead.p_value:.2g})" if lead else "",
            ]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
