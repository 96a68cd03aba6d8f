"""Carry a folder through a channel with a size limit: `python -m policy_bert.shards split|join`.

A pretraining run on a rented machine comes back as parts of a few megabytes. `split` packs a folder into numbered parts
and `join` unpacks them, checking every byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from policy_bert.command import ArgumentParser, positive_int, run_command
from policy_bert.errors import DataError

MANIFEST = "manifest.json"
MEBIBYTE = 1 << 20


def split_folder(folder: str | Path, output: str | Path, part_bytes: int) -> list[Path]:
    """The parts of an xz-compressed archive of the folder, each of at most `part_bytes`, and a manifest.

    Args:
        folder: What to pack; its files, with their paths below it.
        output: A new or empty folder for `part-000`, `part-001` … and `manifest.json`.
        part_bytes: The most bytes in a part.

    Raises:
        DataError: There is no such folder, or the output holds files already.
    """
    folder, output = Path(folder), Path(output)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected a folder to pack")
    if output.is_dir() and any(output.iterdir()):
        raise DataError(f"{output}: holds files already; name an empty folder")
    output.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.add(path, path.relative_to(folder).as_posix())
    content = buffer.getvalue()
    parts = []
    for number, start in enumerate(range(0, len(content), part_bytes)):
        parts.append(output / f"part-{number:03d}")
        parts[-1].write_bytes(content[start : start + part_bytes])
    record = {"parts": len(parts), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (output / MANIFEST).write_text(json.dumps(record) + "\n", encoding="utf-8")
    return parts


def join_parts(parts: str | Path, output: str | Path) -> Path:
    """The folder that `split_folder` packed, unpacked under `output`.

    Raises:
        DataError: Parts are missing or damaged, or a path in the archive leads outside `output`.
    """
    parts, output = Path(parts), Path(output)
    try:
        record = json.loads((parts / MANIFEST).read_text(encoding="utf-8"))
        content = b"".join((parts / f"part-{number:03d}").read_bytes() for number in range(record["parts"]))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{parts}: not the parts of a folder: {error}") from error
    if hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise DataError(f"{parts}: the parts do not add up to what was packed; copy them again")
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as archive:
        for member in archive.getmembers():
            if not (output / member.name).resolve().is_relative_to(output.resolve()) or not member.isfile():
                raise DataError(f"{parts}: the archive holds {member.name!r}, which is no file below the folder")
        for member in archive.getmembers():
            target = output / member.name
            target.parent.mkdir(parents=True, exist_ok=True)
            stream = archive.extractfile(member)
            assert stream is not None  # it is a file
            target.write_bytes(stream.read())
    return output


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, split or join, print what was written."""
    parser = ArgumentParser(prog="policy_bert.shards", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("action", choices=("split", "join"))
    parser.add_argument("source", type=Path, help="the folder to split, or the folder with the parts")
    parser.add_argument("output", type=Path, help="the folder to write")
    parser.add_argument("--part-mib", type=positive_int, default=15, help="the most mebibytes in a part (default 15)")
    arguments = parser.parse_args(argv)
    if arguments.action == "split":
        print(*split_folder(arguments.source, arguments.output, arguments.part_mib * MEBIBYTE), sep="\n")
    else:
        print(join_parts(arguments.source, arguments.output))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
