"""Labelled sentences from a file: checked, duplicates collapsed, contradictions handled, and the data report."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from policy_bert.command import ArgumentParser, run_command
from policy_bert.corpus_report import Contradiction, CorpusReport, format_report, report_tree
from policy_bert.durable_files import stream_digest
from policy_bert.errors import DataError
from policy_bert.labelled_rows import LabelledRow, label_parser, read_labelled_rows, scheme_from_labels
from policy_bert.labels import SCHEME_FILE, LabelScheme, load_scheme
from policy_bert.rows import open_input
from policy_bert.splits import Split, near_duplicate_groups
from policy_bert.text import clean

if TYPE_CHECKING:
    import datasets

ContradictionPolicy = Literal["drop", "first", "majority"]
MAX_LISTED_PROBLEMS = 20


@dataclass(frozen=True)
class LabelledSentence:
    """A sentence after `clean`, its class id and the line where it first stands."""

    text: str
    label: int
    line: int


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
    contradictions: ContradictionPolicy = "drop",
    max_listed_problems: int = MAX_LISTED_PROBLEMS,
) -> Corpus:
    """The labelled sentences of a file; see `labelled_rows.read_labelled_rows` for the forms it may have.

    Args:
        path: The file.
        scheme: The classes; labels are their ids or names. None makes a scheme from the file: integers become classes
            in numeric order, named by the number; other labels become classes in the order of their code points.
        text_column: The sentences' column in a table; None for the usual names.
        label_column: The labels' column in a table; None for the usual names.
        encoding: `auto`, or the name of the text's encoding.
        contradictions: For a sentence with two labels: `drop` keeps it out, `first` keeps the label of its first line,
            `majority` the most frequent one (a tie keeps it out). All are listed in the report.
        max_listed_problems: How many bad rows the error lists; it gives the number of all.

    Raises:
        DataError: The file cannot be read, or has bad rows, all listed with line and reason.
    """
    rows, found_encoding = read_labelled_rows(path, text_column, label_column, encoding)
    checked = [_check_row(row) for row in rows]
    if scheme is None:
        scheme = scheme_from_labels([row.label for row in checked if not row.problem], str(path))
    id_of = label_parser(scheme)
    labelled, problems = [], []
    for row in checked:
        label, problem = (None, row.problem) if row.problem else id_of(row.label)
        if label is None:
            problems.append(f"line {row.line}: {problem}")
        else:
            labelled.append(LabelledSentence(row.text, label, row.line))
    if problems:
        raise DataError(_problem_list(str(path), problems, max_listed_problems))
    if not labelled:
        raise DataError(f"{path}: expected labelled sentences, found none")
    sentences, contradicting = _collapse(labelled, contradictions)
    with open_input(path) as stream:
        sha256 = stream_digest(stream)
    report = _report(str(path), sha256, found_encoding, labelled, sentences, contradicting, contradictions, scheme)
    return Corpus(sentences, scheme, report, sha256)


def load_dataset_dict(corpus: Corpus, split: Split | None = None) -> datasets.DatasetDict:
    """The corpus as a `datasets.DatasetDict` with `text` and a `ClassLabel` named `label`, ids in numeric order.

    Its parts are `train`, `validation` and `test` (those that are not empty), or `train` alone without a split.
    """
    import datasets

    columns = {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=list(corpus.scheme.names))}
    features = datasets.Features(columns)
    parts: dict[str, Iterable[int]] = {"train": range(len(corpus.sentences))}
    if split is not None:
        parts = {"train": split.train, "validation": split.validation, "test": split.test}
    tables = {}
    for name, indices in parts.items():
        chosen = [corpus.sentences[index] for index in indices]
        if chosen:
            content = {"text": [sentence.text for sentence in chosen], "label": [sentence.label for sentence in chosen]}
            tables[name] = datasets.Dataset.from_dict(content, features=features)
    return datasets.DatasetDict(tables)


def _check_row(row: LabelledRow) -> LabelledRow:
    if row.problem:
        return row
    text = clean(row.text)
    problem = "" if text and row.label else "empty sentence" if not text else "no label"
    return row._replace(text=text, problem=problem)


def _problem_list(source: str, problems: list[str], limit: int) -> str:
    listed = "; ".join(problems[:limit])
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
            kept = _settle(labels, policy)
            contradicting.append(Contradiction(text, labels, tuple(sentence.line for sentence in found), kept))
        if kept is not None:
            sentences.append(LabelledSentence(text, kept, found[0].line))
    return tuple(sentences), tuple(contradicting)


def _settle(labels: tuple[int, ...], policy: ContradictionPolicy) -> int | None:
    if policy == "first":
        return labels[0]
    if policy == "majority":
        (label, count), (_, next_count) = Counter(labels).most_common(2)
        return label if count > next_count else None
    return None


def _report(
    path: str,
    sha256: str,
    encoding: str,
    labelled: Sequence[LabelledSentence],
    sentences: Sequence[LabelledSentence],
    contradicting: tuple[Contradiction, ...],
    policy: str,
    scheme: LabelScheme,
) -> CorpusReport:
    occurrences = Counter(sentence.text for sentence in labelled)
    by_class = Counter(sentence.label for sentence in labelled)
    lengths = [len(text) for text in occurrences]
    return CorpusReport(
        path=path,
        sha256=sha256,
        encoding=encoding,
        rows=len(labelled),
        distinct=len(occurrences),
        duplicated=sum(count > 1 for count in occurrences.values()),
        contradictions=contradicting,
        contradiction_policy=policy,
        sentences=len(sentences),
        class_counts=tuple(by_class[label.id] for label in scheme.labels),
        characters_min=min(lengths),
        characters_mean=sum(lengths) / len(lengths),
        characters_max=max(lengths),
    )


def _find_scheme(labels: str | None, path: str) -> LabelScheme | None:
    beside = Path(path).parent / SCHEME_FILE
    if labels == "none" or (labels is None and not beside.is_file()):
        return None
    return load_scheme(labels or beside)


def _threshold(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 0 and less than 1, found {text}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Print the data report of a labelled file."""
    parser = ArgumentParser(prog="policy-bert corpus", description="Check a labelled file and print what it holds.")
    parser.add_argument("file", help="text, tab, label a line; or .csv, .jsonl, .xlsx, .parquet with named columns")
    parser.add_argument(
        "--labels", help=f"label scheme; default {SCHEME_FILE} beside the file; none: made from the file"
    )
    parser.add_argument("--text-column", help="column of the sentences")
    parser.add_argument("--label-column", help="column of the labels")
    parser.add_argument("--encoding", default="auto", help="utf-8, gb18030, utf-16 …; default auto")
    parser.add_argument("--contradictions", choices=get_args(ContradictionPolicy), default="drop")
    parser.add_argument("--threshold", type=_threshold, default=0.6, help="cosine of near-duplicates; default 0.6")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    corpus = load_corpus(
        options.file,
        _find_scheme(options.labels, options.file),
        text_column=options.text_column,
        label_column=options.label_column,
        encoding=options.encoding,
        contradictions=options.contradictions,
    )
    kept_out = [found.text for found in corpus.report.contradictions if found.kept is None]
    groups = near_duplicate_groups([*(s.text for s in corpus.sentences), *kept_out], options.threshold)
    figures = (corpus.report, corpus.scheme, len(set(groups.tolist())), options.threshold)
    print(json.dumps(report_tree(*figures), ensure_ascii=False, indent=2) if options.json else format_report(*figures))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
