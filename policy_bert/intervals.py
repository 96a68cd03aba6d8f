"""95 % intervals: of shares, of means, and of shares whose units come in documents."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

Z_95 = 1.959963984540054
LEAST_CORRELATION = 0.1  # of units in a document: what is assumed where too few documents show it

_T_95 = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139)


def t_95(degrees: int) -> float:
    """The 97.5 % quantile of Student's t, within 0.0001 (a table to 10 degrees of freedom, then Fisher's expansion).

    >>> round(t_95(2), 2), round(t_95(30), 2)
    (4.3, 2.04)
    """
    if degrees <= len(_T_95):
        return _T_95[degrees - 1]
    z = Z_95
    terms = ((z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return z + sum(term / degrees**power for power, term in enumerate(terms, 1))


def wilson_interval(share: float, units: float, quantile: float = Z_95) -> tuple[float, float]:
    """Wilson's score interval of a share seen in `units` independent units (Wilson 1927); 0 to 1 for none.

    >>> low, high = wilson_interval(1.0, 10)
    >>> round(low, 3), high
    (0.722, 1.0)
    """
    if units <= 0:
        return 0.0, 1.0
    z2 = quantile**2
    centre = (share + z2 / (2 * units)) / (1 + z2 / units)
    half = quantile * math.sqrt(share * (1 - share) / units + z2 / (4 * units**2)) / (1 + z2 / units)
    return max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share))


def cluster_degrees(totals: ArrayLike) -> int:
    """Degrees of freedom between documents: one less than their number, counted as so many of equal size (Kish 1965).

    >>> cluster_degrees([30, 30, 30]), cluster_degrees([100, 5, 5]), cluster_degrees([100])
    (2, 1, 0)
    """
    sizes = np.asarray(totals, dtype=np.float64)
    sizes = sizes[sizes > 0]
    if len(sizes) < 2:
        return 0
    return max(1, round(float(sizes.sum() ** 2 / (sizes @ sizes)) - 1))


def clustered_interval(counts: ArrayLike, totals: ArrayLike) -> tuple[float, float] | None:
    """The interval of the share `counts.sum() / totals.sum()`, where units come clustered in documents.

    Wilson's interval with the effective sample size n / design effect (Kish 1965; compared with other intervals for
    clustered proportions by Dean and Pagano 2015) and Student's t between documents in place of 1.96. The design effect
    is the variance of the share by leaving out each document in turn (the jackknife) divided by that of independent
    units, and at least what a correlation of 0.1 within documents gives: few documents often seem less alike than they
    are. With one document nothing can be said of others: None.

    Args:
        counts: Units that count, by document; shape (documents,).
        totals: Units, by document; shape (documents,); documents without units are passed over.
    """
    counted, sizes = np.asarray(counts, dtype=np.float64), np.asarray(totals, dtype=np.float64)
    counted, sizes = counted[sizes > 0], sizes[sizes > 0]
    degrees = cluster_degrees(sizes)
    if not degrees:
        return None
    units, clusters = float(sizes.sum()), len(sizes)
    share = float(counted.sum()) / units
    effect = 1 + (float(sizes @ sizes) / units - 1) * LEAST_CORRELATION
    if 0 < share < 1:
        changes = (counted - share * sizes) / (units - sizes)
        effect = max(effect, (clusters - 1) / clusters * float(changes @ changes) * units / (share * (1 - share)))
    return wilson_interval(share, units / max(1.0, effect), t_95(degrees))
