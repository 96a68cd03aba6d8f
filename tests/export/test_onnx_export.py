from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, SENTENCES, CheckpointFactory
from hypothesis import given
from hypothesis import strategies as st

from policy_bert.checkpoint.folder import check_checkpoint
from policy_bert.command import run_command
from policy_bert.errors import CheckpointError, DataError
from policy_bert.export import files as onnx_files
from policy_bert.export import onnx_export
from policy_bert.export.__main__ import main
from policy_bert.export.graph import BertShape
from policy_bert.export.int8 import Gate, GateSentences, compare_labels, matrix_names, quantize_matrix
from policy_bert.export.onnx_export import export_onnx, sentences_of_file, sentences_of_run
from policy_bert.scoring.classifier import PolicyClassifier


@pytest.fixture(scope="module")
def wide_checkpoint(make_checkpoint: CheckpointFactory) -> Path:
    return make_checkpoint(hidden=32, layers=3, heads=4, seed=5)


def gate_sentences(folder: Path) -> GateSentences:
    """The model's own classes as the true ones, so that macro-F1 of float32 is 1."""
    labels = PolicyClassifier.from_pretrained(folder).scores(SENTENCES[100:]).argmax(axis=1).tolist()
    return GateSentences(SENTENCES[:100], SENTENCES[100:], labels, others=SENTENCES)


def test_the_record_says_what_was_written(tiny_checkpoint: Path) -> None:
    record = export_onnx(tiny_checkpoint)
    assert record == json.loads((tiny_checkpoint / "onnx.json").read_text(encoding="utf-8"))
    assert record["precision"] == "fp32"
    assert record["opset"] == 17
    assert record["bytes"] == (tiny_checkpoint / "model.onnx").stat().st_size
    assert 0 < record["largest_logit_difference"] <= 1e-4
    assert not list(tiny_checkpoint.glob(".*"))


def test_the_same_weights_give_the_same_file(tiny_checkpoint: Path) -> None:
    before = (tiny_checkpoint / "model.onnx").read_bytes()
    export_onnx(tiny_checkpoint)
    assert (tiny_checkpoint / "model.onnx").read_bytes() == before


def test_int8_that_passes_the_gate_takes_the_place_of_float32(wide_checkpoint: Path, tmp_path: Path) -> None:
    import onnx

    sentences = gate_sentences(wide_checkpoint)
    exact = PolicyClassifier.from_pretrained(wide_checkpoint).scores(SENTENCES)
    record = export_onnx(wide_checkpoint, "int8", sentences, Gate(agreement=0.7, macro_f1_loss=40))
    assert record["precision"] == "int8"
    assert len(matrix_names(3)) == 8
    assert 0.7 <= record["held_out"]["agreement"] <= 1
    operators = {node.op_type for node in onnx.load(str(wide_checkpoint / "model.onnx")).graph.node}
    assert operators & {"QAttention", "MatMulIntegerToFloat"}
    classifier = PolicyClassifier.from_pretrained(wide_checkpoint)
    quantized = classifier.scores(SENTENCES)
    assert compare_labels(exact, quantized)["agreement"] == record["held_out"]["agreement_on_all_sentences"] >= 0.7
    assert np.abs(exact - quantized).max() > 1e-5
    for others in ((), ("长" * 40,), SENTENCES[50:]):  # fixed scales: no sentence moves another's scores
        np.testing.assert_allclose(classifier.scores([*others, *SENTENCES[:9]])[-9:], quantized[:9], atol=1e-5)


def test_int8_that_fails_the_gate_is_refused_with_its_figures_and_float32_stays(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match=r"float32 kept.*\d held-out.*agree .*macro-F1"):
        export_onnx(tiny_checkpoint, "int8", gate_sentences(tiny_checkpoint), Gate(agreement=1.01))
    assert json.loads((tiny_checkpoint / "onnx.json").read_text(encoding="utf-8"))["precision"] == "fp32"
    assert check_checkpoint(tiny_checkpoint)
    assert not list(tiny_checkpoint.glob(".*"))


def test_a_graph_that_differs_from_torch_is_not_written(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (tiny_checkpoint / "model.onnx").read_bytes()
    monkeypatch.setattr(onnx_files, "largest_difference", lambda *_: 0.01)
    with pytest.raises(CheckpointError, match=r"differ from PyTorch's by 0\.01"):
        export_onnx(tiny_checkpoint)
    assert (tiny_checkpoint / "model.onnx").read_bytes() == before
    assert not list(tiny_checkpoint.glob(".*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hidden_act": "relu"}, "hidden_act 'gelu'"),
        ({"model_type": "roberta"}, "model_type 'bert'"),
        ({"problem_type": "multi_label_classification"}, "problem_type"),
        ({"num_hidden_layers": 5}, "weights lack"),
    ],
)
def test_what_is_no_bert_classifier_is_refused(tiny_checkpoint: Path, change: dict[str, object], words: str) -> None:
    path = tiny_checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=words):
        export_onnx(tiny_checkpoint)


def test_a_checkpoint_without_weights_or_shape_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="num_hidden_layers"):
        BertShape.from_config({"model_type": "bert"}, "config.json")
    (tiny_checkpoint / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors is missing"):
        export_onnx(tiny_checkpoint)


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(0.01, 100))
def test_a_quantised_matrix_gives_nearly_the_exact_product(seed: int, size: float, input_size: float) -> None:
    generator = np.random.default_rng(seed)
    weights = (size * generator.standard_normal((40, 6))).astype(np.float32)
    inputs = (input_size * generator.standard_normal((50, 40)) + input_size / 2).astype(np.float32)
    matrix = quantize_matrix(weights, inputs)
    assert np.abs(matrix.weights).max() <= 63
    steps = (
        np.clip(np.round(inputs / matrix.damping / matrix.input_scale) + matrix.input_zero, 0, 255) - matrix.input_zero
    )
    found = matrix.input_scale * steps @ (matrix.weights * matrix.weight_scales)
    exact = inputs @ weights
    assert np.abs(found - exact).mean() < 0.04 * np.abs(exact).mean() + 1e-6


def test_one_input_far_larger_than_the_others_costs_these_no_steps() -> None:
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((40, 6)).astype(np.float32)
    inputs = generator.standard_normal((50, 40)).astype(np.float32)
    inputs[:, 3] *= 200
    weights[3] /= 200
    matrix = quantize_matrix(weights, inputs)
    assert matrix.damping[3] > 2
    steps = np.clip(np.round(inputs / matrix.damping / matrix.input_scale) + matrix.input_zero, 0, 255)
    found = matrix.input_scale * (steps - matrix.input_zero) @ (matrix.weights * matrix.weight_scales)
    assert np.abs(found - inputs @ weights).mean() < 0.08 * np.abs(inputs @ weights).mean()


def test_macro_f1_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(0)
    exact, quantized = generator.random((2, 90, 5), dtype=np.float32)
    labels = generator.integers(0, 5, 90)
    figures = compare_labels(exact, quantized, labels.tolist())
    assert figures["macro_f1_fp32"] == pytest.approx(f1_score(labels, exact.argmax(1), average="macro"))
    assert figures["macro_f1_int8"] == pytest.approx(f1_score(labels, quantized.argmax(1), average="macro"))
    assert figures["macro_f1_loss"] == pytest.approx(100 * (figures["macro_f1_fp32"] - figures["macro_f1_int8"]))


def test_a_gate_holds_both_figures() -> None:
    assert Gate().passes({"agreement": 0.99, "macro_f1_loss": 0.3})
    assert not Gate().passes({"agreement": 0.989, "macro_f1_loss": 0.0})
    assert not Gate().passes({"agreement": 1.0, "macro_f1_loss": 0.31})
    assert Gate().passes({"agreement": 1.0})


def test_the_gate_takes_the_parts_of_the_run(tiny_checkpoint: Path, tmp_path: Path) -> None:
    from policy_bert.config import dump_config
    from policy_bert.corpora.reading import load_corpus
    from policy_bert.corpora.settings import DataConfig, SplitConfig
    from policy_bert.corpora.splits import Split, write_split
    from policy_bert.labels import load_scheme
    from policy_bert.training.settings import RunConfig

    with pytest.raises(DataError, match="--sentences"):
        sentences_of_run(tiny_checkpoint)
    corpus_path, labels_path = tmp_path / "corpus.tsv", ROOT / "data" / "labels.yaml"
    corpus_path.write_text("".join(f"{text}\t{place % 14}\n" for place, text in enumerate(SENTENCES)), encoding="utf-8")
    corpus = load_corpus(corpus_path, load_scheme(labels_path))
    indices = np.arange(len(corpus.sentences))
    write_split(
        Split(indices[:90], indices[90:100], indices[100:]), tiny_checkpoint / "split.json", corpus, SplitConfig()
    )
    config = RunConfig(data=DataConfig(corpus=str(corpus_path), labels=str(labels_path)))
    (tiny_checkpoint / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    found = sentences_of_run(tiny_checkpoint)
    assert (len(found.calibration), len(found.held_out)) == (90, 10)
    assert list(found.labels) == [sentence.label for sentence in corpus.sentences[90:100]]
    assert list(found.others) == [sentence.text for sentence in corpus.sentences[:100]]
    tested = {sentence.text for sentence in corpus.sentences[100:]}
    halved = sentences_of_file(corpus_path, tiny_checkpoint)  # the run's own corpus, named as a file
    assert not tested & {*halved.calibration, *halved.held_out, *halved.others}
    assert len(halved.calibration) + len(halved.held_out) == 100
    write_split(Split(indices[:90], indices[:0], indices[90:]), tiny_checkpoint / "split.json", corpus, SplitConfig())
    with pytest.raises(DataError, match="no validation part"):
        sentences_of_run(tiny_checkpoint)


def test_a_labelled_file_is_halved(tiny_checkpoint: Path, tmp_path: Path) -> None:
    path = tmp_path / "more.tsv"
    path.write_text("甲。\t0\n乙。\t1\n丙。\t2\n", encoding="utf-8")
    found = sentences_of_file(path, tiny_checkpoint)
    assert (found.calibration, found.held_out, found.labels) == (["甲。", "丙。"], ["乙。"], [1])
    path.write_text("甲。\t0\n", encoding="utf-8")
    with pytest.raises(DataError, match="at least 2"):
        sentences_of_file(path, tiny_checkpoint)


def test_the_command_prints_the_record(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(main, [str(tiny_checkpoint)]) == 0
    assert json.loads(capsys.readouterr().out)["precision"] == "fp32"
    path = tmp_path / "more.tsv"
    path.write_text("".join(f"{text}\t0\n" for text in SENTENCES[:20]), encoding="utf-8")
    monkeypatch.setattr(onnx_export, "Gate", lambda: Gate(agreement=1.01))
    assert run_command(main, [str(tiny_checkpoint), "--precision", "int8", "--sentences", str(path)]) == 2
    assert "int8 refused, float32 kept" in capsys.readouterr().err
    assert run_command(main, [str(tmp_path / "none")]) == 2
