"""`report.html`: one file without any outside request; each document's text is unpacked when it is opened."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from policy_bert.reports.coding import CodedDocument, Coding
from policy_bert.reports.methods import Methods
from policy_bert.reports.palette import GROUP_COLOURS, group_colours, label_colours
from policy_bert.reports.tables import Tables
from policy_bert.reports.words import WORDS, told_in, word

_OF_DOCUMENT = ("id", "name", "title", "counts", "uncoded")
TEMPLATE = Path(__file__).parent / "templates" / "report.html"


def write_page(coding: Coding, tables: Tables, methods: Methods, path: Path) -> None:
    """Write the page in a stream: a block a document, then the tables, then what draws them."""
    before, rest = TEMPLATE.read_text(encoding="utf-8").split("<!--DOCUMENTS-->\n")
    between, after = rest.split("<!--TABLES-->")
    if coding.language == "en":
        before = before.replace('<html lang="zh-CN">', '<html lang="en">')
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
        out.write(before)
        for index, document in enumerate(coding.documents()):
            _write_document(out, index, document)
        out.write(between)
        out.write(script_json(_tables_record(coding, tables, methods)))
        out.write(after)


def script_json(value: Any) -> str:
    r"""JSON that can stand inside a `<script>` element: nothing in it can end the element or start a comment.

    >>> print(script_json("</script>"))
    "\u003c/script\u003e"
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _write_document(out: IO[str], index: int, document: CodedDocument) -> None:
    """Write a document's units and the text between them, and apart from these the codes that filters count."""
    pieces: list[list[Any]] = []
    end = 0
    for unit in document.units:
        label = -1 if unit.label is None else unit.label
        confidence = -1.0 if unit.confidence is None else unit.confidence
        gap = document.text[end : unit.start]
        end = max(end, unit.end)
        pieces.append([gap, unit.text, label, confidence, unit.alternatives, unit.reason, unit.id, int(unit.review)])
    out.write(f'<script type="application/json" id="doc-{index}">{script_json(pieces)}</script>\n')
    codes = {name: [piece[at] for piece in pieces] for name, at in (("labels", 2), ("confidences", 3), ("reviews", 7))}
    out.write(f'<script type="application/json" id="codes-{index}">{script_json(codes)}</script>\n')


def _tables_record(coding: Coding, tables: Tables, methods: Methods) -> dict[str, Any]:
    scheme = coding.scheme
    sides, shades = group_colours(scheme), label_colours(scheme)
    if not scheme.groups:
        shades = tuple(GROUP_COLOURS[i % len(GROUP_COLOURS)] for i in range(len(scheme)))
    shown = ("document", "year") if tables.has_years else ("document",)  # in the heat map, and in the trend
    return {
        "language": coding.language,
        "labels": [
            {"name": label.name, "english": label.english, "group": label.group, "colour": shades[label.id]}
            for label in scheme.labels
        ],
        "groups": [
            {"id": group.id, "name": group.name, "english": group.english, "colour": sides[group.id]}
            for group in scheme.groups
        ],
        "documents": [{key: vars(row)[key] for key in _OF_DOCUMENT} for row in tables.documents],
        "coded": tables.coded,
        "uncoded": tables.uncoded,
        "review": tables.review,
        "labelShares": [vars(share) for share in tables.label_shares()],
        "groupShares": [vars(share) for share in tables.group_shares()],
        "cross": [asdict(tables.cross_table(field)) for field in tables.cross_fields() if field not in shown],
        "trend": asdict(tables.trend()) if tables.has_years else None,
        "withoutYear": tables.without_year(),
        "reasons": {reason: told_in("en", reason) for reason in tables.reasons},
        "words": {language: {key: word(language, key) for key in WORDS} for language in ("zh", "en")},
        "methods": {"zh": methods.chinese, "en": methods.english},
    }
