"""Text as the corpus and the documents need it: normal forms, and sentences with character offsets."""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\u200b-\u200d\u2060]")


def clean(text: str) -> str:
    """The text without control characters, zero-width characters and stray white space; nothing else changes.

    >>> clean(" 推动\u200b数据 \t 共享。 ")
    '推动数据 共享。'
    """
    return _SPACE.sub(" ", _CONTROL.sub("", text)).strip()


def comparison_key(text: str) -> str:
    """What two sentences are compared by: NFKC, lower case, letters and digits only.

    >>> comparison_key("发展“互联网＋养老”。") == comparison_key('发展"互联网+养老"')
    True
    """
    return "".join(c for c in unicodedata.normalize("NFKC", text).lower() if c.isalnum())
