"""Which tokens are hidden from the model."""

import zlib

import numpy as np
import torch
from small import pretrain_config as config

from policy_bert.pretraining.masking import SPAN_LENGTH_PROBABILITIES, SpanMasker
from policy_bert.pretraining.windows import prepare_data


def test_the_processors_masks_are_what_they_always_were(text_file, tmp_path):
    """The draws of the first release, written out: a run begun with it must go on unchanged."""
    data = prepare_data(config(text_file, tmp_path))
    masker = SpanMasker(data.tokenizer, 0.15, 0.5, 48, seed=3)
    rows = list(data.train[:9])
    batch = masker(rows)
    ids = torch.from_numpy(np.stack(rows).astype(np.int64))
    generator = torch.Generator().manual_seed(zlib.crc32(ids.numpy().tobytes(), 3))
    shares = torch.tensor(SPAN_LENGTH_PROBABILITIES)
    length = torch.multinomial(shares, ids.numel(), replacement=True, generator=generator).view(ids.shape)
    starts = torch.rand(ids.shape, generator=generator) < masker.start_probability
    masked = starts.clone()
    masked[:, 1:] |= (starts & (length >= 1))[:, :-1]
    masked[:, 2:] |= (starts & (length >= 2))[:, :-2]
    masked &= ~torch.isin(ids, torch.tensor(masker.special))
    kind = torch.rand(ids.shape, generator=generator)
    random_ids = torch.randint(5, masker.vocabulary_size, ids.shape, generator=generator)
    inputs = torch.where(masked & (kind < 0.8), masker.mask_id, ids)
    offset = torch.randint(0, 48 - 16 + 1, (9, 1), generator=generator)
    offset *= torch.rand((9, 1), generator=generator) < 0.5
    positions = torch.arange(16).expand(9, -1) + offset
    positions[:, 0] = 0
    assert torch.equal(batch["labels"], torch.where(masked, ids, -100))
    assert torch.equal(batch["input_ids"], torch.where(masked & (kind >= 0.9), random_ids, inputs))
    assert torch.equal(batch["position_ids"], positions)
