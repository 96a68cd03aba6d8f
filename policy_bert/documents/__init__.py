"""Documents: files in, text with structure out, cut into units that keep their place in the text."""

from policy_bert.documents.model import Document, SkippedDocument, Unit, UnitKind, UnitSize

__all__ = ["Document", "SkippedDocument", "Unit", "UnitKind", "UnitSize"]
