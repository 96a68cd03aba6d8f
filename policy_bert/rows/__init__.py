"""Tables of rows, in and out: encodings, formats, streaming. Knows sentences' text, nothing of labels or models."""

from policy_bert.rows.lines import LineReader, open_input, say_once
from policy_bert.rows.sentences import TEXT_COLUMNS, InputSentence, read_sentences
from policy_bert.rows.tables import Table, as_text, open_table, table_kind
from policy_bert.rows.writers import FORMATS, check_format, format_of, open_writer, without_formula

__all__ = [
    "FORMATS", "TEXT_COLUMNS", "InputSentence", "LineReader", "Table", "as_text", "check_format", "format_of",
    "open_input", "open_table", "open_writer", "read_sentences", "say_once", "table_kind", "without_formula",
]  # fmt: skip
