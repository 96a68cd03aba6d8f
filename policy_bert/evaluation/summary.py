"""What cross-validated scores say: figures with intervals, tests against the baselines, calibration."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from policy_bert.evaluation.calibration import calibrate, fit_calibration
from policy_bert.evaluation.folds import Fold
from policy_bert.evaluation.intervals import (
    Difference,
    Interval,
    corrected_resampled_interval,
    corrected_resampled_t_test,
    jackknife_interval,
    paired_bootstrap,
)
from policy_bert.evaluation.metrics import FIGURES, calibration_error, class_report, confusion_matrix, macro_f1, measure
from policy_bert.files import write_text
from policy_bert.labels import LabelScheme

SUMMARY_FILE = "summary.json"
Labels: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class FoldScores:
    """A system's scores of each fold's test sentences.

    Attributes:
        system: Its name.
        scores: Probabilities, one array a fold, each of shape (test sentences, classes).
        folds: The folds, those of one repeat after those of the other.
    """

    system: str
    scores: Sequence[NDArray[np.float32]]
    folds: Sequence[Fold]

    def repeats(self) -> list[list[int]]:
        """Places of the folds, by repeat."""
        numbers = range(len(self.folds))
        return [
            [place for place in numbers if self.folds[place].repeat == repeat]
            for repeat in sorted({fold.repeat for fold in self.folds})
        ]

    def pooled(self, labels: NDArray[np.int64], places: Sequence[int] | None = None) -> tuple[Labels, Scores]:
        """True classes and scores of the test sentences of these folds, None for all, one after the other."""
        chosen = range(len(self.folds)) if places is None else places
        return (
            labels[np.concatenate([self.folds[place].split.test for place in chosen])],
            np.concatenate([self.scores[place] for place in chosen]),
        )


@dataclass(frozen=True)
class SystemSummary:
    """A system's figures as means over the folds with 95 % intervals, and what sets it apart from the main one.

    Attributes:
        system: Its name.
        figures: By the names in `metrics.FIGURES`. The intervals are those of the corrected resampled t-test; the
            calibration error is that of whole repeats, and its interval a jackknife over their folds.
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
    systems: Sequence[FoldScores], labels: NDArray[np.int64], scheme: LabelScheme, main: str
) -> list[SystemSummary]:
    """One summary a system, the main one first.

    All figures are of calibrated scores, as a checkpoint ships, and out of fold twice over: each fold's scores are
    calibrated by what the other folds of its own repeat say, so neither weights nor calibration have seen its
    sentences.

    Args:
        systems: All on the same folds.
        labels: The corpus's class ids.
        scheme: The classes.
        main: The system that the others are compared with.
    """
    ordered = sorted(systems, key=lambda system: system.system != main)
    folds = [fold.split for fold in ordered[0].folds]
    ratio = sum(len(fold.test) for fold in folds) / sum(len(fold.train) + len(fold.validation) for fold in folds)
    first = _calibrated(ordered[0], labels)
    main_by_fold = _by_fold(first, labels)
    return [
        _summarise(system, _calibrated(system, labels), first, main_by_fold, labels, scheme, ratio)
        for system in ordered
    ]


def _summarise(
    raw: FoldScores,
    system: FoldScores,
    main: FoldScores,
    main_by_fold: Sequence[dict[str, float]],
    labels: Labels,
    scheme: LabelScheme,
    ratio: float,
) -> SystemSummary:
    by_fold = _by_fold(system, labels)
    figures = {name: corrected_resampled_interval([fold[name] for fold in by_fold], ratio) for name in FIGURES}
    figures["calibration_error"] = _calibration_error(system, labels)
    differences = [ours["macro_f1"] - theirs["macro_f1"] for ours, theirs in zip(main_by_fold, by_fold, strict=True)]
    tested = system.system != main.system
    true, scores = system.pooled(labels)
    f1 = class_report(confusion_matrix(true, scores.argmax(axis=1), len(scheme))).f1
    return SystemSummary(
        system.system,
        figures,
        [round(float(slope), 4) for slope in fit_calibration(raw.pooled(labels)[1], true)],
        calibration_error(true, scores),
        corrected_resampled_t_test(differences, ratio) if tested else None,
        _bootstrap(main, system, labels, len(scheme)) if tested else None,
        {name: float(value) for name, value in zip(scheme.names, f1, strict=True)},
    )


def _by_fold(system: FoldScores, labels: Labels) -> list[dict[str, float]]:
    return [measure(*system.pooled(labels, [place])) for place in range(len(system.folds))]


def _calibration_error(system: FoldScores, labels: Labels) -> Interval:
    """Over whole repeats: in a fold of some 300 sentences, 15 bins of 20 measure mostly noise."""
    repeats = system.repeats()
    value = float(np.mean([calibration_error(*system.pooled(labels, repeat)) for repeat in repeats]))
    left_out = [
        [calibration_error(*system.pooled(labels, [other for other in repeat if other != place])) for place in repeat]
        for repeat in repeats
    ]
    interval = jackknife_interval(value, left_out)
    return dataclasses.replace(interval, low=max(0.0, interval.low))


def _calibrated(system: FoldScores, labels: Labels) -> FoldScores:
    """Each fold's scores, calibrated by what the other folds of its repeat say."""
    calibrated = []
    for repeat in system.repeats():
        for place in repeat:
            true, scores = system.pooled(labels, [other for other in repeat if other != place])
            calibrated.append(calibrate(system.scores[place], fit_calibration(scores, true)).astype(np.float32))
    return FoldScores(system.system, calibrated, system.folds)


def _bootstrap(main: FoldScores, other: FoldScores, labels: Labels, classes: int) -> Difference:
    first = main.repeats()[0]
    (true, ours), (_, theirs) = main.pooled(labels, first), other.pooled(labels, first)
    return paired_bootstrap(
        lambda rows, predicted: macro_f1(rows, predicted, classes), true, ours.argmax(axis=1), theirs.argmax(axis=1)
    )


def write_summary(summaries: Sequence[SystemSummary], folder: Path) -> Path:
    """Write `summary.json` and the same as a Markdown table, `summary.md`; the former's path."""
    path = folder / SUMMARY_FILE
    content = json.dumps([dataclasses.asdict(summary) for summary in summaries], ensure_ascii=False, indent=2)
    write_text(path, content + "\n")
    write_text(path.with_suffix(".md"), markdown_table(summaries))
    return path


def markdown_table(summaries: Sequence[SystemSummary]) -> str:
    """The systems' figures, a row each: mean and 95 % interval, and the main system's lead in macro-F1 with its p."""
    columns = {
        "macro_f1": "macro-F1",
        "accuracy": "accuracy",
        "top_3_accuracy": "top-3",
        "log_loss": "log loss",
        "calibration_error": "calibration error",
        "accuracy_at_60_percent": "accuracy at 60 %",
    }
    rows = [["system", *columns.values(), "lead (p)"], ["---"] * (len(columns) + 2)]
    for summary in summaries:
        lead = summary.main_less_this
        rows.append(
            [
                summary.system,
                *(str(summary.figures[name]) for name in columns),
                f"{lead.value:+.3f} ({lead.p_value:.2g})" if lead else "",
            ]
        )
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
