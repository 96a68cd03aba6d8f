"""Where written rows go: a stream, or a file that appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from policy_bert.errors import DataError


class Target:
    """Where the bytes go: a stream of the caller's, or a file that is renamed into place at the end."""

    def __init__(self, target: str | Path | IO[Any], text: bool) -> None:
        self.path: Path | None = None
        self._partial: Path | None = None
        self.stream: Any
        if not isinstance(target, (str, os.PathLike)):
            self.stream = _as_kind(target, text)
            return
        self.path = Path(os.path.realpath(target))
        if self.path.is_dir():
            raise DataError(f"{target}: expected a file to write, found a folder")
        special = self.path.exists() and not self.path.is_file()  # such as /dev/null: never renamed over
        if not special:
            self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.partial")
        with self.naming_errors():
            place = self._partial or self.path
            self.stream = place.open("w", encoding="utf-8", newline="") if text else place.open("wb")

    @contextlib.contextmanager
    def naming_errors(self) -> Iterator[None]:
        """Turn the operating system's errors about our own file into one line."""
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            if self.path is None:
                raise
            raise DataError(f"{self.path}: cannot write the file: {error.strerror or error}") from error

    def keep(self) -> None:
        """Put the file under its name, complete and on the disk; flush a stream."""
        self.stream.flush()
        if self.path is None:
            return
        if self._partial is not None:
            os.fsync(self.stream.fileno())
        self.stream.close()
        if self._partial is not None:
            os.replace(self._partial, self.path)

    def discard(self) -> None:
        """Remove what was written of a file; an older one under its name stays."""
        if self.path is None:
            return
        with contextlib.suppress(OSError):
            self.stream.close()
        if self._partial is not None:
            self._partial.unlink(missing_ok=True)


def _as_kind(stream: Any, text: bool) -> Any:
    is_text = isinstance(stream, io.TextIOBase)
    if text and not is_text:
        return _Utf8Stream(stream)
    if not text and is_text:
        stream.flush()
        return stream.buffer
    return stream


class _Utf8Stream:
    """A binary stream that takes text."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode("utf-8"))

    def flush(self) -> None:
        self._stream.flush()
