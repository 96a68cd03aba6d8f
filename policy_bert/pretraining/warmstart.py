"""Warm starts for pretraining: token embeddings from co-occurrence, positions from sinusoids, layers by stacking."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd
from torch import nn

EMBEDDING_STD = 0.05


def cooccurrence_embeddings(
    windows: NDArray[np.uint16],
    vocabulary_size: int,
    dimensions: int,
    *,
    context_window: int = 4,
    smoothing: float = 0.75,
    seed: int = 0,
) -> NDArray[np.float32]:
    """Token embeddings from a truncated SVD of the positive PMI matrix (Levy & Goldberg 2014; Levy et al. 2015).

    Args:
        windows: Token ids, shape (windows, length).
        vocabulary_size: Rows of the result.
        dimensions: Columns of the result, at most `vocabulary_size`.
        context_window: How many tokens to each side count as context.
        smoothing: Exponent of the context distribution.
        seed: Of the randomised SVD; the same seed gives the same embeddings.

    Returns:
        Shape (vocabulary_size, dimensions), standard deviation `EMBEDDING_STD`; tokens never seen have zeros.
    """
    shape = (vocabulary_size, vocabulary_size)
    counts = scipy.sparse.csr_matrix(shape, dtype=np.float64)
    for offset in range(1, context_window + 1):
        left, right = windows[:, :-offset].ravel(), windows[:, offset:].ravel()
        counts += scipy.sparse.coo_matrix((np.ones(len(left)), (left, right)), shape=shape).tocsr()
    counts = (counts + counts.T).tocoo()
    row_sums = np.asarray(counts.sum(axis=1)).ravel()
    context = row_sums**smoothing
    context /= max(context.sum(), 1e-12)
    total = max(row_sums.sum(), 1e-12)
    pmi = np.log(counts.data * total / (row_sums[counts.row] * context[counts.col] * total))
    positive = scipy.sparse.csr_matrix((np.maximum(pmi, 0.0), (counts.row, counts.col)), shape=shape)
    positive.eliminate_zeros()
    left_vectors, values, _ = randomized_svd(positive, n_components=min(dimensions, vocabulary_size), random_state=seed)
    embeddings = np.zeros((vocabulary_size, dimensions), dtype=np.float32)
    embeddings[:, : len(values)] = left_vectors * np.sqrt(values)
    seen = embeddings.any(axis=1)
    return embeddings * np.float32(EMBEDDING_STD / max(float(embeddings[seen].std()) if seen.any() else 1.0, 1e-12))


def sinusoidal_positions(positions: int, dimensions: int, scale: float = EMBEDDING_STD) -> NDArray[np.float32]:
    """Sinusoids of Vaswani et al. (2017), shape (positions, dimensions), times `scale`."""
    rates = 10000.0 ** (-np.arange(0, dimensions, 2) / dimensions)
    angles = np.arange(positions)[:, None] * rates[None, :]
    table = np.zeros((positions, dimensions), dtype=np.float32)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles)[:, : dimensions // 2]
    return table * np.float32(scale)


def stack_layers(source: nn.ModuleList, target: nn.ModuleList) -> None:
    """Copy a shallow encoder's layers into a deeper one, cycling: 1 2 becomes 1 2 1 2 (Gong et al. 2019)."""
    with torch.no_grad():
        for index, layer in enumerate(target):
            layer.load_state_dict(source[index % len(source)].state_dict())
