"""Measure a run on sentences it was not trained on: `python -m policy_bert.evaluate RUN`.

What is measured is what ships: the run's checkpoint, through `PolicyClassifier`. The run folder gets `metrics.json`,
`report.md`, the confusion matrix and the table of errors; another part than the test part has its name in theirs.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.command import ArgumentParser, run_command
from policy_bert.config import load_config
from policy_bert.corpora.dataset import LabelledData, load_data, read_corpus
from policy_bert.corpora.reading import Corpus
from policy_bert.corpora.splits import SPLIT_FILE, Split, read_split
from policy_bert.errors import DataError
from policy_bert.evaluation.metrics import TITLES, confusion_matrix
from policy_bert.evaluation.plots import draw_confusion_matrix
from policy_bert.evaluation.report import (
    baseline_figures,
    class_figures,
    overall_figures,
    report_text,
    worst_confusions,
    write_errors,
)
from policy_bert.files import naming_disk_errors, write_text
from policy_bert.labels import LabelScheme
from policy_bert.reviews.gold_set import GOLD_SET, GoldFigure, find_documents, measure_documents, read_gold_set
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.training.record import CONFIG_FILE, read_record
from policy_bert.training.settings import RunConfig

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger("policy_bert.evaluate")  # under -m its name is __main__

METRICS_FILE = "metrics.json"
PARTS = ("test", "validation", "train", "all")


def evaluate_run(
    run: str | Path, part: str = "test", corpus_path: str | Path | None = None, engine: str = "auto"
) -> dict[str, Any]:
    """Measure a run, write the files into its folder, and return the figures, which `metrics.json` holds under `part`.

    Args:
        run: The run folder: a checkpoint with `config.yaml` and, unless `part` is `all`, `split.json`.
        part: `test`, `validation` or `train` of the run's split, or `all` sentences of the corpus.
        corpus_path: The labelled file; None for the one that the run's configuration names.
        engine: As for `PolicyClassifier.from_pretrained`.

    Raises:
        UserError: The folder is no run, the corpus is not the one that was split, or the part is empty.
    """
    run = Path(run)
    if not run.is_dir():
        raise DataError(f"{run}: expected a run folder, found {'a file' if run.exists() else 'nothing'}")
    config = load_config(RunConfig, run / CONFIG_FILE)
    classifier = PolicyClassifier.from_pretrained(run, engine=engine)  # type: ignore[arg-type]
    settings = replace(config.data, corpus=str(corpus_path or config.data.corpus))
    beside = part in ("test", "validation")  # there baselines are measured too
    if not beside:
        settings = replace(settings, auxiliary=())
    corpus = read_corpus(settings, classifier.scheme)
    split = _find_split(run, part, corpus)
    data = load_data(settings, config.split.near_duplicate_threshold, corpus=corpus)
    parts = data.parts(split)
    rows = parts.get("train" if part == "all" else part)
    if rows is None:
        raise DataError(f"{run / SPLIT_FILE}: the {part} part is empty; choose another with --part")
    if beside:
        _check_auxiliary(run, data)
    scores = classifier.scores(list(rows["text"]))
    labels = np.array(rows["label"])
    matrix = confusion_matrix(labels, scores.argmax(axis=1), len(data.scheme))
    figures = {
        "part": part,
        "corpus": Path(settings.corpus).name,
        "corpus_sha256": data.corpus.sha256,
        "sentences": len(rows),
        "classes": len(data.scheme),
        "engine": type(classifier.engine).__name__.removesuffix("Engine"),
        **overall_figures(labels, scores),
        "per_class": class_figures(matrix, data.scheme),
        "worst_confusions": worst_confusions(matrix, data.scheme),
    }
    if beside:
        figures["baselines"] = baseline_figures(parts["train"], rows, scores)
    _write(run, figures, matrix, rows, scores, data.scheme)
    return figures


def _check_auxiliary(run: Path, data: LabelledData) -> None:
    """Refuse auxiliary sentences that are not those that the run was given; a run without a record may have any."""
    recorded = ((read_record(run) or {}).get("inputs") or {}).get("auxiliary")
    if recorded not in (None, data.inputs["auxiliary"]):
        raise DataError(
            f"{run}: the auxiliary sentences have changed since the run; restore their files or train again"
        )


def _find_split(run: Path, part: str, corpus: Corpus) -> Split | None:
    """The run's split; None where all sentences are evaluated."""
    if part == "all":
        logger.warning("every sentence of the file is scored; those that the run was trained on flatter the figures")
        return None
    if not (run / SPLIT_FILE).exists():
        raise DataError(
            f"{run}: no {SPLIT_FILE}: the run was trained on every sentence, so none is left to test it; name a file "
            "it has not seen with --corpus FILE --part all"
        )
    try:
        return read_split(run / SPLIT_FILE, corpus)
    except DataError as error:
        raise DataError(f"{error}; or evaluate every sentence of the file with --part all") from error


def _write(
    run: Path,
    figures: dict[str, Any],
    matrix: NDArray[np.int64],
    rows: datasets.Dataset,
    scores: NDArray[np.float32],
    scheme: LabelScheme,
) -> None:
    """Write the four files; `metrics.json` last, so that it never speaks of files that are not there."""
    suffix = "" if figures["part"] == "test" else f"-{figures['part']}"
    matrix_file, errors_file = f"confusion_matrix{suffix}.png", f"errors{suffix}.tsv"
    with naming_disk_errors(run):
        title = f"{figures['corpus']} · {figures['part']} · {figures['sentences']}"
        draw_confusion_matrix(matrix, scheme.names, run / matrix_file, title)
        figures["errors"] = write_errors(run / errors_file, rows, scores, scheme)
        write_text(run / f"report{suffix}.md", report_text(figures, matrix_file, errors_file))
        known = _known_metrics(run / METRICS_FILE) | {figures["part"]: figures}
        write_text(run / METRICS_FILE, json.dumps(known, ensure_ascii=False, indent=2) + "\n")


def _known_metrics(path: Path) -> dict[str, Any]:
    """What earlier evaluations of other parts have found; a damaged file counts for nothing."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def evaluate_documents(
    gold_set: str, text: Sequence[str], part: str = "test", model: str | None = None, engine: str = "auto"
) -> list[GoldFigure]:
    """Measure how whole documents are coded, on a gold set of units that were read in their place.

    Args:
        gold_set: The folder of the gold set, such as `data/gold`.
        text: The files in which its documents are found again.
        part: `development`, `test` or `all`.
        model: A checkpoint as `PolicyClassifier.from_pretrained` takes it; None for the shipped one.
        engine: As there.

    Raises:
        UserError: The gold set, the text or the model cannot be had.
    """
    classifier = PolicyClassifier.from_pretrained(model, engine=engine)  # type: ignore[arg-type]
    documents, units = read_gold_set(gold_set, len(classifier.scheme), None if part == "all" else part)
    return measure_documents(find_documents(text, documents), documents, units, classifier)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate a run, or the coding of documents, and print the overall figures, one a line."""
    parser = ArgumentParser(prog="policy-bert evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "run", nargs="?", help="run folder, as train leaves it; with --units any model (default: shipped)"
    )
    parser.add_argument("--part", choices=(*PARTS, "development"), default="test", help="what to score (default: test)")
    parser.add_argument("--corpus", metavar="FILE", help="labelled file, if not where the run's configuration has it")
    parser.add_argument("--units", metavar="FOLDER", help=f"a gold set of units in documents, such as {GOLD_SET}")
    parser.add_argument("--text", nargs="+", default=[], metavar="FILE", help="the text that holds its documents")
    parser.add_argument("--json", metavar="FILE", help="with --units: write the figures to this file as well")
    parser.add_argument("--engine", choices=("auto", "onnx", "torch"), default="auto")
    arguments = parser.parse_args(argv)
    if arguments.units:
        if not arguments.text:
            parser.error("--units needs --text FILES, in which its documents are found")
        if arguments.part not in ("development", "test", "all"):
            parser.error(f"--part {arguments.part}: a gold set has the parts development and test")
        figures = evaluate_documents(arguments.units, arguments.text, arguments.part, arguments.run, arguments.engine)
        for figure in figures:
            print(figure.name, figure, sep="\t")
        if arguments.json:
            record = {"part": arguments.part, "figures": [asdict(figure) for figure in figures]}
            with naming_disk_errors(Path(arguments.json)):
                write_text(Path(arguments.json), json.dumps(record, indent=2) + "\n")
        return 0
    if not arguments.run:
        parser.error("name a run folder, or --units FOLDER --text FILES")
    if arguments.part == "development":
        parser.error("--part development belongs to --units")
    measured = evaluate_run(arguments.run, arguments.part, arguments.corpus, arguments.engine)
    for key, title in TITLES.items():
        value = measured[key]
        interval = f"\t[{value['low']:.4f}, {value['high']:.4f}]" if isinstance(value, dict) else ""
        print(f"{title}\t{value['value'] if isinstance(value, dict) else value:.4f}{interval}")
    logger.info("%d sentences; report and figures are in %s", measured["sentences"], arguments.run)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
