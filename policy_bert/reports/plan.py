"""What an analysis is asked to do, checked as far as it can be before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from policy_bert.documents.metadata_table import MetadataTable, load_metadata
from policy_bert.documents.reading import find_files
from policy_bert.errors import DataError
from policy_bert.reports import columns
from policy_bert.reports.coding import CodedDocument, CodingRules
from policy_bert.reports.folder import has_human_codes

BUILT_IN_FIELDS = tuple(CodedDocument("", "", "").fields())
FIELD_ALIASES = {
    "file": "document",
    "文件": "document",
    "文档": "document",
    "标题": "title",
    "发文字号": "number",
    "文号": "number",
    "发文机关": "issuer",
    "日期": "date",
    "年份": "year",
    "年度": "year",
}


@dataclass(frozen=True)
class AnalysisOptions:
    """What a user can choose about an analysis.

    Attributes:
        unit: What gets one code.
        by: Fields for cross-tables: what documents state (`year`, `issuer` …) or columns of the metadata.
        metadata: A table of metadata, joined by file name.
        language: Of the figures and of the page when it opens.
        overwrite: Replace a workbook in which a reviewer has filled in codes.
    """

    rules: CodingRules = field(default_factory=CodingRules)
    unit: Literal["sentence", "paragraph", "article"] = "sentence"
    by: tuple[str, ...] = ()
    metadata: Path | None = None
    language: Literal["zh", "en"] = "zh"
    batch_size: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class AnalysisPlan:
    """What will be analysed, checked as far as it can be before a model is loaded."""

    paths: tuple[str | Path, ...]
    output: Path
    options: AnalysisOptions
    table: MetadataTable | None
    by: tuple[str, ...]
    files: int

    @property
    def exclude(self) -> list[Path]:
        """What is not read as a document, should it lie among them."""
        metadata = self.options.metadata
        return [self.output] if metadata is None else [self.output, metadata]


def plan_analysis(paths: Sequence[str | Path], output: str | Path, options: AnalysisOptions) -> AnalysisPlan:
    """A plan whose documents exist, whose fields are known, and whose output may be written.

    Raises:
        DataError: One of these does not hold, or the metadata cannot be read.
    """
    output = Path(output)
    check_output(output, options.overwrite)
    table = load_metadata(options.metadata) if options.metadata else None
    plan = AnalysisPlan(tuple(paths), output, options, table, check_fields(options.by, table), 0)
    return replace(plan, files=len(find_files(paths, plan.exclude)))


def check_fields(by: Sequence[str], table: MetadataTable | None) -> tuple[str, ...]:
    """The fields that `--by` names, under the names that documents use.

    Raises:
        DataError: A field is neither built in nor a column of the metadata.
    """
    known = [*BUILT_IN_FIELDS, *(table.columns if table else ())]
    fields = []
    for name in dict.fromkeys(part.strip() for part in by if part.strip()):
        name = name if name in known else FIELD_ALIASES.get(name, name)
        if name not in known:
            where = "" if table else ", or give --metadata with that column"
            raise DataError(f"--by {name}: no such field; expected one of {', '.join(dict.fromkeys(known))}{where}")
        fields.append(name)
    return tuple(dict.fromkeys(fields))


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
