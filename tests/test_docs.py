"""The documents agree with themselves."""

import re
from pathlib import Path

LOG = Path(__file__).parents[1] / "docs" / "log.md"


def test_the_index_of_the_log_lists_every_entry_in_its_order():
    text = LOG.read_text(encoding="utf-8")
    titles = re.findall(r"^## (\d{4}-\d{2}-\d{2} · .+)$", text, re.MULTILINE)
    index = re.findall(r"^- \[(\d{4}-\d{2}-\d{2} · .+)\]\(#(.+)\)$", text, re.MULTILINE)
    assert [title for title, _ in index] == titles
    assert [anchor for _, anchor in index] == [anchor_of(title) for title in titles]


def anchor_of(title: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
