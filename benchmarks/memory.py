"""Peak memory of scoring, as a whole process, for files of several sizes.

    python benchmarks/memory.py --model FOLDER [--lines 50000 1000000] [--format tsv]

Prints the resident peak of each run and the ratio of the last to the first.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from kill_and_resume import write_sentences


def peak_megabytes(command: list[str]) -> float:
    """The resident peak of a command's process, in MB (10⁶ bytes)."""
    process = os.posix_spawn(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise SystemExit(f"the command failed: {' '.join(command)}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="default: the classifier in the package")
    parser.add_argument("--corpus", type=Path, default=Path("data/policy_sentences.tsv"))
    parser.add_argument("--lines", type=int, nargs="+", default=[50_000, 1_000_000])
    parser.add_argument("--format", default="tsv")
    arguments = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for lines in arguments.lines:
            source = Path(folder) / "in.txt"
            write_sentences(source, arguments.corpus, lines)
            command = [sys.executable, "-m", "policy_bert.predict", str(source)]
            command += ["-o", str(Path(folder) / f"out.{arguments.format}")]
            command += ["--model", arguments.model] if arguments.model else []
            peaks.append(peak_megabytes(command))
            print(f"{lines:>10,} lines: {peaks[-1]:.0f} MB", flush=True)
    print(f"ratio of the last to the first: {peaks[-1] / peaks[0]:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
