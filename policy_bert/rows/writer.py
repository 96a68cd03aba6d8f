"""What every writer of rows shares: columns checked, values made plain, files complete or absent."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from policy_bert.rows.targets import Target


class RowWriter(ABC):
    """Writes rows; a context manager.

    A row is a mapping of column to value; missing columns and None are empty cells, further keys are an error of the
    caller's. Numbers may be numpy's. Floats are rounded to the writer's `decimals`. Lists stay lists in JSON lines and
    Parquet and become JSON text in the other formats.

    A file appears under its name, complete, when the `with` block ends without an exception, and not at all (an older
    file stays) when one is raised. A stream gets its rows as they are written and is flushed, not closed.
    """

    def __init__(self, target: Target, columns: Sequence[str], decimals: int | None) -> None:
        self.columns, self._target, self._decimals = tuple(columns), target, decimals

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row.

        Raises:
            DataError: The disk is full, or the format holds no more rows.
            KeyError: The row has a key that is no column.
        """
        unknown = row.keys() - set(self.columns)
        if unknown:
            raise KeyError(f"{sorted(unknown)} are not among the columns {self.columns}")
        with self._target.naming_errors():
            self._write([self._plain(row.get(column)) for column in self.columns])

    def flush(self) -> None:
        """Pass on what is buffered, as far as the format allows."""
        with self._target.naming_errors():
            self._target.stream.flush()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._abandon()
            self._target.discard()
            return
        try:
            with self._target.naming_errors():
                self._finish()
                self._target.keep()
        except BaseException:
            self._abandon()
            self._target.discard()
            raise

    def _plain(self, value: Any) -> Any:
        if hasattr(value, "tolist"):  # numpy scalars and arrays
            value = value.tolist()
        if isinstance(value, float) and self._decimals is not None:
            return round(value, self._decimals)
        return value

    @abstractmethod
    def _write(self, values: list[Any]) -> None: ...

    def _finish(self) -> None:  # noqa: B027 (nothing to do for formats that hold nothing back)
        pass

    def _abandon(self) -> None:  # noqa: B027
        pass
