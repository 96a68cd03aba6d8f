"""Trimming a vocabulary: what is kept is tokenised and encoded as before, and nothing needed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from policy_bert.encoder.trim import count_pieces, gb2312_characters, printable_ascii, tokenised_alike, trim_vocabulary
from policy_bert.errors import CheckpointError

TEXTS = ["推进数据开放。", "设立数据专项资金。", "推进资金支持。"]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


def unigram() -> PreTrainedTokenizerFast:
    words = ["▁", "▁推进", "推进", "数据", "开放", "设立", "专项", "资金", "支持", "bonjour", "monde", "▁de", "。"]
    letters = sorted({*"推进数据开放设立专项资金支持稣", *"abde"})
    pieces = [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    pieces += [(piece, -float(rank)) for rank, piece in enumerate([*words, *letters], start=1)] + [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    ends = [("<s>", 0), ("</s>", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", model_max_length=32,
        model_input_names=["input_ids", "attention_mask"],
    )  # fmt: skip


def wordpiece() -> PreTrainedTokenizerFast:
    letters = sorted({*"推进数据开放设立专项资金支持。"})
    pieces = ["[PAD]", "zebra", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 4), ("[CLS]", 3))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
        mask_token="[MASK]", model_max_length=32,
    )  # fmt: skip


def encoder(tokenizer: PreTrainedTokenizerFast) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer) + 3, pad_token_id=tokenizer.pad_token_id, **SHAPE)
    return BertModel(config, add_pooling_layer=False).eval()


@torch.no_grad()
def states(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    outputs = model(**tokenizer(TEXTS, padding=True, return_tensors="pt"))
    return outputs.logits if "logits" in outputs else outputs.last_hidden_state


@pytest.mark.parametrize("make", [unigram, wordpiece])
def test_texts_are_tokenised_and_encoded_as_before(make) -> None:
    full, model = make(), encoder(make())
    before = states(model, full)
    trimmed = trim_vocabulary(model, full, TEXTS)
    assert len(trimmed) < len(full)
    assert model.config.vocab_size == len(trimmed) == model.get_input_embeddings().weight.shape[0]
    assert all(tokenised_alike(full.backend_tokenizer, trimmed.backend_tokenizer, TEXTS))
    torch.testing.assert_close(states(model, trimmed), before)


@pytest.mark.parametrize("make", [unigram, wordpiece])
def test_special_tokens_keep_their_roles(make) -> None:
    full, model = make(), encoder(make())
    trimmed = trim_vocabulary(model, full, TEXTS)
    assert trimmed.special_tokens_map == full.special_tokens_map
    assert model.config.pad_token_id == trimmed.pad_token_id
    assert max(trimmed(TEXTS[0])["input_ids"]) < len(trimmed)
    ids = trimmed(TEXTS[0])["input_ids"]
    assert (ids[0], ids[-1]) == (trimmed.cls_token_id, trimmed.sep_token_id)


def test_rare_pieces_go_and_those_wanted_always_stay() -> None:
    full, model = unigram(), encoder(unigram())
    trimmed = trim_vocabulary(model, full, TEXTS, characters="推", always=["bonjour"], min_count=2)
    pieces = trimmed.get_vocab()
    assert {"推", "bonjour", "数据"} <= set(pieces)
    assert not {"开放", "monde", "▁de"} & set(pieces)


def test_unknown_characters_cost_a_path_as_much_as_before() -> None:
    full, model = unigram(), encoder(unigram())
    trimmed = trim_vocabulary(model, full, TEXTS)
    assert all(tokenised_alike(full.backend_tokenizer, trimmed.backend_tokenizer, ["推进龘开放。", "龘数据"]))


def test_an_output_layer_is_trimmed_and_stays_tied() -> None:
    torch.manual_seed(0)
    full = wordpiece()
    model = BertForMaskedLM(BertConfig(vocab_size=len(full), **SHAPE)).eval()
    before = states(model, full)
    kept = trim_vocabulary(model, full, TEXTS)
    columns = [full.convert_tokens_to_ids(piece) for piece in kept.convert_ids_to_tokens(range(len(kept)))]
    torch.testing.assert_close(states(model, kept), before[..., columns])
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_positions_of_a_roberta_stay_where_they_were() -> None:
    torch.manual_seed(0)
    full = unigram()
    config = XLMRobertaConfig(vocab_size=len(full), pad_token_id=1, max_position_embeddings=40, **SHAPE)
    model = XLMRobertaForMaskedLM(config).eval()
    before = states(model, full)
    kept = trim_vocabulary(model, full, TEXTS)
    columns = [full.convert_tokens_to_ids(piece) for piece in kept.convert_ids_to_tokens(range(len(kept)))]
    mask = full(TEXTS, padding=True, return_tensors="pt")["attention_mask"].bool()
    torch.testing.assert_close(states(model, kept)[mask], before[..., columns][mask])


def test_plain_transformers_loads_what_was_trimmed(tmp_path: Path) -> None:
    full, model = unigram(), encoder(unigram())
    trimmed = trim_vocabulary(model, full, TEXTS)
    model.save_pretrained(tmp_path)
    trimmed.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, add_pooling_layer=False).eval()
    torch.testing.assert_close(states(loaded, AutoTokenizer.from_pretrained(tmp_path)), states(model, trimmed))


def test_a_byte_level_tokenizer_is_refused() -> None:
    backend = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    model = BertModel(BertConfig(vocab_size=2, **SHAPE))
    with pytest.raises(CheckpointError, match="found BPE"):
        trim_vocabulary(model, PreTrainedTokenizerFast(tokenizer_object=backend), ["ab"])


def test_a_model_with_too_few_embeddings_is_refused() -> None:
    full = unigram()
    model = BertModel(BertConfig(vocab_size=10, **SHAPE), add_pooling_layer=False)
    with pytest.raises(CheckpointError, match="only 10 embeddings"):
        trim_vocabulary(model, full, TEXTS)


def test_pieces_are_counted_without_special_tokens() -> None:
    full = unigram()
    counts = count_pieces(full.backend_tokenizer, ["数据数据"])
    assert counts[full.convert_tokens_to_ids("数据")] == 2
    assert full.cls_token_id not in counts


def test_the_character_sets_hold_what_they_are_named_for() -> None:
    assert {"数", "，", "《", "①"} <= gb2312_characters()
    assert sum("\u4e00" <= character <= "\u9fff" for character in gb2312_characters()) == 6763
    assert len(printable_ascii()) == 94
