"""Silver-standard labels of sentences that are not shipped: each is known by a digest and found again in the text.

A language model gave these labels to sentences of public policy documents. The documents belong to the text that an
encoder is pretrained on and stay outside the project, so the file holds digests in place of sentences.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from policy_bert.corpora.running_text import iterate_documents
from policy_bert.errors import DataError
from policy_bert.text import comparison_key

DIGEST_CHARACTERS = 16
_CLAUSE = re.compile(r"[^。；！？;]+[。；！？;]?")
_NUMBERING = re.compile(
    r"^[（(]?[一二三四五六七八九十0-9０-９]{1,3}[）)、.．]\s*|^第[一二三四五六七八九十百]+[条章节]\s*"
    r"|^[一二三四五六七八九十]是|^[①-⑳]|^[-—•●]\s*"
)
_DEEPEST_NUMBERING = 3


def sentence_digest(sentence: str) -> str:
    """64 bits of SHA-256, in hexadecimal, over what two sentences are compared by."""
    return hashlib.sha256(comparison_key(sentence).encode()).hexdigest()[:DIGEST_CHARACTERS]


def clauses(line: str) -> Iterator[str]:
    """The pieces of a line that end in 。；！？, without the numbering before them.

    >>> list(clauses("（一）加快数据开放。1.建设平台；"))
    ['加快数据开放。', '建设平台；']
    """
    for match in _CLAUSE.finditer(line):
        piece = match.group().strip()
        for _ in range(_DEEPEST_NUMBERING):
            piece = _NUMBERING.sub("", piece).strip()
        if piece:
            yield piece


def read_silver_labels(path: str | Path, classes: int) -> dict[str, int]:
    """Class ids by digest, from a table of the two with the header `digest<TAB>label`.

    Raises:
        DataError: The file cannot be read or a line is not a digest and a class id.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()[1:]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot read the silver labels: {error}") from error
    labels = {}
    for number, line in enumerate(lines, start=2):
        digest, _, label = line.partition("\t")
        if len(digest) != DIGEST_CHARACTERS or not label.isdecimal() or int(label) >= classes:
            raise DataError(
                f"{path}, line {number}: expected a digest of {DIGEST_CHARACTERS} hexadecimal digits, a tab and a "
                f"class id below {classes}, found {line!r}"
            )
        labels[digest] = int(label)
    return labels


def find_sentences(files: Iterable[str | Path], labels: Mapping[str, int]) -> dict[str, int]:
    """Class ids by sentence of those that the text files hold, in the order of their digests.

    Args:
        files: As `running_text.open_text` reads them.
        labels: From `read_silver_labels`.

    Raises:
        DataError: A file cannot be read, or none of the sentences occurs.
    """
    found: dict[str, str] = {}
    for line in (line for file in files for document in iterate_documents(file) for line in document):
        for piece in clauses(line):
            digest = sentence_digest(piece)
            if digest in labels:
                found.setdefault(digest, piece)
    if not found:
        raise DataError("none of the sentences with silver labels occurs in the text; name the right files with --text")
    return {found[digest]: labels[digest] for digest in sorted(found)}
