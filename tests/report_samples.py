"""Small coded documents for the tests of reports: real sentences, made-up scores."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import openpyxl

from policy_bert.documents import Document, Unit
from policy_bert.labels import LabelScheme, load_scheme, scheme_from_names
from policy_bert.reports import columns
from policy_bert.reports.coding import Coding, CodingRules, SkippedFile, code_document, write_part

ROOT = Path(__file__).parent.parent
SCHEME = load_scheme(ROOT / "data" / "labels.yaml")
PLAIN_SCHEME = scheme_from_names(["甲类", "乙类", "丙类"])

SENTENCES = [
    "对企业新引进的年薪超50万元的数字经济人才，按其贡献给予奖励。",
    "设立数字经济发展专项资金，对重点项目给予最高500万元补助。",
    "建设省级重点实验室，开展𠮷🧬关键核心技术攻关。",
    "=SUM(A1:A9)是表格中的一行文字。",
    "到2025年，数字经济核心产业增加值占地区生产总值比重达到10%。",
    "<script>alert('x')</script>&amp;全面落实税收优惠政策。",
    "建立数据安全管理制度，加强监督检查。",
    "开展智慧城市试点示范。",
]


def make_document(index: int, year: int | None, sentences: list[str], region: str = "") -> tuple[Document, list[Unit]]:
    """A document of a title, a heading, the sentences and a signature, with its units."""
    title = f"关于促进数字经济发展的若干措施（第{index}号）"
    lines = [("title", "文件标题", title), ("heading", "标题", "第一章　总则")]
    lines += [("content", "", sentence) for sentence in sentences]
    lines += [("signature", "落款", "某市人民政府")]
    text = "\n".join(line for _, _, line in lines) + "\n"
    units, start = [], 0
    for number, (kind, reason, line) in enumerate(lines):
        headings = ("第一章　总则",) if kind == "content" else ()
        unit_id = f"{index:02d}-1-1-{number}"
        units.append(Unit(unit_id, start, start + len(line), line, headings, kind=kind, reason=reason))
        start += len(line) + 1
    metadata = {"region": region} if region else {}
    path = Path(f"文件 {index}.docx")
    number = f"国发〔{year}〕{index}号" if year else ""
    date = f"{year}-05-01" if year else ""
    return Document(f"{index:02d}", path, text, title, number, "某市人民政府", date, year, metadata), units


def make_predictions(scheme: LabelScheme, count: int, seed: int) -> list[SimpleNamespace]:
    """Predictions with confidences from 0.2 to 0.95, as `PolicyClassifier.predict` gives them."""
    random = np.random.default_rng(seed)
    predictions = []
    for _ in range(count):
        scores = random.dirichlet(np.full(len(scheme), 0.3)) * random.uniform(0.1, 0.95)
        scores[random.integers(len(scheme))] += 1 - scores.sum()
        predictions.append(SimpleNamespace(scores=scores.astype(np.float32), truncated=False))
    return predictions


def make_coding(folder: Path, scheme: LabelScheme = SCHEME, documents: int = 4, **settings: object) -> Coding:
    """An analysis of some documents of the years 2019 …, its parts in the folder."""
    rules = CodingRules()
    parts = []
    for index in range(1, documents + 1):
        year = None if index == documents and documents > 2 else 2018 + index
        region = "东部" if index % 2 else "西部"
        document, units = make_document(index, year, SENTENCES * (index % 3 + 1), region)
        predictions = make_predictions(scheme, sum(unit.kind == "content" for unit in units), seed=index)
        part = folder / f"{index:03d}.jsonl"
        write_part(code_document(document, document.path.name, units, predictions, rules), part)
        parts.append(part)
    return Coding(
        scheme,
        tuple(parts),
        rules,
        model="classifier",
        model_digest="0123456789abcdef" * 4,
        skipped=(SkippedFile("扫描 件.pdf", "没有文字层"),),
        **settings,
    )


def write_sheet(
    path: Path, rows: list[dict[str, object]], header=columns.CODING_COLUMNS, codebook: bool = True
) -> Path:
    """A workbook with the sheets that `review` reads, laid out as `analyze` does."""
    book = openpyxl.Workbook()
    book.active.title = columns.SHEET_CODING
    book.active.append(list(header))
    for row in rows:
        book.active.append([row.get(title) for title in header])
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s" if isinstance(cell.value, str) else cell.data_type  # text, never a formula
    if codebook:
        sheet = book.create_sheet(columns.SHEET_CODEBOOK)
        sheet.append(["编号", "类别", "英文名称", columns.GROUP, "定义", "示例", "名称来源"])
        sides = {group.id: group.name for group in SCHEME.groups}
        for label in SCHEME.labels:
            sheet.append([label.id, label.name, label.english, sides[label.group], label.definition, "", ""])
        sheet.append([None, columns.UNCODED, "Not coded", "", "", "", ""])
    book.save(path)
    return path
