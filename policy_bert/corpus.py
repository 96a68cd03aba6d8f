"""Check a labelled file and print what it holds: `python -m policy_bert.corpus FILE`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from policy_bert.command import ArgumentParser, run_command
from policy_bert.corpora.near_duplicates import near_duplicate_groups
from policy_bert.corpora.reading import ContradictionPolicy, format_report, load_corpus, report_tree
from policy_bert.labels import SCHEME_FILE, LabelScheme, load_scheme

_READING = ("text_column", "label_column", "encoding", "sheet", "contradictions")
_log = logging.getLogger("policy_bert.corpus")


def _find_scheme(labels: str | None, path: str) -> LabelScheme | None:
    beside = Path(path).parent / SCHEME_FILE
    if labels == "none" or (labels is None and not beside.is_file()):
        return None
    if labels is None:
        _log.info("classes by %s, which lies beside the file; --labels none makes them from the file", beside)
    return load_scheme(labels or beside)


def _threshold(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 0 and less than 1, found {text}")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Print the data report of a labelled file."""
    parser = ArgumentParser(prog="policy-bert corpus", description="Check a labelled file and print what it holds.")
    add = parser.add_argument
    add("file", help="text, tab, label a line; or .csv, .json, .jsonl, .xlsx, .parquet with named columns")
    add("--labels", help=f"label scheme; default {SCHEME_FILE} beside the file; none: made from the file")
    add("--text-column", help="column of the sentences; a number without a header")
    add("--label-column", help="column of the labels, likewise")
    add("--sheet", help="sheet of a workbook; default the first")
    add("--encoding", default="auto", help="utf-8, gb18030, big5, utf-16 …; default auto")
    add("--contradictions", choices=get_args(ContradictionPolicy), default="drop")
    add("--threshold", type=_threshold, default=0.6, help="cosine of near-duplicates; default 0.6")
    add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    corpus = load_corpus(
        options.file,
        _find_scheme(options.labels, options.file),
        **{name: getattr(options, name) for name in _READING},
    )
    kept_out = [found.text for found in corpus.report.contradictions if found.kept is None]
    groups = near_duplicate_groups([*(s.text for s in corpus.sentences), *kept_out], options.threshold)
    figures = (corpus.report, corpus.scheme, len(set(groups.tolist())), options.threshold)
    print(json.dumps(report_tree(*figures), ensure_ascii=False, indent=2) if options.json else format_report(*figures))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
