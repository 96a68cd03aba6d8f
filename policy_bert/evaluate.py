"""Measure a run on sentences it was not trained on: `python -m policy_bert.evaluate RUN`.

What is measured is what ships: the run's checkpoint, through `PolicyClassifier`. The run folder gets `metrics.json`,
`report.md`, the confusion matrix and the table of errors; another part than the test part has its name in theirs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.command import ArgumentParser, run_command
from policy_bert.config import load_config
from policy_bert.corpora.reading import Corpus, load_corpus
from policy_bert.corpora.splits import SPLIT_FILE, Split, read_split
from policy_bert.errors import DataError, UserError
from policy_bert.evaluation import measures
from policy_bert.evaluation.figures import baseline_figures, class_figures, overall_figures, worst_confusions
from policy_bert.evaluation.plots import draw_confusion_matrix
from policy_bert.evaluation.report import OVERALL, report_text, write_errors
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.training.settings import RunConfig

logger = logging.getLogger(__name__)

CONFIG_FILE, METRICS_FILE = "config.yaml", "metrics.json"
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
    corpus = _load_corpus(config, classifier, corpus_path)
    split = _find_split(run, part, corpus)
    indices = np.arange(len(corpus.sentences)) if part == "all" else getattr(split, part)
    if not len(indices):
        raise DataError(f"{run / SPLIT_FILE}: the {part} part is empty; choose another with --part")
    texts, labels = _texts(corpus), _labels(corpus)
    chosen = [texts[index] for index in indices]
    scores = classifier.scores(chosen)
    matrix = measures.confusion_matrix(labels[indices], scores.argmax(axis=1), len(corpus.scheme))
    figures = {
        "part": part,
        "corpus": Path(corpus_path or config.data.corpus).name,
        "corpus_sha256": corpus.sha256,
        "sentences": len(indices),
        "classes": len(corpus.scheme),
        "engine": type(classifier.engine).__name__.removesuffix("Engine"),
        **overall_figures(labels[indices], scores),
        "per_class": class_figures(matrix, corpus.scheme),
        "worst_confusions": worst_confusions(matrix, corpus.scheme),
    }
    if split is not None and part != "train":
        learned = [texts[index] for index in split.train]
        figures["baselines"] = baseline_figures(learned, labels[split.train], chosen, labels[indices], scores)
    lines = [(corpus.sentences[index].line, texts[index]) for index in indices]
    _write(run, figures, matrix, lines, labels[indices], scores, corpus)
    return figures


def _load_corpus(config: RunConfig, classifier: PolicyClassifier, path: str | Path | None) -> Corpus:
    data = config.data
    return load_corpus(
        path or data.corpus,
        classifier.scheme,
        **data.reading(),
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


def _texts(corpus: Corpus) -> list[str]:
    return [sentence.text for sentence in corpus.sentences]


def _labels(corpus: Corpus) -> NDArray[np.int64]:
    return np.array([sentence.label for sentence in corpus.sentences], dtype=np.int64)


def _write(
    run: Path,
    figures: dict[str, Any],
    matrix: NDArray[np.int64],
    lines: Sequence[tuple[int, str]],
    labels: NDArray[np.int64],
    scores: NDArray[np.float32],
    corpus: Corpus,
) -> None:
    """Write the four files; `metrics.json` last, so that it never speaks of files that are not there."""
    suffix = "" if figures["part"] == "test" else f"-{figures['part']}"
    matrix_file, errors_file = f"confusion_matrix{suffix}.png", f"errors{suffix}.tsv"
    try:
        title = f"{figures['corpus']} · {figures['part']} · {figures['sentences']}"
        draw_confusion_matrix(matrix, corpus.scheme.names, run / matrix_file, title)
        figures["errors"] = write_errors(run / errors_file, lines, labels, scores, corpus.scheme)
        _replace(run / f"report{suffix}.md", report_text(figures, matrix_file, errors_file))
        known = _known_metrics(run / METRICS_FILE) | {figures["part"]: figures}
        _replace(run / METRICS_FILE, json.dumps(known, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"{run}: cannot write the evaluation: {error.strerror}") from error


def _known_metrics(path: Path) -> dict[str, Any]:
    """What earlier evaluations of other parts have found; a damaged file counts for nothing."""
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return tree if isinstance(tree, dict) else {}


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def main(argv: Sequence[str] | None = None) -> int:
    """Evaluate a run and print its overall figures, one a line."""
    parser = ArgumentParser(prog="policy-bert evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="run folder, as train leaves it")
    parser.add_argument("--part", choices=PARTS, default="test", help="sentences to score (default: test)")
    parser.add_argument("--corpus", metavar="FILE", help="labelled file, if not where the run's configuration has it")
    parser.add_argument("--engine", choices=("auto", "onnx", "torch"), default="auto")
    arguments = parser.parse_args(argv)
    figures = evaluate_run(arguments.run, arguments.part, arguments.corpus, arguments.engine)
    for key, title in OVERALL.items():
        figure = figures[key]
        interval = f"\t[{figure['low']:.4f}, {figure['high']:.4f}]" if isinstance(figure, dict) else ""
        print(f"{title}\t{figure['value'] if isinstance(figure, dict) else figure:.4f}{interval}")
    logger.info("%d sentences; report and figures are in %s", figures["sentences"], arguments.run)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
