"""An analysis: documents read, cut, scored and kept on disk one at a time, then made into a report."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from policy_bert import __version__
from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.command import progress_bar
from policy_bert.documents import Document, SkippedDocument
from policy_bert.documents.reading import read_documents
from policy_bert.documents.structure.units import cut_units
from policy_bert.errors import DataError
from policy_bert.reports.coding import code_document
from policy_bert.reports.folder import write_report
from policy_bert.reports.parts import Coding, SkippedFile, write_part
from policy_bert.reports.plan import AnalysisOptions, AnalysisPlan, plan_analysis
from policy_bert.reports.tables import Tables
from policy_bert.scoring.classifier import PolicyClassifier

PARTS = ".parts"
logger = logging.getLogger(__name__)


def run_analysis(plan: AnalysisPlan, classifier: PolicyClassifier) -> Tables:
    """The counts of the analysis; the report is in the plan's output folder when this returns.

    A run that was stopped goes on where it stopped, if documents, model and options are the same.

    Raises:
        DataError: No document can be read, or the output cannot be written.
    """
    parts_folder = make_parts_folder(plan.output)
    run = _Run(plan, classifier, parts_folder)
    with progress_bar(plan.files, unit="documents") as progress:
        for done in run.code():
            progress.update(done)
    if not run.parts:
        first = run.skipped[0]
        raise DataError(f"none of the {plan.files} files is a readable document; first: {first.name}: {first.reason}")
    options = plan.options
    coding = Coding(
        classifier.scheme,
        tuple(run.parts),
        options.rules,
        options.unit,
        plan.by,
        options.language,
        classifier.checkpoint.name,
        run.digest,
        tuple(run.skipped),
        tuple(run.warnings()),
    )
    tables = write_report(coding, plan.output, parts_folder / "report")
    shutil.rmtree(parts_folder, ignore_errors=True)
    return tables


def analyze(
    paths: Sequence[str | Path],
    output: str | Path,
    classifier: PolicyClassifier,
    options: AnalysisOptions | None = None,
) -> Tables:
    """Plan and run an analysis, see `plan_analysis` and `run_analysis`."""
    return run_analysis(plan_analysis(paths, output, options or AnalysisOptions()), classifier)


def make_parts_folder(output: Path) -> Path:
    """The folder of parts in the report folder, made and tried.

    Raises:
        DataError: It cannot be written.
    """
    parts = output / PARTS
    try:
        parts.mkdir(parents=True, exist_ok=True)
        probe = parts / "probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise DataError(f"{output}: cannot write there: {error.strerror}; choose another folder with -o") from error
    return parts


class _Run:
    """An analysis on its way: the parts that are there and the files that were skipped."""

    def __init__(self, plan: AnalysisPlan, classifier: PolicyClassifier, folder: Path) -> None:
        self.plan, self.classifier, self.folder = plan, classifier, folder
        self.digest = checkpoint_digest(classifier.checkpoint)
        self.parts: list[Path] = []
        self.skipped: list[SkippedFile] = []
        self.notes: list[str] = []

    def code(self) -> Iterator[int]:
        """Code every document that has no part yet, yielding how many files were dealt with since the last time."""
        dealt_with = 0
        for document in read_documents(self.plan.paths, self._skip, self.plan.exclude):
            self._code(document)
            now = len(self.parts) + len(self.skipped)
            yield now - dealt_with
            dealt_with = now

    def warnings(self) -> list[str]:
        """Remarks for the report: readers' notes, and rows of the metadata that no document has."""
        unmatched = self.plan.table.unmatched() if self.plan.table else []
        if unmatched:
            logger.warning("%s: no document for %s", self.plan.options.metadata, "; ".join(unmatched))
        return [*self.notes, *(f"元数据中没有对应文档：{row}" for row in unmatched)]

    def _code(self, document: Document) -> None:
        metadata = {}
        if self.plan.table is not None:
            document = self.plan.table.join(document)
            metadata = {name: document.metadata.get(name, "") for name in self.plan.table.columns}
        document = replace(document, metadata=metadata)
        name = display_name(document.path, self.plan.paths)
        self.notes += [f"{name}：{note}" for note in document.notes]
        part = self.folder / f"{self._key(document, name)}.jsonl"
        self.parts.append(part)
        if part.exists():
            return
        options = self.plan.options
        units = cut_units(document, options.unit)
        texts = [unit.body for unit in units if unit.kind == "content"]
        predictions = self.classifier.predict(texts, options.batch_size)
        try:
            write_part(code_document(document, name, units, predictions, options.rules), part)
        except OSError as error:
            raise DataError(
                f"{self.plan.output}: cannot write: {error.strerror}; free the disk and run the same command again"
            ) from error

    def _key(self, document: Document, name: str) -> str:
        """What a part depends on, as a file name."""
        facts = [__version__, self.digest, vars(self.plan.options.rules), self.plan.options.unit, name]
        about = {key: value for key, value in vars(document).items() if key not in ("path", "notes")}
        text = json.dumps([*facts, about], default=dict, sort_keys=True)
        return f"{document.id}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"

    def _skip(self, skipped: SkippedDocument) -> None:
        logger.warning("%s: skipped: %s", skipped.path, skipped.reason)
        self.skipped.append(SkippedFile(display_name(skipped.path, self.plan.paths), skipped.reason))


def display_name(path: Path, paths: Sequence[str | Path]) -> str:
    """The document's path within the folder that was named, or its file name."""
    for root in map(Path, paths):
        if root.is_dir() and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return path.name
