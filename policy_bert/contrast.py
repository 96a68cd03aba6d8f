"""A sentence-level signal for pretraining: windows that follow each other in a document resemble each other.

InfoNCE (van den Oord et al. 2018) with the batch's other windows as negatives, as SimCSE (Gao et al. 2021) and
DeCLUTR (Giorgi et al. 2021) have it. It trains the mean of the tokens, which is what fine-tuning starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from policy_bert.masking import SparseBertForMaskedLM

TEMPERATURE = 0.05  # SimCSE's
FEWEST_TOKENS = 8  # of the shared document in each of the two windows; less says nothing of what it is about


class ContrastiveBert(SparseBertForMaskedLM):
    """Masked-language modelling plus the contrast of neighbouring windows.

    A training batch holds the first windows of all pairs and then the second ones, in the same order.

    Attributes:
        contrast_weight: The loss weight of the contrast; 0 leaves it out.
        separator_id: The token that ends a document.
    """

    contrast_weight = 0.0
    separator_id = 3

    def windows_loss(
        self, hidden: Tensor, input_ids: Tensor | None, labels: Tensor, predicted: Tensor | None
    ) -> Tensor:
        """The weighted sum while training; in evaluation mode the parent's loss alone, so that runs compare."""
        loss = super().windows_loss(hidden, input_ids, labels, predicted)
        return loss if input_ids is None or not self.training else loss + self.weighted_contrast(hidden, input_ids)

    def weighted_contrast(self, hidden: Tensor, input_ids: Tensor) -> Tensor:
        """The contrast's share of the loss, for hidden states (rows, length, hidden) of the ids (rows, length)."""
        if not self.contrast_weight:
            return hidden.new_zeros(())
        return self.contrast_weight * contrast_loss(hidden, input_ids, self.separator_id)


def contrast_loss(hidden: Tensor, input_ids: Tensor, separator_id: int) -> Tensor:
    """Mean InfoNCE of the pairs whose two windows share a document, both ways; 0 where no pair does.

    Args:
        hidden: Token vectors, (2 x pairs, length, hidden): first windows, then the windows that follow them.
        input_ids: Token ids, (2 x pairs, length), which may be masked; [CLS] and [SEP] stand at the ends.
        separator_id: The token between documents.
    """
    pairs = len(input_ids) // 2
    ends = (input_ids[:, 1:-1] == separator_id).long()
    after_last = ends[:pairs].flip(1).cumsum(1).flip(1) == 0  # what the first window holds of its last document
    before_first = ends[pairs:].cumsum(1) == 0  # what the second holds of that document
    shared = torch.cat([after_last, before_first])
    tokens = shared.sum(1)
    body = hidden[:, 1:-1].float() * shared[:, :, None]
    pooled = functional.normalize(body.sum(1) / tokens.clamp(min=1)[:, None], dim=1)
    first, second = pooled.double().split(pairs)  # autocast would take bfloat16, too coarse here, for float32
    similarity = (first @ second.T / TEMPERATURE).float()
    valid = ((tokens[:pairs] >= FEWEST_TOKENS) & (tokens[pairs:] >= FEWEST_TOKENS)).float()
    own = torch.arange(pairs, device=hidden.device)
    both = functional.cross_entropy(similarity, own, reduction="none") + functional.cross_entropy(
        similarity.T, own, reduction="none"
    )
    return (both * valid).sum() / (2 * valid.sum().clamp(min=1))


class WindowPairs(Dataset[NDArray[np.uint16]]):
    """Neighbouring windows by the index of their pair, shape (2, length); a last odd window is left out."""

    def __init__(self, windows: NDArray[np.uint16]) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows) // 2

    def __getitem__(self, index: int) -> NDArray[np.uint16]:
        return self.windows[2 * index : 2 * index + 2]


class PairCollator:
    """Hands the windows of pairs to a masker: all first ones, then all second ones."""

    def __init__(self, masker: Callable[[Sequence[NDArray[np.uint16]]], dict[str, Tensor]]) -> None:
        self.masker = masker

    def __call__(self, pairs: Sequence[NDArray[np.uint16]]) -> dict[str, Tensor]:
        """What the masker gives for the 2 x pairs windows."""
        return self.masker([pair[half] for half in (0, 1) for pair in pairs])
