"""Builds the documents that the tests of `policy_bert.documents` read: docx, pdf and html from paragraphs."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RUNNING_HEAD = "国家政策文件汇编"


def save_docx(path: Path, paragraphs: Sequence[str]) -> Path:
    import docx

    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = RUNNING_HEAD
    for paragraph in paragraphs:
        if "\t" in paragraph:
            cells = paragraph.split("\t")
            row = document.add_table(rows=1, cols=len(cells)).rows[0]
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
        else:
            document.add_paragraph(paragraph)
    document.save(str(path))
    return path


def save_pdf(path: Path, paragraphs: Sequence[str], indent: bool = True) -> Path:
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.platypus import Paragraph, SimpleDocTemplate

    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    title = ParagraphStyle("title", fontName="STSong-Light", fontSize=20, leading=30, alignment=1, wordWrap="CJK")
    body = ParagraphStyle(
        "body", fontName="STSong-Light", fontSize=14, leading=24, firstLineIndent=28 if indent else 0, wordWrap="CJK"
    )

    def furnish(canvas: Any, template: Any) -> None:
        canvas.setFont("STSong-Light", 9)
        canvas.drawCentredString(297, 810, RUNNING_HEAD)
        canvas.drawCentredString(297, 30, f"— {template.page} —")

    template = SimpleDocTemplate(str(path), pagesize=A4)
    story = [Paragraph(html.escape(text), title if index == 0 else body) for index, text in enumerate(paragraphs)]
    template.build(story, onFirstPage=furnish, onLaterPages=furnish)
    return path


NAVIGATION = (
    '<li><a href="/a">政务公开</a></li><li><a href="/b">政府信息公开指南</a></li><li><a href="/c">办事服务</a></li>'
)


def save_html(path: Path, paragraphs: Sequence[str], encoding: str = "utf-8") -> Path:
    body = "\n".join(f"<p>　　{html.escape(text)}</p>" for text in paragraphs[1:])
    title = html.escape(paragraphs[0])
    path.write_bytes(
        f"""<!DOCTYPE html><html><head><meta charset="{encoding}"><title>{title}_某省人民政府门户网站</title>
<meta name="PubDate" content="2022-01-12"><style>p {{ color: red }}</style><script>var a = "不是正文。";</script></head>
<body><div class="header"><ul class="nav">{NAVIGATION}</ul></div>
<div class="crumbs">当前位置：<a href="/">首页</a> &gt; 政策</div>
<div class="layout"><h1>{title}</h1><div class="info">【字体：<a href="#">大</a> <a href="#">中</a> 小】 打印</div>
<div id="UCAP-CONTENT">{body}</div><div class="sidebar"><ul>{NAVIGATION}</ul></div></div>
<div class="footer">版权所有：某省人民政府办公厅　网站标识码：1100000001</div>
</body></html>""".encode(encoding)
    )
    return path
