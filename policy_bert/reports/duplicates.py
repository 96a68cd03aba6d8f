"""The same document twice: as docx and txt, as a web page and its print, with or without page numbers and the like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from policy_bert.documents import Document
from policy_bert.text import comparison_key

SHINGLE = 12  # characters; a line of page furniture spoils as many stretches as it has characters, and so many more
SKETCH = 512
LOOKED_UP = 32
CONTAINED = 0.9  # share of the shorter text's stretches that the longer one has too
SHORTER = 0.75  # least length of the shorter text, of the longer one's
IDENTICAL = 0.995  # where numbers or years differ: two documents made after one pattern differ in a line or two


class DuplicateFinder:
    """Remembers the documents it has seen by sketches of 2 kB each (Broder 1997; the k smallest hashes)."""

    def __init__(self) -> None:
        self._seen: list[tuple[Document, NDArray[np.uint64], int]] = []
        self._places: dict[int, list[int]] = {}

    def original_of(self, document: Document) -> Document | None:
        """The first document seen with the same text, or None; a document that has none is remembered.

        The texts are the same if nine tenths of the stretches of 12 characters of the shorter one are in the longer
        one, which is no more than a third longer. Where both state a number or a year and these differ, only texts
        that are alike to the letter are the same: a revision is a document of its own.
        """
        sketch, size = _sketch(document.text)
        for place in sorted({place for value in sketch[:LOOKED_UP].tolist() for place in self._places.get(value, ())}):
            original, other, other_size = self._seen[place]
            smallest = np.union1d(sketch, other)[:SKETCH]
            alike = np.isin(smallest, np.intersect1d(sketch, other, assume_unique=True)).mean()
            shorter, longer = sorted((size, other_size))
            contained = alike / (1 + alike) * (size + other_size) / shorter
            differ = _differ(document.number, original.number) or _differ(document.year, original.year)
            if alike >= IDENTICAL or (not differ and contained >= CONTAINED and shorter >= SHORTER * longer):
                return original
        self._seen.append((replace(document, text="", metadata={}, notes=()), sketch, size))
        for value in sketch[:LOOKED_UP].tolist():
            self._places.setdefault(value, []).append(len(self._seen) - 1)
        return None


def _sketch(text: str) -> tuple[NDArray[np.uint64], int]:
    """The smallest hashes of the text's stretches, ascending, and how many distinct ones there are."""
    key = comparison_key(text)
    letters = np.frombuffer(key.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    stretches = np.zeros(max(1, len(letters) - SHINGLE + 1), dtype=np.uint64)
    for place in range(min(SHINGLE, len(letters))):  # wraps at 2**64, which is wanted
        stretches = stretches * np.uint64(0x100000001B3) + letters[place : place + len(stretches)]
    stretches ^= stretches >> np.uint64(29)
    stretches *= np.uint64(0xBF58476D1CE4E5B9)
    distinct = np.unique(stretches ^ (stretches >> np.uint64(32)))
    return distinct[:SKETCH].copy(), len(distinct)


def _differ(first: object, second: object) -> bool:
    return bool(first and second and first != second)
