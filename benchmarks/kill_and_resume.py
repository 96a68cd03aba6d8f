"""Kills a scoring job at random moments, again and again, and checks that the resumed file is that of a run left alone.

    python benchmarks/kill_and_resume.py --model FOLDER [--lines 200000] [--kills 30] [--seed 0]

Prints one line a kill and ends with status 1 if the files differ.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write_sentences(path: Path, corpus: Path, lines: int) -> None:
    """Distinct sentences: those of the corpus with a number before them."""
    sentences = [line.rpartition("\t")[0].strip() for line in corpus.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number in range(lines):
            file.write(f"{number}{sentences[number % len(sentences)]}\n")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_killed(command: list[str], output: Path, kills: int, longest_s: float, generator: random.Random) -> int:
    """Start the command until it ends by itself; kill it `kills` times after a random time. Returns the kills."""
    killed = 0
    while True:
        process = subprocess.Popen(command)
        if killed < kills:
            try:
                process.wait(generator.uniform(0.05, longest_s))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed += 1
                parts = len(list(output.with_name(output.name + ".parts").glob("part-*.jsonl")))
                print(f"kill {killed}: {parts} parts, output {'there' if output.exists() else 'not there'}", flush=True)
                continue
        if process.wait() != 0:
            raise SystemExit(f"the command failed with status {process.returncode}")
        if killed >= kills:
            return killed
        output.unlink()  # it ended before all kills were done: start the job again


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="default: the classifier in the package")
    parser.add_argument("--corpus", type=Path, default=Path("data/policy_sentences.tsv"))
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--format", default="tsv")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, whole, output = (
            Path(folder) / name for name in ("in.txt", f"whole.{arguments.format}", f"out.{arguments.format}")
        )
        write_sentences(source, arguments.corpus, arguments.lines)
        command = [sys.executable, "-m", "policy_bert.predict", str(source)]
        command += ["--model", arguments.model] if arguments.model else []
        start = time.monotonic()
        subprocess.run([*command, "-o", str(whole)], check=True)
        elapsed_s = time.monotonic() - start
        longest_s = max(1.0, 2.5 * elapsed_s / max(arguments.kills, 1))
        killed = run_killed(
            [*command, "-o", str(output)], output, arguments.kills, longest_s, random.Random(arguments.seed)
        )
        same = digest(whole) == digest(output)
        print(f"{killed} kills, {arguments.lines} lines in {elapsed_s:.0f} s: files {'equal' if same else 'DIFFER'}")
        return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
