"""A folder of scored files: which inputs there are, which of them are still to be scored, and nothing of two models."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.command import progress_bar
from policy_bert.errors import DataError
from policy_bert.files import PARTIAL, locked, write_text
from policy_bert.scale.cluster import Cluster, score_files
from policy_bert.scale.parquet import ModelChoice, RowSettings, ScoredFile, make_stamp, read_stamp
from policy_bert.scoring.job import run_difference

MANIFEST_FILE = "_manifest.json"  # readers of Parquet folders pass over names that begin so
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx")  # what is taken from a folder

log = logging.getLogger("policy_bert.scale")


def score_folder(
    inputs: Sequence[str],
    output: Path,
    checkpoint: Path,
    choice: ModelChoice,
    settings: RowSettings,
    cluster: Cluster,
    on_file: Callable[[ScoredFile], None],
    restart: bool = False,
) -> None:
    """Score what has not been scored yet into a folder, one Parquet file an input, and report each as it is finished.

    Args:
        inputs: Files, and folders that are searched for files.
        output: The folder; one run at a time writes it.
        checkpoint: The model here, which all workers must have.
        choice: The model as workers load it.
        settings: What decides the rows.
        cluster: Where workers run.
        on_file: What is told of each file that was scored.
        restart: Score all files again, and remove the files of other models and settings.

    Raises:
        DataError: An input is missing, the folder is written by another run, cannot be written or holds the output of
            another model or other settings, or (in the end) files could not be scored, which are named.
        UserError: Ray is not installed, cannot be reached, or gave up.
    """
    files = find_inputs(inputs, output)
    digest = checkpoint_digest(checkpoint)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{output}: cannot write the folder: {error.strerror or error}") from error
    failed: list[ScoredFile] = []
    with locked(output):
        _claim(output, {"model_sha256": digest, "settings": asdict(settings)}, restart)
        if restart:
            for target in files.values():
                if read_stamp(target) is not None:
                    target.unlink()
        _remove_leftovers(files)
        pending = _pending(files, settings, digest)
        if len(pending) < len(files):
            log.info("%d of %d files are scored already", len(files) - len(pending), len(files))
        if pending:
            # Ray's threads print what happens to workers on standard output, which is for data.
            with progress_bar(len(pending), unit="files") as progress, contextlib.redirect_stdout(sys.stderr):
                for result in score_files(pending, choice, settings, digest, cluster):
                    progress.update(1)
                    if result.error:
                        failed.append(result)
                    else:
                        on_file(result)
        _remove_leftovers(files)
    if failed:
        listed = "; ".join(result.error for result in failed[:5])
        raise DataError(f"{len(failed)} of {len(files)} files could not be scored, the others were: {listed}")


def find_inputs(inputs: Sequence[str], output: Path) -> dict[Path, Path]:
    """Input files with the Parquet file of each; folders are searched for files of known kinds, and mirrored.

    Raises:
        DataError: An input is not there, a folder holds no file, or two files would have one output.
    """
    found: dict[Path, Path] = {}
    for name in inputs:
        given = Path(os.path.abspath(name))
        if given.is_dir():
            files = [path for path in sorted(given.rglob("*")) if _is_input(path, output)]
            if not files:
                raise DataError(f"{name}: expected files ending in {', '.join(SUFFIXES)}, found none")
        elif given.exists():
            files = [given]
        else:
            raise DataError(f"{name}: no such file or folder")
        base = given if given.is_dir() else given.parent
        found |= {path: output / f"{path.relative_to(base)}.parquet" for path in files}
    owners: dict[Path, Path] = {}
    for source, target in found.items():
        if owners.setdefault(target, source) != source:
            raise DataError(f"{owners[target]} and {source} would both be scored into {target}; use two outputs")
    return found


def _is_input(path: Path, output: Path) -> bool:
    hidden = path.name.startswith((".", "_"))
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file() and output not in path.parents


def _claim(output: Path, wanted: dict[str, Any], restart: bool) -> None:
    """Write what makes the output, or refuse to mix it with another model's or setting's.

    A restart removes the files of others first, so that a kill at any moment leaves a folder that is refused or whole.
    """
    path = output / MANIFEST_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() and not restart else None
        difference = run_difference(found, wanted) if found is not None else ""
        if found is None:
            for file in output.rglob("*.parquet"):
                stamp = read_stamp(file)
                if stamp is not None and run_difference(stamp, wanted):
                    difference = run_difference(stamp, wanted)
                    if restart:
                        file.unlink()
        if difference and not restart:
            raise DataError(
                f"{output}: holds files scored with {difference}; name another --output, or score all again with "
                "--restart"
            )
        if found is None:
            write_text(path, json.dumps(wanted, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise DataError(f"{output}: cannot write the folder: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected the manifest of an earlier run, found: {error}") from error


def _remove_leftovers(files: dict[Path, Path]) -> None:
    """Remove what killed workers left unfinished of these outputs; others' files of such names stay."""
    targets = set(files.values())
    for folder in {target.parent for target in targets}:
        for leftover in folder.glob(f".*{PARTIAL}"):
            name = re.fullmatch(rf"\.(.+)\.\d+\{PARTIAL}", leftover.name)
            if name and folder / name.group(1) in targets:
                leftover.unlink(missing_ok=True)


def _pending(files: dict[Path, Path], settings: RowSettings, digest: str) -> dict[Path, Path]:
    """The files without an output that is up to date.

    Raises:
        DataError: An output's place is taken by a file that is none of ours.
    """
    pending = {}
    for source, target in files.items():
        stamp = read_stamp(target)
        if stamp is None and target.exists():
            raise DataError(f"{target}: in the way, and not written by this command; move it or name another --output")
        if stamp != make_stamp(source, settings, digest):
            if stamp is not None:
                log.info("%s: changed since it was scored; it is scored again", source)
            pending[source] = target
    return pending
