"""A folder of scored files, each scored once by a worker of Ray's, and nothing of two models."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.command import progress_bar
from policy_bert.errors import DataError, UserError
from policy_bert.files import PARTIAL, locked, naming_disk_errors, write_text
from policy_bert.scale.parquet import FileScorer, ModelChoice, RowSettings, ScoredFile, make_stamp, read_stamp
from policy_bert.scoring.engine import available_cores
from policy_bert.scoring.job import run_difference

MANIFEST_FILE = "_manifest.json"  # readers of Parquet folders pass over names that begin so
SUFFIXES = (".txt", ".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".xlsx")  # what is taken from a folder
MOST_TASKS = 10_000  # beyond it a task takes several files, which spares the driver

log = logging.getLogger("policy_bert.scale")


@dataclass(frozen=True)
class Cluster:
    """Where workers run.

    Attributes:
        address: A Ray cluster's address; None for this machine alone.
        workers: Workers, each with a model of its own; None for as many as the processors (or GPUs) allow.
        threads: Processor cores of a worker.
        gpus: GPUs of a worker; 0.5 puts two workers on one GPU, 0 keeps to processors.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1
    gpus: float = 0.0


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
    with naming_disk_errors(output, "the folder"):
        output.mkdir(parents=True, exist_ok=True)
    failed: list[ScoredFile] = []
    with locked(output):
        _claim(output, {"model_sha256": digest, "settings": asdict(settings)}, restart)
        _remove_leftovers(files)
        pending = _pending(files, settings, digest, restart)
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
        if not given.exists():
            raise DataError(f"{name}: no such file or folder")
        base, files = given.parent, [given]
        if given.is_dir():
            base, files = given, [path for path in sorted(given.rglob("*")) if _is_input(path, output)]
        if not files:
            raise DataError(f"{name}: expected files ending in {', '.join(SUFFIXES)}, found none")
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
        with naming_disk_errors(output, "the folder"):
            is_new = restart or not path.exists()
            difference = "" if is_new else run_difference(json.loads(path.read_text(encoding="utf-8")), wanted)
            for file in output.rglob("*.parquet") if is_new else ():
                stamp = read_stamp(file)
                other = "" if stamp is None else run_difference(stamp, wanted)
                if other and restart:
                    file.unlink()
                difference = difference or other
            if difference and not restart:
                raise DataError(
                    f"{output}: holds files scored with {difference}; name another --output, or score all again with "
                    "--restart"
                )
            if is_new:
                write_text(path, json.dumps(wanted, ensure_ascii=False, indent=2) + "\n")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected the manifest of an earlier run, found: {error}") from error


def _pending(files: dict[Path, Path], settings: RowSettings, digest: str, restart: bool) -> dict[Path, Path]:
    """The files without an output that is up to date; a restart removes what there is.

    Raises:
        DataError: An output's place is taken by a file that is none of ours.
    """
    pending = {}
    for source, target in files.items():
        stamp = read_stamp(target)
        if stamp is None and target.exists():
            raise DataError(f"{target}: in the way, and not written by this command; move it or name another --output")
        if stamp is not None and restart:
            target.unlink()
        elif stamp is not None and stamp != make_stamp(source, settings, digest):
            log.info("%s: changed since it was scored; it is scored again", source)
        elif stamp is not None:
            continue
        pending[source] = target
    return pending


def _remove_leftovers(files: dict[Path, Path]) -> None:
    """Remove what killed workers left unfinished of these outputs; others' files of such names stay."""
    targets = set(files.values())
    for folder in {target.parent for target in targets}:
        for leftover in folder.glob(f".*{PARTIAL}"):
            name = re.fullmatch(rf"\.(.+)\.\d+\{PARTIAL}", leftover.name)
            if name and folder / name.group(1) in targets:
                leftover.unlink(missing_ok=True)


def score_files(
    files: dict[Path, Path], choice: ModelChoice, settings: RowSettings, model_digest: str, cluster: Cluster
) -> Iterator[ScoredFile]:
    """Score files with Ray, one task a file, largest first; results come as files are finished.

    A task whose worker died is given to another one (Ray Data's own default for actors); outputs that the dead one
    had finished are kept, and a file that cost several workers is reported as an error.

    Raises:
        UserError: Ray is not installed, cannot be reached, or gave up.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError:
        raise UserError('scale needs Ray: pip install "policy-bert[ray]"') from None
    started = not ray.is_initialized()
    if started:
        _start_ray(ray, cluster, len(files))
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        workers = min(len(files), cluster.workers or _room(ray.cluster_resources(), cluster))
        ordered = sorted(files, key=lambda path: -path.stat().st_size)
        gpus: dict[str, Any] = {"num_gpus": cluster.gpus} if cluster.gpus else {}
        items = [{"source": str(path), "output": str(files[path])} for path in ordered]
        dataset = ray.data.from_items(items, override_num_blocks=min(len(items), MOST_TASKS)).map_batches(
            FileScorer,
            fn_constructor_args=(choice, settings, model_digest),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            num_cpus=cluster.threads,
            **gpus,
        )
        for row in dataset.iter_rows():
            yield ScoredFile(**row)
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise UserError(f"Ray gave up: {reason}; finished files are kept, run again to go on") from error
    finally:
        if started:
            ray.shutdown()


def _start_ray(ray: Any, cluster: Cluster, files: int) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if cluster.address is None:
        workers = min(files, cluster.workers or max(1, available_cores() // cluster.threads))
        options |= {"address": "local", "num_cpus": workers * cluster.threads, "include_dashboard": False}
    else:
        options["address"] = cluster.address
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError, OSError) as error:
        where = cluster.address or "this machine"
        raise UserError(f"cannot start or reach Ray at {where}: {str(error).strip().splitlines()[0]}") from error


def _room(resources: dict[str, float], cluster: Cluster) -> int:
    """Workers that the cluster holds at once."""
    room = resources.get("CPU", 1) // cluster.threads
    if cluster.gpus:
        room = min(room, resources.get("GPU", 0) // cluster.gpus)
        if room < 1:
            raise UserError(f"--gpus {cluster.gpus:g}: Ray sees {resources.get('GPU', 0):g} GPUs; leave the flag out")
    return max(1, int(room))
