"""What a labelled file holds, as figures and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from policy_bert.labels import LabelScheme


@dataclass(frozen=True)
class Contradiction:
    """A sentence that occurs with two or more labels: the ids in the order of their lines, and the label kept."""

    text: str
    labels: tuple[int, ...]
    lines: tuple[int, ...]
    kept: int | None


@dataclass(frozen=True)
class CorpusReport:
    """Figures of a labelled file.

    Attributes:
        path: The file.
        sha256: Of its bytes.
        encoding: Of its text; empty for Excel and Parquet.
        rows: Rows with a sentence.
        distinct: Distinct sentences, those with two labels among them.
        duplicated: Distinct sentences that occur more than once.
        contradictions: Those of them that occur with two or more labels.
        contradiction_policy: What happened to these: `drop`, `first` or `majority`.
        sentences: Distinct sentences that are left for training and scoring.
        class_counts: Rows of each class, in the order of the ids.
        look_alikes: Labels that look alike and are different classes, in groups, as they are written.
        characters_min: Length of the shortest distinct sentence.
        characters_mean: Mean length of the distinct sentences.
        characters_max: Length of the longest distinct sentence.
    """

    path: str
    sha256: str
    encoding: str
    rows: int
    distinct: int
    duplicated: int
    contradictions: tuple[Contradiction, ...]
    contradiction_policy: str
    sentences: int
    class_counts: tuple[int, ...]
    look_alikes: tuple[tuple[str, ...], ...]
    characters_min: int
    characters_mean: float
    characters_max: int


def report_tree(
    report: CorpusReport, scheme: LabelScheme, near_duplicate_groups: int, threshold: float
) -> dict[str, Any]:
    """The report as plain values for JSON, with class names and the number of near-duplicate groups."""
    tree = asdict(report)
    tree["characters_mean"] = round(report.characters_mean, 2)
    tree["near_duplicate_groups"] = near_duplicate_groups
    tree["near_duplicate_threshold"] = threshold
    tree["class_names"] = scheme.names
    return tree


def format_report(report: CorpusReport, scheme: LabelScheme, near_duplicate_groups: int, threshold: float) -> str:
    """The report as lines of text for a terminal."""
    facts = [
        ("file", report.path),
        ("SHA-256", report.sha256),
        ("encoding", report.encoding or "(binary table)"),
        ("rows", f"{report.rows:,}"),
        ("distinct sentences", f"{report.distinct:,}"),
        ("occur more than once", f"{report.duplicated:,}"),
        ("contradictions", f"{len(report.contradictions):,} (policy: {report.contradiction_policy})"),
        ("left to train on", f"{report.sentences:,}"),
        ("near-duplicate groups", f"{near_duplicate_groups:,} (cosine > {threshold:g})"),
        ("characters", f"{report.characters_min}–{report.characters_max}, mean {report.characters_mean:.1f}"),
        ("classes", f"{len(scheme):,}"),
    ]
    lines = [f"{name:<22}  {value}" for name, value in facts]
    lines += ["", "label   rows  share  name"]
    for label, count in zip(scheme.labels, report.class_counts, strict=True):
        lines.append(f"{label.id:>5}  {count:>5,}  {count / max(report.rows, 1):>5.1%}  {label.name}")
    if report.look_alikes:
        lines += ["", "labels that look alike and are different classes"]
        lines += [", ".join(map(repr, group)) for group in report.look_alikes]
    if report.contradictions:
        lines += ["", "contradictions (lines: labels, sentence)"]
    for found in report.contradictions:
        labels = ", ".join(f"{label} {scheme.names[label]}" for label in found.labels)
        kept = "kept out" if found.kept is None else f"kept as {found.kept}"
        lines.append(f"{', '.join(map(str, found.lines))}: {labels} ({kept}): {found.text}")
    return "\n".join(lines)
