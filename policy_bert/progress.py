"""Progress of a long run on a terminal: rows done, rate, remaining time. Silent elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_SECONDS_BETWEEN_LINES = 0.2


class Progress:
    """A line on stderr that rewrites itself; a context manager."""

    def __init__(self, total: int | None, done: int = 0, unit: str = "sentences") -> None:
        """Begin at `done` of `total` (None: unknown)."""
        self._total, self._done, self._first, self._unit = total, done, done, unit
        self._shown = sys.stderr.isatty()
        self._start = time.monotonic()
        self._last = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self._last:
            sys.stderr.write("\r" + self.text() + "\n")

    def advance(self, count: int) -> None:
        """Count `count` more, and show it."""
        self._done += count
        now = time.monotonic()
        if self._shown and now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            sys.stderr.write("\r" + self.text())
            sys.stderr.flush()

    def text(self) -> str:
        """The line, such as `4,096 of 20,000 sentences · 1,200/s · 0:13 left`."""
        elapsed_s = max(time.monotonic() - self._start, 1e-9)
        rate = (self._done - self._first) / elapsed_s
        of_total = f" of {self._total:,}" if self._total is not None else ""
        text = f"{self._done:,}{of_total} {self._unit} · {rate:,.0f}/s"
        if self._total is not None and rate > 0:
            remaining_s = round((self._total - self._done) / rate)
            minutes, seconds = divmod(remaining_s, 60)
            text += (
                f" · {minutes // 60}:{minutes % 60:02}:{seconds:02} left"
                if minutes >= 60
                else (f" · {minutes}:{seconds:02} left")
            )
        return text.ljust(72)
