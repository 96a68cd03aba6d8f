"""An evaluation scores the run's checkpoint on sentences it was not trained on and writes what it found."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from policy_bert import evaluate
from policy_bert.command import run_command
from policy_bert.config import dump_config
from policy_bert.corpora.reading import load_corpus
from policy_bert.corpora.settings import DataConfig, SplitConfig
from policy_bert.corpora.splits import near_duplicate_groups, read_split, stratified_split, write_split
from policy_bert.evaluation import plots
from policy_bert.evaluation import report as evaluation
from policy_bert.labels import Label, LabelScheme, load_scheme
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.training.settings import RunConfig

ROOT = Path(__file__).resolve().parents[2]
SENTENCES_PER_CLASS = 20


@pytest.fixture(scope="module")
def corpus_file(tmp_path_factory):
    """Twenty sentences of each class."""
    path = tmp_path_factory.mktemp("corpus") / "sentences.tsv"
    taken = dict.fromkeys(range(14), 0)
    with path.open("w", encoding="utf-8") as file:
        for line in (ROOT / "data" / "policy_sentences.tsv").read_text(encoding="utf-8").splitlines():
            label = int(line.rpartition("\t")[2])
            taken[label] += 1
            if taken[label] <= SENTENCES_PER_CLASS:
                file.write(line + "\n")
    return path


@pytest.fixture(scope="module")
def evaluated(shared_checkpoint, corpus_file, tmp_path_factory):
    """A run folder, evaluated once."""
    run = Path(shutil.copytree(shared_checkpoint, tmp_path_factory.mktemp("run") / "run"))
    auxiliary = run.parent / "auxiliary.csv"
    lines = (ROOT / "data" / "authored_sentences.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    auxiliary.write_text("".join(lines[:1] + lines[1::7]), encoding="utf-8")
    labels_file = str(ROOT / "data" / "labels.yaml")
    config = RunConfig(
        data=DataConfig(corpus=str(corpus_file), labels=labels_file, auxiliary=(str(auxiliary),)),
        split=SplitConfig(validation_fraction=0.2, test_fraction=0.3),
    )
    (run / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    corpus = load_corpus(corpus_file, load_scheme(ROOT / "data" / "labels.yaml"))
    groups = near_duplicate_groups([sentence.text for sentence in corpus.sentences])
    labels = [sentence.label for sentence in corpus.sentences]
    write_split(stratified_split(labels, groups, (0.5, 0.2, 0.3), 0), run / "split.json", corpus, config.split)
    evaluate.evaluate_run(run)
    return run


@pytest.fixture
def run(evaluated, tmp_path):
    """A copy of the evaluated run that a test may change."""
    return Path(shutil.copytree(evaluated, tmp_path / "run"))


@pytest.fixture
def measured(evaluated, corpus_file):
    """The test part's labels and the checkpoint's scores of it, found anew."""
    corpus = load_corpus(corpus_file, load_scheme(ROOT / "data" / "labels.yaml"))
    chosen = [corpus.sentences[index] for index in read_split(evaluated / "split.json", corpus).test]
    scores = PolicyClassifier.from_pretrained(evaluated).scores([sentence.text for sentence in chosen])
    return chosen, np.array([sentence.label for sentence in chosen]), scores


def test_the_figures_are_those_of_scikit_learn_on_the_test_part(evaluated, measured):
    chosen, labels, scores = measured
    figures = json.loads((evaluated / "metrics.json").read_text(encoding="utf-8"))["test"]
    predictions = scores.argmax(axis=1)
    assert figures["sentences"] == len(chosen) > 70
    wanted = {
        "accuracy": reference.accuracy_score(labels, predictions),
        "macro_f1": reference.f1_score(labels, predictions, average="macro", zero_division=0),
        "weighted_f1": reference.f1_score(labels, predictions, average="weighted", zero_division=0),
    }
    for name, value in wanted.items():
        assert figures[name]["value"] == pytest.approx(value)
        assert figures[name]["low"] <= value <= figures[name]["high"]
        assert figures[name]["low"] < figures[name]["high"]
    for k in (2, 3):
        top = reference.top_k_accuracy_score(labels, scores, k=k, labels=range(14))
        assert figures[f"top_{k}_accuracy"] == pytest.approx(top)
    assert figures["log_loss"] == pytest.approx(reference.log_loss(labels, scores, labels=range(14)), rel=1e-4)
    assert 0 <= figures["calibration_error"] <= 1
    per_class = reference.precision_recall_fscore_support(labels, predictions, labels=range(14), zero_division=0)
    for position, key in enumerate(("precision", "recall", "f1", "support")):
        np.testing.assert_allclose([row[key] for row in figures["per_class"]], per_class[position])
    assert figures["per_class"][10]["label_name"] == "政府采购"


def test_confusions_are_counted_worst_first(evaluated, measured):
    _, labels, scores = measured
    figures = json.loads((evaluated / "metrics.json").read_text(encoding="utf-8"))["test"]
    predictions = scores.argmax(axis=1)
    counts = [row["count"] for row in figures["worst_confusions"]]
    assert counts == sorted(counts, reverse=True)
    for row in figures["worst_confusions"]:
        assert row["label"] != row["predicted"]
        assert row["count"] == ((labels == row["label"]) & (predictions == row["predicted"])).sum() > 0
        assert row["share"] == pytest.approx(row["count"] / (labels == row["label"]).sum())


def test_the_errors_are_a_table_with_their_scores(evaluated, measured):
    chosen, labels, scores = measured
    rows = [line.split("\t") for line in (evaluated / "errors.tsv").read_text(encoding="utf-8").splitlines()]
    header, rows = rows[0], [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert header[:8] == [
        "line", "sentence", "label", "label_name", "predicted", "predicted_name", "confidence", "label_score",
    ]  # fmt: skip
    assert header[8:10] == ["人才培养", "资金投入"]
    wrong = {
        sentence.text: (sentence.line, label, row)
        for sentence, label, row in zip(chosen, labels, scores, strict=True)
        if label != row.argmax()
    }
    assert {row["sentence"] for row in rows} == set(wrong)
    confidences = [float(row["confidence"]) for row in rows]
    assert confidences == sorted(confidences, reverse=True)
    for row in rows:
        line, label, found = wrong[row["sentence"]]
        assert (int(row["line"]), int(row["label"]), int(row["predicted"])) == (line, label, found.argmax())
        assert float(row["confidence"]) == pytest.approx(found.max(), abs=1e-4)
        assert float(row["label_score"]) == pytest.approx(found[label], abs=1e-4)


def test_baselines_stand_beside_and_are_better_than_random_weights(evaluated):
    figures = json.loads((evaluated / "metrics.json").read_text(encoding="utf-8"))["test"]
    assert list(figures["baselines"]) == [
        "tfidf_svm", "tfidf_svm+auxiliary", "tfidf_logistic", "tfidf_logistic+auxiliary", "majority",
    ]  # fmt: skip
    assert figures["baselines"]["tfidf_svm"]["accuracy"] != figures["baselines"]["tfidf_svm+auxiliary"]["accuracy"]
    svm = figures["baselines"]["tfidf_svm"]
    assert svm["accuracy"]["value"] > 0.2
    better = svm["classifier_is_better_by"]["accuracy"]
    assert better["value"] == pytest.approx(figures["accuracy"]["value"] - svm["accuracy"]["value"])
    assert better["high"] < 0
    assert better["p_value"] < 0.05


def test_the_report_says_the_figures_and_shows_the_matrix(evaluated):
    figures = json.loads((evaluated / "metrics.json").read_text(encoding="utf-8"))["test"]
    report = (evaluated / "report.md").read_text(encoding="utf-8")
    macro = figures["macro_f1"]
    assert f"| Macro-F1 | {macro['value']:.3f} [{macro['low']:.3f}, {macro['high']:.3f}] |" in report
    for word in ("TF-IDF + linear SVM, with the auxiliary sentences", "Majority class", "政府采购", "Worst confusions"):
        assert word in report
    for name in re.findall(r"\]\(([^)]+)\)", report):
        assert (evaluated / name).is_file()
    assert (evaluated / "confusion_matrix.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert not list(evaluated.glob("*.part"))


def test_another_part_has_files_of_its_own(run, capsys):
    before = (run / "report.md").read_text(encoding="utf-8")
    assert run_command(evaluate.main, [str(run), "--part", "validation"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines[:3]] == ["Accuracy", "Macro-F1", "Weighted F1"]
    assert (run / "report.md").read_text(encoding="utf-8") == before
    found = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert set(found) == {"test", "validation"}
    assert float(lines[0][1]) == pytest.approx(found["validation"]["accuracy"]["value"], abs=1e-4)
    for name in ("report-validation.md", "errors-validation.tsv", "confusion_matrix-validation.png"):
        assert (run / name).is_file()


def test_every_sentence_of_a_file_needs_no_split_and_has_no_baselines(run, tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text("开展数据安全检查。\t6\n设立专项资金。\t1\n引进人才。\t0\n", encoding="utf-8")
    (run / "split.json").unlink()
    figures = evaluate.evaluate_run(run, "all", other)
    assert (figures["sentences"], figures["corpus"]) == (3, "other.tsv")
    assert "baselines" not in figures
    assert (run / "report-all.md").is_file()


def refused(capsys, *arguments):
    assert run_command(evaluate.main, list(map(str, arguments))) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_what_is_no_run_is_refused_in_one_line(run, capsys, tmp_path):
    assert "found nothing" in refused(capsys, tmp_path / "none")
    assert "found a file" in refused(capsys, run / "config.yaml")
    (tmp_path / "empty").mkdir()
    assert "config.yaml" in refused(capsys, tmp_path / "empty")
    (run / "split.json").unlink()
    assert "--part all" in refused(capsys, run)


def test_a_changed_corpus_is_refused(run, capsys, corpus_file, tmp_path):
    lines = corpus_file.read_text(encoding="utf-8").splitlines(keepends=True)
    other = tmp_path / "permuted.tsv"
    other.write_text("".join(lines[::-1]), encoding="utf-8")
    assert "has changed" in refused(capsys, run, "--corpus", other)


def test_changed_auxiliary_sentences_are_refused_where_twins_would_learn_from_them(run, capsys):
    (run / "run.json").write_text(json.dumps({"inputs": {"auxiliary": "0" * 64}}), encoding="utf-8")
    assert "auxiliary sentences have changed" in refused(capsys, run)
    assert run_command(evaluate.main, [str(run), "--part", "train"]) == 0


def test_an_empty_part_is_refused(run, capsys):
    record = json.loads((run / "split.json").read_text(encoding="utf-8"))
    record["train"], record["validation"] = sorted(record["train"] + record["validation"]), []
    (run / "split.json").write_text(json.dumps(record), encoding="utf-8")
    assert "validation part is empty" in refused(capsys, run, "--part", "validation")


def test_damaged_metrics_are_replaced(run):
    (run / "metrics.json").write_text("[1, 2", encoding="utf-8")
    figures = evaluate.evaluate_run(run, "all")
    assert json.loads((run / "metrics.json").read_text(encoding="utf-8")) == {"all": figures}


def test_a_perfect_classifier_has_no_confusions():
    scheme = LabelScheme((Label(0, "正面"), Label(1, "负面")))
    assert evaluation.worst_confusions(np.diag([3, 2]), scheme) == []
    figures = evaluation.overall_figures(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]]))
    assert figures["macro_f1"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert figures["top_2_accuracy"] == 1.0


def test_every_class_name_of_the_scheme_is_drawn_without_a_missing_glyph(scheme, tmp_path):
    matrix = np.arange(14 * 14).reshape(14, 14)
    path = plots.draw_confusion_matrix(matrix, scheme.names, tmp_path / "m.png", "语料 $x_1$ 测试")
    assert path.stat().st_size > 10_000


def test_a_matrix_of_many_classes_and_names_that_no_font_has_is_drawn(tmp_path):
    names = [f"类{index} $\U0001f600" for index in range(56)]
    path = plots.draw_confusion_matrix(np.eye(56, dtype=np.int64), names, tmp_path / "m.png")
    assert path.stat().st_size > 10_000
    with pytest.raises(ValueError, match="expected a matrix of 2"):
        plots.draw_confusion_matrix(np.eye(3, dtype=np.int64), ["a", "b"], tmp_path / "m.png")


def test_a_glyph_that_is_missing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "drawable", lambda text: text)
    with pytest.raises(UserWarning, match="Glyph"):
        plots.draw_confusion_matrix(np.eye(2, dtype=np.int64), ["a", "\U0001f600"], tmp_path / "m.png")
