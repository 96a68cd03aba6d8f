"""Replaced-token detection: what the encoder reads, what is asked of it, and what is kept."""

import pytest
import torch
from transformers import BertConfig

from policy_bert.masking import IGNORED, SparseBertForMaskedLM
from policy_bert.replaced_tokens import KEPT_MASK_EVERY, ReplacedTokenBert, generator_config

MASK = 4
CONFIG = BertConfig(
    vocab_size=60, hidden_size=24, num_attention_heads=6, intermediate_size=48, num_hidden_layers=2,
    max_position_embeddings=16, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
)  # fmt: skip


@pytest.fixture
def model():
    torch.manual_seed(0)
    found = ReplacedTokenBert(CONFIG)
    found.contrast_weight = 0.0
    return found


@pytest.fixture
def batch():
    """Four rows of ten tokens, every third masked."""
    ids = torch.randint(5, 60, (4, 10), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = 2, 3
    masked = torch.zeros_like(ids, dtype=torch.bool)
    masked[:, 1:9:3] = True
    positions = torch.arange(10).expand(4, -1)
    return {
        "input_ids": torch.where(masked, MASK, ids), "labels": torch.where(masked, ids, IGNORED),
        "position_ids": positions,
    }  # fmt: skip


def listed(batch, unused):
    """The batch with its places listed, as the device masker gives it."""
    predicted = (batch["labels"].flatten() != IGNORED).nonzero().squeeze(1)
    labels = batch["labels"].flatten()[predicted]
    spare = torch.zeros(unused, dtype=torch.long)
    return {
        **batch, "predicted": torch.cat([predicted, spare]), "labels": torch.cat([labels, spare + IGNORED]),
    }  # fmt: skip


def test_every_parameter_learns(model, batch):
    model.train()
    model(**batch).loss.backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert not without


def test_the_encoder_reads_the_generators_tokens_and_every_fourth_mask(model, batch):
    places = listed(batch, unused=3)
    proposals = torch.full((len(places["labels"]), 60), -1e4)
    proposals[:, 33] = 0.0  # the generator always says 33
    corrupted, replaced, judged = model._corrupt(batch["input_ids"], places["labels"], places["predicted"], proposals)
    masked = batch["labels"] != IGNORED
    used = places["predicted"][places["labels"] != IGNORED]
    kept = used[::KEPT_MASK_EVERY]
    assert torch.equal((corrupted.flatten() == MASK).nonzero().squeeze(1), kept)
    assert (corrupted[masked & (corrupted != MASK)] == 33).all()
    assert torch.equal(corrupted[~masked], batch["input_ids"][~masked])
    assert torch.equal(judged == 0, corrupted == MASK)
    assert torch.equal(replaced == 1, masked & (corrupted != MASK) & (batch["labels"] != 33))


def test_a_token_that_the_generator_guesses_right_is_true(model, batch):
    places = listed(batch, unused=0)
    proposals = torch.full((len(places["labels"]), 60), -1e4)
    proposals[torch.arange(len(proposals)), places["labels"]] = 0.0
    _, replaced, _ = model._corrupt(batch["input_ids"], places["labels"], places["predicted"], proposals)
    assert not replaced.any()


def test_listed_places_give_the_same_loss_in_one_graph(model, batch):
    model.train()
    losses = []
    for inputs in (batch, listed(batch, unused=0)):
        torch.manual_seed(1)
        losses.append(model(**inputs).loss)
    torch.testing.assert_close(*losses)
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    assert compiled(**listed(batch, unused=5)).loss.isfinite()


def test_in_evaluation_it_is_the_encoders_own_masked_language_model(model, batch):
    plain = SparseBertForMaskedLM(CONFIG)
    plain.load_state_dict({name: model.state_dict()[name] for name in plain.state_dict()})
    torch.testing.assert_close(model.eval()(**batch).loss, plain.eval()(**batch).loss)


def test_the_generator_is_as_deep_and_a_third_as_wide():
    small = generator_config(CONFIG)
    assert (small.num_hidden_layers, small.hidden_size, small.num_attention_heads, small.intermediate_size) == (
        2, 8, 2, 16,
    )  # fmt: skip
    assert generator_config(BertConfig(hidden_size=12, num_attention_heads=2)).hidden_size == 6
