"""The Chinese font that figures are drawn with, so that they look the same on every machine."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

CHINESE_FONT = Path(__file__).parent / "chinese.otf"
GETA_MARK = "〓"  # what Chinese and Japanese typesetting prints for a character that the font lacks

logger = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _known_characters() -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(str(CHINESE_FONT)).get_charmap())


def missing_glyphs(text: str) -> set[str]:
    """The characters of a text that the font cannot draw; line breaks count as drawable.

    >>> missing_glyphs("人才培养 20%")
    set()
    """
    return {c for c in text if ord(c) not in _known_characters() and c != "\n"}


def drawable(text: str) -> str:
    """The text with `〓` for every character that the font lacks, as typesetters print it; a log line names them."""
    missing = missing_glyphs(text)
    if missing:
        logger.warning("the figures' font lacks %s; drawn as %s", " ".join(sorted(missing)), GETA_MARK)
    return "".join(GETA_MARK if c in missing else c for c in text)


@contextmanager
def chinese_figures() -> Iterator[None]:
    """A context in which matplotlib draws Chinese, off screen, and a missing glyph is an error instead of a box.

    Text in SVG becomes outlines, so that it is drawn the same where the font is not installed.

    Raises:
        UserWarning: A text holds a character that the font lacks (see `drawable`).
    """
    import matplotlib
    from matplotlib import font_manager

    if not any(entry.fname == str(CHINESE_FONT) for entry in font_manager.fontManager.ttflist):
        font_manager.fontManager.addfont(str(CHINESE_FONT))
    family = font_manager.FontProperties(fname=str(CHINESE_FONT)).get_name()
    settings: Any = {
        "backend": "agg",
        "font.family": [family],
        "axes.unicode_minus": False,
        "svg.fonttype": "path",
        "svg.hashsalt": "policy_bert",
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing from")
        yield
