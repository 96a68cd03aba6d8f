"""Tables of rows, in and out: encodings, formats, streaming. Knows sentences' text, nothing of labels or models."""

from policy_bert.rows.lines import LineReader, open_input
from policy_bert.rows.sentences import TEXT_COLUMNS, InputSentence, read_sentences
from policy_bert.rows.table import Record, Table
from policy_bert.rows.tables import open_table, table_kind
from policy_bert.rows.writer import RowWriter
from policy_bert.rows.writing import FORMATS, check_format, format_of, open_writer

__all__ = [
    "FORMATS",
    "TEXT_COLUMNS",
    "InputSentence",
    "LineReader",
    "Record",
    "RowWriter",
    "Table",
    "check_format",
    "format_of",
    "open_input",
    "open_table",
    "open_writer",
    "read_sentences",
    "table_kind",
]
