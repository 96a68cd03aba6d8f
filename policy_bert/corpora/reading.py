"""Labelled sentences from a file: checked, duplicates collapsed, contradictions handled, and the data report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from policy_bert.corpora.labelled_rows import LabelledRow, label_parser, read_labelled_rows, scheme_from_labels
from policy_bert.errors import DataError
from policy_bert.files import stream_digest
from policy_bert.labels import LabelScheme, is_integer
from policy_bert.rows import open_input, say_once
from policy_bert.text import clean, look

ContradictionPolicy = Literal["drop", "first", "majority"]
MAX_LISTED_PROBLEMS = 20


@dataclass(frozen=True)
class LabelledSentence:
    """A sentence after `clean`, its class id and the line where it first stands."""

    text: str
    label: int
    line: int


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


@dataclass(frozen=True)
class Corpus:
    """Distinct sentences in the file's order, the scheme they are labelled by, and what was found in the file.

    `sha256` is of the file's bytes.
    """

    sentences: tuple[LabelledSentence, ...]
    scheme: LabelScheme
    report: CorpusReport
    sha256: str


def load_corpus(
    path: str | Path,
    scheme: LabelScheme | None = None,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "auto",
    sheet: str | None = None,
    contradictions: ContradictionPolicy = "drop",
) -> Corpus:
    """The labelled sentences of a file; see `labelled_rows.read_labelled_rows` for the forms it may have.

    Args:
        path: The file.
        scheme: The classes; labels are their codes or names. None makes a scheme from the file, see
            `labelled_rows.scheme_from_labels`.
        text_column: The sentences' column in a table; None for the usual names.
        label_column: The labels' column in a table; None for the usual names.
        encoding: `auto`, or the name of the text's encoding.
        sheet: The sheet of a workbook; None for the first.
        contradictions: For a sentence with two labels: `drop` keeps it out, `first` keeps the label of its first line,
            `majority` the most frequent one (a tie keeps it out). All are listed in the report.

    Raises:
        DataError: The file cannot be read, or has bad rows, `MAX_LISTED_PROBLEMS` of them listed with line and reason.
    """
    rows, found_encoding = read_labelled_rows(path, text_column, label_column, encoding, sheet)
    good, labelled, scheme = _label(rows, scheme, str(path))
    sentences, contradicting = _collapse(labelled, contradictions)
    with open_input(path) as stream:
        sha256 = stream_digest(stream)
    alike = _look_alikes([row.label for row in good], scheme)
    if alike:
        groups = "; ".join(", ".join(map(repr, group)) for group in alike)
        say_once(f"{path}: labels that look alike are different classes: {groups}; write them alike if they are one")
    occurrences = Counter(sentence.text for sentence in labelled)
    by_class = Counter(sentence.label for sentence in labelled)
    lengths = [len(text) for text in occurrences]
    report = CorpusReport(
        path=str(path),
        sha256=sha256,
        encoding=found_encoding,
        rows=len(labelled),
        distinct=len(occurrences),
        duplicated=sum(count > 1 for count in occurrences.values()),
        contradictions=contradicting,
        contradiction_policy=contradictions,
        sentences=len(sentences),
        class_counts=tuple(by_class[label.id] for label in scheme.labels),
        look_alikes=alike,
        characters_min=min(lengths),
        characters_mean=sum(lengths) / len(lengths),
        characters_max=max(lengths),
    )
    return Corpus(sentences, scheme, report, sha256)


def _label(
    rows: Iterable[LabelledRow], scheme: LabelScheme | None, source: str
) -> tuple[list[LabelledRow], list[LabelledSentence], LabelScheme]:
    """The rows with clean sentences, the same with class ids, and the scheme, made from them where none is given.

    Raises:
        DataError: Rows are bad, or there are none.
    """
    good, problems = [], []
    for row in rows:
        text = clean(row.text)
        problem = row.problem or ("" if text and row.label else "empty sentence" if not text else "no label")
        if problem:
            problems.append((row.line, problem))
        else:
            good.append(row._replace(text=text))
    if scheme is None and not problems:
        _check_columns(good, source)
        scheme = scheme_from_labels([row.label for row in good], source)
    labelled = []
    id_of = label_parser(scheme) if scheme is not None else lambda _: (0, "")
    for row in good:
        label, problem = id_of(row.label)
        if label is None:
            problems.append((row.line, problem))
        else:
            labelled.append(LabelledSentence(row.text, label, row.line))
    if problems:
        swapped = good and not labelled and all(id_of(row.text)[0] is not None for row in good)
        hint = "; the sentences are classes: are the columns the wrong way round?" if swapped else ""
        raise DataError(_problem_list(source, sorted(problems)) + hint)
    assert scheme is not None
    if not labelled:
        raise DataError(f"{source}: expected labelled sentences, found none")
    return good, labelled, scheme


def _check_columns(rows: Sequence[LabelledRow], source: str) -> None:
    """Refuse sentences for labels, and name a column that is hardly one of classes, and a header that is none known."""
    texts, labels = Counter(row.text for row in rows), Counter(row.label for row in rows)
    longer = sum(len(row.label) - len(row.text) for row in rows) > 0
    each_once = len(labels) == len(rows) >= 10
    if longer and (len(labels) > len(texts) or each_once):
        raise DataError(
            f"{source}: the columns seem the wrong way round: {len(labels)} labels such as {rows[0].label[:20]!r} for "
            f"{len(texts)} sentences such as {rows[0].text[:20]!r}; name them with --text-column and --label-column"
        )
    if each_once:
        say_once(f"{source}: {len(labels)} classes for as many rows, such as {rows[0].label[:20]!r}; is it the column?")
    if labels and len(rows) > 2 and not is_integer(rows[0].label) and all(is_integer(row.label) for row in rows[1:]):
        say_once(f"{source}: line {rows[0].line}: all labels but {rows[0].label[:20]!r} are integers; is it a header?")


def _look_alikes(labels: Sequence[str], scheme: LabelScheme) -> tuple[tuple[str, ...], ...]:
    """Labels of different classes that a reader takes for one: width, case, spaces and leading zeros aside."""
    groups: dict[str, list[str]] = {}
    for label in sorted(set(labels)):
        groups.setdefault(look(label), []).append(label)
    return tuple(tuple(group) for group in groups.values() if len({*map(scheme.parse, group)}) > 1)


def _problem_list(source: str, problems: Sequence[tuple[int, str]]) -> str:
    limit = MAX_LISTED_PROBLEMS
    listed = "; ".join(f"line {line}: {problem}" for line, problem in problems[:limit])
    more = f"; and {len(problems) - limit} more (the first {limit} are listed)" if len(problems) > limit else ""
    return f"{source}: {len(problems)} bad {'row' if len(problems) == 1 else 'rows'}: {listed}{more}"


def _collapse(
    labelled: Sequence[LabelledSentence], policy: ContradictionPolicy
) -> tuple[tuple[LabelledSentence, ...], tuple[Contradiction, ...]]:
    """Distinct sentences in the order of their first lines, and those that had more than one label."""
    occurrences: dict[str, list[LabelledSentence]] = {}
    for sentence in labelled:
        occurrences.setdefault(sentence.text, []).append(sentence)
    sentences, contradicting = [], []
    for text, found in occurrences.items():
        labels = tuple(sentence.label for sentence in found)
        kept: int | None = labels[0]
        if len(set(labels)) > 1:
            if policy != "first":
                (kept, most), (_, next_most) = Counter(labels).most_common(2)
                kept = kept if policy == "majority" and most > next_most else None
            contradicting.append(Contradiction(text, labels, tuple(sentence.line for sentence in found), kept))
        if kept is not None:
            sentences.append(LabelledSentence(text, kept, found[0].line))
    return tuple(sentences), tuple(contradicting)


def report_tree(
    report: CorpusReport, scheme: LabelScheme, near_duplicate_groups: int, threshold: float
) -> dict[str, Any]:
    """The report as plain values for JSON, with class names and the number of near-duplicate groups."""
    duplicates = {"near_duplicate_groups": near_duplicate_groups, "near_duplicate_threshold": threshold}
    figures = asdict(report) | {"characters_mean": round(report.characters_mean, 2)}
    return figures | duplicates | {"class_names": scheme.names}


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
