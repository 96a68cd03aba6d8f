"""Windows that stay on the device: the same shares of masks as on a CPU, shapes that never change."""

import numpy as np
import pytest
import torch
from small import corpus_lines
from transformers import BertConfig

from policy_bert.masking import IGNORED, SparseBertForMaskedLM
from policy_bert.pretraining_text import pack_documents
from policy_bert.resident import DeviceMasker, ResidentBatch, ResidentWindows, resident_device
from policy_bert.vocabulary import SPECIAL_TOKENS, build_tokenizer

SENTENCES = [text for text, _ in corpus_lines(60)]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(SENTENCES, 300)


@pytest.fixture(scope="module")
def windows(tokenizer):
    return pack_documents([[text] for text in SENTENCES * 5], tokenizer, 16).windows


def masked_batch(tokenizer, windows, indices, seed=0):
    return DeviceMasker(tokenizer, 0.15, 0.5, 48, seed=seed)(ResidentWindows(windows, CPU).__getitems__(indices))


def test_the_places_are_the_masked_tokens_and_nothing_special(tokenizer, windows):
    indices = list(range(len(windows)))
    batch = masked_batch(tokenizer, windows, indices)
    used = batch["labels"] != IGNORED
    ids = torch.from_numpy(windows.astype(np.int64)).flatten()
    assert torch.equal(batch["labels"][used], ids[batch["predicted"][used]])
    assert not batch["predicted"][~used].any()
    assert len(batch["predicted"][used].unique()) == used.sum()
    specials = torch.tensor([tokenizer.token_to_id(token) for token in SPECIAL_TOKENS])
    assert not torch.isin(batch["labels"][used], specials).any()
    elsewhere = torch.ones(ids.numel(), dtype=torch.bool)
    elsewhere[batch["predicted"][used]] = False
    assert torch.equal(batch["input_ids"].flatten()[elsewhere], ids[elsewhere])
    assert 0.10 < used.sum() / ids.numel() < 0.16
    mask_share = (batch["input_ids"].flatten()[~elsewhere] == tokenizer.token_to_id("[MASK]")).float().mean()
    assert 0.72 < mask_share < 0.88
    assert (batch["position_ids"][:, 0] == 0).all()
    assert batch["position_ids"].max() < 48


def test_masks_depend_on_seed_and_batch_alone_and_their_shape_on_neither(tokenizer, windows):
    one, again = (masked_batch(tokenizer, windows, [3, 1, 2]) for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    for other in (masked_batch(tokenizer, windows, [3, 1, 2], seed=1), masked_batch(tokenizer, windows, [4, 1, 2])):
        assert not torch.equal(one["input_ids"], other["input_ids"])
        assert {name: value.shape for name, value in other.items()} == {
            name: value.shape for name, value in one.items()
        }


def test_masks_beyond_the_places_are_left_out(tokenizer, windows, monkeypatch):
    monkeypatch.setattr(DeviceMasker, "places", lambda self, tokens: 5)
    batch = masked_batch(tokenizer, windows, list(range(40)))
    assert (batch["labels"] != IGNORED).sum() == 5
    assert (batch["input_ids"] == tokenizer.token_to_id("[MASK]")).sum() <= 5


def test_ids_above_the_signed_range_survive():
    windows = np.array([[2, 65534, 40000, 3]], dtype=np.uint16)
    batch = ResidentWindows(windows, CPU).__getitems__([0])
    assert (batch.ids.long() & 0xFFFF).tolist() == windows.astype(np.int64).tolist()


def test_pairs_are_first_windows_and_then_their_followers(windows):
    resident = ResidentWindows(windows, CPU, pairs=True)
    assert len(resident) == len(windows) // 2
    ids = resident.__getitems__([5, 0]).ids.long() & 0xFFFF
    assert ids.tolist() == windows[[10, 0, 11, 1]].astype(np.int64).tolist()


def test_places_give_the_loss_of_a_full_table_of_labels_in_one_graph(tokenizer, windows):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=300, hidden_size=16, num_attention_heads=2, intermediate_size=32, num_hidden_layers=1,
        max_position_embeddings=48, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    model = SparseBertForMaskedLM(config)
    batch = masked_batch(tokenizer, windows, list(range(20)))
    used = batch["labels"] != IGNORED
    table = torch.full((20 * 16,), IGNORED)
    table[batch["predicted"][used]] = batch["labels"][used]
    inputs = {name: batch[name] for name in ("input_ids", "position_ids")}
    whole = model(labels=table.view(20, 16), **inputs).loss
    torch.testing.assert_close(model(**batch).loss, whole)
    compiled = torch.compile(model, backend="eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(compiled(**batch).loss, whole)


def test_without_a_gpu_nothing_is_resident(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resident_device() is None
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert resident_device() is None
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert resident_device() == torch.device("cuda", 1)


def test_no_number_is_fetched_from_the_device(tokenizer, windows, monkeypatch):
    """On the meta device tensors have no values: what runs there has the processor wait for nothing."""
    from policy_bert.replaced_tokens import ReplacedTokenBert

    monkeypatch.setattr(torch, "Generator", lambda device: type("Seeded", (), {"manual_seed": lambda self, _: None})())
    batch = DeviceMasker(tokenizer, 0.15, 0.5, 48, seed=0)(
        ResidentBatch([0, 1], torch.zeros(4, 16, dtype=torch.int16, device="meta"))
    )
    config = BertConfig(
        vocab_size=300, hidden_size=16, num_attention_heads=2, intermediate_size=32, num_hidden_layers=1,
        max_position_embeddings=48,
    )  # fmt: skip
    model = ReplacedTokenBert._from_config(config, attn_implementation="sdpa").to("meta").train()
    model.contrast_weight = 0.5
    model(**batch).loss.backward()
