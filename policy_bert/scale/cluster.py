"""Ray's part of `scale`: workers here or on a cluster; a file whose worker died is given to another."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policy_bert.errors import UserError
from policy_bert.scale.parquet import FileScorer, ModelChoice, RowSettings, ScoredFile

MOST_TASKS = 10_000  # beyond it a task takes several files, which spares the driver


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
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = min(files, cluster.workers or max(1, available // cluster.threads))
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
