"""Every word that a report says in two languages: one table, for page, figures, workbook and methods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from policy_bert.documents import REASONS

_TABLE = yaml.safe_load((Path(__file__).parent / "templates" / "words.yaml").read_text(encoding="utf-8"))
WORDS: Mapping[str, tuple[str, str]] = {key: tuple(pair) for key, pair in _TABLE["words"].items()}
REVIEW_WORDS: Mapping[str, tuple[str, str]] = {key: tuple(pair) for key, pair in _TABLE["review"].items()}
_TEXTS = {**REVIEW_WORDS, **WORDS}
FIELDS = ("document", "title", "number", "issuer", "date", "year")

_KINDS = {reason: kind.replace("_", " ") for kind, reason in REASONS.items() if reason}
_CHINESE = re.compile("[\u3400-\u9fff]")


def word(language: str, key: str, *values: object, **named: object) -> str:
    """A word or sentence in a language, `zh`, `en` or `both` (Chinese, then English), with its values filled in."""
    text = "".join(_TEXTS[key]) if language == "both" else _TEXTS[key][language == "en"]
    return text.format(*values, **named) if values or named else text


def field_word(field: str, language: str = "zh") -> str:
    """What a field of documents is called; a column of the metadata keeps its name."""
    return word(language, field) if field in FIELDS else field


def told_in(language: str, message: str) -> str:
    """A message of the readers' or a reason why a unit is not coded, which are Chinese, in a language.

    >>> told_in("en", "落款"), told_in("en", "置信度低于 0.3"), told_in("zh", "落款")
    ('signature', 'confidence below 0.3', '落款')
    """
    if language != "en":
        return message
    if message in _KINDS:
        return _KINDS[message]
    for pattern, english in _TABLE["messages"]:
        if match := re.fullmatch(pattern, message):
            return match.expand(english).replace("、", ", ")
    return message if not _CHINESE.search(message) else "see the Chinese page"
