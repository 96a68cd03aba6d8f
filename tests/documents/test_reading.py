"""Reading: the text is complete in every format and encoding, hostile files are named, and the rest goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from document_files import RUNNING_HEAD, save_docx, save_html, save_pdf

from policy_bert.documents import (
    Document,
    SkippedDocument,
    UnreadableDocumentError,
    cut_units,
    read_document,
    read_documents,
)
from policy_bert.documents.readers import pdf, pdf_extraction, webpage, word
from policy_bert.documents.readers.pdf_extraction import extract
from policy_bert.documents.reading import find_files
from policy_bert.errors import DataError

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
REGULATION = (EXAMPLES / "regulation_excerpt.txt").read_text(encoding="utf-8").split("\n")[:-1]
PLAN = (EXAMPLES / "plan_excerpt.txt").read_text(encoding="utf-8").split("\n")[:-1]


def squeezed(text: str) -> str:
    return "".join(text.split())


def read_all(*paths: Path) -> tuple[list[Document], dict[str, str]]:
    skipped: list[SkippedDocument] = []
    documents = list(read_documents(paths, skipped.append))
    return documents, {skip.path.name: skip.reason for skip in skipped}


def places(document: Document) -> list[tuple[str, int, int, str]]:
    return [(squeezed(unit.text), unit.chapter, unit.article, unit.kind) for unit in cut_units(document)]


@pytest.mark.parametrize("lines", [REGULATION, PLAN], ids=["regulation", "plan"])
@pytest.mark.parametrize("name", ["a.docx", "a.pdf", "a.html"])
def test_text_and_places_are_those_of_the_source(tmp_path: Path, lines: list[str], name: str) -> None:
    save = {"a.docx": save_docx, "a.pdf": save_pdf, "a.html": save_html}[name]
    document = read_document(save(tmp_path / name, lines))
    reference = Document("01", Path("a"), "\n".join(lines))
    assert squeezed(document.text) == squeezed(reference.text)
    assert places(document) == places(reference)
    assert document.title == lines[0]
    assert RUNNING_HEAD not in document.text


def test_lines_of_an_unindented_pdf_are_joined_too(tmp_path: Path) -> None:
    document = read_document(save_pdf(tmp_path / "a.pdf", REGULATION, indent=False))
    assert places(document) == places(Document("01", Path("a"), "\n".join(REGULATION)))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_text_is_read_in_every_usual_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\r\n".join(REGULATION).encode(encoding))
    assert read_document(path).text == "\n".join(REGULATION)


def test_traditional_text_is_read_from_big5(tmp_path: Path) -> None:
    text = "政府資料開放推動辦法\n第一條　為推動政府資料開放，訂定本辦法。\n第二條　各機關應辦理業務。"
    (tmp_path / "a.txt").write_bytes(text.encode("big5"))
    assert read_document(tmp_path / "a.txt").text == text


def test_a_page_that_declares_gb2312_is_read_as_gb18030(tmp_path: Path) -> None:
    document = read_document(save_html(tmp_path / "a.html", PLAN, "gbk"))
    assert squeezed(document.text) == squeezed("\n".join(PLAN))


def test_markdown_loses_its_marks_and_keeps_its_text(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "# 数据管理办法\n\n> 引言。\n\n- **推动**共享。\n1. 建设[平台](http://a)。\n\n"
        "| 任务 | 单位 |\n|---|---|\n| 共享 | 省厅 |\n",
        encoding="utf-8",
    )
    assert read_document(path).text.split("\n") == [
        "数据管理办法",
        "引言。",
        "推动共享。",
        "1.建设平台。",
        "任务\t单位",
        "共享\t省厅",
    ]


def test_hard_wraps_of_a_text_file_are_undone(tmp_path: Path) -> None:
    long = (
        "推动政务数据跨层级跨地域跨部门有序共享，建立健全国家公共数据资源体系，统筹公共数据资源开发利用，" * 6
        + "释放红利。"
    )
    lines = [long[i : i + 30] for i in range(0, len(long), 30)]
    (tmp_path / "a.txt").write_text("\n".join(["　　" + lines[0][2:], *lines[1:], "　　第二段。"]), encoding="utf-8")
    assert read_document(tmp_path / "a.txt").text.split("\n") == [long[2:], "第二段。"]


def test_radicals_become_the_characters_they_stand_for(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("发展⽬标\u200b和（⼀）。", encoding="utf-8")
    assert read_document(tmp_path / "a.txt").text == "发展目标和（一）。"


def test_automatic_numbers_lists_and_tables_of_a_docx_are_in_reading_order(tmp_path: Path) -> None:
    path = save_docx(tmp_path / "a.docx", ["办法", "占位一", "占位二", "占位三", "任务\t单位", "结尾。"])
    numbering = (
        '<w:abstractNum w:abstractNumId="77"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="chineseCounting"/>'
        '<w:lvlText w:val="第%1条"/></w:lvl><w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/>'
        '<w:lvlText w:val="（%2）"/></w:lvl></w:abstractNum><w:num w:numId="77"><w:abstractNumId w:val="77"/></w:num>'
    )
    rewrite(path, "word/numbering.xml", lambda text: text.replace("</w:numbering>", numbering + "</w:numbering>"))

    def number(text: str) -> str:
        for old, level in (("占位一", 0), ("占位二", 1), ("占位三", 0)):
            properties = f'<w:pPr><w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="77"/></w:numPr></w:pPr>'
            text = text.replace(f"<w:p><w:r><w:t>{old}", f"<w:p>{properties}<w:r><w:t>{old}")
        return text.replace(
            "<w:r><w:t>结尾。", "<w:del><w:r><w:delText>删去。</w:delText></w:r></w:del><w:r><w:t>结尾。"
        )

    rewrite(path, "word/document.xml", number)
    assert read_document(path).text.split("\n") == [
        "办法",
        "第一条　占位一",
        "（1）占位二",
        "第二条　占位三",
        "任务\t单位",
        "结尾。",
    ]


def rewrite(path: Path, name: str, change: object, **options: object) -> None:
    """Replace a part of a docx by what `change` makes of its text."""
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    parts[name] = change(parts[name].decode("utf-8")).encode("utf-8")  # type: ignore[operator]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)


def test_word_numbering_follows_styles_formats_and_restarts() -> None:
    from lxml import etree

    from policy_bert.documents.readers.word_numbering import W, load_numbering

    namespace = f'xmlns:w="{W[1:-1]}"'
    levels = "".join(
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="2"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="%{depth + 1}."/></w:lvl>'
        for depth, form in enumerate(
            ("upperRoman", "lowerLetter", "decimalEnclosedCircle", "bullet", "decimalFullWidth")
        )
    )
    numbering = etree.fromstring(
        f'<w:numbering {namespace}><w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="0"/>'
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="9"/></w:lvlOverride></w:num></w:numbering>'
    )
    styles = etree.fromstring(
        f'<w:styles {namespace}><w:style w:styleId="base">'
        '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="own"><w:basedOn w:val="base"/></w:style></w:styles>'
    )
    lists = load_numbering(numbering, styles)

    def label(properties: str) -> str:
        return lists.label(etree.fromstring(f"<w:p {namespace}><w:pPr>{properties}</w:pPr></w:p>"))

    def direct(list_id: int, depth: int) -> str:
        return label(f'<w:numPr><w:ilvl w:val="{depth}"/><w:numId w:val="{list_id}"/></w:numPr>')

    assert [label('<w:pStyle w:val="own"/>'), label('<w:pStyle w:val="own"/>')] == ["II.", "III."]
    assert [direct(1, depth) for depth in range(1, 5)] == ["b.", "②.", "", "２."]
    assert [direct(2, 0), direct(2, 0), label(""), direct(7, 0)] == ["IX.", "X.", "", ""]


def test_text_boxes_notes_and_content_controls_of_a_docx_are_read_once(tmp_path: Path) -> None:
    path = save_docx(tmp_path / "a.docx", ["第一段。", "第二段。"])
    box = "<w:txbxContent><w:p><w:r><w:t>框中。</w:t></w:r></w:p></w:txbxContent>"
    choice = (
        '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
        f"<mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent>"
    )

    def change(text: str) -> str:
        text = text.replace(
            "第一段。</w:t>", f"第一<w:/>段。</w:t><w:br/><w:t>换行。</w:t>{choice}".replace("<w:/>", "")
        )
        return text.replace(
            "<w:sectPr",
            "<w:sdt><w:sdtContent><w:p><w:r><w:t>控件。</w:t></w:r></w:p></w:sdtContent></w:sdt><w:sectPr",
            1,
        )

    rewrite(path, "word/document.xml", change)
    namespace = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    note = '<w:footnote w:id="2"><w:p><w:r><w:t>脚注。</w:t></w:r></w:p></w:footnote>'
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(
            "word/footnotes.xml", f'<w:footnotes {namespace}><w:footnote w:type="separator"/>{note}</w:footnotes>'
        )
    assert read_document(path).text.split("\n") == ["第一段。", "换行。", "框中。", "第二段。", "控件。", "脚注。"]


def test_extraction_leaves_out_watermarks_and_overprinted_glyphs(tmp_path: Path) -> None:
    from reportlab.pdfgen import canvas

    path = save_pdf(tmp_path / "a.pdf", PLAN)
    assert extract(str(path))["pages"][0][1][0][0] == RUNNING_HEAD
    drawing = canvas.Canvas(str(tmp_path / "b.pdf"))
    for offset in (0, 0.2):
        drawing.drawString(50 + offset, 700, "2000 AABB")
    drawing.drawString(300, 700, "cell")
    drawing.rotate(45)
    drawing.drawString(400, 100, "watermark")
    drawing.save()
    ((_, lines),) = extract(str(tmp_path / "b.pdf"))["pages"]
    assert [line[0] for line in lines] == ["2000 AABB\tcell"]
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.7\n")
    assert "损坏" in extract(str(tmp_path / "c.pdf"))["reason"]


def test_comments_and_front_matter_of_markdown_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(
        "---\ntitle: 草稿\ntags: [数据]\n---\n# 数据办法\n<!-- 待核\n不得外传 -->\n"
        "推动数据共享。<!-- 已改 -->\n\n---\n加快开放。\n",
        encoding="utf-8",
    )
    assert read_document(path).text == "数据办法\n推动数据共享。\n加快开放。"


@pytest.mark.parametrize(
    "body",
    [
        "<div id=app>加载中…</div><script>load()</script>",
        "<ul><li><a href=/>首页</a><li><a href=/a>政务公开</a></ul><p>返回顶部</p>",
    ],
)
def test_a_page_without_an_article_is_named_and_not_read_as_its_scraps(tmp_path: Path, body: str) -> None:
    path = tmp_path / "a.html"
    path.write_text(f"<html><head><title>页面</title></head><body>{body}</body></html>", encoding="utf-8")
    with pytest.raises(UnreadableDocumentError, match="没有"):
        read_document(path)


def test_a_page_in_tables_and_one_form_keeps_its_text_and_loses_its_navigation(tmp_path: Path) -> None:
    paragraphs = "".join(f"<br>　　{line}" for line in REGULATION[1:])
    path = tmp_path / "a.htm"
    path.write_text(
        f'<html><head><title>{REGULATION[0]}</title></head><body><form><table><tr><td><a href="/">首页</a></td>'
        f'<td><a href="/x">机构职能</a></td></tr></table><h1>{REGULATION[0]}</h1><table><tr><td>{paragraphs}'
        "<table><tr><td>序号</td><td><p>任务</p></td></tr></table></td></tr></table>"
        "<p>上一篇：<a href='/1'>旧闻</a></p></form></body></html>",
        encoding="utf-8",
    )
    text = read_document(path).text
    assert squeezed(text).startswith(squeezed("\n".join(REGULATION)))
    assert [word for word in ("首页", "机构职能", "上一篇", "旧闻") if word in text] == []
    assert text.endswith("序号\t任务")


def test_hostile_files_are_named_with_their_reason_and_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word, "MAX_PART_BYTES", 1 << 20)
    monkeypatch.setattr(webpage, "MAX_BYTES", 1 << 20)
    good = save_docx(tmp_path / "好 文件 2.docx", REGULATION)
    content = good.read_bytes()
    (tmp_path / "truncated.docx").write_bytes(content[: len(content) // 2])
    save_docx(tmp_path / "bomb.docx", ["一"])
    rewrite(tmp_path / "bomb.docx", "word/document.xml", lambda text: text + " " * (2 << 20))
    save_docx(tmp_path / "entity.docx", ["一"])
    secret = tmp_path / ".secret"
    secret.write_text("机密", encoding="utf-8")
    entity = f'<!DOCTYPE w [<!ENTITY x SYSTEM "{secret.as_uri()}">]><w:document'
    rewrite(
        tmp_path / "entity.docx",
        "word/document.xml",
        lambda text: text.replace("<w:document", entity, 1).replace("一", "&x;"),
    )
    save_docx(tmp_path / "broken.docx", ["一"])
    rewrite(tmp_path / "broken.docx", "word/document.xml", lambda text: text[:-20])
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    (tmp_path / "old.doc").write_bytes(compound + b"\0" * 600)
    (tmp_path / "locked.docx").write_bytes(compound + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le"))
    (tmp_path / "huge.html").write_bytes(b"<html><body>" + "<p>数据。</p>".encode() * 100_000)
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "noise.txt").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "picture.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    (tmp_path / "table.csv").write_text("file,year\n", encoding="utf-8")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R >>")
    with zipfile.ZipFile(tmp_path / "other.docx", "w") as archive:
        archive.writestr("a.txt", "a")
    with zipfile.ZipFile(tmp_path / "book.docx", "w") as archive:
        archive.writestr("[Content_Types].xml", "")
        archive.writestr("xl/workbook.xml", "")
    documents, reasons = read_all(tmp_path)
    assert [document.path for document in documents] == [good]
    expected = {
        "truncated.docx": "损坏", "bomb.docx": "炸弹", "entity.docx": "实体", "broken.docx": "损坏", "old.doc": "docx",
        "locked.docx": "加密", "huge.html": "MB", "empty.txt": "空文件", "noise.txt": "编码", "picture.pdf": "图片",
        "table.csv": "不支持", "broken.pdf": "PDF", "other.docx": "压缩包", "book.docx": "Excel",
    }  # fmt: skip
    assert set(reasons) == set(expected)
    assert all(words in reasons[name] and "\n" not in reasons[name] for name, words in expected.items())


def test_a_file_of_another_type_than_its_name_is_read_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    save_pdf(tmp_path / "b.pdf", REGULATION).rename(path)
    document = read_document(path)
    assert squeezed(document.text) == squeezed("\n".join(REGULATION))
    assert "PDF" in document.notes[0]


def test_a_scan_is_skipped_and_a_page_without_text_is_named(tmp_path: Path) -> None:
    from reportlab.pdfgen import canvas

    drawing = canvas.Canvas(str(tmp_path / "scan.pdf"))
    for _ in range(3):
        drawing.rect(50, 50, 400, 600, fill=1)
        drawing.showPage()
    drawing.save()
    with pytest.raises(UnreadableDocumentError, match="扫描件"):
        read_document(tmp_path / "scan.pdf")
    lines = [["数据共享条例应当公布实施，推动数据开放。" * 2], []]
    pages = [pdf.Page(800, [pdf.Line(text, 50, 700, 500, 714) for text in page]) for page in lines]
    assert "第 2 页" in pdf._remarks(pages)[0]


def test_a_page_of_pictures_is_read_and_one_of_endless_markup_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webpage, "MAX_CHARACTERS", 10_000)
    picture = "data:image/png;base64," + "A" * 20_000
    (tmp_path / "a.html").write_text(
        f"<html><body><img src='{picture}'><p>推动共享。</p></body></html>", encoding="utf-8"
    )
    assert read_document(tmp_path / "a.html").text == "推动共享。"
    (tmp_path / "b.html").write_text("<html><body>" + "<b></b>" * 2_000, encoding="utf-8")
    with pytest.raises(UnreadableDocumentError, match="万字符"):
        read_document(tmp_path / "b.html")


def test_an_encrypted_pdf_is_named(tmp_path: Path) -> None:
    from reportlab.lib.pdfencrypt import StandardEncryption
    from reportlab.pdfgen import canvas

    drawing = canvas.Canvas(str(tmp_path / "a.pdf"), encrypt=StandardEncryption("secret"))
    drawing.drawString(50, 700, "text")
    drawing.save()
    with pytest.raises(UnreadableDocumentError, match="加密"):
        read_document(tmp_path / "a.pdf")
    assert "加密" in extract(str(tmp_path / "a.pdf"))["reason"]


def test_a_pdf_of_too_many_pages_or_characters_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(save_pdf(tmp_path / "a.pdf", REGULATION))
    monkeypatch.setattr(pdf_extraction, "MAX_CHARACTERS", 500)
    assert "万字" in extract(path)["reason"]
    monkeypatch.setattr(pdf_extraction, "MAX_PAGES", 1)
    assert "页" in extract(path)["reason"]


def test_the_extracting_process_limits_its_memory_before_it_opens_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    resource = pytest.importorskip("resource")
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda which, limit: limits.append(limit))
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7\n")
    pdf_extraction.main(str(path))
    assert "reason" in json.loads(capfdbinary.readouterr().out)
    assert limits == [(pdf_extraction.MEMORY_LIMIT_BYTES,) * 2]


def test_a_pdf_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocumentError, match="秒"):
        pdf.read_pdf(save_pdf(tmp_path / "a.pdf", REGULATION), time_limit_s=0.001)


def test_a_pdf_whose_page_tree_loops_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2>>endobj\n"
        b"trailer<</Root 1 0 R>>\n%%EOF"
    )
    with pytest.raises(UnreadableDocumentError, match="PDF"):
        read_document(path)


def test_folders_are_read_in_natural_order_and_each_file_once(tmp_path: Path) -> None:
    for name in ("10.txt", "2.txt", "sub/1.txt", ".hidden.txt", "~$2.docx", "report/x.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("推动共享。", encoding="utf-8")
    documents = list(read_documents([tmp_path, tmp_path / "2.txt"], exclude=[tmp_path / "report"]))
    assert [(d.id, d.path.name) for d in documents] == [("01", "2.txt"), ("02", "10.txt"), ("03", "1.txt")]


def test_paths_that_lead_nowhere_are_one_line_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        find_files([tmp_path / "absent"])
    with pytest.raises(DataError, match="no documents"):
        list(read_documents([tmp_path]))


def test_skipped_files_are_logged_where_nobody_asks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_bytes(b"")
    with caplog.at_level("WARNING", logger="policy_bert"):
        assert list(read_documents([tmp_path])) == []
    assert "空文件" in caplog.text


def test_reading_imports_no_heavy_package() -> None:
    code = (
        "import sys, policy_bert.documents as d; list(d.read_documents(sys.argv[1:]))\n"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pandas'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(EXAMPLES / "plan_excerpt.txt")], check=True)
