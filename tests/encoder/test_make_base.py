"""The base encoder from installed packages: layers are chosen by place, absent packages are named."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

from policy_bert.encoder import __main__ as base

PACKAGES = (base.ENCODER[0], base.TOKENIZER[0])


def deep_model() -> BertModel:
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 16}
    return BertModel(BertConfig(vocab_size=9, **shape), add_pooling_layer=False).eval()


def test_kept_layers_are_those_named_and_run() -> None:
    deep, shallow = deep_model(), base.keep_layers(deep_model(), (0, 3))
    assert shallow.config.num_hidden_layers == 2
    for place, original in enumerate((0, 3)):
        one, other = shallow.encoder.layer[place].state_dict(), deep.encoder.layer[original].state_dict()
        assert all(torch.equal(one[name], other[name]) for name in one)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        states = deep(input_ids=ids, output_hidden_states=True).hidden_states
        assert torch.equal(shallow(input_ids=ids, output_hidden_states=True).hidden_states[1], states[1])


def test_keeping_every_layer_changes_nothing() -> None:
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        pair = [m(input_ids=ids).last_hidden_state for m in (deep_model(), base.keep_layers(deep_model(), range(4)))]
    assert torch.equal(*pair)


@pytest.mark.slow
@pytest.mark.skipif(not all(map(importlib.util.find_spec, PACKAGES)), reason="the base's packages are not installed")
def test_the_base_loads_in_plain_transformers_and_knows_its_text(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("推进公共数据开放共享。\n" * base.MIN_COUNT, encoding="utf-8")
    folder = base.make_base([text], tmp_path / "base", layers=(0, 11))
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.config.num_hidden_layers == 2
    assert model.dtype == torch.float32
    ids = tokenizer("推进公共数据开放共享。")["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert "license: mit" in (folder / "README.md").read_text(encoding="utf-8")
    assert model(input_ids=torch.tensor([ids])).last_hidden_state.isfinite().all()
