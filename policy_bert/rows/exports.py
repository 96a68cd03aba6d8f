"""What annotation programs export, as flat rows: Label Studio's tasks and Argilla's records."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# What Label Studio writes beside a task's data and its labels, in CSV, TSV and JSON-MIN.
_STUDIO_MARKS = {"annotation_id", "lead_time"}
_STUDIO_COLUMNS = _STUDIO_MARKS | {
    "annotator", "annotators", "created_at", "updated_at", "was_cancelled", "agreement", "history", "id", "inner_id",
    "total_annotations", "cancelled_annotations", "total_predictions", "project", "meta",
}  # fmt: skip


def flat_rows(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows that one JSON object stands for: itself, but for a task of Label Studio and a record of Argilla.

    A task gives a row an annotation, as JSON-MIN does: its data, and what each control was set to under the control's
    name. A task that was skipped or not reached gives one row without labels. A record gives its fields, and the
    responses to each question under `<question>.responses`.
    """
    data, annotations, fields = record.get("data"), record.get("annotations"), record.get("fields")
    if isinstance(data, dict) and isinstance(annotations, list):
        given = [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")] or [{}]
        for annotation in given:
            yield {"id": record.get("id"), **data, **_controls(annotation), **dict.fromkeys(_STUDIO_MARKS)}
    elif isinstance(fields, dict) and isinstance(record.get("responses"), dict):
        answers = {f"{question}.responses": given for question, given in record["responses"].items()}
        yield {**{key: value for key, value in record.items() if not isinstance(value, dict)}, **fields, **answers}
    else:
        yield record


def _controls(annotation: Mapping[str, Any]) -> dict[str, Any]:
    controls: dict[str, Any] = {}
    for result in annotation.get("result") or ():
        value = result.get("value", {})
        controls.setdefault(str(result.get("from_name")), []).append(
            value["choices"] if isinstance(value, dict) and "choices" in value else value
        )
    return controls


def label_candidates(columns: Sequence[str], text_columns: Sequence[str]) -> list[str]:
    """The columns that may hold the labels of an export whose controls or questions have names of their own."""
    answers = [name for name in columns if name.endswith(".responses")]
    if answers or not set(columns) >= _STUDIO_MARKS:
        return answers
    return [name for name in columns if name not in _STUDIO_COLUMNS and name not in text_columns]


def listed_labels(value: Any, status: Any = None) -> list[Any]:
    """The distinct labels in a cell, which may be a label, a list of them, or what an annotation program makes of one.

    Args:
        value: The cell; a text that is a list or Label Studio's `{"choices": […]}` written out counts as one.
        status: Argilla's list of the responses' states; only those that were submitted count.
    """
    if isinstance(value, str) and value[:1] in "[{" and value.strip()[-1:] in tuple("]}"):
        try:
            value = json.loads(value)
        except ValueError:
            try:  # a list as Python writes it
                value = ast.literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                return [value]
    if isinstance(value, Mapping):
        if "choices" in value:
            value = value["choices"]
        elif "value" in value:  # a response of Argilla's
            value = value["value"] if value.get("status") in (None, "submitted") else None
    if isinstance(value, (list, tuple)):
        if isinstance(status, (list, tuple)) and len(status) == len(value):
            value = [item for item, state in zip(value, status, strict=True) if state in (None, "submitted")]
        found = [label for item in value for label in listed_labels(item)]
        return [label for place, label in enumerate(found) if label not in found[:place]]
    return [] if value is None else [value]
