"""Names of the files, sheets and columns of a report, shared by those who write and those who read them."""

from __future__ import annotations

from typing import Final

from policy_bert.reports.words import word

WORKBOOK: Final = "coding.xlsx"
CODING_CSV: Final = "coding.csv"
CODING_JSONL: Final = "coding.jsonl"
MATRIX_CSV: Final = "matrix.csv"
PAGE: Final = "report.html"
PROJECT: Final = "project.qdpx"
CODEBOOK: Final = "codebook.qdc"
DOCUMENTS_CSV: Final = "documents.csv"
FIGURES: Final = "figures"

SHEET_CODING: Final = "编码表"
SHEET_DOCUMENTS: Final = "文档汇总"
SHEET_DISTRIBUTION: Final = "分类分布"
SHEET_CROSS: Final = "交叉表"
SHEET_TREND: Final = "趋势"
SHEET_REVIEW: Final = "复核清单"
SHEET_CODEBOOK: Final = "码本"
SHEET_METHODS: Final = "方法说明"

UNCODED: Final = "未编码"  # in 类别 and 人工编码: no policy instrument
UNCODED_MEANING: Final = "不使用政策工具的单元\nNot coded: no policy instrument"
UNKNOWN: Final = "（未知）"  # a field that a document does not state

UNIT: Final = "单元编号"
DOCUMENT_ID: Final = "文档编号"
DOCUMENT: Final = "文档"
HEADINGS: Final = "标题路径"
TEXT: Final = "文本"
LABEL: Final = "类别"
GROUP: Final = "工具面向"
CONFIDENCE: Final = "置信度"
ALTERNATIVES: Final = "备选"
REVIEW: Final = "复核"
REASON: Final = "未编码原因"
HUMAN: Final = "人工编码"
START: Final = "起始位置"
END: Final = "结束位置"
RANDOM: Final = "随机数"

CODING_COLUMNS: Final = (
    UNIT, DOCUMENT_ID, DOCUMENT, HEADINGS, TEXT, LABEL, GROUP, CONFIDENCE, ALTERNATIVES, REVIEW, REASON, HUMAN, START,
    END, RANDOM,
)  # fmt: skip
"""The columns of 编码表 and `coding.csv`, in order.

类别 is a class name or 未编码; 工具面向 the side's name; 置信度 a number from 0 to 1, empty where no model was asked;
备选 the two runners-up as `名称:0.1234|名称:0.0456`; 复核 是 or 否; 未编码原因 empty for coded units; 人工编码 empty,
for a reviewer to fill; 起始位置 and 结束位置 character offsets (Unicode code points) into the document's extracted
text; 随机数 a fixed random number from 0 to 1: sorted by it, the first n rows are a simple random sample.
"""

YES: Final = "是"
NO: Final = "否"

PROTOCOL: Final = f"{word('zh', 'protocol')}\n{word('en', 'protocol')}"
"""How people are to code, as the project's description, the README and `review --help` say it."""
