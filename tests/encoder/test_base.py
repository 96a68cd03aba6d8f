"""The model to fine-tune: where it comes from, what its extra layer does, how it is stored."""

import json

import numpy as np
import pytest
import torch
from small import corpus_lines

from policy_bert.encoder.base import (
    add_pooling_layer,
    find_base,
    load_classifier,
    load_tokenizer,
    save_in_half,
)
from policy_bert.encoder.settings import EncoderConfig, ModelConfig
from policy_bert.errors import CheckpointError
from policy_bert.labels import scheme_from_names
from policy_bert.training.recipe import class_weights

SCHEME = scheme_from_names(["甲", "乙", "丙"])
SHAPE = EncoderConfig(layers=2, hidden=16, heads=2, intermediate=32, vocabulary_size=300, max_length_tokens=48)


@pytest.fixture
def model():
    return load_classifier(ModelConfig(base="scratch", scratch=SHAPE), None, SCHEME, 300, seed=0).eval()


def test_the_extra_layer_starts_as_the_mean_of_the_tokens(model):
    ids = torch.randint(5, 300, (4, 12), generator=torch.Generator().manual_seed(0))
    deeper = add_pooling_layer(model, seed=0).eval()
    with torch.no_grad():
        before = model.bert(ids).last_hidden_state
        cls = deeper.bert(ids).last_hidden_state[:, 0]
    mean = before[:, 0] + 4.0 * before.mean(dim=1)
    assert torch.nn.functional.cosine_similarity(cls, mean - mean.mean(-1, keepdim=True)).min() > 0.99
    assert deeper.config.num_hidden_layers == 3
    assert torch.equal(
        deeper.bert.encoder.layer[0].output.dense.weight, model.bert.encoder.layer[0].output.dense.weight
    )


def test_gradient_reaches_every_parameter(model):
    deeper = add_pooling_layer(model, seed=0).train()
    ids = torch.randint(5, 300, (4, 12))
    torch.nn.functional.cross_entropy(deeper(ids).logits, torch.tensor([0, 1, 2, 0])).backward()
    without = [
        name for name, parameter in deeper.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    # The feed-forward output starts at zero, so what lies before it waits for one step; no other parameter does.
    assert [name for name in without if ".layer.2.intermediate." not in name] == []


def test_one_seed_gives_one_model():
    first, second, other = (
        load_classifier(ModelConfig(base="scratch", scratch=SHAPE), None, SCHEME, 300, seed) for seed in (0, 0, 1)
    )
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_stored_in_half_and_computed_in_single(model, tmp_path):
    from transformers import AutoModelForSequenceClassification

    save_in_half(model, tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert loaded.dtype == torch.float32 == next(model.parameters()).dtype
    assert (tmp_path / "model.safetensors").stat().st_size < 2.5 * sum(p.numel() for p in model.parameters())
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["id2label"]["0"] == "甲"


def test_the_package_holds_the_compact_encoder():
    base = find_base(ModelConfig(base="compact"))
    assert base is not None
    config = ModelConfig(base="compact", pooling_layer=True)
    tokenizer = load_tokenizer(config, base, [])
    loaded = load_classifier(config, base, SCHEME, tokenizer.get_vocab_size(), seed=0)
    assert loaded.config.vocab_size == tokenizer.get_vocab_size()
    unknown = tokenizer.token_to_id("[UNK]")
    ids = [token for text, _ in corpus_lines() for token in tokenizer.encode(text).ids]
    assert np.mean(np.array(ids) == unknown) < 0.001


def test_a_folder_without_a_model_is_one_clear_error(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json"):
        find_base(ModelConfig(base=str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match="cannot load the base model"):
        load_classifier(ModelConfig(base=str(tmp_path)), tmp_path, SCHEME, 300, seed=0)


def test_class_weights_have_mean_one_and_favour_small_classes():
    labels = np.array([0] * 90 + [1] * 10)
    for kind in ("none", "inverse", "inverse_sqrt"):
        weights = class_weights(labels, 2, kind)
        assert weights[labels].mean() == pytest.approx(1.0, rel=1e-5)
    assert class_weights(labels, 2, "inverse")[1] == pytest.approx(9 * class_weights(labels, 2, "inverse")[0], rel=1e-5)
