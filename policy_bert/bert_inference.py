"""The forward pass of a BERT classifier with fewer and larger steps than transformers takes, for a GPU.

Queries, keys and values are one product; the last layer is computed for [CLS] alone, since BERT's head reads nothing
else; a batch without padding has no mask, so that attention may take its fastest kernel. Same weights, same scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertForSequenceClassification, PreTrainedModel


@dataclass(frozen=True)
class _Layer:
    """One layer's modules, and the weight (3 x hidden, hidden) and bias of its queries, keys and values."""

    weight: Tensor
    bias: Tensor
    attended: nn.Linear
    attended_norm: nn.LayerNorm
    wide: nn.Linear
    narrow: nn.Linear
    narrow_norm: nn.LayerNorm


class BertScorer:
    """Token ids in, logits out, by the weights of a `BertForSequenceClassification` on its device and in its type.

    Args:
        model: In evaluation mode; `can_score` says whether it is one that this class computes.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        assert isinstance(model, BertForSequenceClassification)
        embeddings: Any = model.bert.embeddings
        self._heads = int(model.config.num_attention_heads)
        self._words = embeddings.word_embeddings.weight
        with torch.inference_mode():
            self._places = embeddings.position_embeddings.weight + embeddings.token_type_embeddings.weight[0]
            self._layers = [_fused(layer) for layer in model.bert.encoder.layer]
        self._norm: nn.LayerNorm = embeddings.LayerNorm
        self._pooler: Any = model.bert.pooler
        self._classifier = model.classifier

    def __call__(self, input_ids: Tensor, mask: Tensor | None) -> Tensor:
        """Logits, float32 (rows, classes).

        Args:
            input_ids: Whole numbers, (rows, length).
            mask: True where there is a token, bool (rows, length); None where nothing is padding.
        """
        hidden = functional.embedding(input_ids, self._words) + self._places[: input_ids.shape[1]]
        hidden = self._norm(hidden)
        mask = None if mask is None else mask[:, None, None, :]
        for layer in self._layers[:-1]:
            hidden = self._transform(layer, hidden, hidden, mask)
        first = self._transform(self._layers[-1], hidden[:, :1], hidden, mask)
        pooled = self._pooler.activation(self._pooler.dense(first[:, 0]))
        return self._classifier(pooled).float()

    def _transform(self, layer: _Layer, asking: Tensor, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """The layer's output at the positions that ask, (rows, asking, width), attending to all hidden states."""
        width = hidden.shape[-1]
        if asking is hidden:
            query, key, value = functional.linear(hidden, layer.weight, layer.bias).split(width, dim=-1)
        else:
            query = functional.linear(asking, layer.weight[:width], layer.bias[:width])
            key, value = functional.linear(hidden, layer.weight[width:], layer.bias[width:]).split(width, dim=-1)
        mixed = functional.scaled_dot_product_attention(
            self._by_head(query), self._by_head(key), self._by_head(value), attn_mask=mask
        )
        attended = layer.attended(mixed.transpose(1, 2).reshape(asking.shape))
        asking = layer.attended_norm(attended + asking)
        return layer.narrow_norm(layer.narrow(functional.gelu(layer.wide(asking))) + asking)

    def _by_head(self, states: Tensor) -> Tensor:
        """(rows, heads, length, width of a head) of states (rows, length, width)."""
        return states.unflatten(-1, (self._heads, -1)).transpose(1, 2)


def can_score(model: PreTrainedModel) -> bool:
    """Whether the model is a plain BERT classifier with one label a text: absolute positions and exact GELU."""
    config = model.config
    return (
        type(model) is BertForSequenceClassification
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
    )


def _fused(layer: Any) -> _Layer:
    attention = layer.attention.self
    parts = (attention.query, attention.key, attention.value)
    return _Layer(
        weight=torch.cat([part.weight for part in parts]),
        bias=torch.cat([part.bias for part in parts]),
        attended=layer.attention.output.dense,
        attended_norm=layer.attention.output.LayerNorm,
        wide=layer.intermediate.dense,
        narrow=layer.output.dense,
        narrow_norm=layer.output.LayerNorm,
    )
