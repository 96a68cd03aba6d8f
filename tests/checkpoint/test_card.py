"""A model card says what the run knows, and claims policy instruments and Chinese for the policy scheme alone."""

import json
from pathlib import Path

import pytest

from policy_bert.checkpoint.card import write_model_card
from policy_bert.labels import scheme_from_names

ROOT = Path(__file__).parents[2]
CONFIG = """\
data: {corpus: in/movie reviews.csv, auxiliary: [in/more.csv]}
model: {base: org/base, revision: abc}
fit_on: train
"""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def test_the_card_of_another_corpus_claims_nothing_of_policies_or_of_chinese(run):
    (run / "labels.yaml").write_text(scheme_from_names(["good", "bad"]).to_yaml(), encoding="utf-8")
    card = write_model_card(run).read_text(encoding="utf-8")
    for claim in ("policy", "Policy-", "Chinese", "language:", "license:", "政策"):
        assert claim not in card.replace("PolicyClassifier", "")
    for fact in (
        "good, bad",
        "movie reviews.csv",
        "`more.csv`",
        "`org/base` @ `abc`",
        "the training part",
        "2 classes",
    ):
        assert fact in card
    assert card.startswith("---\n")


def test_the_card_of_the_policy_scheme_says_so_in_two_languages_with_its_figures(run, scheme):
    (run / "labels.yaml").write_text(scheme.to_yaml(), encoding="utf-8")
    figure = {"value": 0.5, "low": 0.4, "high": 0.6}
    names = ("macro_f1", "accuracy", "top_3_accuracy", "calibration_error", "accuracy_at_60_percent")
    (run / "crossvalidation.json").write_text(json.dumps([{"figures": dict.fromkeys(names, figure)}]), encoding="utf-8")
    card = write_model_card(run).read_text(encoding="utf-8")
    for words in ("language: zh", "# Policy-instrument classifier", "# 政策工具分类模型", "政府采购"):
        assert words in card
    assert card.count("0.500 [0.400, 0.600]") == 2 * len(names)
    assert "| 准确率 |" in card
    assert "| accuracy |" in card
