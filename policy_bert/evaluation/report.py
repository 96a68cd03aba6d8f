"""An evaluation as a tree of figures for `metrics.json`, and as files for people: `report.md` and a table of errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.evaluation.baselines import fit_system, systems_beside
from policy_bert.evaluation.intervals import bootstrap_interval, paired_bootstrap
from policy_bert.evaluation.metrics import TITLES, accuracy, class_report, macro_f1, measure, weighted_f1
from policy_bert.labels import LabelScheme
from policy_bert.rows import open_writer

if TYPE_CHECKING:
    import datasets

WORST_CONFUSIONS = 10
BASELINE_NAMES = {
    "tfidf_svm": "TF-IDF + linear SVM",
    "tfidf_logistic": "TF-IDF + logistic regression",
    "majority": "Majority class",
}
WITH_INTERVALS = {"accuracy": accuracy, "macro_f1": macro_f1, "weighted_f1": weighted_f1}

Scores = NDArray[np.floating[Any]]


def overall_figures(labels: NDArray[np.int64], scores: Scores) -> dict[str, Any]:
    """The figures of `metrics.measure`; those of `WITH_INTERVALS` with a 95 % bootstrap interval (`value low high`).

    Args:
        labels: True classes, shape (sentences,).
        scores: Probabilities, shape (sentences, classes).
    """
    predictions = scores.argmax(axis=1)
    figures: dict[str, Any] = measure(labels, scores)
    for name, function in WITH_INTERVALS.items():
        figures[name] = asdict(bootstrap_interval(function, labels, predictions))
    return figures


def class_figures(matrix: NDArray[np.int64], scheme: LabelScheme) -> list[dict[str, Any]]:
    """Precision, recall, F1 and support of each class, in the order of the ids."""
    report = class_report(matrix)
    columns = zip(scheme.labels, report.precision, report.recall, report.f1, report.support, strict=True)
    return [
        {
            "label": label.id,
            "label_name": label.name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
        for label, precision, recall, f1, support in columns
    ]


def worst_confusions(matrix: NDArray[np.int64], scheme: LabelScheme) -> list[dict[str, Any]]:
    """The most frequent mistakes, at most `WORST_CONFUSIONS`: both classes, count, share of the true class."""
    wrong = matrix * (1 - np.eye(len(matrix), dtype=np.int64))
    order = np.argsort(-wrong, axis=None, kind="stable")[:WORST_CONFUSIONS]
    pairs = [divmod(int(place), len(matrix)) for place in order]
    return [
        {
            "label": row,
            "label_name": scheme.names[row],
            "predicted": column,
            "predicted_name": scheme.names[column],
            "count": int(wrong[row, column]),
            "share": float(wrong[row, column] / matrix[row].sum()),
        }
        for row, column in pairs
        if wrong[row, column]
    ]


def baseline_figures(train: datasets.Dataset, test: datasets.Dataset, scores: Scores) -> dict[str, Any]:
    """For each baseline, and its twin with the auxiliary sentences, its figures and how much the classifier leads.

    Args:
        train: What the baselines learn from, as `LabelledData.parts` gives it.
        test: The sentences that are evaluated.
        scores: The classifier's probabilities of them, shape (sentences, classes).

    Returns:
        Name to the tree of `overall_figures` with `classifier_is_better_by`: for accuracy and macro-F1 the
        difference, its 95 % interval and p-value by the paired bootstrap.
    """
    labels, found = np.array(test["label"]), {}
    for system in systems_beside(BASELINE_NAMES, train):
        its_scores = fit_system(system, train).predict_scores(list(test["text"]))
        own, its = scores.argmax(axis=1), its_scores.argmax(axis=1)
        differences = {
            figure: asdict(paired_bootstrap(WITH_INTERVALS[figure], labels, own, its))
            for figure in ("accuracy", "macro_f1")
        }
        found[system] = {**overall_figures(labels, its_scores), "classifier_is_better_by": differences}
    return found


def report_text(figures: dict[str, Any], matrix_file: str, errors_file: str) -> str:
    """The Markdown report of what `evaluate` found.

    Args:
        figures: The tree that `metrics.json` holds for one part.
        matrix_file: The confusion matrix's file name, beside the report.
        errors_file: The error table's.
    """
    baselines = figures.get("baselines", {})
    sections = [
        f"# Evaluation: {figures['part']}",
        f"{figures['sentences']} sentences of `{figures['corpus']}` (SHA-256 `{figures['corpus_sha256'][:12]}…`, "
        f"part: {figures['part']}), {figures['classes']} classes; scored by the checkpoint in this folder through the "
        f"{figures['engine']} engine. Square brackets: 95 % bootstrap interval over the sentences.",
        "## Overall",
        _table(
            ["", "This classifier", *map(_baseline_name, baselines)],
            [
                [title, _cell(figures[key]), *(_cell(baseline[key]) for baseline in baselines.values())]
                for key, title in TITLES.items()
            ],
        ),
    ]
    if baselines:
        sections += [
            "The baselines learn from the run's training part and are scored on the same sentences; those *with "
            "the auxiliary sentences* are given what the classifier was given. The SVM gives no probabilities: its log "
            "loss and calibration error are those of its margins' softmax.",
            "## Better by",
            _differences(baselines),
        ]
    sections += ["## Classes", _classes(figures["per_class"]), f"![Confusion matrix]({matrix_file})"]
    sections += ["## Worst confusions", _confusions(figures["worst_confusions"])]
    sections += [f"All errors with their scores, the most confident first: [`{errors_file}`]({errors_file})."]
    return "\n\n".join(sections) + "\n"


def write_errors(path: Path, rows: datasets.Dataset, scores: Scores, scheme: LabelScheme) -> int:
    """Write the sentences that the classifier got wrong, the most confident first, and return their number.

    Columns: `line sentence label label_name predicted predicted_name confidence label_score`, then the score of each
    class under its name.

    Args:
        path: A TSV file, replaced.
        rows: The sentences, as `LabelledData.parts` gives them.
        scores: Probabilities, shape (sentences, classes).
        scheme: Names the classes.
    """
    labels, predictions, confidences = np.array(rows["label"]), scores.argmax(axis=1), scores.max(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    columns = ["line", "sentence", "label", "label_name", "predicted", "predicted_name", "confidence", "label_score"]
    score_columns = [name if name not in columns else f"score_{name}" for name in scheme.names]
    with open_writer(path, "tsv", [*columns, *score_columns]) as writer:
        for index in wrong[np.argsort(-confidences[wrong], kind="stable")]:
            sentence, label, predicted = rows[int(index)], int(labels[index]), int(predictions[index])
            values = [
                sentence["line"],
                sentence["text"],
                label,
                scheme.names[label],
                predicted,
                scheme.names[predicted],
            ]
            values += [float(confidences[index]), float(scores[index, label])]
            row = dict(zip(columns, values, strict=True))
            writer.write(row | dict(zip(score_columns, map(float, scores[index]), strict=True)))
    return len(wrong)


def _baseline_name(system: str) -> str:
    name, _, suffix = system.partition("+")
    return BASELINE_NAMES.get(name, name) + (", with the auxiliary sentences" if suffix else "")


def _cell(figure: float | dict[str, float]) -> str:
    if isinstance(figure, dict):
        return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure:.3f}"


def _differences(baselines: dict[str, Any]) -> str:
    rows = []
    for name, figures in baselines.items():
        for key, difference in figures["classifier_is_better_by"].items():
            p_value = f"{difference['p_value']:.4f}"
            rows.append([_baseline_name(name), TITLES[key], _cell(difference), p_value])
    return _table(["Than", "In", "Difference", "p (paired bootstrap)"], rows)


def _classes(per_class: Iterable[dict[str, Any]]) -> str:
    keys = ("precision", "recall", "f1")
    rows = [
        [str(row["label"]), row["label_name"], *(_cell(row[key]) for key in keys), str(row["support"])]
        for row in per_class
    ]
    return _table(["Id", "Class", "Precision", "Recall", "F1", "Support"], rows)


def _confusions(confusions: Sequence[dict[str, Any]]) -> str:
    if not confusions:
        return "None."
    rows = [[row["label_name"], row["predicted_name"], str(row["count"]), f"{row['share']:.0%}"] for row in confusions]
    return _table(["Labelled", "Predicted", "Sentences", "Of the labelled class"], rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
