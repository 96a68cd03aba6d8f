"""Score many files on all cores or on a Ray cluster: one Parquet file an input file, none lost, none doubled.

Command: `python -m policy_bert.scale INPUT… --output DIR [--workers N] [--address …]`; needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from policy_bert.checkpoint.folder import checkpoint_digest, find_checkpoint
from policy_bert.command import ArgumentParser, positive_int, progress_bar, run_command
from policy_bert.errors import DataError
from policy_bert.scale.cluster import Cluster, score_files
from policy_bert.scale.parquet import ModelChoice, RowSettings, ScoredFile, make_stamp, read_stamp
from policy_bert.scoring.engine import EngineName

MANIFEST_FILE = "_manifest.json"  # readers of Parquet folders pass over names that begin so
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx")  # what is taken from a folder

log = logging.getLogger("policy_bert.scale")


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


def main(argv: Sequence[str] | None = None) -> int:
    """Score what has not been scored yet, and print a line a file: source, output, rows."""
    options = _parser().parse_args(argv)
    output = Path(os.path.abspath(options.output))
    files = find_inputs(options.inputs, output)
    checkpoint = find_checkpoint(options.model, options.revision)
    digest = checkpoint_digest(checkpoint)
    choice = _choose_model(options, checkpoint)
    settings = RowSettings(options.top_k, options.all_scores, options.text_column, options.encoding, options.batch_size)
    _check_manifest(output, digest, settings, restart=options.restart)
    if options.restart:
        for target in files.values():
            if read_stamp(target) is not None:
                target.unlink()
    _remove_leftovers(output)
    pending = _pending(files, settings, digest)
    if len(pending) < len(files):
        log.info("%d of %d files are scored already", len(files) - len(pending), len(files))
    failed: list[ScoredFile] = []
    if pending:
        cluster = Cluster(options.address, options.workers, options.threads, options.gpus)
        data = sys.stdout
        # Ray's threads print what happens to workers on standard output, which is for data.
        with progress_bar(len(pending), unit="files") as progress, contextlib.redirect_stdout(sys.stderr):
            for result in score_files(pending, choice, settings, digest, cluster):
                progress.update(1)
                if result.error:
                    failed.append(result)
                else:
                    print(result.source, result.output, result.rows, sep="\t", file=data, flush=True)
    _remove_leftovers(output)
    if failed:
        listed = "; ".join(result.error for result in failed[:5])
        raise DataError(f"{len(failed)} of {len(files)} files could not be scored, the others were: {listed}")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="policy-bert scale", description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("inputs", nargs="+", metavar="INPUT", help="text, CSV, TSV, JSONL, XLSX or Parquet files, or folders of them")
    add("--output", "-o", required=True, metavar="DIR", help="folder of the Parquet files; seen by all machines")
    add("--workers", type=positive_int, metavar="N", help="workers, each with its own model; default: all cores")
    add("--threads", type=positive_int, default=1, metavar="N", help="processor cores of a worker (default 1)")
    add("--gpus", type=_share, default=0.0, metavar="G", help="GPUs of a worker, such as 1 or 0.5; default: none")
    add("--address", metavar="ADDRESS", help="a Ray cluster, such as auto or ray://head:10001; default: this machine")
    add("--model", metavar="FOLDER_OR_HUB_ID", help="default: the classifier in the package")
    add("--revision", help="commit, tag or branch of a hub id")
    add("--engine", choices=("auto", "onnx", "torch"), default="auto")
    add("--top-k", type=positive_int, default=1, metavar="K", help="add the K-1 next classes as alternatives")
    add("--all-scores", action="store_true", help="add every class's probability")
    add("--batch-size", type=positive_int, metavar="N", help="sentences in a batch; default: by a budget of tokens")
    add("--text-column", metavar="NAME", help="the column of a table")
    add("--encoding", default="auto", help="of text files; default: found out")
    add("--restart", action="store_true", help="score all files again, whatever model or settings the output has")
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1024:
        raise argparse.ArgumentTypeError(f"expected a number of GPUs from 0, found {text!r}")
    return value


def _choose_model(options: argparse.Namespace, checkpoint: Path) -> ModelChoice:
    """The model as workers load it: here by its folder, on a cluster by what they find there themselves."""
    model, revision = str(checkpoint), None
    if options.address:
        is_folder = options.model is not None and Path(options.model).is_dir()
        model, revision = os.path.abspath(options.model) if is_folder else options.model, options.revision
    engine: EngineName = "torch" if options.gpus > 0 else options.engine
    device = "cuda" if options.gpus > 0 else "cpu"
    return ModelChoice(model, revision, engine, device, options.threads)


def _is_input(path: Path, output: Path) -> bool:
    hidden = path.name.startswith((".", "_"))
    return path.suffix.lower() in SUFFIXES and not hidden and path.is_file() and output not in path.parents


def _check_manifest(output: Path, digest: str, settings: RowSettings, restart: bool) -> None:
    """Write what makes the output, or refuse to mix it with another model's or setting's.

    Raises:
        DataError: The folder cannot be written, or holds the output of another model or other settings.
    """
    path = output / MANIFEST_FILE
    wanted = {"model_sha256": digest, "settings": asdict(settings)}
    try:
        if path.exists() and not restart:
            found = json.loads(path.read_text(encoding="utf-8"))
            if found != wanted:
                changed = "model" if found.get("model_sha256") != digest else "settings"
                raise DataError(
                    f"{output}: holds files scored with another {changed}; name another --output, or score all "
                    "again with --restart"
                )
            return
        output.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{MANIFEST_FILE}.{os.getpid()}.partial")
        temporary.write_text(json.dumps(wanted, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{output}: cannot write the folder: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: expected the manifest of an earlier run, found: {error}") from error


def _remove_leftovers(output: Path) -> None:
    """Remove what killed workers left unfinished."""
    for leftover in output.rglob(".*.partial"):
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


if __name__ == "__main__":
    sys.exit(run_command(main))
