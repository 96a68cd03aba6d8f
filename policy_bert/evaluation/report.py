"""An evaluation as files for people: `report.md`, and the errors as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.labels import LabelScheme
from policy_bert.rows import open_writer

BASELINE_NAMES = {
    "tfidf_svm": "TF-IDF + linear SVM",
    "tfidf_logistic": "TF-IDF + logistic regression",
    "majority": "Majority class",
}
OVERALL = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "weighted_f1": "Weighted F1",
    "top_2_accuracy": "Top-2 accuracy",
    "top_3_accuracy": "Top-3 accuracy",
    "log_loss": "Log loss",
    "expected_calibration_error": "Expected calibration error",
    "accuracy_at_60_percent_coverage": "Accuracy on the most confident 60 %",
}


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
            ["", "This classifier", *(BASELINE_NAMES.get(name, name) for name in baselines)],
            [
                [title, _cell(figures[key]), *(_cell(baseline[key]) for baseline in baselines.values())]
                for key, title in OVERALL.items()
            ],
        ),
    ]
    if baselines:
        sections += [
            "The baselines learn from the run's training part and are scored on the same sentences. The SVM gives no "
            "probabilities: its log loss and calibration error are those of its margins' softmax.",
            "## Better by",
            _differences(baselines),
        ]
    sections += ["## Classes", _classes(figures["per_class"]), f"![Confusion matrix]({matrix_file})"]
    sections += ["## Worst confusions", _confusions(figures["worst_confusions"])]
    sections += [f"All errors with their scores, the most confident first: [`{errors_file}`]({errors_file})."]
    return "\n\n".join(sections) + "\n"


def write_errors(
    path: Path,
    sentences: Sequence[tuple[int, str]],
    labels: NDArray[np.int64],
    scores: NDArray[np.floating[Any]],
    scheme: LabelScheme,
) -> int:
    """Write the sentences that the classifier got wrong, the most confident first, and return their number.

    Columns: `line sentence label label_name predicted predicted_name confidence label_score`, then the score of each
    class under its name.

    Args:
        path: A TSV file, replaced.
        sentences: Line in the corpus file and text of each sentence.
        labels: True classes.
        scores: Probabilities, shape (sentences, classes).
        scheme: Names the classes.
    """
    predictions = scores.argmax(axis=1)
    confidences = scores.max(axis=1)
    wrong = np.flatnonzero(predictions != labels)
    columns = ["line", "sentence", "label", "label_name", "predicted", "predicted_name", "confidence", "label_score"]
    score_columns = [name if name not in columns else f"score_{name}" for name in scheme.names]
    with open_writer(path, "tsv", [*columns, *score_columns]) as writer:
        for index in wrong[np.argsort(-confidences[wrong], kind="stable")]:
            label, predicted = int(labels[index]), int(predictions[index])
            line, text = sentences[index]
            values = [line, text, label, scheme.names[label], predicted, scheme.names[predicted]]
            values += [float(confidences[index]), float(scores[index, label])]
            row = dict(zip(columns, values, strict=True))
            writer.write(row | dict(zip(score_columns, map(float, scores[index]), strict=True)))
    return len(wrong)


def _cell(figure: float | dict[str, float]) -> str:
    if isinstance(figure, dict):
        return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure:.3f}"


def _differences(baselines: dict[str, Any]) -> str:
    rows = []
    for name, figures in baselines.items():
        for key, difference in figures["classifier_is_better_by"].items():
            p_value = f"{difference['p_value']:.4f}"
            rows.append([BASELINE_NAMES.get(name, name), OVERALL[key], _cell(difference), p_value])
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
