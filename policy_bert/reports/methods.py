"""What a paper's methods section needs: model, versions, thresholds, counts, and a paragraph in Chinese and English."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from dataclasses import dataclass

from policy_bert import __version__
from policy_bert.reports.coding import Coding
from policy_bert.reports.tables import Share, Tables
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
        (*chinese, (f"{word('paragraph_text', 'zh')}（中文）", _chinese(coding, tables))),
        (*english, (f"{word('paragraph_text', 'en')} (English)", _english(coding, tables))),
    )


def _facts(coding: Coding, tables: Tables, date: str, language: str) -> list[tuple[str, Value]]:
    def say(key: str, *values: object) -> str:
        return word(key, language, *values)

    scheme, plan, yearless = coding.scheme, tables.plan, tables.without_year()
    plan_facts = {"sample": plan.sample, "units": plan.units, "margin": 100 * plan.margin, "focus": plan.focus}
    facts: list[tuple[str, Value]] = [
        (say("program"), f"policy_bert {__version__}"),
        (say("model"), coding.model),
        (say("digest"), coding.model_digest),
        (say("scheme"), say("scheme_size", scheme.name or "—", len(scheme), len(scheme.groups))),
        (say("environment"), _environment("，" if language == "zh" else ", ")),
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
        (say("plan"), say("plan_text").format(**plan_facts)),
        (say("interval_method"), say("interval_text")),
    ]
    if yearless and tables.has_years:
        facts.append((say("yearless"), ("、" if language == "zh" else ", ").join(yearless)))
    for copy in coding.duplicates:
        how = say("same_text_counted" if copy.counted else "same_text_left_out", copy.original)
        facts.append((say("same_text", f"{copy.id} {copy.name}"), how))
    facts += [(say("skipped_file", skipped.name), told_in(language, skipped.reason)) for skipped in coding.skipped]
    return facts + [(say("note"), told_in(language, warning)) for warning in coding.warnings]


def _chinese(coding: Coding, tables: Tables) -> str:
    sides = "、".join(group.name for group in coding.scheme.groups)
    scheme = f"{len(coding.scheme)} 类政策工具" + (f"（分属{sides}面向）" if sides else "")
    total = tables.coded + tables.uncoded
    shares = "、".join(
        f"{share.name} {share.share:.1%}" + (f"（95% 区间 {_range(share)}）" if share.low is not None else "")
        for share in tables.group_shares()
    )
    rules = coding.rules
    return (
        f"本研究以{word(coding.unit, 'zh')}为分析单元，用 policy_bert {__version__} 对 {len(tables.documents)} 份"
        f"政策文档的 {total} 个单元进行自动编码，分类体系为{scheme}。标题、称谓、落款、立法依据、定义等单元由规则排除，"
        f"模型（SHA-256 {coding.model_digest[:12]}）置信度低于 {rules.min_confidence:g} 的单元不予编码；"
        f"最终编码 {tables.coded} 个单元，未编码 {tables.uncoded} 个。"
        + (f"各面向占已编码单元的比例为：{shares}。" if shares and tables.coded else "")
        + (
            "区间按文档聚类校正（Wilson 计分区间，t 分布），未计入分类器误差；"
            if _has_interval(tables)
            else "只有一份文档有编码，无法给出文档间的区间；"
        )
        + f"报告信度前，应由人工复核随机抽取的 {tables.plan.sample} 个单元（误差 ±{tables.plan.margin:.1%}）。"
    )


def _english(coding: Coding, tables: Tables) -> str:
    groups = {group.name: group.english or group.name for group in coding.scheme.groups}
    total = tables.coded + tables.uncoded
    sides = f", grouped as {', '.join(groups.values())}" if groups else ""
    shares = "; ".join(
        f"{groups[share.name]} {share.share:.1%}"
        + (f" (95 % interval {_range(share)})" if share.low is not None else "")
        for share in tables.group_shares()
    )
    rules = coding.rules
    return (
        f"The unit of analysis was the {word(coding.unit, 'en')}. {total} units of {len(tables.documents)} policy "
        f"documents were coded with policy_bert {__version__} by {len(coding.scheme)} classes of policy "
        f"instruments{sides}. Titles, salutations, signatures, legal bases, definitions and the like were excluded by "
        f"rule, and units for which the model (SHA-256 {coding.model_digest[:12]}) was less than "
        f"{rules.min_confidence:g} confident were left uncoded: {tables.coded} units were coded, {tables.uncoded} were "
        "not. "
        + (f"Shares of the coded units: {shares}. " if shares and tables.coded else "")
        + (
            "Intervals are clustered by document (Wilson score intervals with quantiles of Student's t); they do not "
            "include the classifier's error, "
            if _has_interval(tables)
            else "Only one document has coded units, so no interval between documents can be given; "
        )
        + f"so a random sample of {tables.plan.sample} units should be coded by hand before reliability is reported "
        f"(margin ±{tables.plan.margin:.1%})."
    )


def _has_interval(tables: Tables) -> bool:
    return sum(row.coded > 0 for row in tables.documents) > 1


def _range(share: Share) -> str:
    return f"{share.low:.1%}–{share.high:.1%}"


def _environment(comma: str) -> str:
    versions = [f"Python {platform.python_version()}"]
    for package in ("onnxruntime", "tokenizers", "numpy"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return comma.join(versions)
