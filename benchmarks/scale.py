"""Throughput of `policy_bert.scale` with one and with two one-core workers, in one run, interleaved.

    python benchmarks/scale.py [--lines 200000] [--files 8] [--rounds 3] [--model FOLDER]

Prints JSON: sentences per second from the first file's start to the last one's end (medians over the rounds), their
ratio, and the ratio of whole runs, which adds Ray's start and the loading of models.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

from policy_bert.checkpoint.folder import checkpoint_digest, find_checkpoint
from policy_bert.scale.job import Cluster, find_inputs, score_files
from policy_bert.scale.parquet import ModelChoice, RowSettings

CORPUS = Path(__file__).resolve().parent.parent / "data" / "policy_sentences.tsv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model")
    options = parser.parse_args()
    checkpoint = find_checkpoint(options.model)
    rates: dict[int, list[float]] = {1: [], 2: []}
    whole: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder) / "in", options.lines, options.files)
        for number in range(options.rounds):
            for workers in (1, 2):
                output = Path(folder) / f"out-{number}-{workers}"
                rate, elapsed_s = run(Path(folder) / "in", output, checkpoint, workers, options.lines)
                rates[workers].append(rate)
                whole[workers].append(elapsed_s)
                print(f"round {number + 1}, {workers} workers: {rate:,.0f} sentences/s", file=sys.stderr)
    medians = {workers: statistics.median(values) for workers, values in rates.items()}
    result = {
        "sentences": options.lines,
        "files": options.files,
        "model": str(checkpoint),
        "processor_cores": os.cpu_count(),
        "machine": platform.machine(),
        "sentences_per_s": {str(workers): round(value, 1) for workers, value in medians.items()},
        "ratio": round(medians[2] / medians[1], 3),
        "ratio_of_whole_runs": round(statistics.median(whole[1]) / statistics.median(whole[2]), 3),
    }
    print(json.dumps(result, indent=2))


def write_files(folder: Path, lines: int, files: int) -> None:
    """Distinct sentences made of the corpus's, dealt out over the files."""
    sentences = [line.rpartition("\t")[0].strip() for line in CORPUS.read_text(encoding="utf-8").splitlines()]
    folder.mkdir()
    for index in range(files):
        with (folder / f"{index:03}.txt").open("w", encoding="utf-8") as out:
            for line in range(index, lines, files):
                out.write(f"{line}、{sentences[line % len(sentences)]}\n")


def run(folder: Path, output: Path, checkpoint: Path, workers: int, lines: int) -> tuple[float, float]:
    """Sentences per second from the first file's start to the last one's end, and seconds of the whole run."""
    start = time.perf_counter()
    first, last, rows = float("inf"), 0.0, 0
    choice = ModelChoice(str(checkpoint), threads=1, device="cpu")
    files = find_inputs([str(folder)], output)
    for result in score_files(files, choice, RowSettings(), checkpoint_digest(checkpoint), Cluster(workers=workers)):
        if result.error:
            raise SystemExit(result.error)
        first, rows = min(first, result.started_unix_s), rows + result.rows
        last = max(last, result.started_unix_s + result.elapsed_s)
    if rows != lines:
        raise SystemExit(f"expected {lines} rows, found {rows}")
    return rows / (last - first), time.perf_counter() - start


if __name__ == "__main__":
    main()
