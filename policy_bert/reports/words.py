"""Every word that a report says in two languages: one table, for page, figures, workbook and methods."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from policy_bert.documents import REASONS

WORDS: Mapping[str, tuple[str, str]] = {
    # fields of documents
    "document": ("文档", "document"),
    "title": ("标题", "title"),
    "number": ("发文字号", "document number"),
    "issuer": ("发文机关", "issuer"),
    "date": ("日期", "date"),
    "year": ("年份", "year"),
    # figures
    "heatmap": ("文档 × 类别", "Documents by class"),
    "share": ("占已编码单元的比例（%）", "Share of coded units (%)"),
    "row_share": ("占本文档已编码单元的比例（%）", "Share of the document's coded units (%)"),
    "first": ("（单元最多的 {} 项）", " (the {} with most units)"),
    "distribution_figure": ("各类政策工具的分布", "Distribution of policy instruments"),
    "sides_figure": ("各面向占比", "Shares of the sides"),
    "trend_figure": ("各面向逐年占比", "Shares of the sides by year"),
    "cross_figure": ("各面向占比，按{}", "Shares of the sides by {}"),
    "without_year": (
        "未注明年份、不在趋势图中的文档（{} 份）：{}",
        "Without a year, and so not in this chart ({} documents): {}",
    ),
    "and_more": ("等", " and others"),
    # page
    "heading": ("政策文本编码报告", "Policy coding report"),
    "other": ("English", "中文"),
    "distribution": ("类别与面向分布", "Distribution over sides and classes"),
    "trend": ("逐年趋势", "Trend by year"),
    "cross": ("交叉表", "Cross-tabulation"),
    "documents": ("文档与编码", "Documents and codes"),
    "methods": ("方法说明", "Methods"),
    "side": ("面向", "Side"),
    "class": ("类别", "Class"),
    "confidence": ("置信度", "Confidence"),
    "reviewOnly": ("仅待复核", "for review only"),
    "name": ("文档名", "Document"),
    "reset": ("清除筛选", "Clear filters"),
    "all": ("全部", "all"),
    "uncoded": ("未编码", "not coded"),
    "units": ("单元", "units"),
    "coded": ("已编码", "coded"),
    "review": ("待复核", "for review"),
    "dashed": ("虚线：待复核；无底色：未编码", "dashed: for review; no shade: not coded"),
    "docs": ("文档", "documents"),
    "match": ("符合条件的单元", "matching units"),
    "unknown": ("（未知）", "(unknown)"),
    "alternatives": ("备选", "Runners-up"),
    "interval": (
        "细线为占已编码单元比例的 95% 区间（按文档聚类，t 分布）；只有一份文档有编码时无法给出。",
        "Thin lines: 95% intervals of the share of coded units (clustered in documents, Student's t); "
        "none can be given where only one document has coded units.",
    ),
    "heatmapNote": (
        "格中为单元数，颜色深浅为占该文档已编码单元的比例。",
        "Numbers are units; the shade is the share of the document's coded units.",
    ),
    # methods
    "program": ("程序", "Program"),
    "model": ("模型", "Model"),
    "digest": ("模型摘要（SHA-256）", "Digest of the model (SHA-256)"),
    "scheme": ("分类体系", "Scheme"),
    "scheme_size": ("{}：{} 类，{} 个面向", "{}: {} classes, {} sides"),
    "environment": ("运行环境", "Environment"),
    "day": ("日期", "Date"),
    "unit": ("分析单元", "Unit of analysis"),
    "sentence": ("句", "sentence"),
    "paragraph": ("段", "paragraph"),
    "article": ("条", "article"),
    "least": ("最低置信度（低于则不编码）", "Least confidence (below it a unit is not coded)"),
    "threshold": ("存疑阈值（低于则可能列入重点复核）", "Doubtful below this confidence (may be listed for review)"),
    "document_count": ("文档数", "Documents"),
    "unit_count": ("单元合计", "Units"),
    "coded_count": ("编码合计", "Coded"),
    "uncoded_count": ("未编码", "Not coded"),
    "uncoded_reason": ("未编码：{}", "Not coded: {}"),
    "review_count": ("待复核", "For review"),
    "plan": ("复核计划", "Plan of the review"),
    "plan_text": (
        "先做“抽样”：{sample} 个单元，是模型判断过的 {units} 个单元的简单随机样本，按顺序复核；复核到哪一行，该行的"
        "“误差”就是正确率等比例 95% 区间的最大半宽（仅就这批文档而言），全部做完为 ±{margin:.1f} 个百分点。"
        "再做“重点”：{focus} 个置信度最低的单元，最可能需要改码；它们不是随机样本，不用于推断。"
        "编码写在编码表的“人工编码”列，点击单元编号可跳到该行。",
        "First the sample: {sample} units, a simple random sample of the {units} that the model judged, reviewed in "
        "order; at whatever row one stops, its margin is the largest half-width of the 95 % interval of a share such "
        "as that of right codes (for these documents), ±{margin:.1f} points at the end. Then the {focus} least certain "
        "units, the likeliest to need another code; they are no random sample and support no estimate.",
    ),
    "interval_method": ("区间方法", "Intervals"),
    "interval_text": (
        "占比的 95% 区间按文档聚类：Wilson 计分区间，有效样本量按设计效应折算（Kish 1965；Dean & Pagano 2015），"
        "分位数取 Student t 分布（自由度为有效文档数减 1）；只有一份文档有编码时，无法给出文档间的区间",
        "95 % intervals of shares are clustered by document: Wilson score intervals with the sample size divided by "
        "the design effect (Kish 1965; Dean & Pagano 2015) and quantiles of Student's t (effective number of "
        "documents less one); where only one document has coded units, no interval between documents can be given",
    ),
    "skipped_file": ("跳过的文件：{}", "File that was skipped: {}"),
    "same_text": ("重复文档：{}", "Document that is there twice: {}"),
    "same_text_left_out": ("与 {} 文本相同，未计入", "same text as {}; not counted"),
    "same_text_counted": ("与 {} 文本相同，已计入", "same text as {}; counted"),
    "yearless": ("未注明年份的文档", "Documents without a year"),
    "note": ("提示", "Note"),
    "paragraph_text": ("方法段落", "Methods paragraph"),
}

_MESSAGES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"置信度低于 (.+)", r"confidence below \1"),
    # reasons why a file was not read
    ("空文件", "empty file"),
    ("不是普通文件", "not a regular file"),
    ("没有文字内容", "holds no text"),
    ("无法打开：(.+)", r"cannot be opened: \1"),
    ("文件已加密.*", "encrypted; remove the password and try again"),
    ("PDF 已加密.*", "encrypted PDF; remove the password and try again"),
    ("旧版 Word .*", "old Word file (doc); save it as docx with Word or WPS"),
    (".*Excel .*", "a spreadsheet, no document"),
    ("(PowerPoint|OpenDocument|OFD|RTF) 文件.*", r"\1 file; save it as docx or PDF"),
    ("压缩包，.*", "an archive; unpack it first"),
    ("程序文件.*", "a program, no document"),
    ("图片.*", "a picture without a text layer; use OCR first"),
    ("PDF 没有文字层.*", "PDF without a text layer (a scan); use OCR first"),
    ("PDF 的文字层无法.*", "the PDF's text layer cannot be turned into characters; use OCR first"),
    ("PDF (损坏|解析|占用|中没有).*", "damaged PDF, or one that takes too much time or memory"),
    ("(文件损坏|疑似压缩炸弹).*|.*含有实体.*", "damaged or unsafe file"),
    (".*(不像一份文件|超过).*", "too large for a document"),
    ("网页中没有.*|.*没有(找到)?正文.*|.*没有文章.*", "no article found in the page"),
    ("不是文本文件.*", "no text file, or an unknown encoding"),
    (r"不支持的文件类型（(.+)）", r"a type that is not read (\1)"),
    # remarks on a file
    (r"(.+)：扩展名为 (\S+)，内容是(.+)，按内容读取", r"\1: named \2, read by its content"),
    ("(.+)：第 (.+) 页没有文字层，未读取", lambda m: f"{m[1]}: no text layer on pages {m[2].replace('、', ', ')}"),
    ("元数据中没有对应文档：(.+)", r"no document for the metadata's \1"),
)
_KINDS = {reason: kind.replace("_", " ") for kind, reason in REASONS.items() if reason}
_CHINESE = re.compile("[\u3400-\u9fff]")


def word(key: str, language: str, *values: object) -> str:
    """A word or sentence of the table in a language, `zh` or `en`, with its values filled in."""
    text = WORDS[key][language == "en"]
    return text.format(*values) if values else text


def field_word(field: str, language: str = "zh") -> str:
    """What a field of documents is called; a column of the metadata keeps its name."""
    return word(field, language) if field in ("document", "title", "number", "issuer", "date", "year") else field


def told_in(language: str, message: str) -> str:
    """A message of the readers' or a reason why a unit is not coded, which are Chinese, in a language.

    >>> told_in("en", "落款"), told_in("en", "置信度低于 0.3"), told_in("zh", "落款")
    ('signature', 'confidence below 0.3', '落款')
    """
    if language != "en":
        return message
    if message in _KINDS:
        return _KINDS[message]
    for pattern, english in _MESSAGES:
        if match := re.fullmatch(pattern, message):
            return english(match) if callable(english) else match.expand(english)
    return message if not _CHINESE.search(message) else "see the Chinese page"
