"""An analysis: planned, its documents read, cut, scored and kept on disk one at a time, then made into a report."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from policy_bert import __version__
from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.command import progress_bar
from policy_bert.documents import Document, SkippedDocument, find_files, read_documents
from policy_bert.documents.metadata_table import MetadataTable, load_metadata
from policy_bert.errors import DataError
from policy_bert.files import naming_disk_errors, write_text
from policy_bert.reports import columns
from policy_bert.reports.coding import (
    CodedDocument,
    Coding,
    CodingRules,
    Duplicate,
    SkippedFile,
    classify_document,
    write_part,
)
from policy_bert.reports.duplicates import DuplicateFinder
from policy_bert.reports.figures import write_figures
from policy_bert.reports.listing import write_csv, write_documents, write_jsonl, write_matrix
from policy_bert.reports.methods import describe_methods
from policy_bert.reports.page import write_page
from policy_bert.reports.qda import write_codebook, write_project
from policy_bert.reports.tables import Tables, build_tables
from policy_bert.reports.words import field_word
from policy_bert.reports.workbook import write_workbook
from policy_bert.scoring.classifier import PolicyClassifier

PARTS = ".parts"
logger = logging.getLogger(__name__)

BUILT_IN_FIELDS = tuple(CodedDocument("", "", "").fields())
FIELD_ALIASES = {"file": "document", "文件": "document", "文号": "number", "年度": "year"}
FIELD_ALIASES |= {field_word(name): name for name in BUILT_IN_FIELDS}


@dataclass(frozen=True)
class AnalysisOptions:
    """What a user can choose about an analysis.

    Attributes:
        unit: What gets one code.
        by: Fields for cross-tables: what documents state (`year`, `issuer` …) or columns of the metadata.
        metadata: A table of metadata, joined by file name.
        language: Of the figures and of the page when it opens.
        overwrite: Replace a workbook in which a reviewer has filled in codes.
        margin: What a review of the random sample is to reach, see `plan_review`.
        count_duplicates: Code and count a document whose text another one has too.
    """

    rules: CodingRules = field(default_factory=CodingRules)
    unit: Literal["sentence", "paragraph", "article"] = "sentence"
    by: tuple[str, ...] = ()
    metadata: Path | None = None
    language: Literal["zh", "en"] = "zh"
    batch_size: int | None = None
    overwrite: bool = False
    margin: float | None = None
    count_duplicates: bool = False


@dataclass(frozen=True)
class AnalysisPlan:
    """What will be analysed, checked as far as it can be before a model is loaded.

    `options` name fields as documents do; `exclude` is what is not read as a document, should it lie among them.
    """

    paths: tuple[str | Path, ...]
    output: Path
    options: AnalysisOptions
    table: MetadataTable | None
    exclude: tuple[Path, ...]
    files: int


def plan_analysis(paths: Sequence[str | Path], output: str | Path, options: AnalysisOptions) -> AnalysisPlan:
    """A plan whose documents exist, whose fields are known, and whose output may be written.

    Raises:
        DataError: One of these does not hold, or the metadata cannot be read.
    """
    output = Path(output)
    check_output(output, options.overwrite)
    table = load_metadata(options.metadata) if options.metadata else None
    options = replace(options, by=check_fields(options.by, table))
    exclude = (output, options.metadata) if options.metadata else (output,)
    return AnalysisPlan(tuple(paths), output, options, table, exclude, len(find_files(paths, exclude)))


def check_fields(by: Sequence[str], table: MetadataTable | None) -> tuple[str, ...]:
    """The fields that `--by` names, under the names that documents use.

    Raises:
        DataError: A field is neither built in nor a column of the metadata.
    """
    known = dict.fromkeys([*BUILT_IN_FIELDS, *(table.columns if table else ())])
    names = [part.strip() for part in by if part.strip()]
    fields = dict.fromkeys(name if name in known else FIELD_ALIASES.get(name, name) for name in names)
    for name in fields:
        if name not in known:
            where = "" if table else ", or give --metadata with that column"
            raise DataError(f"--by {name}: no such field; expected one of {', '.join(known)}{where}")
    return tuple(fields)


def check_output(output: Path, overwrite: bool) -> None:
    """Refuse an output folder that is a file, or that holds a reviewer's work.

    Raises:
        DataError: It is or does.
    """
    if output.exists() and not output.is_dir():
        raise DataError(f"{output}: expected a folder for the report, found a file; choose another name with -o")
    workbook = output / columns.WORKBOOK
    if workbook.exists() and not overwrite and has_human_codes(workbook):
        raise DataError(
            f"{workbook}: its column {columns.HUMAN} is filled in, or it cannot be read; choose another folder with -o "
            "or give --overwrite to replace it"
        )


def run_analysis(plan: AnalysisPlan, classifier: PolicyClassifier) -> Tables:
    """The counts of the analysis; the report is in the plan's output folder when this returns.

    A run that was stopped goes on where it stopped, if documents, model and options are the same.

    Raises:
        DataError: No document can be read, or the output cannot be written.
    """
    run, options = _Run(plan, classifier), plan.options
    with progress_bar(plan.files, unit="documents") as progress:
        for done in run.code():
            progress.update(done)
    if not run.parts:
        first = run.skipped[0]
        raise DataError(f"none of the {plan.files} files is a readable document; first: {first.name}: {first.reason}")
    chosen = options.rules, options.unit, options.by, options.language
    model = classifier.checkpoint.name, run.digest
    coding = Coding(classifier.scheme, tuple(run.parts), *chosen, *model, margin=options.margin)
    warnings, duplicates = tuple(run.warnings()), tuple(run.duplicates)
    coding = replace(coding, skipped=tuple(run.skipped), warnings=warnings, duplicates=duplicates)
    tables = write_report(coding, plan.output, run.folder / "report")
    shutil.rmtree(run.folder, ignore_errors=True)
    return tables


def analyze(
    paths: Sequence[str | Path],
    output: str | Path,
    classifier: PolicyClassifier,
    options: AnalysisOptions | None = None,
) -> Tables:
    """Plan and run an analysis, see `plan_analysis` and `run_analysis`."""
    return run_analysis(plan_analysis(paths, output, options or AnalysisOptions()), classifier)


class _Run:
    """An analysis on its way: the parts that are there, and the files that were skipped or were there already."""

    def __init__(self, plan: AnalysisPlan, classifier: PolicyClassifier) -> None:
        self.plan, self.classifier, self.folder = plan, classifier, plan.output / PARTS
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / "probe", "")
            (self.folder / "probe").unlink()
        except OSError as error:
            reason = f"cannot write there: {error.strerror}; choose another folder with -o"
            raise DataError(f"{plan.output}: {reason}") from error
        self.digest = checkpoint_digest(classifier.checkpoint)
        self.parts: list[Path] = []
        self.skipped: list[SkippedFile] = []
        self.notes: list[str] = []
        self.duplicates: list[Duplicate] = []
        self.finder = DuplicateFinder()

    def code(self) -> Iterator[int]:
        """Code every document that has no part yet, yielding how many files were dealt with since the last time."""
        dealt_with = 0
        for document in read_documents(self.plan.paths, self._skip, self.plan.exclude):
            self._code(document)
            now = len(self.parts) + len(self.skipped) + sum(not copy.counted for copy in self.duplicates)
            yield now - dealt_with
            dealt_with = now

    def warnings(self) -> list[str]:
        """Remarks for the report: readers' notes, and rows of the metadata that no document has."""
        unmatched = self.plan.table.unmatched() if self.plan.table else []
        if unmatched:
            logger.warning("%s: no document for %s", self.plan.options.metadata, "; ".join(unmatched))
        return [*self.notes, *(f"元数据中没有对应文档：{row}" for row in unmatched)]

    def _code(self, document: Document) -> None:
        options, table, metadata = self.plan.options, self.plan.table, {}
        if table is not None:
            document = table.join(document)
            metadata = {name: document.metadata.get(name, "") for name in table.columns}
        document = replace(document, metadata=metadata)
        name = self._name(document.path)
        self.notes += [f"{name}：{note}" for note in document.notes]
        if original := self.finder.original_of(document):
            counted = options.count_duplicates
            self.duplicates.append(Duplicate(document.id, name, document.title, original.id, counted))
            advice = "counted all the same" if counted else "not counted; --count-duplicates counts it"
            logger.warning("%s: the same text as %s: %s", name, self._name(original.path), advice)
            if not counted:
                return
        part = self.folder / f"{self._key(document, name)}.jsonl"
        self.parts.append(part)
        if not part.exists():
            coded = classify_document(document, name, self.classifier, options.rules, options.unit, options.batch_size)
            with naming_disk_errors(self.plan.output):
                write_part(coded, part)

    def _key(self, document: Document, name: str) -> str:
        """What a part depends on, as a file name."""
        facts = [__version__, self.digest, vars(self.plan.options.rules), self.plan.options.unit, name]
        about = {key: value for key, value in vars(document).items() if key not in ("path", "notes")}
        text = json.dumps([*facts, about], default=dict, sort_keys=True)
        return f"{document.id}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def _skip(self, skipped: SkippedDocument) -> None:
        logger.warning("%s: skipped: %s", skipped.path, skipped.reason)
        self.skipped.append(SkippedFile(self._name(skipped.path), skipped.reason))

    def _name(self, path: Path) -> str:
        """The document's path within the folder that was named, or its file name."""
        roots = (Path(root) for root in self.plan.paths)
        inside = (path.relative_to(root).as_posix() for root in roots if root.is_dir() and path.is_relative_to(root))
        return next(inside, path.name)


def write_report(coding: Coding, output: Path, building: Path) -> Tables:
    """Write all files of a report and return its counts.

    Files are made in `building`, on the same file system, and moved to `output`, which exists, when all are there.

    Raises:
        DataError: A file cannot be written or replaced.
    """
    try:
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        tables = build_tables(coding)
        _build(replace(coding, plan=tables.plan), tables, building)
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


def _build(coding: Coding, tables: Tables, folder: Path) -> None:
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


def _move(building: Path, output: Path) -> None:
    """Put the new files in place; charts of an earlier analysis that this one does not have are removed."""
    for chart in (output / columns.FIGURES).glob("0[1-5]-*"):
        if chart.suffix in (".png", ".svg"):
            chart.unlink()
    for path in sorted(path for path in building.rglob("*") if path.is_file()):
        target = output / path.relative_to(building)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
    shutil.rmtree(building)
