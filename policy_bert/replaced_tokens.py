"""Replaced-token detection (ELECTRA, Clark et al. 2020): a small generator fills masks, the encoder finds where.

Every token teaches the encoder, where masked-language modelling learns from one in seven. Two things differ from the
paper. Position embeddings and their normalisation are shared with the generator too. And every fourth masked position
stays [MASK] in what the encoder reads, and its masked-language-model head is trained there, so that the encoder that
is kept has met [MASK] and still fills masks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig
from transformers.modeling_outputs import MaskedLMOutput
from transformers.models.bert.modeling_bert import BertEncoder

from policy_bert.contrast import ContrastiveBert
from policy_bert.masking import IGNORED, mean_loss

DISCRIMINATOR_WEIGHT = 50.0  # the paper's
GENERATOR_SHARE = 3  # the generator has a third of the encoder's heads; the paper finds a quarter to a half best
KEPT_MASK_EVERY = 4  # masked positions a [MASK] that the encoder itself must restore


class Generator(nn.Module):
    """A narrow encoder over the shared embeddings that proposes tokens for masked positions."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        small = generator_config(config)
        self.narrow = nn.Linear(config.hidden_size, small.hidden_size)
        self.encoder = BertEncoder(small)
        self.widen = nn.Linear(small.hidden_size, config.hidden_size)
        self.normalise = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(self, embedded: Tensor, predicted: Tensor, words: Tensor) -> Tensor:
        """Logits (predicted, vocabulary) at flat positions, from embeddings (rows, length, hidden) and their table."""
        hidden = self.encoder(self.narrow(embedded))[0].flatten(0, 1)[predicted]
        return functional.linear(self.normalise(functional.gelu(self.widen(hidden))), words, self.bias)


def generator_config(config: BertConfig) -> BertConfig:
    """The generator's shape: as deep as the encoder, with a third of its heads and so of its width."""
    heads = max(1, config.num_attention_heads // GENERATOR_SHARE)
    small = BertConfig(
        **{
            **config.to_dict(),
            "hidden_size": config.hidden_size // config.num_attention_heads * heads,
            "num_attention_heads": heads,
            "intermediate_size": max(1, config.intermediate_size * heads // config.num_attention_heads),
        }
    )
    small._attn_implementation = config._attn_implementation
    return small


class ReplacedTokenBert(ContrastiveBert):
    """The encoder as discriminator, with the generator and the detecting head beside it; those two are thrown away.

    Attributes:
        mask_id: The token that hides another.
    """

    mask_id = 4

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.generator = Generator(config)
        self.detect = nn.Sequential(
            nn.Linear(config.hidden_size, config.hidden_size), nn.GELU(), nn.Linear(config.hidden_size, 1)
        )
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        predicted: Tensor | None = None,
        position_ids: Tensor | None = None,
        **inputs: Any,
    ) -> MaskedLMOutput:
        """The sum of all losses while training; in evaluation mode the encoder's own masked-token loss."""
        if input_ids is None or labels is None or not self.training:
            return super().forward(
                input_ids=input_ids, labels=labels, predicted=predicted, position_ids=position_ids, **inputs
            )
        if predicted is None:
            predicted = (labels.flatten() != IGNORED).nonzero().squeeze(1)
            labels = labels.flatten()[predicted]
        embeddings = self.bert.embeddings
        embedded = embeddings(input_ids=input_ids, position_ids=position_ids)
        proposals = self.generator(embedded, predicted, embeddings.word_embeddings.weight)
        corrupted, replaced, judged = self._corrupt(input_ids, labels, predicted, proposals.detach())
        hidden = self.bert(input_ids=corrupted, position_ids=position_ids).last_hidden_state
        verdicts = self.detect(hidden).squeeze(-1).float()
        detection = functional.binary_cross_entropy_with_logits(verdicts, replaced, reduction="none")
        loss = mean_loss(proposals, labels) + DISCRIMINATOR_WEIGHT * (detection * judged).sum() / judged.sum()
        kept = slice(None, None, KEPT_MASK_EVERY)
        loss = loss + self.masked_loss(hidden, labels[kept], predicted[kept])
        return MaskedLMOutput(loss=loss + self.weighted_contrast(hidden, input_ids))

    def _corrupt(
        self, input_ids: Tensor, labels: Tensor, predicted: Tensor, proposals: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the encoder reads, which of it is false, and where it is asked (not at a [MASK]); all (rows, length).

        Proposals are drawn from the generator's distribution: the largest logit plus Gumbel noise.
        """
        masked_ids = input_ids.flatten()
        used = labels != IGNORED
        noise = -torch.empty_like(proposals, dtype=torch.float32).exponential_().log()
        drawn = (proposals.float() + noise).argmax(-1)
        kept = torch.arange(len(predicted), device=predicted.device) % KEPT_MASK_EVERY == 0
        unchanged = masked_ids[predicted]  # unused places all point to the first [CLS], which is left as it is
        originals = masked_ids.scatter(0, predicted, torch.where(used, labels, unchanged))
        shown = torch.where(used, torch.where(kept, self.mask_id, drawn), unchanged)
        corrupted = masked_ids.scatter(0, predicted, shown)
        judged = (corrupted != self.mask_id).float()
        replaced = (corrupted != originals).float() * judged
        shape = input_ids.shape
        return corrupted.view(shape), replaced.view(shape), judged.view(shape)
