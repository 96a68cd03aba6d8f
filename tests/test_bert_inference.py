"""The GPU's forward pass, held against transformers' on a CPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SENTENCES, CheckpointFactory
from transformers import AutoModelForSequenceClassification, BertConfig, BertForMaskedLM, BertForSequenceClassification

from policy_bert.bert_inference import BertScorer, can_score
from policy_bert.classifier import PolicyClassifier
from policy_bert.engines import TorchEngine


@pytest.mark.parametrize("shape", [{}, {"layers": 1}, {"layers": 3, "heads": 4, "hidden": 16}])
def test_scores_are_those_of_transformers_with_and_without_padding(
    make_checkpoint: CheckpointFactory, shape: dict[str, int]
) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(make_checkpoint(onnx=False, **shape)).eval()
    scorer = BertScorer(model)
    ids = torch.randint(5, model.config.vocab_size, (4, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(12) < torch.tensor([[12], [3], [7], [1]])
    with torch.inference_mode():
        for given in (None, mask):
            expected = model(input_ids=ids, attention_mask=None if given is None else given.long()).logits
            torch.testing.assert_close(scorer(ids.int(), given), expected, atol=1e-4, rtol=0)


def test_the_pass_is_one_graph_whatever_the_batch(shared_checkpoint: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(shared_checkpoint).eval()
    scorer = BertScorer(model)
    compiled = torch.compile(scorer, backend="eager", fullgraph=True, dynamic=True)
    with torch.inference_mode():
        for rows, length in ((3, 9), (5, 7)):
            ids = torch.randint(5, 100, (rows, length))
            torch.testing.assert_close(compiled(ids, None), scorer(ids, None), atol=1e-4, rtol=0)


def test_other_models_are_left_to_transformers() -> None:
    small = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8, "num_hidden_layers": 1}
    assert can_score(BertForSequenceClassification(BertConfig(**small)))
    assert not can_score(BertForSequenceClassification(BertConfig(**small, hidden_act="relu")))
    assert not can_score(BertForMaskedLM(BertConfig(**small)))


@pytest.mark.parametrize("plain", [True, False])
def test_an_engine_that_queues_batches_gives_the_scores_of_one_that_does_not(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, plain: bool
) -> None:
    classifier = PolicyClassifier.from_pretrained(tiny_checkpoint, engine="torch", device="cpu")
    expected = classifier.scores(SENTENCES)
    if not plain:
        monkeypatch.setattr("policy_bert.bert_inference.can_score", lambda model: False)
    engine = TorchEngine(tiny_checkpoint, "cpu")
    engine._scorer = engine._find_scorer(compiled=False)
    engine.workers, engine.shares, engine.tokenizer_threads = 2, 1, 3
    queued = PolicyClassifier(tiny_checkpoint, classifier.scheme, engine)
    np.testing.assert_allclose(queued.scores(SENTENCES), expected, atol=1e-4)
