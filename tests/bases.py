"""Tiny random base models of every kind: three tokenizers, four architectures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from small import corpus_lines
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    ModernBertConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    XLMRobertaConfig,
)

POSITIONS = 48
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
ROBERTA_TOKENS = {
    "bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "pad_token": "<pad>",
    "unk_token": "<unk>", "mask_token": "<mask>",
}  # fmt: skip
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]  # the padding is not 0
BERT_SPECIAL = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"]


def sentences() -> list[str]:
    return [text for text, _ in corpus_lines(20)]


def unigram() -> PreTrainedTokenizerFast:
    """As SentencePiece makes it."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=600, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(sentences(), trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=ends)
    return wrapped(tokenizer, ["input_ids", "attention_mask"], **ROBERTA_TOKENS)


def byte_bpe() -> PreTrainedTokenizerFast:
    """As GPT-2, RoBERTa and ModernBERT have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("</s>", "<s>")]
    tokenizer.post_processor = processors.RobertaProcessing(*ends)
    return wrapped(tokenizer, ["input_ids", "attention_mask"], **ROBERTA_TOKENS)


def wordpiece() -> PreTrainedTokenizerFast:
    """As BERT has it, but for the order of its special tokens."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    tokenizer.train_from_iterator(
        sentences(), trainers.WordPieceTrainer(vocab_size=400, special_tokens=BERT_SPECIAL, show_progress=False)
    )
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = processors.BertProcessing(*ends)
    names = {f"{token.strip('[]').lower()}_token": token for token in BERT_SPECIAL}
    return wrapped(tokenizer, ["input_ids", "token_type_ids", "attention_mask"], **names)


def wrapped(tokenizer: Tokenizer, inputs: list[str], **special: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_input_names=inputs, **special)


def bert(**ids: int) -> PreTrainedConfig:
    return BertConfig(max_position_embeddings=POSITIONS, **SHAPE, **ids)


def roberta(**ids: int) -> PreTrainedConfig:
    return RobertaConfig(max_position_embeddings=POSITIONS + ids["pad_token_id"] + 1, **SHAPE, **ids)


def xlm_roberta(**ids: int) -> PreTrainedConfig:
    return XLMRobertaConfig(max_position_embeddings=POSITIONS + ids["pad_token_id"] + 1, **SHAPE, **ids)


def modernbert(**ids: int) -> PreTrainedConfig:
    return ModernBertConfig(max_position_embeddings=POSITIONS, **SHAPE, **ids)


KINDS: dict[str, tuple[Callable[[], PreTrainedTokenizerFast], Callable[..., PreTrainedConfig]]] = {
    "wordpiece-bert": (wordpiece, bert),
    "unigram-bert": (unigram, bert),
    "unigram-xlm-roberta": (unigram, xlm_roberta),
    "bytes-roberta": (byte_bpe, roberta),
    "bytes-modernbert": (byte_bpe, modernbert),
}


def write_base(folder: Path, kind: str) -> Path:
    """A base of a kind, as the hub would hold it."""
    make_tokenizer, make_config = KINDS[kind]
    tokenizer = make_tokenizer()
    config = make_config(
        vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id,
        cls_token_id=tokenizer.cls_token_id, sep_token_id=tokenizer.sep_token_id,
        bos_token_id=tokenizer.cls_token_id, eos_token_id=tokenizer.sep_token_id,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForMaskedLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
