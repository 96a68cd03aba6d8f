"""The head is linear while it learns, BERT's own when stored, and carries the calibration to every loader."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification, ElectraConfig
from transformers import ElectraForSequenceClassification as Electra

from policy_bert.encoder.base import load_classifier, save_in_half
from policy_bert.encoder.head import check_calibration, fold_calibration, make_linear, standard_copy
from policy_bert.encoder.settings import EncoderConfig, ModelConfig
from policy_bert.errors import ConfigError
from policy_bert.evaluation.calibration import CENTRES, calibrate
from policy_bert.labels import scheme_from_names

SCHEME = scheme_from_names(["甲", "乙", "丙"])
SHAPE = EncoderConfig(layers=1, hidden=32, heads=2, intermediate=32, vocabulary_size=300, max_length_tokens=48)
SLOPES = (0.4, 0.5, 0.6, 0.2, 0.3, 0.9, 1.4, 1.2, 0.8, 0.1)


@pytest.fixture
def model():
    model = load_classifier(ModelConfig(base="scratch", scratch=SHAPE), None, SCHEME, 300, seed=0).eval()
    with torch.no_grad():
        model.classifier.weight.normal_(std=1.0, generator=torch.Generator().manual_seed(1))
        model.classifier.bias.copy_(torch.tensor([0.3, -0.2, 1.0]))
    return model


@pytest.fixture
def ids():
    return torch.randint(5, 300, (40, 9), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def logits_of(model, ids):
    return model(ids).logits


def test_the_logits_are_linear_in_cls_while_the_head_learns(model, ids):
    with torch.no_grad():
        cls = model.bert(ids).last_hidden_state[:, 0]
        expected = 0.5 * cls @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(logits_of(model, ids), expected)


def test_a_head_that_knows_its_classes_keeps_its_logits_but_for_the_tanh(model, ids):
    known = standard_copy(model)
    assert isinstance(known.bert.pooler.activation, torch.nn.Tanh)
    make_linear(known, new=False)
    torch.testing.assert_close(logits_of(known, ids), logits_of(model, ids), rtol=1e-3, atol=1e-3)
    assert known.classifier.weight.std() < 10 * model.classifier.weight.std()  # as well conditioned as a new one


def test_stored_without_calibration_every_loader_gets_the_linear_logits(model, ids, tmp_path):
    save_in_half(model, tmp_path)
    assert isinstance(model.bert.pooler.activation, torch.nn.Identity)  # and training may go on
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert isinstance(loaded, BertForSequenceClassification)
    torch.testing.assert_close(logits_of(loaded, ids), logits_of(model, ids), rtol=5e-3, atol=5e-3)


def test_a_folded_calibration_is_what_calibrate_computes(model, ids, tmp_path):
    before = logits_of(model, ids).double().softmax(-1).numpy()
    fold_calibration(model, SLOPES)
    expected = calibrate(before, SLOPES)
    np.testing.assert_allclose(logits_of(model, ids).softmax(-1).numpy(), expected, atol=1e-5)
    assert not np.allclose(before, expected, atol=0.05)
    assert (expected.argsort(axis=1) == before.argsort(axis=1)).all()
    save_in_half(model, tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    np.testing.assert_allclose(logits_of(loaded, ids).softmax(-1).numpy(), expected, atol=1e-2)


def test_what_a_head_cannot_hold_is_refused(model):
    with pytest.raises(ConfigError, match=rf"expected {len(CENTRES)} slopes of more than 0"):
        check_calibration(model, [1.0])
    with pytest.raises(ConfigError, match="more than 0"):
        check_calibration(model, [*SLOPES[:-1], 0.0])
    narrow = EncoderConfig(layers=1, hidden=16, heads=2, intermediate=32, vocabulary_size=300)
    small = load_classifier(ModelConfig(base="scratch", scratch=narrow), None, SCHEME, 300, seed=0)
    with pytest.raises(ConfigError, match=r"3 classes need 30 units of the pooler, the model has 16.*calibration=\[\]"):
        check_calibration(small, SLOPES)
    electra = Electra(ElectraConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(ConfigError, match="expected a BERT classifier, found ElectraForSequenceClassification"):
        check_calibration(electra, SLOPES)


def test_other_architectures_keep_their_head():
    config = ElectraConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    electra = Electra(config).eval()
    before = logits_of(electra, torch.tensor([[1, 2, 3]]))
    make_linear(electra, new=True)
    torch.testing.assert_close(logits_of(standard_copy(electra), torch.tensor([[1, 2, 3]])), before)
