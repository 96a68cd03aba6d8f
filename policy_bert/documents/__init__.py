"""Documents: files in, text with structure out, cut into units that keep their place in the text."""

from policy_bert.documents.metadata_table import MetadataTable, join_metadata, load_metadata
from policy_bert.documents.model import (
    REASONS,
    UNIT_KINDS,
    Document,
    SkippedDocument,
    Unit,
    UnitKind,
    UnitSize,
    UnreadableDocumentError,
)
from policy_bert.documents.reading import find_files, read_document, read_documents
from policy_bert.documents.structure.units import cut_units

__all__ = [
    "REASONS",
    "UNIT_KINDS",
    "Document",
    "MetadataTable",
    "SkippedDocument",
    "Unit",
    "UnitKind",
    "UnitSize",
    "UnreadableDocumentError",
    "cut_units",
    "find_files",
    "join_metadata",
    "load_metadata",
    "read_document",
    "read_documents",
]
