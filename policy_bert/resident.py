"""Pretraining windows that stay on the GPU: they are drawn and masked there, and the processor never waits for it.

Nothing here copies back or needs to know a number that the GPU computes, and every batch has the same shapes, so
`torch.compile` makes one graph. A CPU keeps `policy_bert.masking.SpanMasker`.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from policy_bert.masking import IGNORED, SPAN_LENGTH_PROBABILITIES, SpanMasker

_SPARE_DEVIATIONS = 4.0  # how far above the mean the number of masks may be before some are left out
_MULTIPLE = 64  # of places to predict: matrix products like round numbers


@dataclass(frozen=True)
class ResidentBatch:
    """Indices of a batch, and its ids (rows, length) as signed 16-bit numbers on the device."""

    indices: Sequence[int]
    ids: Tensor


class ResidentWindows(Dataset[ResidentBatch]):
    """Token windows on a device, two bytes a token, fetched a whole batch at a time.

    Args:
        windows: Token ids, shape (windows, length).
        device: Where they stay.
        pairs: Whether an index means two neighbouring windows; a batch then holds all first and then all second ones.
    """

    def __init__(self, windows: NDArray[np.uint16], device: torch.device, pairs: bool = False) -> None:
        self.windows = torch.from_numpy(np.ascontiguousarray(windows).view(np.int16)).to(device)
        self.pairs = pairs

    def __len__(self) -> int:
        return len(self.windows) // 2 if self.pairs else len(self.windows)

    def __getitem__(self, index: int) -> ResidentBatch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> ResidentBatch:
        """A batch; `torch.utils.data.DataLoader` asks for it in this way where a data set has it."""
        rows = torch.tensor(indices)
        if self.pairs:
            rows = torch.cat([2 * rows, 2 * rows + 1])
        if self.windows.is_cuda:
            rows = rows.pin_memory().to(self.windows.device, non_blocking=True)
        return ResidentBatch(indices, self.windows.index_select(0, rows))


class DeviceMasker(SpanMasker):
    """`SpanMasker` on the device: the same shares and the same arguments, other draws.

    The places to predict are listed, as many in every batch of a size: `labels` has that shape.
    """

    def __call__(self, batch: ResidentBatch) -> dict[str, Tensor]:  # type: ignore[override]
        """`input_ids` and `position_ids` (rows, length); `predicted`, flat positions, and `labels`, both (places,).

        Unused places are 0 with label -100. The seed and the batch's indices decide the masks.
        """
        ids = batch.ids.long() & 0xFFFF
        drawn_by = zlib.crc32(np.array(batch.indices, dtype=np.int64).tobytes(), self.seed & 0xFFFFFFFF)
        generator = torch.Generator(ids.device).manual_seed(drawn_by)
        masked, predicted, labels = self._places(ids, self._spans(ids, generator))
        inputs = self.corrupted(ids, masked, generator)
        position_ids = self._positions(ids, generator)
        return {"input_ids": inputs, "labels": labels, "predicted": predicted, "position_ids": position_ids}

    def places(self, tokens: int) -> int:
        """How many places a batch of so many tokens has."""
        mean = tokens * self.fraction
        most = mean + _SPARE_DEVIATIONS * math.sqrt(len(SPAN_LENGTH_PROBABILITIES) * mean)
        return min(tokens, _MULTIPLE * math.ceil(most / _MULTIPLE))

    def _spans(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        draw = torch.rand(ids.shape, generator=generator, device=ids.device)
        starts = torch.rand(ids.shape, generator=generator, device=ids.device) < self.start_probability
        masked = starts.clone()
        reached = 0.0
        for extra in range(1, len(SPAN_LENGTH_PROBABILITIES)):
            reached += SPAN_LENGTH_PROBABILITIES[extra - 1]
            masked[:, extra:] |= (starts & (draw >= reached))[:, :-extra]
        for special in self.special:
            masked &= ids != special
        return masked

    def _places(self, ids: Tensor, masked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The masks that have a place, the places' flat positions in rising order, and the tokens there."""
        places = self.places(ids.numel())
        rank = masked.flatten().cumsum(0)
        masked = masked & (rank <= places).view(masked.shape)
        place = torch.where(masked.flatten(), rank - 1, places)  # what is not masked goes to one place too many
        every = torch.arange(ids.numel(), device=ids.device)
        predicted = torch.zeros(places + 1, dtype=torch.long, device=ids.device).scatter_(0, place, every)[:places]
        used = every[:places] < rank[-1]
        predicted = torch.where(used, predicted, 0)
        return masked, predicted, torch.where(used, ids.flatten()[predicted], IGNORED)


def resident_device() -> torch.device | None:
    """The GPU on which this process may keep its windows; None without a GPU, or where one process drives several."""
    if not torch.cuda.is_available():
        return None
    if "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device("cuda", 0) if torch.cuda.device_count() == 1 else None
