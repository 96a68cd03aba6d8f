"""What a paper's methods section needs: model, versions, thresholds, counts, and a paragraph in Chinese and English."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from dataclasses import dataclass
from functools import partial

from policy_bert import __version__
from policy_bert.reports.coding import Coding
from policy_bert.reports.tables import Tables
from policy_bert.reports.words import told_in, word

Value = str | int | float


@dataclass(frozen=True)
class Methods:
    """How an analysis was made, and how to say so.

    Attributes:
        chinese: Pairs of a name and a value, in the order of the sheet; the last is a paragraph for a methods section.
        english: The same in English.
    """

    chinese: tuple[tuple[str, Value], ...]
    english: tuple[tuple[str, Value], ...]

    def sheet(self) -> list[tuple[str, Value]]:
        """What the workbook lists: everything in Chinese, and the English paragraph."""
        return [*self.chinese, self.english[-1]]


def describe_methods(coding: Coding, tables: Tables, today: datetime.date | None = None) -> Methods:
    """The methods of an analysis; `today` is the date it carries, by default the current one."""
    date = (today or datetime.date.today()).isoformat()
    chinese, english = (_facts(coding, tables, date, language) for language in ("zh", "en"))
    return Methods(
        (*chinese, (f"{word('zh', 'paragraph_text')}（中文）", _paragraph(coding, tables, "zh"))),
        (*english, (f"{word('en', 'paragraph_text')} (English)", _paragraph(coding, tables, "en"))),
    )


def _facts(coding: Coding, tables: Tables, date: str, language: str) -> list[tuple[str, Value]]:
    say = partial(word, language)
    scheme, plan, yearless = coding.scheme, tables.plan, tables.without_year()
    plan_facts = {"sample": plan.sample, "units": plan.units, "margin": 100 * plan.margin, "focus": plan.focus}
    facts: list[tuple[str, Value]] = [
        (say("program"), f"policy_bert {__version__}"),
        (say("model"), coding.model),
        (say("digest"), coding.model_digest),
        (say("scheme"), say("scheme_size", scheme.name or "—", len(scheme), len(scheme.groups))),
        (say("environment"), _environment(say("comma"))),
        (say("day"), date),
        (say("unit"), say(coding.unit)),
        (say("least"), coding.rules.min_confidence),
        (say("threshold"), coding.rules.review_threshold),
        (say("document_count"), len(tables.documents)),
        (say("unit_count"), tables.coded + tables.uncoded),
        (say("coded_count"), tables.coded),
        (say("uncoded_count"), tables.uncoded),
        *((say("uncoded_reason", told_in(language, reason)), count) for reason, count in tables.reasons.items()),
        (say("review_count"), tables.review),
        (say("plan"), say("plan_text", **plan_facts)),
        (say("interval_method"), say("interval_text")),
    ]
    if yearless and tables.has_years:
        facts.append((say("yearless"), say("comma").join(yearless)))
    for copy in coding.duplicates:
        how = say("same_text_counted" if copy.counted else "same_text_left_out", copy.original)
        facts.append((say("same_text", f"{copy.id} {copy.name}"), how))
    facts += [(say("skipped_file", skipped.name), told_in(language, skipped.reason)) for skipped in coding.skipped]
    return facts + [(say("note"), told_in(language, warning)) for warning in coding.warnings]


def _paragraph(coding: Coding, tables: Tables, language: str) -> str:
    say, plan = partial(word, language), tables.plan
    groups = [(language == "en" and group.english) or group.name for group in coding.scheme.groups]
    shares = []
    for name, share in zip(groups, tables.group_shares(), strict=True):
        known = share.low is not None and share.high is not None
        limits = say("paragraph_range", f"{share.low:.1%}–{share.high:.1%}") if known else ""
        shares.append(f"{name} {share.share:.1%}{limits}")
    between = sum(row.coded > 0 for row in tables.documents) > 1
    return say(
        "paragraph_form",
        unit=say(coding.unit),
        version=__version__,
        documents=len(tables.documents),
        total=tables.coded + tables.uncoded,
        classes=len(coding.scheme),
        sides=say("paragraph_sides", say("comma").join(groups)) if groups else "",
        model=coding.model_digest[:12],
        least=f"{coding.rules.min_confidence:g}",
        coded=tables.coded,
        uncoded=tables.uncoded,
        shares=say("paragraph_shares", say("then").join(shares)) if shares and tables.coded else "",
        intervals=say("paragraph_intervals" if between else "paragraph_one_document"),
        sample=plan.sample,
        margin=f"{plan.margin:.1%}",
    )


def _environment(comma: str) -> str:
    versions = [f"Python {platform.python_version()}"]
    for package in ("onnxruntime", "tokenizers", "numpy"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return comma.join(versions)
