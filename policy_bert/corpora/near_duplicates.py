"""Groups of sentences that nearly repeat each other, which a split must not pull apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy_bert.text import clean

_BLOCK_PRODUCTS = 5_000_000


def near_duplicate_groups(sentences: Sequence[str], threshold: float = 0.6) -> NDArray[np.int64]:
    """The group number of each sentence, int64 of shape (sentences,), groups numbered by first appearance.

    Two sentences whose character 2–3-gram TF-IDF vectors have a cosine above the threshold are in one group, and so
    are two that a chain of such pairs joins; equal sentences always are. The TF-IDF weights are those of the distinct
    sentences given. Memory is bounded whatever the number of sentences: pairs are sought block by block, and only
    among those that share an n-gram in the rare part of both vectors (prefix filtering of Bayardo, Ma and Srikant
    2007, which loses no pair).

    Args:
        sentences: Texts; what `clean` removes plays no part.
        threshold: A cosine, at least 0 and less than 1.

    Raises:
        ValueError: The threshold is out of range.
    """
    if not 0 <= threshold < 1:
        raise ValueError(f"threshold: expected at least 0 and less than 1, found {threshold}")
    distinct: dict[str, int] = {}
    places = np.array([distinct.setdefault(clean(text), len(distinct)) for text in sentences], dtype=np.int64)
    vectors = _tfidf(list(distinct))
    if vectors is None:
        return places
    groups = np.arange(len(distinct))
    for first, second in _close_pairs(vectors, threshold):
        groups = _join(groups, first, second)
    return _number_by_appearance(groups[places])


def _tfidf(texts: list[str]) -> Any:
    """Unit rows over n-grams, rarest n-gram first, or None when no text has two characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if all(len(text) < 2 for text in texts):
        return None
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(2, 3)).fit_transform(texts).tocsc()
    by_rarity = np.argsort(np.diff(vectors.indptr), kind="stable")
    vectors = vectors[:, by_rarity].tocsr()
    vectors.sort_indices()
    return vectors


def _close_pairs(vectors: Any, threshold: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Index arrays of the pairs above the threshold, block by block of rows."""
    rare, rest = _rare_parts(vectors, threshold)
    transposed = rare.T.tocsr()
    products = np.cumsum(np.diff(transposed.indptr)[rare.indices])
    row_products = np.concatenate([[0], products])[rare.indptr[1:]]
    blocks = np.split(np.arange(vectors.shape[0]), np.flatnonzero(np.diff(row_products // _BLOCK_PRODUCTS)) + 1)
    for rows in blocks:
        shared = (rare[rows] @ transposed).tocoo()
        first, second = rows[shared.row], shared.col.astype(np.int64)
        likely = (second > first) & (shared.data + np.maximum(rest[first], rest[second]) > threshold)
        first, second = first[likely], second[likely]
        for start in range(0, len(first), _BLOCK_PRODUCTS // 100):
            part = slice(start, start + _BLOCK_PRODUCTS // 100)
            cosines = np.asarray(vectors[first[part]].multiply(vectors[second[part]]).sum(axis=1)).ravel()
            close = cosines > threshold
            yield first[part][close], second[part][close]


def _rare_parts(vectors: Any, threshold: float) -> tuple[Any, NDArray[np.float64]]:
    """Each row's rarest n-grams, and the norm of what is left out, which is no more than the threshold.

    Two rows without a common n-gram in these parts have a cosine of at most the greater of the two norms.
    """
    squares = np.concatenate([[0.0], np.cumsum(vectors.data.astype(np.float64) ** 2)])
    ends = np.repeat(squares[vectors.indptr[1:]], np.diff(vectors.indptr))
    from_here_on = ends - squares[:-1]
    kept = from_here_on > max(threshold - 1e-6, 0.0) ** 2
    rare = vectors.copy()
    rare.data = np.where(kept, rare.data, 0.0)
    rare.eliminate_zeros()
    left_out = np.maximum(1.0 - np.asarray(rare.multiply(rare).sum(axis=1)).ravel(), 0.0)
    return rare, np.sqrt(left_out) + 1e-6


def _join(groups: NDArray[Any], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[Any]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size = len(groups)
    edges = coo_array((np.ones(len(first), dtype=np.int8), (groups[first], groups[second])), shape=(size, size))
    return connected_components(edges, directed=False)[1][groups]


def _number_by_appearance(groups: NDArray[Any]) -> NDArray[np.int64]:
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse]
