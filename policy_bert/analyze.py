"""Codes whole documents and writes a report: coding table, workbook, page, figures and a project for QDA software."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from policy_bert.command import ArgumentParser, run_command
from policy_bert.reports.analysis import AnalysisOptions, analyze, plan_analysis, run_analysis
from policy_bert.reports.coding import CodingRules
from policy_bert.scoring.rows import add_classifier_options, load_chosen_classifier

__all__ = ["AnalysisOptions", "CodingRules", "analyze", "main"]

OPTIONS = ("unit", "metadata", "language", "batch_size", "overwrite", "margin", "count_duplicates")  # taken as they are
logger = logging.getLogger("policy_bert.analyze")  # also where this module is run as __main__


def fraction(text: str) -> float:
    """A number from 0 to 1 from a command line, for `add_argument(type=...)`.

    >>> fraction("0.6")
    0.6
    """
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text!r}") from None
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, found {text}")
    return value


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command's arguments."""
    parser = ArgumentParser(
        prog="policy-bert analyze",
        description="Code documents (docx, pdf, html, txt, md; folders recursively) and write a report into a folder: "
        "coding.xlsx, report.html, figures/, coding.csv, documents.csv, coding.jsonl, matrix.csv, project.qdpx, "
        "codebook.qdc.",
        epilog="A stopped run is continued by the same command. Sheet and column names of the workbook are Chinese in "
        "either language, because review reads them.",
    )
    add, rules = parser.add_argument, CodingRules()
    add("documents", nargs="+", metavar="DOCS", help="files and folders")
    add("-o", "--output", default="report", metavar="FOLDER", help="default: report")
    add("--metadata", type=Path, metavar="FILE", help="csv or xlsx with a column file (文件名), joined by file name")
    add("--by", default="", metavar="FIELDS", help="cross-table fields, by commas: year, issuer, columns of --metadata")
    add("--language", choices=("zh", "en"), default="zh", help="of the figures and of the page when it opens")
    add("--unit", choices=("sentence", "paragraph", "article"), default="sentence", help="what gets one code")
    add("--review-threshold", type=fraction, default=rules.review_threshold, metavar="P", help="below this confidence "
        f"a unit is doubtful and may be listed for review; default {rules.review_threshold}")  # fmt: skip
    add("--margin", type=fraction, metavar="M", help="how well a review of the listed sample is to know shares, 0.05 "
        "for five points; default: five points, or what a quarter of the units gives")  # fmt: skip
    add("--count-duplicates", action="store_true", help="also count a document whose text another one has")
    add("--min-confidence", type=fraction, default=rules.min_confidence, metavar="P", help="leave units below this "
        f"confidence uncoded (未编码); default {rules.min_confidence}")  # fmt: skip
    add("--overwrite", action="store_true", help="replace a workbook in which 人工编码 is filled in")
    add_classifier_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Analyse documents; see `--help`."""
    arguments = parse_arguments(argv)
    options = AnalysisOptions(
        rules=CodingRules(arguments.min_confidence, arguments.review_threshold),
        by=tuple(arguments.by.split(",")),
        **{name: getattr(arguments, name) for name in OPTIONS},
    )
    plan = plan_analysis(arguments.documents, arguments.output, options)
    classifier = load_chosen_classifier(arguments)
    tables = run_analysis(plan, classifier)
    counts = len(tables.documents), tables.coded + tables.uncoded, tables.coded, tables.uncoded, tables.review
    logger.info("%d documents, %d units: %d coded, %d not coded, %d for review", *counts)
    print(arguments.output)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
