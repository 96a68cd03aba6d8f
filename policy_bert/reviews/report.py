"""The review as a person prints it: a Markdown report with a paragraph for a paper, in Chinese and English."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from policy_bert.reports import columns
from policy_bert.reports.words import word
from policy_bert.reviews.correction import CorrectedShare
from policy_bert.reviews.findings import Findings
from policy_bert.reviews.reliability import Estimate


def render_report(findings: Findings) -> str:
    """The report as Markdown: paragraphs, agreement by class, confusion table, corrected shares, warnings."""
    parts = ["# 信度报告 Reliability report", paragraph(findings, "zh"), paragraph(findings, "en")]
    parts += [f"> **{warning}**" for warning in findings.warnings]
    parts += ["## 各类一致性 Agreement by class", _table(*class_rows(findings))]
    parts += ["## 混淆表 Confusion table", "行为分类器编码，列为人工编码。 Rows: classifier; columns: reviewers."]
    parts += [_table(*confusion_rows(findings))]
    if findings.shares.classes:
        parts += ["## 校正后的占比 Corrected shares", _table(*share_rows(findings))]
    return "\n\n".join(parts) + "\n"


def paragraph(findings: Findings, language: str) -> str:
    """What a paper in a language, `zh` or `en`, says of the reliability, with the corrected shares of the sides."""
    measured, shares, say = findings.reliability, findings.shares, partial(word, language)
    text = say(
        "agreement",
        total=len(findings.sheet.units),
        units=measured.units,
        documents=say("one_document") if measured.documents == 1 else say("some_documents", measured.documents),
        agreement=_percent(measured.agreement, say("to")),
        kappa=_number(measured.kappa, say("to")),
        alpha=_number(measured.alpha, say("to")),
        clusters=say("no_clusters" if measured.documents == 1 else "clusters"),
    )
    if not shares.classes:
        return text + say("no_shares")
    names = [(language == "en" and group.english) or group.name for group in findings.sheet.scheme.groups]
    sides = say("comma").join(f"{n} {_percent(s, say('to'))}" for n, s in zip(names, shares.groups, strict=True))
    return text + say(
        "shares",
        units=shares.units,
        frame=say("frame_asked" if shares.with_uncoded else "frame_coded"),
        reviewed=shares.reviewed,
        design=say(f"design {shares.design}", shares.strata),
        target=say(f"target_{findings.target}"),
        sides=say("with_sides", sides) if sides else say("no_sides"),
    )


def class_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the agreement by class."""
    rows = []
    for part in findings.reliability.classes:
        counts = [str(part.first_units), str(part.second_units), str(part.both_units)]
        estimates = [_digits(value) for estimate in (part.kappa, part.alpha) for value in vars(estimate).values()]
        rows.append([findings.class_name(part.label), *counts, *estimates])
    return ["类别", "分类器", "人工", "两者", "κ", "κ 下限", "κ 上限", "α", "α 下限", "α 上限"], rows


def confusion_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the confusion table of the classes that were used, with totals."""
    labels = [part.label for part in findings.reliability.classes]
    names = [findings.class_name(label) for label in labels]
    table = findings.reliability.table[labels][:, labels]
    rows = [[name, *map(str, counts), str(counts.sum())] for name, counts in zip(names, table, strict=True)]
    rows.append(["合计", *map(str, table.sum(0)), str(table.sum())])
    return ["分类器＼人工", *names, "合计"], rows


def share_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the corrected shares, sides first, in per cent."""
    shares, rows = findings.shares, []
    named = [("面向", side.name, s) for side, s in zip(findings.sheet.scheme.groups, shares.groups, strict=True)]
    named += [("类别", findings.class_name(share.label), share) for share in shares.classes]
    for level, name, share in named:
        _, *values = vars(share).values()
        rows.append([level, name, *(_digits(100 * value, 1) for value in values)])
    return ["层级", "名称", "分类器 %", "复核样本 %", "校正后 %", "95% 下限", "95% 上限"], rows


def disagreement_rows(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the units to which reviewers gave another code than the classifier."""
    rows = []
    for unit in findings.sheet.units:
        if unit.human is not None and unit.human != unit.predicted:
            confidence = "" if unit.confidence is None else f"{unit.confidence:.4f}"
            codes = [findings.class_name(unit.predicted), confidence, findings.class_name(unit.human)]
            rows.append([unit.id, unit.document, unit.text, *codes])
    return [columns.UNIT, columns.DOCUMENT, columns.TEXT, columns.LABEL, columns.CONFIDENCE, columns.HUMAN], rows


def summarise(findings: Findings) -> dict[str, Any]:
    """Everything of the report as plain values for JSON; undefined figures are null, shares fractions of 1."""
    measured, shares, scheme = findings.reliability, findings.shares, findings.sheet.scheme

    def named(label: int) -> dict[str, Any]:
        return {"label": label if label < len(scheme) else None, "label_name": findings.class_name(label)}

    classes = [
        named(part.label)
        | {"classifier_units": part.first_units, "human_units": part.second_units, "both_units": part.both_units}
        | {"kappa": _plain(part.kappa), "alpha": _plain(part.alpha)}
        for part in measured.classes
    ]
    sides = zip(scheme.groups, shares.groups, strict=False)
    return {
        "units": len(findings.sheet.units),
        "reviewed_units": measured.units,
        "reviewed_documents": measured.documents,
        "agreement": _plain(measured.agreement),
        "kappa": _plain(measured.kappa),
        "alpha": _plain(measured.alpha),
        "classes": classes,
        "confusion": {"labels": [*scheme.names, columns.UNCODED], "counts": measured.table.tolist()},
        "shares": {
            "design": shares.design,
            "strata": shares.strata,
            "target": findings.target,
            "units": shares.units,
            "includes_uncoded_units": shares.with_uncoded,
            "reviewed_units": shares.reviewed,
            "classes": [named(share.label) | _plain(share) for share in shares.classes],
            "groups": [{"group": side.id, "name": side.name} | _plain(share) for side, share in sides],
        },
        "warnings": list(findings.warnings),
    }


def _plain(estimate: Estimate | CorrectedShare) -> dict[str, float | None]:
    return {key: None if math.isnan(value) else value for key, value in vars(estimate).items() if key != "label"}


def _digits(value: float, decimals: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{decimals}f}"


def _number(estimate: Estimate, to: str) -> str:
    return f"{_digits(estimate.value)} [{_digits(estimate.low)} {to} {_digits(estimate.high)}]"


def _percent(share: Estimate | CorrectedShare, to: str) -> str:
    value = share.value if isinstance(share, Estimate) else share.corrected
    limits = "–" if math.isnan(share.low) else f"{100 * share.low:.1f}% {to} {100 * share.high:.1f}%"
    return f"{100 * value:.1f}% [{limits}]"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
