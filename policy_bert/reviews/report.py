"""The review as a person prints it: a Markdown report with a paragraph for a paper, in Chinese and English."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from policy_bert.reports.columns import UNCODED
from policy_bert.reviews.correction import CorrectedShare
from policy_bert.reviews.findings import Findings
from policy_bert.reviews.reliability import Estimate, Reliability

_DESIGN_ZH = {
    "random": "简单随机抽取",
    "random numbers": "按随机数抽取",
    "probabilities": "按给定的抽样概率抽取",
    "strata": "按置信度分 {strata} 层、层内随机抽取",
}
_DESIGN_EN = {
    "random": "taken as a simple random sample",
    "random numbers": "drawn by random number",
    "probabilities": "drawn with the given inclusion probabilities",
    "strata": "taken as random samples of {strata} strata of confidence",
}
_TARGET_ZH = {"population": "区间视这些文档为同类文档的样本（按文档聚类）", "documents": "区间只针对这些单元本身"}
_TARGET_EN = {
    "population": "the intervals treat the documents as a sample of such documents (clustered by document)",
    "documents": "the intervals are about just these units",
}


def render_report(findings: Findings) -> str:
    """The report as Markdown: paragraphs, agreement by class, confusion table, corrected shares, warnings."""
    parts = ["# 信度报告 Reliability report", chinese_paragraph(findings), english_paragraph(findings)]
    parts += [f"> **{warning}**" for warning in findings.warnings]
    parts += ["## 各类一致性 Agreement by class", _table(*class_rows(findings))]
    parts += ["## 混淆表 Confusion table", "行为分类器编码，列为人工编码。 Rows: classifier; columns: reviewers."]
    parts += [_table(*confusion_rows(findings))]
    if findings.shares.classes:
        parts += ["## 校正后的占比 Corrected shares", _table(*share_rows(findings))]
    return "\n\n".join(parts) + "\n"


def chinese_paragraph(findings: Findings) -> str:
    """What a Chinese paper says of the reliability, with the corrected shares of the sides."""
    measured, shares = findings.reliability, findings.shares
    text = (
        f"从 {len(findings.sheet.units)} 个单元中抽取 {measured.units} 个（{measured.documents} 份文档）由人工编码，"
        f"与分类器编码比较：一致率 {_percent(measured.agreement, '至')}，Cohen's κ 为 {_number(measured.kappa, '至')}，"
        f"Krippendorff's α（名义尺度）为 {_number(measured.alpha, '至')}，{_clusters_zh(measured)}"
        "按 Krippendorff（2004）的惯例，α 不低于 0.800 可作可靠结论，0.667 至 0.800 之间只宜作初步结论。"
        "若复核者能看到分类器的编码，一致性会偏高。"
    )
    if not shares.classes:
        return text + "复核单元并非随机抽取，未作占比校正。"
    design = _DESIGN_ZH[shares.design].format(strata=shares.strata)
    names = [group.name for group in findings.sheet.scheme.groups]
    sides = "、".join(f"{name} {_percent(s, '至')}" for name, s in zip(names, shares.groups, strict=True))
    return text + (
        f"以复核结果校正分类器误差（差值估计量，即预测驱动推断；Angelopoulos 等，2023），"
        f"占比以 {shares.units} 个{'经分类器判断的' if shares.with_uncoded else '已编码'}单元为分母，"
        f"复核单元 {shares.reviewed} 个，视为{design}，{_TARGET_ZH[findings.target]}"
        + (f"：{sides}（95% 区间）。" if sides else "。")
    )


def english_paragraph(findings: Findings) -> str:
    """The same in English."""
    measured, shares = findings.reliability, findings.shares
    text = (
        f"Of {len(findings.sheet.units)} units, {measured.units} from {_counted(measured.documents)} were coded by "
        f"human reviewers and compared with the classifier: agreement {_percent(measured.agreement)}, Cohen's κ "
        f"{_number(measured.kappa)}, Krippendorff's α (nominal) {_number(measured.alpha)}; {_clusters_en(measured)} "
        "By Krippendorff's (2004) convention α of at least 0.800 is reliable and 0.667 to 0.800 allows tentative "
        "conclusions only. Agreement is inflated if reviewers saw the classifier's codes."
    )
    if not shares.classes:
        return text + " The reviewed units are no random sample; shares were not corrected."
    design = _DESIGN_EN[shares.design].format(strata=shares.strata)
    names = [group.english or group.name for group in findings.sheet.scheme.groups]
    sides = ", ".join(f"{name} {_percent(s)}" for name, s in zip(names, shares.groups, strict=True))
    frame = "units that the classifier was asked about" if shares.with_uncoded else "coded units"
    return text + (
        f" Shares of the {shares.units} {frame} were corrected for the classifier's error by the difference estimator "
        f"(prediction-powered inference; Angelopoulos et al. 2023) from {shares.reviewed} reviewed units, {design}; "
        f"{_TARGET_EN[findings.target]}" + (f": {sides} (95% intervals)." if sides else ".")
    )


def _clusters_zh(measured: Reliability) -> str:
    if measured.documents < 2:
        return "单元都来自一份文档，不能推断其他文档，故不给区间。"
    return "括号内为 95% 区间，按文档聚类（逐份剔除文档的刀切法方差，t 分布，Wilson 形式）。"


def _clusters_en(measured: Reliability) -> str:
    if measured.documents < 2:
        return "all units are of one document, which tells nothing of others, so no interval is given."
    return (
        "95% intervals in brackets, clustered by document (variance by leaving out each document in turn, Student's t, "
        "in Wilson's form)."
    )


def _counted(documents: int) -> str:
    return "1 document" if documents == 1 else f"{documents} documents"


def class_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the agreement by class."""
    header = ["类别", "分类器", "人工", "两者", "κ", "κ 下限", "κ 上限", "α", "α 下限", "α 上限"]
    rows = []
    for part in findings.reliability.classes:
        counts = [str(part.first_units), str(part.second_units), str(part.both_units)]
        estimates = [_digits(v) for e in (part.kappa, part.alpha) for v in (e.value, e.low, e.high)]
        rows.append([class_name(findings, part.label), *counts, *estimates])
    return header, rows


def confusion_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the confusion table of the classes that were used, with totals."""
    labels = [part.label for part in findings.reliability.classes]
    table = findings.reliability.table[labels][:, labels]
    rows = [
        [class_name(findings, label), *map(str, counts), str(counts.sum())]
        for label, counts in zip(labels, table, strict=True)
    ]
    rows.append(["合计", *map(str, table.sum(0)), str(table.sum())])
    return ["分类器＼人工", *(class_name(findings, label) for label in labels), "合计"], rows


def share_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the corrected shares, sides first, in per cent."""
    header = ["层级", "名称", "分类器 %", "复核样本 %", "校正后 %", "95% 下限", "95% 上限"]

    def row(level: str, name: str, share: CorrectedShare) -> list[str]:
        values = (share.classified, share.reviewed, share.corrected, share.low, share.high)
        return [level, name, *("–" if math.isnan(value) else f"{100 * value:.1f}" for value in values)]

    names = [group.name for group in findings.sheet.scheme.groups]
    rows = [row("面向", name, share) for name, share in zip(names, findings.shares.groups, strict=True)]
    return header, rows + [row("类别", class_name(findings, s.label), s) for s in findings.shares.classes]


def summarise(findings: Findings) -> dict[str, Any]:
    """Everything of the report as plain values for JSON; undefined figures are null, shares fractions of 1."""
    measured, shares = findings.reliability, findings.shares
    groups = findings.sheet.scheme.groups

    def share(entry: CorrectedShare) -> dict[str, Any]:
        return {key: value for key, value in _plain(entry).items() if key != "label"}

    classes = [
        {"label": _label_id(findings, part.label), "label_name": class_name(findings, part.label)}
        | {"classifier_units": part.first_units, "human_units": part.second_units, "both_units": part.both_units}
        | {"kappa": _plain(part.kappa), "alpha": _plain(part.alpha)}
        for part in measured.classes
    ]
    corrected = [
        {"label": _label_id(findings, s.label), "label_name": class_name(findings, s.label)} | share(s)
        for s in shares.classes
    ]
    return {
        "units": len(findings.sheet.units),
        "reviewed_units": measured.units,
        "reviewed_documents": measured.documents,
        "agreement": _plain(measured.agreement),
        "kappa": _plain(measured.kappa),
        "alpha": _plain(measured.alpha),
        "classes": classes,
        "confusion": {
            "labels": [class_name(findings, label) for label in range(len(findings.sheet.scheme) + 1)],
            "counts": measured.table.tolist(),
        },
        "shares": {
            "design": shares.design,
            "strata": shares.strata,
            "target": findings.target,
            "units": shares.units,
            "includes_uncoded_units": shares.with_uncoded,
            "reviewed_units": shares.reviewed,
            "classes": corrected,
            "groups": [{"group": g.id, "name": g.name} | share(s) for g, s in zip(groups, shares.groups, strict=False)],
        },
        "warnings": list(findings.warnings),
    }


def class_name(findings: Findings, label: int) -> str:
    """The class's name; 未编码 for no instrument."""
    names = findings.sheet.scheme.names
    return names[label] if label < len(names) else UNCODED


def _label_id(findings: Findings, label: int) -> int | None:
    return label if label < len(findings.sheet.scheme) else None


def _plain(estimate: Estimate | CorrectedShare) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in vars(estimate).items()}


def _digits(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _number(estimate: Estimate, to: str = "to") -> str:
    return f"{_digits(estimate.value)} [{_digits(estimate.low)} {to} {_digits(estimate.high)}]"


def _percent(share: Estimate | CorrectedShare, to: str = "to") -> str:
    value = share.value if isinstance(share, Estimate) else share.corrected
    limits = "–" if math.isnan(share.low) else f"{100 * share.low:.1f}% {to} {100 * share.high:.1f}%"
    return f"{100 * value:.1f}% [{limits}]"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
