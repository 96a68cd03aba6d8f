"""The contrast of neighbouring windows."""

import math

import numpy as np
import torch

from policy_bert.contrast import PairCollator, WindowPairs, contrast_loss

SEP = 3


def windows(*rows):
    """Ids of ten body tokens a row; 3 ends a document."""
    return torch.tensor([[2, *row, SEP] for row in rows])


def vectors(ids, directions):
    """Each row's tokens all point in its direction, but for those of other documents, which point elsewhere."""
    return torch.stack([direction.expand(ids.shape[1], -1) for direction in directions])


BODY = [10] * 10


def test_neighbours_that_resemble_each_other_cost_less_than_strangers():
    ids = windows(BODY, BODY, BODY, BODY)
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    alike = contrast_loss(vectors(ids, [east, north, east, north]), ids, SEP)
    strangers = contrast_loss(vectors(ids, [east, north, north, east]), ids, SEP)
    assert alike < 1e-3
    assert strangers > 10
    same = contrast_loss(vectors(ids, [east] * 4), ids, SEP)
    torch.testing.assert_close(same, torch.tensor(math.log(2)))


def test_only_the_shared_document_is_pooled():
    ids = windows([7, SEP, *[10] * 8], BODY, [*[10] * 8, SEP, 7], BODY)
    east, north = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    hidden = vectors(ids, [east, north, east, north])
    changed = hidden.clone()
    changed[0, 1:3] = north * 100  # an earlier document, and its end
    changed[2, 9:11] = north * 100  # a later one
    torch.testing.assert_close(contrast_loss(hidden, ids, SEP), contrast_loss(changed, ids, SEP))


def test_pairs_without_a_shared_document_teach_nothing():
    ends = [*[10] * 9, SEP]
    ids = windows(ends, BODY, BODY, BODY)
    hidden = torch.randn(4, 12, 8, requires_grad=True)
    loss = contrast_loss(hidden, ids, SEP)
    loss.backward()
    assert not hidden.grad[0].any()  # its document ended; it is a stranger only as long as it has tokens to pool
    nothing = contrast_loss(torch.randn(2, 12, 8), windows(ends, BODY), SEP)
    assert nothing == 0


def test_the_gradient_reaches_both_windows():
    ids = windows(BODY, BODY, BODY, BODY)
    hidden = torch.randn(4, 12, 8, requires_grad=True)
    contrast_loss(hidden, ids, SEP).backward()
    assert (hidden.grad[:, 1:-1].abs().sum(dim=(1, 2)) > 0).all()


def test_pairs_are_neighbours_and_are_handed_on_half_by_half():
    table = np.arange(14, dtype=np.uint16).reshape(7, 2)
    pairs = WindowPairs(table)
    assert len(pairs) == 3
    seen = PairCollator(lambda rows: {"rows": torch.tensor(np.stack(rows).astype(np.int64))})([pairs[2], pairs[0]])
    assert seen["rows"].tolist() == [[8, 9], [0, 1], [10, 11], [2, 3]]
