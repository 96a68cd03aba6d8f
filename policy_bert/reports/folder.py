"""Everything that a report folder holds, written beside it and moved into place when all of it is complete."""

from __future__ import annotations

import shutil
from pathlib import Path

from policy_bert.errors import DataError
from policy_bert.reports import columns
from policy_bert.reports.document_list import write_documents
from policy_bert.reports.figures import write_figures
from policy_bert.reports.listing import write_csv, write_jsonl, write_matrix
from policy_bert.reports.methods import describe_methods
from policy_bert.reports.page import write_page
from policy_bert.reports.parts import Coding
from policy_bert.reports.qda import write_codebook, write_project
from policy_bert.reports.tables import Tables, build_tables
from policy_bert.reports.workbook import write_workbook


def write_report(coding: Coding, output: Path, building: Path) -> Tables:
    """Write all files of a report and return its counts.

    Files are made in `building`, on the same file system, and moved to `output`, which exists, when all are there.

    Raises:
        DataError: A file cannot be written or replaced.
    """
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        tables = _build(coding, building)
        _move(building, output)
    except OSError as error:
        name = Path(str(error.filename)).name if error.filename else str(output)
        raise DataError(
            f"{output}: cannot write {name}: {error.strerror or error}; free the disk or close the program that has it "
            "open, and run the same command again: it goes on where it stopped"
        ) from error
    return tables


def has_human_codes(workbook: Path) -> bool:
    """Whether a reviewer has filled in 人工编码; a workbook that cannot be read counts as filled."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(workbook, read_only=True)
        rows = book[columns.SHEET_CODING].iter_rows(values_only=True)
        column = list(next(rows)).index(columns.HUMAN)
        found = any(str(row[column] or "").strip() for row in rows if len(row) > column)
        book.close()
    except Exception:  # whatever a damaged or foreign workbook raises: it is not ours to overwrite
        return True
    return found


def _build(coding: Coding, folder: Path) -> Tables:
    tables = build_tables(coding)
    methods = describe_methods(coding, tables)
    write_csv(coding, folder / columns.CODING_CSV)
    write_documents(coding, folder / columns.DOCUMENTS_CSV)
    write_jsonl(coding, folder / columns.CODING_JSONL)
    write_matrix(coding, folder / columns.MATRIX_CSV)
    write_workbook(coding, tables, methods, folder / columns.WORKBOOK)
    write_page(coding, tables, methods, folder / columns.PAGE)
    write_codebook(coding.scheme, folder / columns.CODEBOOK)
    write_project(coding, folder / columns.PROJECT)
    write_figures(tables, folder / columns.FIGURES, coding.language)
    return tables


def _move(building: Path, output: Path) -> None:
    """Put the new files in place; charts of an earlier analysis that this one does not have are removed."""
    old_charts = output / columns.FIGURES
    for chart in old_charts.glob("0[1-5]-*"):
        if chart.suffix in (".png", ".svg"):
            chart.unlink()
    for path in sorted(building.rglob("*")):
        if path.is_file():
            target = output / path.relative_to(building)
            target.parent.mkdir(exist_ok=True)
            path.replace(target)
    shutil.rmtree(building)
