"""Write the README's tables from the results that runs left in docs/results: `python benchmarks/readme_tables.py`.

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`; both READMEs are rewritten in place, and with
`--check` the script only says whether they are up to date.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
SYSTEMS = {
    "recipe": ("**shipped recipe**", "**随包发布的方案**"),
    "tfidf_logistic+silver": (
        "TF-IDF + logistic regression, authored examples and silver labels too",
        "TF-IDF + 逻辑回归，含自撰例句与银标准标注",
    ),
    "tfidf_logistic+auxiliary": (
        "TF-IDF + logistic regression, authored examples too",
        "TF-IDF + 逻辑回归，含自撰例句",
    ),
    "tfidf_svm+auxiliary": ("TF-IDF + linear SVM, authored examples too", "TF-IDF + 线性 SVM，含自撰例句"),
    "hashed_ngrams+auxiliary": (
        "hashed n-grams (fastText-like), authored examples too",
        "哈希 n 元组（类 fastText），含自撰例句",
    ),
    "tfidf_logistic": ("TF-IDF + logistic regression", "TF-IDF + 逻辑回归"),
    "scratch": ("the same BERT from scratch, authored examples too", "同结构 BERT，随机初始化，含自撰例句"),
    "tfidf_svm": ("TF-IDF + linear SVM", "TF-IDF + 线性 SVM"),
    "hashed_ngrams": ("hashed n-grams (fastText-like)", "哈希 n 元组（类 fastText）"),
    "majority": ("majority class", "多数类"),
}


def crossvalidation_table(chinese: bool) -> str:
    """Systems by figures, mean and 95 % interval, best first as in SYSTEMS."""
    rows = {row["system"]: row for row in json.loads((RESULTS / "crossvalidation.json").read_text(encoding="utf-8"))}
    header = (
        ["系统", "宏平均 F1", "准确率", "前三准确率", "校准误差", "置信度最高 60% 上的准确率", "宏 F1 领先（p）"]
        if chinese
        else [
            "system",
            "macro-F1",
            "accuracy",
            "top-3",
            "calibration error",
            "accuracy at 60 % coverage",
            "lead in macro-F1 (p)",
        ]
    )
    lines = [header, ["---"] * len(header)]
    for system, names in SYSTEMS.items():
        if system not in rows:
            continue
        figures, lead = rows[system]["figures"], rows[system]["main_less_this"]
        lines.append(
            [
                names[chinese],
                *(_interval(figures[key]) for key in ("macro_f1", "accuracy", "top_3_accuracy", "calibration_error")),
                _interval(figures["accuracy_at_60_percent"]),
                f"{lead['value']:+.3f} ({lead['p_value']:.1g})" if lead else "",
            ]
        )
    return _markdown(lines)


def probe_table(chinese: bool) -> str:
    """Accuracy on authored sentences that nothing was trained on, by style."""
    rows = json.loads((RESULTS / "probe.json").read_text(encoding="utf-8"))
    header = ["系统", "含常用词", "不含常用词"] if chinese else ["system", "usual words", "without them"]
    lines = [header, ["---"] * 3]
    lines += [[SYSTEMS[row["system"]][chinese], f"{row['usual']:.3f}", f"{row['plain']:.3f}"] for row in rows]
    return _markdown(lines)


def scoring_table(chinese: bool) -> str:
    """Engines by speed, as `benchmarks/scoring.py` wrote them."""
    return (RESULTS / ("scoring.zh.md" if chinese else "scoring.md")).read_text(encoding="utf-8").strip()


DOCUMENTS = {
    "documents-before.json": ("version 0.1.0", "0.1.0 版"),
    "documents.json": ("**as shipped**", "**随包发布**"),
}
DOCUMENT_FIGURES = {
    "acceptable among coded": "编码可接受（已编码单元中）",
    "non-instruments coded": "无工具的单元被编码",
    "instruments missed": "有工具的单元漏编",
    "strictly right": "完全正确",
}


def documents_table(chinese: bool) -> str:
    """Versions by the figures of `policy-bert evaluate --units` on the gold set's test part."""
    header = ["", *(DOCUMENT_FIGURES.values() if chinese else DOCUMENT_FIGURES)]
    lines = [header, ["---"] * len(header)]
    for file, names in DOCUMENTS.items():
        if (RESULTS / file).is_file():
            record = json.loads((RESULTS / file).read_text(encoding="utf-8"))
            found = {figure["name"]: figure | {"value": figure["share"]} for figure in record["figures"]}
            lines.append([names[chinese], *(_interval(found[name]) for name in DOCUMENT_FIGURES)])
    return _markdown(lines)


TABLES: dict[str, Callable[[bool], str]] = {
    "documents": documents_table,
    "crossvalidation": crossvalidation_table,
    "probe": probe_table,
    "scoring": scoring_table,
}


def _interval(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _markdown(lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def filled(text: str, chinese: bool) -> str:
    """The README's text with every table made anew."""

    def table(match: re.Match[str]) -> str:
        return f"<!-- table:{match[1]} -->\n{TABLES[match[1]](chinese)}\n<!-- /table -->"

    return re.sub(r"<!-- table:(\w+) -->\n.*?<!-- /table -->", table, text, flags=re.DOTALL)


def main() -> int:
    """Rewrite or check both READMEs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; status 1 where a table is out of date")
    check = parser.parse_args().check
    stale = []
    for name in ("README.md", "README.zh-CN.md"):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        new = filled(text, chinese=name.endswith("zh-CN.md"))
        if new != text:
            stale.append(name)
            if not check:
                path.write_text(new, encoding="utf-8")
    print(f"{'out of date' if check else 'rewritten'}: {', '.join(stale) or 'none'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
