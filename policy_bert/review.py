"""Compare a reviewer's codes with the classifier's: reliability, corrected shares, new training rows.

Command: `python -m policy_bert.review report/coding.xlsx [-o review/] [--qda project.qdpx] [--export train.tsv]`.
"""

from __future__ import annotations

import csv
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.errors import DataError
from policy_bert.labels import load_scheme
from policy_bert.reports import columns
from policy_bert.reviews.export import append_training_rows
from policy_bert.reviews.findings import Findings, compare_codes
from policy_bert.reviews.project import apply_project
from policy_bert.reviews.report import class_name, confusion_rows, render_report, share_rows, summarise
from policy_bert.reviews.sheet import PROBABILITY, CodingSheet, read_coding_sheet

REPORT = "reliability.md"
FIGURES = "reliability.json"
CONFUSION = "confusion.csv"
SHARES = "shares.csv"
DISAGREEMENTS = "disagreements.csv"

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

log = logging.getLogger("policy_bert.review")


def write_review(findings: Findings, folder: str | Path) -> list[Path]:
    """Write the report, its figures as JSON and its tables as CSV into a folder, and return the files.

    Raises:
        DataError: The folder cannot be made or written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        written = [folder / name for name in (REPORT, FIGURES, CONFUSION, DISAGREEMENTS)]
        _write(written[0], render_report(findings))
        _write(written[1], json.dumps(summarise(findings), ensure_ascii=False, indent=2) + "\n")
        _write_csv(written[2], *confusion_rows(findings))
        _write_csv(written[3], *_disagreements(findings))
        if findings.shares.classes:
            written.append(folder / SHARES)
            _write_csv(written[4], *share_rows(findings))
        else:
            (folder / SHARES).unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot write the review: {error.strerror or error}") from error
    return written


def main(argv: Sequence[str] | None = None) -> int:
    """Read the codes, compare, print the report, and write what was asked for."""
    options = _parser().parse_args(argv)
    scheme = load_scheme(options.labels) if options.labels else None
    sheet = read_coding_sheet(options.workbook, scheme, options.skip_bad)
    if options.qda:
        sheet = apply_project(sheet, options.qda)
    findings = compare_codes(sheet, options.strata, options.target)
    for warning in findings.warnings:
        log.warning("warning: %s", warning)
    if options.output:
        for path in write_review(findings, options.output):
            log.info("wrote %s", path)
    if options.export:
        _export(sheet, options.export)
    if options.json:
        print(json.dumps(summarise(findings), ensure_ascii=False, indent=2))
    else:
        print(render_report(findings), end="")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="policy-bert review", description=(__doc__ or "").splitlines()[0], epilog=columns.PROTOCOL
    )
    parser.add_argument("workbook", help=f"{columns.WORKBOOK} with codes in its column {columns.HUMAN}")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the report and its tables")
    parser.add_argument("--qda", metavar="QDPX", help="take the human codes from a project coded in QDA software")
    parser.add_argument("--export", metavar="TSV", help="append the human codes to a training file, each row once")
    parser.add_argument("--labels", metavar="YAML", help=f"label scheme, instead of the sheet {columns.SHEET_CODEBOOK}")
    parser.add_argument(
        "--strata",
        type=positive_int,
        metavar="K",
        help=f"units were drawn at random within K strata of confidence; for other designs add a column {PROBABILITY}",
    )
    parser.add_argument(
        "--target",
        choices=("population", "documents"),
        default="population",
        help="what corrected shares are about: texts like these (default) or just these units",
    )
    parser.add_argument("--skip-bad", action="store_true", help="leave out codes that are no class, and name them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of the report")
    return parser


def _export(sheet: CodingSheet, path: str) -> None:
    counts = append_training_rows(sheet, path)
    log.info(
        "%s: %d rows added, %d there already, %d units of no class", path, counts.added, counts.present, counts.uncoded
    )
    if counts.conflicting:
        log.warning(
            "warning: %s: %d sentences stand there with another class; the file's rows stay", path, counts.conflicting
        )


def _disagreements(findings: Findings) -> tuple[list[str], list[list[str]]]:
    header = [columns.UNIT, columns.DOCUMENT, columns.TEXT, columns.LABEL, columns.CONFIDENCE, columns.HUMAN]
    rows = []
    for unit in findings.sheet.units:
        if unit.human is not None and unit.human != unit.predicted:
            confidence = "" if unit.confidence is None else f"{unit.confidence:.4f}"
            names = class_name(findings, unit.predicted), class_name(findings, unit.human)
            rows.append([unit.id, unit.document, unit.text, names[0], confidence, names[1]])
    return header, rows


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    temporary.replace(path)


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for spreadsheet programs: UTF-8 with a mark, text that looks like a formula behind an apostrophe."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8-sig", errors="replace", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows([f"'{c}" if c.startswith(_FORMULA_STARTS) else c for c in row] for row in rows)
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(run_command(main))
