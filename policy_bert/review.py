"""Compare a reviewer's codes with the classifier's: reliability, corrected shares, new training rows.

Command: `python -m policy_bert.review report/coding.xlsx [-o review/] [--qda project.qdpx] [--export train.tsv]`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.errors import DataError
from policy_bert.files import write_text
from policy_bert.labels import load_scheme
from policy_bert.reports import columns
from policy_bert.reviews.findings import Findings, compare_codes
from policy_bert.reviews.project import apply_project
from policy_bert.reviews.report import confusion_rows, disagreement_rows, render_report, share_rows, summarise
from policy_bert.reviews.sheet import PROBABILITY, CodingSheet, read_coding_sheet
from policy_bert.rows import open_writer
from policy_bert.text import clean

REPORT = "reliability.md"
FIGURES = "reliability.json"
CONFUSION = "confusion.csv"
SHARES = "shares.csv"
DISAGREEMENTS = "disagreements.csv"

log = logging.getLogger("policy_bert.review")


def write_review(findings: Findings, folder: str | Path) -> list[Path]:
    """Write the report, its figures as JSON and its tables as CSV into a folder, and return the files.

    Raises:
        DataError: The folder cannot be made or written.
    """
    folder = Path(folder)
    figures = json.dumps(summarise(findings), ensure_ascii=False, indent=2) + "\n"
    tables = {CONFUSION: confusion_rows, DISAGREEMENTS: disagreement_rows, SHARES: share_rows}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not findings.shares.classes:
            tables.pop(SHARES)
            (folder / SHARES).unlink(missing_ok=True)
        for name, text in ((REPORT, render_report(findings)), (FIGURES, figures)):
            write_text(
                folder / name, text.encode("utf-8", "replace").decode("utf-8")
            )  # a cell may hold half a character
        for name, rows_of in tables.items():
            header, rows = rows_of(findings)
            with open_writer(folder / name, "csv", header) as out:
                for row in rows:
                    out.write(dict(zip(header, row, strict=True)))
    except OSError as error:
        raise DataError(f"{folder}: cannot write the review: {error.strerror or error}") from error
    return [folder / name for name in (REPORT, FIGURES, *tables)]


def append_training_rows(sheet: CodingSheet, path: str | Path) -> Counter[str]:
    """Append the human codes to a training file, `text TAB id` a line; a row that is there is not added again.

    The file appears complete or stays as it was. What comes back counts the codes that were `added`, those `present`
    before, the `conflicting`, whose sentence stands there with another class and keeps it, and the `uncoded`.

    Raises:
        DataError: The file is no UTF-8 text, or cannot be written.
    """
    path = Path(path)
    try:
        content = path.read_bytes().decode("utf-8") if path.exists() else ""
    except OSError as error:
        raise DataError(f"{path}: cannot read the training file: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8, found other bytes at offset {error.start}") from error
    labels: dict[str, int] = {}
    for line in content.removeprefix("\ufeff").split("\n"):
        text, separator, code = line.rpartition("\t")
        with suppress(KeyError):  # rows that hold no class, such as a header, are passed over
            if separator:
                labels.setdefault(clean(text), sheet.scheme.parse(code))
    rows, counts = [], Counter[str]()
    for unit in sheet.units:
        if unit.human is None:
            continue
        text = clean(unit.text)
        if unit.human == len(sheet.scheme) or not text:
            counts["uncoded"] += 1
        elif text not in labels:
            labels[text] = unit.human
            rows.append(f"{text}\t{unit.human}\n")
            counts["added"] += 1
        else:
            counts["present" if labels[text] == unit.human else "conflicting"] += 1
    if rows:
        separator = "\n" if content and not content.endswith("\n") else ""
        try:
            write_text(path, content + separator + "".join(rows))
        except OSError as error:
            raise DataError(f"{path}: cannot write the training file: {error.strerror}") from error
    return counts


def main(argv: Sequence[str] | None = None) -> int:
    """Read the codes, compare, print the report, and write what was asked for."""
    about = (__doc__ or "").splitlines()[0]
    parser = ArgumentParser(prog="policy-bert review", description=about, epilog=columns.PROTOCOL)
    parser.add_argument("workbook", help=f"{columns.WORKBOOK} with codes in its column {columns.HUMAN}")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the report and its tables")
    parser.add_argument("--qda", metavar="QDPX", help="take the human codes from a project coded in QDA software")
    parser.add_argument("--export", metavar="TSV", help="append the human codes to a training file, each row once")
    parser.add_argument("--labels", metavar="YAML", help=f"label scheme, instead of the sheet {columns.SHEET_CODEBOOK}")
    strata = f"units were drawn at random within K strata of confidence; for other designs add a column {PROBABILITY}"
    parser.add_argument("--strata", type=positive_int, metavar="K", help=strata)
    target = "what corrected shares are about: texts like these (default) or just these units"
    parser.add_argument("--target", choices=("population", "documents"), default="population", help=target)
    parser.add_argument("--skip-bad", action="store_true", help="leave out codes that are no class, and name them")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON instead of the report")
    options = parser.parse_args(argv)
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
        counts = append_training_rows(sheet, options.export)
        done = counts["added"], counts["present"], counts["uncoded"]
        log.info("%s: %d rows added, %d there already, %d units of no class", options.export, *done)
        if counts["conflicting"]:
            text = "warning: %s: %d sentences stand there with another class; the file's rows stay"
            log.warning(text, options.export, counts["conflicting"])
    if options.json:
        print(json.dumps(summarise(findings), ensure_ascii=False, indent=2))
    else:
        print(render_report(findings), end="")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
