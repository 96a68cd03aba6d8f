"""Files that survive a kill at any moment: written whole or not at all, synced before they are named, locked."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from policy_bert.errors import DataError


def file_digest(path: Path) -> str:
    """The SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return stream_digest(file)


def stream_digest(stream: IO[bytes]) -> str:
    """Likewise of what is left of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def file_stamp(path: str) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds, which tell whether a file was written to."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def write_durably(path: Path, text: str) -> None:
    """Put a file under its name only when its bytes are on the disk."""
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    if os.name == "nt":
        return  # Windows opens no folders
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Keep out a second process that locks the same file; the system frees the lock of a killed one.

    Raises:
        DataError: Another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with file.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError(f"{file.parent}: another run is writing this output; wait for it to end") from None
        yield


@contextlib.contextmanager
def naming_disk_errors(output: Path) -> Iterator[None]:
    """Turn errors of the operating system into a `DataError` that names the output and says how to go on."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(f"{output}: cannot write: {reason}; mend that and run the same command to continue") from error
