"""Scores sentences from a file or standard input: one row a sentence, with class and confidence."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from policy_bert.command import ArgumentParser, progress_bar, run_command
from policy_bert.errors import DataError
from policy_bert.rows import FORMATS, check_format, format_of, open_writer
from policy_bert.scoring.classifier import PolicyClassifier, Prediction
from policy_bert.scoring.job import JobInput, score_to_file
from policy_bert.scoring.rows import (
    OutputOptions,
    add_classifier_options,
    add_row_options,
    load_chosen_classifier,
    rows_of,
    scan_input,
    scored_windows,
    windows_of,
)

__all__ = ["PolicyClassifier", "Prediction", "main"]

_BINARY_FORMATS = ("xlsx", "parquet")


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command's arguments."""
    parser = ArgumentParser(
        prog="policy-bert predict",
        description="Score sentences: rows with the columns line, sentence, label, label_name, group, confidence.",
        epilog="A text longer than the model takes is scored by its beginning and flagged in the column truncated, "
        "which is there if any text is that long (in JSON lines always). When a text on standard input turns out "
        "that long after the header was written, its line is named on standard error.",
    )
    add = parser.add_argument
    add(
        "file",
        help="one sentence a line (.txt or any other), a .csv, .tsv, .json, .jsonl, .xlsx or .parquet; - is stdin",
    )
    add("-o", "--output", metavar="FILE", help="written when complete; a killed run is continued by the same command")
    add("--format", metavar="FORMAT", help=f"{', '.join(FORMATS)}; default: by the output's extension, tsv on stdout")
    add_row_options(parser)
    add("--restart", action="store_true", help="throw away an unfinished run of the same output")
    add_classifier_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Score a file; see `--help`."""
    arguments = parse_arguments(argv)
    output = None if arguments.output in (None, "-") else Path(arguments.output)
    options = OutputOptions(
        format=_output_format(arguments.format, output), top_k=arguments.top_k, all_scores=arguments.all_scores
    )
    if output is not None:
        check_output(output, arguments.file)
    elif options.format in _BINARY_FORMATS:
        raise DataError(f"{options.format} is no text for standard output; name a file with -o")
    source = JobInput(arguments.file, arguments.text_column, arguments.encoding, arguments.sheet)
    source.check()
    classifier = load_chosen_classifier(arguments)
    if output is None:
        score_to_stream(classifier, source, sys.stdout, options, arguments.batch_size)
    elif output.exists() and not output.is_file():  # a device or a named pipe
        with output.open("wb") as stream:
            score_to_stream(classifier, source, stream, options, arguments.batch_size)
    else:
        score_to_file(classifier, source, output, options, arguments.batch_size, restart=arguments.restart)
    return 0


def score_to_stream(
    classifier: PolicyClassifier,
    source: JobInput,
    stream: IO[Any],
    options: OutputOptions,
    batch_size: int | None = None,
) -> None:
    """Write the rows of an input to a stream, window by window, in constant memory.

    Whether there is a column `truncated` is decided by a first pass over a regular file, and by the first window of
    any other input.

    Raises:
        DataError: As `rows.read_sentences`.
    """
    total = None
    if source.is_rereadable:
        scan = scan_input(classifier.tokenizer, source.sentences())
        total, options = scan.sentences, replace(options, truncated=scan.truncated)
    windows = windows_of(source.sentences(), classifier.engine.window_sentences)
    with contextlib.ExitStack() as stack:
        scored_parts = stack.enter_context(contextlib.closing(scored_windows(classifier, windows, batch_size)))
        progress = stack.enter_context(progress_bar(total))
        writer = None
        for window, scored in scored_parts:
            if writer is None:
                options = replace(options, truncated=options.truncated or bool(scored.truncated.any()))
                columns = options.columns(classifier.scheme)
                writer = stack.enter_context(open_writer(stream, options.format, columns))
            for row in rows_of(classifier, window, scored, options):
                writer.write(row)
            writer.flush()
            progress.update(len(window))


def _output_format(wanted: str | None, output: Path | None) -> str:
    if wanted is not None:
        return check_format(wanted)
    return format_of(output) if output is not None and output.suffix else "tsv"


def check_output(output: Path, source: str) -> None:
    """Refuse an output that cannot be written, before anything is computed.

    Raises:
        DataError: It is a folder, is the input, lies in a folder that is missing, or may not be written.
    """
    if output.is_dir():
        raise DataError(f"{output}: expected a file to write, found a folder")
    if not output.parent.is_dir():
        raise DataError(f"{output}: cannot write: the folder {output.parent} does not exist; make it first")
    if source != "-" and output.exists() and Path(source).exists() and output.samefile(source):
        raise DataError(f"{output}: the output is the input itself; name another file")
    if not os.access(output if output.exists() else output.parent, os.W_OK):
        raise DataError(f"{output}: cannot write: permission denied; name a file in a folder of yours")


if __name__ == "__main__":
    sys.exit(run_command(main))
