"""Writes a checkpoint's `model.onnx`, which scores without PyTorch, and checks it against the weights."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from policy_bert.checkpoint.folder import check_checkpoint
from policy_bert.config import load_config
from policy_bert.corpora.dataset import read_corpus
from policy_bert.corpora.reading import Corpus, load_corpus
from policy_bert.corpora.splits import SPLIT_FILE, Split, read_split
from policy_bert.errors import CheckpointError, DataError
from policy_bert.export.files import GraphFolder
from policy_bert.export.int8 import Gate, GateSentences, make_int8_graph
from policy_bert.training.settings import RunConfig

Precision = Literal["fp32", "int8"]
# How far a float32 graph's logits may be from PyTorch's.
LOGIT_TOLERANCE = 1e-4


def export_onnx(
    checkpoint: str | Path,
    precision: Precision = "fp32",
    sentences: GateSentences | None = None,
    gate: Gate | None = None,
) -> dict[str, Any]:
    """Write `model.onnx` and `onnx.json` into a checkpoint folder; return what `onnx.json` holds.

    The float32 graph is written first, compared with PyTorch on random token ids before it gets its name. With
    `int8` a quantised graph takes its place if it passes the gate on held-out sentences.

    Args:
        checkpoint: A run folder or another checkpoint folder.
        precision: `fp32` or `int8`.
        sentences: For `int8`; None takes the training and validation parts of the run folder's split.
        gate: For `int8`; None for the default one.

    Raises:
        CheckpointError: The checkpoint is broken or no BERT classifier, the graph does not match PyTorch, or the
            quantised graph does not pass the gate (float32 has been written then).
        DataError: There are no labelled sentences for the gate.
        UserError: onnx or PyTorch is not installed.
    """
    folder = GraphFolder(Path(checkpoint))
    check_checkpoint(folder.path, onnx=False)
    if precision == "int8" and sentences is None:
        sentences = sentences_of_run(folder.path)
    record = _export_float32(folder)
    if precision == "fp32" or sentences is None:
        return record
    return _export_int8(folder, sentences, gate or Gate(), record)


def _export_float32(folder: GraphFolder) -> dict[str, Any]:
    graph = folder.write_graph("fp32")
    try:
        difference = folder.compare_with_torch(graph)
        if not difference <= LOGIT_TOLERANCE:
            raise CheckpointError(
                f"{folder.path}: the ONNX graph's logits differ from PyTorch's by {difference:.2g}, expected at most "
                f"{LOGIT_TOLERANCE:.0e}; nothing was written"
            )
        return folder.publish(graph, "fp32", {"largest_logit_difference": difference})
    finally:
        graph.unlink(missing_ok=True)


def _export_int8(folder: GraphFolder, sentences: GateSentences, gate: Gate, float32: dict[str, Any]) -> dict[str, Any]:
    result = make_int8_graph(folder, folder.published_graph, sentences, gate)
    if result.graph is None:
        found = result.figures
        raise CheckpointError(
            f"{folder.path}: int8 refused, float32 kept: on {found['sentences']:.0f} held-out sentences "
            f"{found['agreement']:.1%} of the classes agree (expected at least {gate.agreement:.1%}) and macro-F1 "
            f"falls by {found['macro_f1_loss']:.2f} points (expected at most {gate.macro_f1_loss})"
        )
    figures = {
        "largest_logit_difference_fp32": float32["largest_logit_difference"],
        "gate": asdict(gate),
        "held_out": result.figures,
    }
    return folder.publish(result.graph, "int8", figures)


def sentences_of_run(run: Path) -> GateSentences:
    """Train and validation sentences of a run folder, by its `config.yaml` and `split.json`; never its test sentences.

    Raises:
        DataError: It is no run folder, has no validation part, or its corpus has changed or moved.
    """
    corpus, split = _corpus_of_run(run)
    if split is None or not len(split.validation):
        raise DataError(
            f"{run}: int8 needs sentences that the run was neither trained nor is tested on, but it has no validation "
            "part; name a file: --sentences"
        )
    texts = [sentence.text for sentence in corpus.sentences]
    return GateSentences(
        calibration=[texts[index] for index in split.train],
        held_out=[texts[index] for index in split.validation],
        labels=[corpus.sentences[index].label for index in split.validation],
        others=[texts[index] for index in np.concatenate([split.train, split.validation])],
    )


def sentences_of_file(path: Path, checkpoint: Path) -> GateSentences:
    """The odd sentences of a labelled file to calibrate on, the even ones held out, a run's corpus to agree on.

    The test sentences of a run take no part, in whatever file they stand.

    Raises:
        DataError: As `corpus.load_corpus`.
    """
    others: list[str] = []
    tested: set[str] = set()
    if (checkpoint / "config.yaml").is_file():
        corpus, split = _corpus_of_run(checkpoint)
        tested = {corpus.sentences[index].text for index in (split.test if split else ())}
        others = [sentence.text for sentence in corpus.sentences if sentence.text not in tested]
    found = load_corpus(path, check_checkpoint(checkpoint, onnx=False)).sentences
    found = tuple(sentence for sentence in found if sentence.text not in tested)
    if len(found) < 2:
        raise DataError(f"{path}: int8 needs at least 2 labelled sentences outside the test part, found {len(found)}")
    return GateSentences(
        calibration=[sentence.text for sentence in found[::2]],
        held_out=[sentence.text for sentence in found[1::2]],
        labels=[sentence.label for sentence in found[1::2]],
        others=others,
    )


def _corpus_of_run(run: Path) -> tuple[Corpus, Split | None]:
    """A run's corpus, and its split; None where it was trained on all of it."""
    has_split = (run / SPLIT_FILE).is_file()
    if not has_split and not (run / "config.yaml").is_file():
        raise DataError(f"{run}: no run folder, so int8 has no sentences to be judged on; name a file: --sentences")
    corpus = read_corpus(load_config(RunConfig, run / "config.yaml").data)
    return corpus, read_split(run / SPLIT_FILE, corpus) if has_split else None
