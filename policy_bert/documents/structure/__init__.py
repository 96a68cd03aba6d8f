"""Paragraphs to a document's parts, headings and units."""
