"""Masked-language modelling: which tokens are hidden, and a model that predicts those alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset
from transformers import BertForMaskedLM
from transformers.modeling_outputs import MaskedLMOutput

from policy_bert.encoder.vocabulary import special_id

SPAN_LENGTH_PROBABILITIES = (0.4, 0.4, 0.2)  # of 1, 2 and 3 tokens: the lengths of most Chinese words
IGNORED = -100


class SparseBertForMaskedLM(BertForMaskedLM):
    """`BertForMaskedLM` that computes its output layer only where a label is to be predicted.

    Same parameters, same loss; without labels it is the parent.
    """

    accepts_loss_kwargs = False  # the loss is a mean, so `Trainer` must divide it by the steps that it accumulates

    def forward(self, input_ids: Tensor | None = None, labels: Tensor | None = None, **inputs: Any) -> MaskedLMOutput:
        """The loss over labels that are not -100; `logits` is left empty when labels are given.

        Args:
            input_ids: Token ids, (rows, length).
            labels: The hidden tokens, (rows, length), -100 where none is predicted.
            inputs: What else the parent takes.
        """
        if labels is None:
            return super().forward(input_ids=input_ids, **inputs)
        inputs.pop("num_items_in_batch", None)
        hidden = self.bert(input_ids=input_ids, **inputs).last_hidden_state
        chosen = labels != IGNORED
        logits = self.cls(hidden[chosen])
        return MaskedLMOutput(loss=torch.nn.functional.cross_entropy(logits.float(), labels[chosen]))


class WindowDataset(Dataset[NDArray[np.uint16]]):
    """Token windows by index."""

    def __init__(self, windows: NDArray[np.uint16]) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> NDArray[np.uint16]:
        return self.windows[index]


class SpanMasker:
    """A data collator that masks short spans: 80 % [MASK], 10 % a random token, 10 % unchanged (Devlin et al. 2019).

    Args:
        tokenizer: Names the special tokens, which are never masked.
        fraction: The expected share of masked tokens.
        shifted_fraction: The share of windows whose positions start at a random offset; [CLS] stays at 0.
        positions: How many positions the model has.
        seed: With the batch's own token ids it decides the masks. So they are the same after a resume and for every
            held-out loss, and new in every epoch, since no two epochs have the same batches.
    """

    def __init__(
        self, tokenizer: Tokenizer, fraction: float, shifted_fraction: float, positions: int, seed: int
    ) -> None:
        self.special = [special_id(tokenizer, token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")]
        self.mask_id = special_id(tokenizer, "[MASK]")
        self.vocabulary_size = tokenizer.get_vocab_size()
        self.shifted_fraction = shifted_fraction
        self.positions = positions
        self.seed = seed
        self.fraction = fraction
        mean_length = sum(length * p for length, p in enumerate(SPAN_LENGTH_PROBABILITIES, start=1))
        self.start_probability = 1.0 - (1.0 - fraction) ** (1.0 / mean_length)

    def __call__(self, rows: Sequence[NDArray[np.uint16]]) -> dict[str, Tensor]:
        """Input ids, labels (-100 where nothing is predicted) and position ids, each of shape (rows, length)."""
        ids = torch.from_numpy(np.stack(rows).astype(np.int64))
        # torch takes 32 bits of a seed, so both go into one checksum
        generator = torch.Generator().manual_seed(zlib.crc32(ids.numpy().tobytes(), self.seed & 0xFFFFFFFF))
        length = torch.multinomial(
            torch.tensor(SPAN_LENGTH_PROBABILITIES), ids.numel(), replacement=True, generator=generator
        ).view(ids.shape)
        starts = torch.rand(ids.shape, generator=generator) < self.start_probability
        masked = starts.clone()
        for extra in range(1, len(SPAN_LENGTH_PROBABILITIES)):
            masked[:, extra:] |= (starts & (length >= extra))[:, :-extra]
        masked &= ~torch.isin(ids, torch.tensor(self.special))
        labels = torch.where(masked, ids, IGNORED)
        inputs = self.corrupted(ids, masked, generator)
        return {"input_ids": inputs, "labels": labels, "position_ids": self._positions(ids, generator)}

    def corrupted(self, ids: Tensor, masked: Tensor, generator: torch.Generator) -> Tensor:
        """The ids (rows, length) with the masked ones hidden, changed or left, as drawn by the generator."""
        kind = torch.rand(ids.shape, generator=generator, device=ids.device)
        random_ids = torch.randint(5, self.vocabulary_size, ids.shape, generator=generator, device=ids.device)
        inputs = torch.where(masked & (kind < 0.8), self.mask_id, ids)
        return torch.where(masked & (kind >= 0.9), random_ids, inputs)

    def _positions(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        rows, length = ids.shape
        most = self.positions - length
        offset = torch.randint(0, most + 1, (rows, 1), generator=generator, device=ids.device)
        offset *= torch.rand((rows, 1), generator=generator, device=ids.device) < self.shifted_fraction
        positions = torch.arange(length, device=ids.device).expand(rows, -1) + offset
        positions[:, 0] = 0
        return positions
