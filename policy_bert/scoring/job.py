"""Scoring into a file exactly once: finished parts on the disk, a manifest that ties them to what made them, resume."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.command import progress_bar
from policy_bert.errors import DataError
from policy_bert.files import (
    PARTIAL,
    file_digest,
    file_stamp,
    locked,
    naming_disk_errors,
    put_in_place,
    write_text,
    written_whole,
)
from policy_bert.rows import InputSentence, open_input, open_writer, read_sentences
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.rows import InputScan, OutputOptions, rows_of, scan_input, scored_windows, windows_of

MANIFEST_FILE = "manifest.json"
_SPOOL_FILE, _COMPLETE_FILE = "input.txt", "complete"
# Raised when parts of an older version can no longer be continued.
_PARTS_VERSION = 1


@dataclass(frozen=True)
class JobInput:
    """Sentences to score: a file or `-`, and how to read it."""

    path: str
    text_column: str | None = None
    encoding: str = "auto"
    sheet: str | None = None

    @property
    def is_rereadable(self) -> bool:
        """Whether it is a regular file, which gives the same bytes every time."""
        return self.path != "-" and Path(self.path).is_file()

    def sentences(self) -> Iterator[InputSentence]:
        """The sentences; errors as `rows.read_sentences`."""
        return read_sentences(self.path, self.text_column, self.encoding, self.sheet)

    def check(self) -> None:
        """Refuse a file that cannot be read, before a model is loaded.

        Raises:
            DataError: As `rows.read_sentences`.
        """
        if self.path != "-" and (self.is_rereadable or Path(self.path).is_dir() or not Path(self.path).exists()):
            self.sentences()


def score_to_file(
    classifier: PolicyClassifier,
    source: JobInput,
    output: Path,
    options: OutputOptions,
    batch_size: int | None = None,
    restart: bool = False,
) -> int:
    """Score an input into a file, and return the number of rows.

    The file appears under its name when it is complete. Until then finished parts lie in the folder
    `<output>.parts`; the same call continues from them after an interruption at any moment, and the file is byte for
    byte that of an uninterrupted run. Memory does not grow with the input.

    Args:
        classifier: What scores.
        source: What is scored; standard input is first copied into the folder.
        output: The file; `options.format` says its format.
        options: What a row holds; `truncated` is decided here, from the input.
        batch_size: Sentences in a batch; None for batches by token budget.
        restart: Throw away the parts of an unfinished run.

    Raises:
        DataError: The input cannot be read or changes meanwhile, the disk is full or the folder has gone (a later
            call continues), or there are parts of another input, model or setting.
    """
    output = Path(os.path.realpath(output))
    folder = output.with_name(output.name + ".parts")
    with naming_disk_errors(output):
        folder.mkdir(exist_ok=True)
        _refuse_foreign_files(folder)
        with locked(folder):
            if restart:
                _remove_parts(folder)
            source = _spooled(source, folder)
            before = file_stamp(source.path)
            scan = _begin(folder, output, _manifest(classifier, source, options, batch_size), classifier, source)
            options = replace(options, truncated=scan.truncated)
            _score_parts(classifier, source, folder, options, batch_size, scan.sentences)
            if file_stamp(source.path) != before:
                raise DataError(f"{source.path}: changed while it was scored; run again with --restart")
            _assemble(folder, output, options, options.columns(classifier.scheme), scan.sentences)
            shutil.rmtree(folder)
    return scan.sentences


def _manifest(
    classifier: PolicyClassifier, source: JobInput, options: OutputOptions, batch_size: int | None
) -> dict[str, Any]:
    """What parts depend on; a run continues only parts of an equal one."""
    return {
        "version": _PARTS_VERSION,
        "input_sha256": file_digest(Path(source.path)),
        "model_sha256": checkpoint_digest(classifier.checkpoint),
        "settings": {
            **asdict(options),
            **{name: value for name, value in asdict(source).items() if name != "path"},
            "batch_size": batch_size,
            "engine": type(classifier.engine).__name__,
            "window_sentences": classifier.engine.window_sentences,
        },
    }


def _begin(
    folder: Path, output: Path, manifest: dict[str, Any], classifier: PolicyClassifier, source: JobInput
) -> InputScan:
    """Write the manifest, or check the one that an earlier run left; return the scan that it holds."""
    path = folder / MANIFEST_FILE
    if path.exists():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            scan = InputScan(**found.pop("scan"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}: corrupted; start over with --restart") from error
        difference = run_difference(found, manifest)
        if difference:
            raise DataError(
                f"{output}.parts holds an unfinished run with {difference}: repeat its command to finish it, "
                "or start over with --restart"
            )
        return scan
    _remove_parts(folder)  # of a run that died while it removed its parts, the manifest first
    try:
        scan = scan_input(classifier.tokenizer, source.sentences())
    except DataError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    write_text(path, json.dumps({**manifest, "scan": asdict(scan)}, ensure_ascii=False, indent=2) + "\n")
    return scan


def _refuse_foreign_files(folder: Path) -> None:
    ours = r"part-\d{7}\.jsonl|" + "|".join(map(re.escape, (MANIFEST_FILE, _SPOOL_FILE, _COMPLETE_FILE)))
    for name in sorted(os.listdir(folder)):
        if not re.fullmatch(rf"{ours}|\.({ours})\.\d+\{PARTIAL}", name):
            raise DataError(f"{folder}: expected the parts of an unfinished run, found {name}; move it away")


def _remove_parts(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name != _SPOOL_FILE:
            entry.unlink()


def run_difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """What the manifest of an earlier run has otherwise, such as `another model`; empty where the run can go on."""
    words = {"input_sha256": "input", "model_sha256": "model", "version": "version of policy_bert"}
    for key, word in words.items():
        if found.get(key) != wanted.get(key):
            return f"another {word}"
    was, now = found["settings"], json.loads(json.dumps(wanted["settings"]))
    changed = [name for name in now if was.get(name) != now[name]]
    return f"other settings ({changed[0]} was {was.get(changed[0])}, is {now[changed[0]]})" if changed else ""


def _score_parts(
    classifier: PolicyClassifier,
    source: JobInput,
    folder: Path,
    options: OutputOptions,
    batch_size: int | None,
    total: int,
) -> None:
    """Write a part a window; windows whose part is there are skipped."""
    done = 0
    while _part(folder, done).exists():
        done += 1
    windows = windows_of(source.sentences(), classifier.engine.window_sentences)
    skipped = sum(len(window) for window in islice(windows, done))
    with (
        progress_bar(total, done=skipped) as progress,
        contextlib.closing(scored_windows(classifier, windows, batch_size)) as scored_parts,
    ):
        for index, (window, scored) in enumerate(scored_parts, done):
            rows = rows_of(classifier, window, scored, options)
            write_text(_part(folder, index), "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            progress.update(len(window))


def _assemble(folder: Path, output: Path, options: OutputOptions, columns: Mapping[str, type], total: int) -> None:
    """Write the parts, row by row, as one file in the output's format, and put it under its name."""
    complete, index, count = folder / _COMPLETE_FILE, 0, 0
    with open_writer(complete, options.format, columns) as writer:
        while (part := _part(folder, index)).exists():
            with part.open(encoding="utf-8", newline="\n") as lines:
                for line in lines:
                    writer.write(json.loads(line))
                    count += 1
            index += 1
        if count != total:
            raise DataError(f"{folder}: expected {total} rows in its parts, found {count}; start over with --restart")
    put_in_place(complete, output)


def _part(folder: Path, index: int) -> Path:
    return folder / f"part-{index:07}.jsonl"


def _spooled(source: JobInput, folder: Path) -> JobInput:
    """The input as a regular file: standard input and pipes are copied beside the parts."""
    if source.is_rereadable:
        return source
    with open_input(source.path) as stream, written_whole(folder / _SPOOL_FILE) as partial, partial.open("wb") as copy:
        shutil.copyfileobj(stream, copy, 1 << 20)
    return replace(source, path=str(folder / _SPOOL_FILE))
