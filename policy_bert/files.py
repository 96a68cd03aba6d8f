"""Files that survive a kill at any moment: written whole or not at all, synced before they are named, and locked."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from policy_bert.errors import DataError

PARTIAL = ".partial"  # how the name of a file ends while it is written


def file_digest(path: Path) -> str:
    """The SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return stream_digest(file)


def stream_digest(stream: IO[bytes]) -> str:
    """The SHA-256, in hexadecimal, of the bytes that are left in a stream."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def file_stamp(path: str) -> tuple[int, int]:
    """Size in bytes and time of change in nanoseconds, which tell whether a file was written to."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A file of another name beside `path` to write to; it takes the name `path` when the block ends without an error.

    Until then nothing at `path` changes, and after an error nothing is left of the new file. Its bytes are on the disk
    before it is named, so a kill or a power cut at any moment leaves the old file or the new one.

    Args:
        path: The name that the file gets; its folder must be there.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        yield partial
        put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def put_in_place(finished: Path, path: Path) -> None:
    """Give a finished file on the same file system the name `path`, its bytes and its name brought to the disk."""
    with finished.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(finished, path)
    sync_folder(path.parent)


def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Put text with plain line feeds under a name, whole or not at all; see `written_whole`."""
    with written_whole(path) as partial:
        partial.write_text(text, encoding=encoding, newline="\n")


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
def locked(folder: Path) -> Iterator[None]:
    """Keep out a second process that writes the same folder or file.

    The lock is a file beside it, `.<name>.lock`, that is never deleted: a process that waits for a deleted one would
    hold a lock that nobody sees. The system frees the lock of a killed process.

    Raises:
        DataError: Another process holds the lock.
    """
    from filelock import FileLock, Timeout

    try:
        with FileLock(folder.with_name(f".{folder.name}.lock"), timeout=0):
            yield
    except Timeout:
        raise DataError(f"{folder}: another run is writing it; wait for it to end") from None


@contextlib.contextmanager
def naming_disk_errors(output: object, what: str = "") -> Iterator[None]:
    """Turn errors of the operating system into a `DataError` that names the output and says how to go on.

    Args:
        output: What is written.
        what: What the message calls it, such as `the folder`.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        task = f"cannot write {what}".rstrip()
        raise DataError(f"{output}: {task}: {reason}; mend that and run the same command to continue") from error
