"""Rows of a labelled file as text and label, from lines with a tab or tables with named columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from policy_bert.errors import DataError
from policy_bert.labels import Label, LabelScheme, is_integer
from policy_bert.rows import TEXT_COLUMNS, LineReader, Table, as_text, open_input, open_table, say_once, table_kind
from policy_bert.rows.exports import label_candidates, listed_labels
from policy_bert.text import look

LABEL_COLUMNS = ("label", "labels", "class", "category", "标签", "类别", "编码", "人工编码", "annotation", "cats")
_HEAD = 100  # lines that decide what a file without a header is
_ASCII_SPACE = " \t\r\n"  # other white space belongs to a label as it is written


class LabelledRow(NamedTuple):
    """A row as it stands in the file: its line, its text, the text of its label, and what is wrong with it."""

    line: int
    text: str
    label: str
    problem: str = ""


def read_labelled_rows(
    path: str | Path,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "auto",
    sheet: str | None = None,
) -> tuple[Iterator[LabelledRow], str]:
    """The rows of a labelled file as a stream, blank lines left out, and the encoding (empty for binary tables).

    .csv, .json, .jsonl, .xlsx and .parquet have named columns, those that Label Studio, doccano and Argilla export
    among them. Any other file, .tsv and .txt too, has lines whose last tab stands between text and label, quotation
    marks being text like any other; a first line of column names is skipped, and where it names more than two columns,
    or columns are asked for, the file is read as a table.

    Args:
        path: The file.
        text_column: The column of the sentences; None for the usual names (`TEXT_COLUMNS`). A number is a column's
            place in a table without a header.
        label_column: The column of the labels; None for the usual names (`LABEL_COLUMNS`), and for the one column that
            an export's labels can stand in.
        encoding: `auto`, or the name of the text's encoding.
        sheet: The sheet of a workbook; None for the first.

    Raises:
        DataError: The file cannot be read, or has no such columns or sheet.
    """
    if str(path) == "-":
        raise DataError("a labelled file is expected, found - for standard input; save the rows to a file")
    kind = table_kind(path)
    if kind in (None, "tsv") and sheet is None:
        lines = LineReader(open_input(path), str(path), encoding)
        numbered = ((line, text) for line, text in enumerate(lines, 1) if text.strip())
        head = list(islice(numbered, _HEAD))
        if not head:
            raise DataError(f"{path}: expected labelled sentences, found only blank lines")
        header = [name.strip(' \t\r\n"').lower() for name in head[0][1].split("\t")]
        is_header = bool({*TEXT_COLUMNS} & {*header}) or (len(header) > 1 and header[-1] in LABEL_COLUMNS)
        is_quoted = all(name[:1] == '"' for name in head[0][1].split("\t"))
        is_table = is_header and (is_quoted or not (len(header) == 2 and header[-1] in LABEL_COLUMNS))
        if text_column is None and label_column is None and not is_table:
            body = head[1:] if is_header else head
            _refuse_more_columns(body, path)
            return _tabbed_rows(chain(body, numbered)), lines.encoding
        if kind is None:
            found = f"found a header with {', '.join(header)}" if is_header else "columns were named"
            raise DataError(
                f"{path}: expected sentence, tab, label on a line, {found}; columns are read from .tsv, .csv, .json, "
                ".jsonl, .xlsx and .parquet: rename the file"
            )
    return _table_rows(open_table(path, encoding, sheet, [text_column, label_column]), text_column, label_column)


def _refuse_more_columns(lines: Sequence[tuple[int, str]], path: str | Path) -> None:
    """Refuse a table of three columns or more that has no header: its first columns would be part of the sentence."""
    (tabs, count), *_ = Counter(text.count("\t") for _, text in lines).most_common(1) or [(0, 0)]
    if tabs > 1 and 2 * count > len(lines):
        raise DataError(
            f"{path}: expected sentence, tab, label on a line, found {tabs + 1} columns and no header of known names; "
            "say which are which, for example --text-column 2 --label-column 3 (data.text_column, data.label_column)"
        )


def _tabbed_rows(numbered: Iterator[tuple[int, str]]) -> Iterator[LabelledRow]:
    for line, content in numbered:
        text, tab, label = content.rpartition("\t")
        yield LabelledRow(line, text, label.strip(_ASCII_SPACE), "" if tab else "no tab between sentence and label")


def _table_rows(table: Table, text_column: str | None, label_column: str | None) -> tuple[Iterator[LabelledRow], str]:
    text_name = table.find_column(text_column, TEXT_COLUMNS, "sentences")
    usual: Sequence[str] = LABEL_COLUMNS
    if label_column is None and not any(look(name) in LABEL_COLUMNS for name in table.columns):
        candidates = label_candidates(table.columns, [text_name])
        usual = candidates if len(candidates) == 1 else usual
    wanted = [text_name, table.find_column(label_column, usual, "labels")]
    if f"{wanted[1]}.status" in table.columns:  # Argilla's, of each response
        wanted.append(f"{wanted[1]}.status")
    # doccano joins the labels of a sentence by # in the CSV that it exports.
    is_joined = {"id", "text", "label"} <= {*table.columns} and ("Comments" in table.columns or len(table.columns) == 3)

    def rows() -> Iterator[LabelledRow]:
        empty, first = 0, 0
        for line, cells, problem in table.read(wanted):
            if problem:
                yield LabelledRow(line, "", "", problem)
                continue
            labels = listed_labels(cells[1], cells[2] if len(cells) > 2 else None)
            if len(labels) == 1 and is_joined and isinstance(labels[0], str) and all(labels[0].split("#")):
                labels = labels[0].split("#")
            if any(isinstance(cell, (list, dict)) for cell in (cells[0], *labels)):
                problem = "expected a text and a label, found a list or an object"
            elif len(labels) > 1:
                problem = f"several labels ({', '.join(map(as_text, labels[:5]))}) where a sentence has one"
            text, label = as_text(cells[0]), as_text(labels[0]).strip(_ASCII_SPACE) if labels else ""
            if problem or text.strip() or label:
                yield LabelledRow(line, text, label, problem)
            else:
                empty, first = empty + 1, first or line
        if empty:
            say_once(f"{table.source}: {empty} rows without sentence and label are left out, the first on line {first}")

    return rows(), table.encoding


def scheme_from_labels(labels: Sequence[str], source: str) -> LabelScheme:
    """A scheme made from the labels of a file, whose codes are the labels as they are written.

    Where all are integers in plain ASCII digits without leading zeros, the classes stand in numeric order; other labels
    are names, in the order of their code points.

    Raises:
        DataError: There are not two classes.
    """
    distinct = set(labels)
    names = sorted(distinct, key=int) if all(map(is_integer, distinct)) else sorted(distinct)
    if len(names) < 2:
        raise DataError(f"{source}: expected labels of at least two classes, found {', '.join(names) or 'none'}")
    return LabelScheme(tuple(Label(i, name, name_source="inferred", code=name) for i, name in enumerate(names)))


def label_parser(scheme: LabelScheme) -> Callable[[str], tuple[int | None, str]]:
    """A function from a label's text to its id, or to None and the reason."""
    codes: Sequence[Any] = scheme.codes
    is_range = list(codes) == list(range(len(scheme)))
    known = f"0 to {len(scheme) - 1}" if is_range else ", ".join(map(str, codes[:20]))
    written = {look(form): form for form in [*scheme.names, *map(str, codes)]}
    numbered = all(map(is_integer, scheme.names))

    def parse(text: str) -> tuple[int | None, str]:
        try:
            return scheme.parse(text), ""
        except KeyError:
            pass
        if is_integer(text.removesuffix(".0")):
            return None, f"label {text} is not in the scheme ({known})"
        if look(text) in written:
            return None, f"label {text[:40]!r} is not in the scheme, which writes {written[look(text)]!r}"
        code = "an integer" if isinstance(codes[0], int) else "a code"
        reason = f"not {code}" if numbered else f"neither {code} nor the name of a class"
        return None, f"label {text[:40]!r} is {reason}"

    return parse
