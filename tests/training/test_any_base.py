"""A base of any tokenizer and architecture trains, and its checkpoint is what plain transformers reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bases import KINDS, POSITIONS, write_base
from small import corpus_lines, run_config
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from policy_bert.errors import CheckpointError
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.train import train

SENTENCES = [text for text, _ in corpus_lines(5)]


def fitted(folder: Path, kind: str) -> tuple[Path, Path]:
    base = write_base(folder / "base", kind)
    return base, train(run_config(folder, adaptation=None, model={"base": str(base)}, train={"epochs": 1}))


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return fitted(tmp_path_factory.mktemp("any"), request.param)


def test_the_checkpoint_keeps_the_bases_tokenizer_and_special_tokens(pair):
    run = pair[1]
    first, second = (AutoTokenizer.from_pretrained(folder) for folder in pair)
    assert second.special_tokens_map == first.special_tokens_map
    assert second.all_special_ids == first.all_special_ids
    assert second.model_input_names == first.model_input_names
    assert second(SENTENCES)["input_ids"] == first(SENTENCES)["input_ids"]
    assert second.model_max_length == POSITIONS
    own, theirs = (json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")) for folder in pair)
    assert theirs.keys() == own.keys()
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == first.pad_token_id


def test_plain_transformers_and_the_classifier_agree(pair):
    run = pair[1]
    ours = PolicyClassifier.from_pretrained(run, engine="torch")
    theirs = pipeline("text-classification", model=str(run), batch_size=8)(SENTENCES, top_k=1, truncation=True)
    assert [row[0]["label"] for row in theirs] == [found.label_name for found in ours.predict(SENTENCES)]
    np.testing.assert_allclose([row[0]["score"] for row in theirs], ours.scores(SENTENCES).max(axis=1), atol=1e-4)


def test_a_text_as_long_as_the_model_takes_is_scored_and_a_longer_one_cut(pair):
    ours = PolicyClassifier.from_pretrained(pair[1], engine="torch")
    found = ours.predict(["推进数据开放共享" * 60, "推进。"])
    assert [prediction.truncated for prediction in found] == [True, False]
    assert np.isfinite(found[0].scores).all()


def test_a_sentence_has_the_scores_that_it_has_alone(pair):
    ours = PolicyClassifier.from_pretrained(pair[1], engine="torch")
    alone = np.concatenate([ours.scores([sentence]) for sentence in SENTENCES])
    np.testing.assert_allclose(ours.scores(SENTENCES, batch_size=8), alone, atol=1e-5)


def test_dropout_reaches_every_architecture(pair):
    model = AutoModelForSequenceClassification.from_pretrained(pair[1])
    rates = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates <= {0.1}


@pytest.mark.parametrize("kind", ["bytes-roberta", "bytes-modernbert"])
def test_what_only_a_bert_can_have_is_refused(tmp_path, kind):
    base = write_base(tmp_path / "base", kind)
    with pytest.raises(CheckpointError, match="pooling_layer: expected a BERT encoder"):
        train(run_config(tmp_path, model={"base": str(base), "pooling_layer": True}))
