"""`documents.csv`: a row a document with all that is known of it, to join with `coding.csv` in R or SPSS."""

from __future__ import annotations

from pathlib import Path

from policy_bert.reports import columns
from policy_bert.reports.parts import Coding
from policy_bert.rows import open_writer


def write_documents(coding: Coding, path: Path) -> None:
    """Write `documents.csv`: identifier and name, then the fields under the names that `--by` and the project use.

    Identifiers and metadata are the text they were; a field that a document does not state is an empty cell.
    """
    rows = [
        document.fields() | {columns.DOCUMENT_ID: document.id, columns.DOCUMENT: document.name}
        for document in coding.documents()
    ]
    header = dict.fromkeys([columns.DOCUMENT_ID, columns.DOCUMENT, *(key for row in rows for key in row)])
    header.pop("document", None)
    with open_writer(path, "csv", list(header)) as out:
        for row in rows:
            out.write({key: row.get(key) for key in header})
