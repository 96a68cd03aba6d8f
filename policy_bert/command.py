"""What every command shares: one-line errors, quiet pipes, exit statuses, UTF-8 streams."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from policy_bert import leave_quietly
from policy_bert.errors import UserError

if TYPE_CHECKING:
    from tqdm import tqdm

STATUS_USER_ERROR = 2
STATUS_INTERRUPTED = 130


class ArgumentParser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` whose usage errors are one line and status 2."""

    def error(self, message: str) -> NoReturn:
        """Print one line naming the mistake and the way to the help, then exit with status 2."""
        self.exit(STATUS_USER_ERROR, f"error: {message} (see {self.prog} --help)\n")


def positive_int(text: str) -> int:
    """An integer of at least 1 from a command line, for `add_argument(type=...)`.

    >>> positive_int("8")
    8
    """
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {value}")
    return value


class _StandardError(logging.Handler):
    """Writes to what standard error is at that moment, which is not always what it was at the start."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def weighted_file(text: str) -> tuple[str, float]:
    """A file's name and the weight behind it, 1 where there is none, for `add_argument(type=...)`.

    >>> weighted_file("laws.txt:0.5"), weighted_file("C:/laws.txt")
    (('laws.txt', 0.5), ('C:/laws.txt', 1.0))
    """
    path, _, weight = text.rpartition(":")
    numeric = path and weight.replace(".", "", 1).isdecimal()
    return (path, float(weight)) if numeric else (text, 1.0)


def configure_logging(level: int = logging.INFO) -> None:
    """Send the package's log to stderr, one plain line a record."""
    logger = logging.getLogger("policy_bert")
    if not logger.handlers:
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False
    logger.setLevel(level)


def run_command(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Run a command's `main` and turn the ends that are no bugs into exit statuses.

    A `UserError` is printed as one line and gives 2; Ctrl-C gives 130 and a closed pipe gives 0, both
    quietly. Anything else is a bug and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name may hold bytes that are no text, a JSON string half a character: escaped, not a traceback.
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    configure_logging()
    interrupted = []

    def interrupt(*_: object) -> None:
        interrupted.append(True)  # a library that is just being imported makes another error of the interrupt
        raise KeyboardInterrupt

    if signal.getsignal(signal.SIGINT) is leave_quietly:
        signal.signal(signal.SIGINT, interrupt)
    try:
        status = main(argv)
        sys.stdout.flush()
        return status
    except UserError as error:
        _flush_quietly()
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return STATUS_USER_ERROR
    except KeyboardInterrupt:
        _flush_quietly()
        return STATUS_INTERRUPTED
    except BrokenPipeError:
        _flush_quietly()
        return 0
    except Exception:
        if interrupted:
            return STATUS_INTERRUPTED
        raise


def _flush_quietly() -> None:
    """Flush standard output; where its reader has gone, drop what is left, so that the flush at exit is quiet too."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def progress_bar(total: int | None, done: int = 0, unit: str = "sentences") -> tqdm[Any]:
    """A bar on standard error, drawn on a terminal alone; `update(count)` moves it, and it is a context manager.

    Args:
        total: How many units there are; None where nobody knows.
        done: How many of them were done before.
        unit: What is counted, in the plural.
    """
    from tqdm import tqdm

    return tqdm(total=total, initial=done, unit=f" {unit}", file=sys.stderr, disable=None, dynamic_ncols=True)
