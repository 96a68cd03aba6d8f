"""Every sentence is scored out of fold, interrupted work is taken up, and the figures are those of the scores."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small import corpus_lines, run_config, write_config

from policy_bert.corpora.splits import Split
from policy_bert.crossvalidate import crossvalidate, main
from policy_bert.encoder import base
from policy_bert.errors import UserError
from policy_bert.evaluation.calibration import CENTRES
from policy_bert.evaluation.folds import Fold
from policy_bert.evaluation.metrics import FIGURES, macro_f1
from policy_bert.evaluation.summary import FoldScores, markdown_table, summarise
from policy_bert.labels import scheme_from_names

SHORT = {"epochs": 1, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    config = run_config(folder, adaptation=None, train=SHORT)
    return config, crossvalidate(config, folder / "cv", folds=3, repeats=2).parent


def test_all_systems_are_scored_on_every_sentence_of_every_repeat(finished):
    _, output = finished
    systems = {path.name for path in (output / "scores").iterdir()}
    assert {"recipe", "majority", "tfidf_svm", "tfidf_logistic+auxiliary"} <= systems
    for system in systems:
        rows = [np.load(path) for path in sorted((output / "scores" / system).glob("*.npy"))]
        assert len(rows) == 6
        assert sum(len(part) for part in rows) == 2 * 60
        np.testing.assert_allclose(np.concatenate(rows).sum(axis=1), 1.0, atol=1e-5)


def test_the_summary_has_intervals_tests_and_a_calibration(finished):
    _, output = finished
    summaries = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert summaries[0]["system"] == "recipe"
    assert summaries[0]["main_less_this"] is None
    for summary in summaries:
        figure = summary["figures"]["macro_f1"]
        assert set(summary["figures"]) == set(FIGURES)
        assert 0 < figure["value"] < 1
        assert figure["low"] <= figure["value"] <= figure["high"]
        assert len(summary["calibration"]) == len(CENTRES)
        assert min(summary["calibration"]) > 0
    assert all(0 <= summary["main_less_this"]["p_value"] <= 1 for summary in summaries[1:])


def test_finished_folds_are_not_scored_again(finished):
    config, output = finished
    kept = output / "scores" / "recipe" / "repeat0-fold0.npy"
    missing = output / "scores" / "recipe" / "repeat1-fold2.npy"
    before, time_before = np.load(missing), kept.stat().st_mtime_ns
    missing.unlink()
    crossvalidate(config, output, folds=3, repeats=2)
    assert kept.stat().st_mtime_ns == time_before
    np.testing.assert_allclose(np.load(missing), before, atol=1e-4)  # weights are stored in float16


def test_scores_of_another_configuration_are_not_mixed(finished):
    config, output = finished
    with pytest.raises(UserError, match="another configuration"):
        crossvalidate(config, output, folds=2)


def test_a_share_of_the_training_sentences_and_early_stopping_work(tmp_path, capsys):
    recipe = {"epochs": 2, "learning_rate": 3e-3, "early_stopping_patience": 1}
    config = run_config(tmp_path, adaptation=None, train=recipe)
    arguments = ["--config", str(write_config(tmp_path, config)), "-o", str(tmp_path / "cv")]
    assert main([*arguments, "--folds", "2", "--repeats", "1", "--share", "0.5", "--no-baselines"]) == 0
    assert capsys.readouterr().out.startswith("| system | macro-F1")
    assert not (Path(tmp_path) / "cv" / "fitting").exists()


def test_a_recipe_of_another_folder_is_compared_on_the_same_folds(finished):
    config, output = finished
    path = crossvalidate(config, output, folds=3, repeats=2, others={"twin": output})
    twin = next(row for row in json.loads(path.read_text(encoding="utf-8")) if row["system"] == "twin")
    assert twin["main_less_this"]["value"] == 0.0
    with pytest.raises(UserError, match="no scores for repeat2"):
        crossvalidate(config, copied(output), folds=3, repeats=3, baselines=False, others={"twin": output})
    with pytest.raises(UserError, match="found no config"):
        crossvalidate(config, output, folds=3, repeats=2, others={"twin": output.parent})


def copied(output):
    return Path(shutil.copytree(output, output.parent / "copy"))


def test_scores_of_another_corpus_are_not_mixed_and_not_compared(finished, tmp_path):
    config, output = finished
    output = Path(shutil.copytree(output, tmp_path / "cv"))
    other = run_config(tmp_path, adaptation=None, train=SHORT)
    edited = replace(config, data=replace(config.data, corpus=other.data.corpus, auxiliary=config.data.auxiliary))
    lines = Path(config.data.corpus).read_text(encoding="utf-8").splitlines(keepends=True)
    Path(other.data.corpus).write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(UserError, match=r"other data \(.*inputs\.corpus"):
        crossvalidate(edited, output, folds=3, repeats=2)
    with pytest.raises(UserError, match="same folds, found another corpus"):
        crossvalidate(edited, tmp_path / "new", folds=3, repeats=2, others={"twin": output})
    assert not (tmp_path / "new").exists()


def test_a_vocabulary_made_from_scratch_knows_no_test_sentence(tmp_path, monkeypatch):
    seen = []
    original = base.build_tokenizer
    monkeypatch.setattr(base, "build_tokenizer", lambda texts, size: seen.append(list(texts)) or original(texts, size))
    config = run_config(tmp_path, train=SHORT)
    crossvalidate(config, tmp_path / "cv", folds=2, repeats=1, baselines=False)
    sentences = {text for text, _ in corpus_lines()}
    tested = [sentences - set(texts) for texts in seen]
    assert len(seen) == 2
    assert tested[0] | tested[1] == sentences
    assert not tested[0] & tested[1]


@pytest.mark.parametrize("wrong", [["--other", "folder"], ["--folds", "1"], ["--share", "0"], ["--repeats", "0"]])
def test_impossible_plans_are_refused(wrong, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        main(["--config", "any.yaml", *wrong])
    assert stopped.value.code == 2


def test_figures_are_means_over_the_folds_and_a_better_system_leads():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    tests = [np.arange(start, 300, 3) for start in range(3)] * 2
    none = np.empty(0, dtype=np.int64)
    folds = [
        Fold(place // 3, place % 3, Split(np.setdiff1d(np.arange(300), test), none, test))
        for place, test in enumerate(tests)
    ]
    good = [_scores(generator, labels[test], 0.9) for test in tests]
    poor = [_scores(generator, labels[test], 0.4) for test in tests]
    scheme = scheme_from_names(["甲", "乙", "丙"])
    best, worse = summarise([FoldScores("poor", poor, folds), FoldScores("good", good, folds)], labels, scheme, "good")
    expected = np.mean([macro_f1(labels[test], s.argmax(1), 3) for s, test in zip(good, tests, strict=True)])
    assert best.figures["macro_f1"].value == pytest.approx(expected)
    assert worse.main_less_this.value > 0.3
    assert worse.main_less_this.p_value < 0.01
    assert worse.main_less_this_bootstrap.p_value < 0.01
    assert best.figures["calibration_error"].value < 0.1
    assert best.pooled_calibration_error < 0.1
    assert list(best.f1_by_class) == ["甲", "乙", "丙"]
    assert markdown_table([best, worse]).count("\n") == 4


def _scores(generator, labels, accuracy):
    """Scores of a system that is right with the probability it states."""
    right = generator.random(len(labels)) < accuracy
    predicted = np.where(right, labels, (labels + generator.integers(1, 3, len(labels))) % 3)
    scores = np.full((len(labels), 3), (1 - accuracy) / 2, dtype=np.float32)
    scores[np.arange(len(labels)), predicted] = accuracy
    return scores


def test_half_the_training_sentences_widen_the_intervals_by_the_ratio_of_rows(tmp_path):
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    whole, half = [], []
    for number in range(3):
        test = np.arange(number, 300, 3)
        train, none = np.setdiff1d(np.arange(300), test), np.empty(0, dtype=np.int64)
        whole.append(Fold(0, number, Split(train, none, test)))
        half.append(Fold(0, number, Split(train[::2], none, test)))
    scores = [_scores(generator, labels[fold.split.test], 0.7) for fold in whole]
    scheme = scheme_from_names(["甲", "乙", "丙"])
    widths = []
    for folds in (whole, half):
        figure = summarise([FoldScores("a", scores, folds)], labels, scheme, "a")[0].figures["accuracy"]
        widths.append(figure.high - figure.low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt((1 / 3 + 1) / (1 / 3 + 0.5)))
