"""The model that is pretrained: made with a warm start or gone on from, and saved as the encoder that is kept."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM

from policy_bert.encoder.base import save_in_half
from policy_bert.encoder.hardware import training_attention
from policy_bert.encoder.vocabulary import save_tokenizer, special_id
from policy_bert.errors import CheckpointError
from policy_bert.pretraining import warmstart
from policy_bert.pretraining.masking import SparseBertForMaskedLM
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.pretraining.windows import PretrainingData


def initial_model(config: PretrainConfig, data: PretrainingData, layers: int) -> SparseBertForMaskedLM:
    """A model with warm embeddings and positions and `layers` random layers."""
    torch.manual_seed(config.seed)
    shape = config.encoder
    vocabulary_size = data.tokenizer.get_vocab_size()
    bert_config = BertConfig(
        vocab_size=vocabulary_size,
        hidden_size=shape.hidden,
        num_hidden_layers=layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.intermediate,
        max_position_embeddings=shape.max_length_tokens,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=special_id(data.tokenizer, "[PAD]"),
    )
    model = random_model(bert_config)
    embeddings = model.bert.embeddings
    with torch.no_grad():
        words = warmstart.cooccurrence_embeddings(data.train, vocabulary_size, shape.hidden, seed=config.seed)
        random_words = warmstart.EMBEDDING_STD * torch.randn(words.shape)
        unseen = torch.from_numpy(~words.any(axis=1))
        embeddings.word_embeddings.weight.copy_(torch.where(unseen[:, None], random_words, torch.from_numpy(words)))
        embeddings.position_embeddings.weight.copy_(
            torch.from_numpy(warmstart.sinusoidal_positions(shape.max_length_tokens, shape.hidden))
        )
    return model


def random_model(bert_config: BertConfig) -> SparseBertForMaskedLM:
    """Random weights in the shape of `bert_config`."""
    model: SparseBertForMaskedLM = SparseBertForMaskedLM._from_config(
        bert_config, attn_implementation=training_attention()
    )
    return model


def stacked_model(config: PretrainConfig, shallow: SparseBertForMaskedLM) -> SparseBertForMaskedLM:
    """A model of the configuration's depth whose layers are those of the shallow one, in turn."""
    settings = {**shallow.config.to_dict(), "num_hidden_layers": config.encoder.layers}
    model = random_model(BertConfig(**settings))
    model.load_state_dict(shallow.state_dict(), strict=False)
    warmstart.stack_layers(shallow.bert.encoder.layer, model.bert.encoder.layer)
    model.tie_weights()
    return model


def load_start(config: PretrainConfig, folder: Path) -> SparseBertForMaskedLM:
    """The encoder in the folder, without dropout, as a model to pretrain further.

    Raises:
        CheckpointError: It takes fewer tokens than a window has.
    """
    bert_config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if bert_config.max_position_embeddings < config.window_tokens:
        raise CheckpointError(
            f"{folder}: the encoder takes {bert_config.max_position_embeddings} tokens, fewer than window_tokens "
            f"({config.window_tokens}); set a smaller window_tokens"
        )
    model: SparseBertForMaskedLM = SparseBertForMaskedLM.from_pretrained(
        folder, config=bert_config, dtype=torch.float32, attn_implementation=training_attention()
    )
    return model


def save_encoder(model: SparseBertForMaskedLM, tokenizer: Tokenizer, folder: Path) -> Path:
    """Write the encoder with its masked-language-model head, a standard checkpoint in float16."""
    standard = BertForMaskedLM(model.config)
    standard.load_state_dict(model.state_dict())
    save_in_half(standard, folder)
    save_tokenizer(tokenizer, folder, int(model.config.max_position_embeddings))
    return folder
