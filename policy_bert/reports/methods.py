"""What a paper's methods section needs: model, versions, thresholds, counts, and a paragraph in Chinese and English."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
from dataclasses import dataclass

from policy_bert import __version__
from policy_bert.reports.parts import Coding
from policy_bert.reports.tables import Tables

UNIT_NAMES = {"sentence": ("句", "sentence"), "paragraph": ("段", "paragraph"), "article": ("条", "article")}
INTERVALS = (
    "Wilson 计分区间，有效样本量按文档聚类的设计效应折算（Kish 1965；Dean & Pagano 2015）；只有一份文档时设计效应取 1",
    "Wilson score intervals with the sample size divided by the design effect of clustering in documents "
    "(Kish 1965; Dean & Pagano 2015); with a single document the design effect is taken as 1",
)
SAMPLING = (
    "复核清单按置信度由低到高排列，只编码其中一部分不构成随机样本；需要估计误差时，请在编码表按“随机数”排序，"
    "从前往后编码 n 个单元，即为简单随机样本（规则排除的单元不参与抽样）"
)


@dataclass(frozen=True)
class Methods:
    """How an analysis was made, and how to say so.

    Attributes:
        facts: Pairs of a name and a value, both in Chinese, in the order of the sheet.
        chinese: A paragraph for a methods section.
        english: The same in English.
    """

    facts: tuple[tuple[str, str | int | float], ...]
    chinese: str
    english: str

    def rows(self) -> list[tuple[str, str | int | float]]:
        """The facts and both paragraphs, as the sheet and the page list them."""
        return [*self.facts, ("方法段落（中文）", self.chinese), ("Methods paragraph (English)", self.english)]


def describe_methods(coding: Coding, tables: Tables, today: datetime.date | None = None) -> Methods:
    """The methods of an analysis; `today` is the date it carries, by default the current one."""
    date = (today or datetime.date.today()).isoformat()
    facts: list[tuple[str, str | int | float]] = [
        ("程序", f"policy_bert {__version__}"),
        ("模型", coding.model),
        ("模型摘要（SHA-256）", coding.model_digest),
        ("分类体系", f"{coding.scheme.name or '—'}：{len(coding.scheme)} 类，{len(coding.scheme.groups)} 个面向"),
        ("运行环境", _environment()),
        ("日期", date),
        ("分析单元", UNIT_NAMES[coding.unit][0]),
        ("最低置信度（低于则不编码）", coding.rules.min_confidence),
        ("复核阈值（低于则标记复核）", coding.rules.review_threshold),
        ("文档数", len(tables.documents)),
        ("单元合计", tables.coded + tables.uncoded),
        ("编码合计", tables.coded),
        ("未编码", tables.uncoded),
        *((f"未编码：{reason}", count) for reason, count in tables.reasons.items()),
        ("待复核", tables.review),
        ("区间方法", INTERVALS[0]),
        ("抽样说明", SAMPLING),
        *((f"跳过的文件：{skipped.name}", skipped.reason) for skipped in coding.skipped),
        *(("提示", warning) for warning in coding.warnings),
    ]
    return Methods(tuple(facts), _chinese(coding, tables), _english(coding, tables))


def _chinese(coding: Coding, tables: Tables) -> str:
    sides = "、".join(group.name for group in coding.scheme.groups)
    scheme = f"{len(coding.scheme)} 类政策工具" + (f"（分属{sides}面向）" if sides else "")
    total = tables.coded + tables.uncoded
    shares = "、".join(
        f"{share.name} {share.share:.1%}（95% 区间 {share.low:.1%}–{share.high:.1%}）"
        for share in tables.group_shares()
    )
    rules = coding.rules
    return (
        f"本研究以{UNIT_NAMES[coding.unit][0]}为分析单元，用 policy_bert {__version__} 对 {len(tables.documents)} 份"
        f"政策文档的 {total} 个单元进行自动编码，分类体系为{scheme}。标题、称谓、落款、立法依据、定义等单元由规则排除，"
        f"模型（SHA-256 {coding.model_digest[:12]}）置信度低于 {rules.min_confidence:g} 的单元不予编码；"
        f"最终编码 {tables.coded} 个单元，未编码 {tables.uncoded} 个，{tables.review} 个单元"
        f"（主要为置信度低于 {rules.review_threshold:g} 者）标记为待人工复核。"
        + (f"各面向占已编码单元的比例为：{shares}。" if shares and tables.coded else "")
        + "区间为按文档聚类校正的 Wilson 计分区间，未计入分类器误差；报告信度前应对随机样本进行人工复核。"
    )


def _english(coding: Coding, tables: Tables) -> str:
    groups = {group.name: group.english or group.name for group in coding.scheme.groups}
    unit = UNIT_NAMES[coding.unit][1]
    total = tables.coded + tables.uncoded
    sides = f", grouped as {', '.join(groups.values())}" if groups else ""
    shares = "; ".join(
        f"{groups[share.name]} {share.share:.1%} (95 % interval {share.low:.1%}–{share.high:.1%})"
        for share in tables.group_shares()
    )
    rules = coding.rules
    return (
        f"The unit of analysis was the {unit}. {total} units of {len(tables.documents)} policy documents were coded "
        f"with policy_bert {__version__} by {len(coding.scheme)} classes of policy instruments{sides}. Titles, "
        "salutations, signatures, legal bases, definitions and the like were excluded by rule, and units for which "
        f"the model (SHA-256 {coding.model_digest[:12]}) was less than {rules.min_confidence:g} confident were left "
        f"uncoded: {tables.coded} units were coded, {tables.uncoded} were not, and {tables.review} were flagged for "
        f"human review (mostly for a confidence below {rules.review_threshold:g}). "
        + (f"Shares of the coded units: {shares}. " if shares and tables.coded else "")
        + "Intervals are Wilson score intervals corrected for clustering in documents; they do not include the "
        "classifier's error, so a random sample should be coded by hand before reliability is reported."
    )


def _environment() -> str:
    versions = [f"Python {platform.python_version()}"]
    for package in ("onnxruntime", "tokenizers", "numpy"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "，".join(versions)
