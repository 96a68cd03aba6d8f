"""One input file scored into one Parquet file that says what it was made of: the step that `scale` repeats.

The output appears under its name complete, with the input's stamp, the model's digest and the settings in its footer;
whoever finds it can tell whether it is still the answer. So a step may be killed and repeated anywhere, any number of
times, and no row is lost or doubled.
"""

from __future__ import annotations

import contextlib
import glob
import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.errors import DataError, UserError
from policy_bert.files import PARTIAL, file_stamp, naming_disk_errors
from policy_bert.rows import open_writer
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.engine import EngineName
from policy_bert.scoring.job import JobInput
from policy_bert.scoring.rows import OutputOptions, rows_of, scored_windows, windows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SOURCE_COLUMN = "source"
FOOTER_KEY = "policy_bert"
MOST_DEATHS = 3  # workers that a file may cost


@dataclass(frozen=True)
class ModelChoice:
    """Which model scores and how, as plain values that travel to other machines."""

    model: str | None = None
    revision: str | None = None
    engine: EngineName = "auto"
    device: str = "auto"
    threads: int | None = 1


@dataclass(frozen=True)
class RowSettings:
    """What decides the rows, beside input and model; equal settings give equal rows."""

    top_k: int = 1
    all_scores: bool = False
    text_column: str | None = None
    encoding: str = "auto"
    sheet: str | None = None
    batch_size: int | None = None

    def options(self) -> OutputOptions:
        """As `predict` writes Parquet, always with the column `truncated`, so that all files have one schema."""
        return OutputOptions("parquet", self.top_k, self.all_scores, truncated=True)


@dataclass(frozen=True)
class ScoredFile:
    """What became of an input file: its rows, or the one-line `error` that kept it from being scored."""

    source: str
    output: str
    rows: int
    started_unix_s: float
    elapsed_s: float
    error: str = ""


class FileScorer:
    """A worker: loads the classifier once, then scores the files it is given, one batch row a file."""

    def __init__(self, choice: ModelChoice, settings: RowSettings, model_digest: str) -> None:
        self.classifier = PolicyClassifier.from_pretrained(**asdict(choice))
        self.settings, self.model_digest = settings, model_digest
        self.wrong_model = ""
        if checkpoint_digest(self.classifier.checkpoint) != model_digest:
            where = f"{platform.node()}: {self.classifier.checkpoint}"
            self.wrong_model = f"{where} is another model than the one the job was started with; install the same"

    def __call__(self, batch: dict[str, NDArray[np.str_]]) -> dict[str, list[Any]]:
        """Score the files of the columns `source` and `output`; a user's mistake becomes the row's `error`."""
        results = [self._score(str(s), str(o)) for s, o in zip(batch["source"], batch["output"], strict=True)]
        return {key: [asdict(result)[key] for result in results] for key in asdict(results[0])}

    def _score(self, source: str, output: str) -> ScoredFile:
        start = time.monotonic()
        result = ScoredFile(source, output, 0, time.time(), 0.0)
        try:
            if self.wrong_model:
                raise UserError(self.wrong_model)
            # A worker that died while it wrote this output left its unfinished file.
            deaths = list(Path(output).parent.glob(f".{glob.escape(Path(output).name)}.*{PARTIAL}"))
            if len(deaths) >= MOST_DEATHS:
                raise UserError(
                    f"{source}: {MOST_DEATHS} workers died of it, perhaps for want of memory; it is left out"
                )
            rows = score_file(self.classifier, Path(source), Path(output), self.settings, self.model_digest)
            result = replace(result, rows=rows)
        except UserError as error:
            result = replace(result, error=" ".join(str(error).split()))
        return replace(result, elapsed_s=time.monotonic() - start)


def score_file(
    classifier: PolicyClassifier, source: Path, output: Path, settings: RowSettings, model_digest: str
) -> int:
    """Score a file into a Parquet file and return its number of rows; an output that is up to date is left alone.

    Columns are those of `predict`, then `truncated`, then `source`, the input's path. A file of zero bytes gives
    zero rows. Memory does not grow with the input.

    Raises:
        DataError: The input cannot be read or changes meanwhile, or the output cannot be written.
    """
    import pyarrow.parquet as pq

    stamp = make_stamp(source, settings, model_digest)
    if read_stamp(output) == stamp:
        return int(pq.read_metadata(output).num_rows)
    options, count = settings.options(), 0
    columns = options.columns(classifier.scheme) | {SOURCE_COLUMN: str}
    job = JobInput(str(source), settings.text_column, settings.encoding, settings.sheet)
    windows = windows_of(job.sentences() if stamp["bytes"] else (), classifier.engine.window_sentences)
    with naming_disk_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    footer = {FOOTER_KEY: json.dumps(stamp)}
    with (
        open_writer(output, "parquet", columns, decimals=None, footer=footer) as writer,
        contextlib.closing(scored_windows(classifier, windows, settings.batch_size)) as parts,
    ):
        for window, scored in parts:
            for row in rows_of(classifier, window, scored, options):
                writer.write(row | {SOURCE_COLUMN: str(source)})
                count += 1
        if make_stamp(source, settings, model_digest) != stamp:
            raise DataError(f"{source}: changed while it was scored; run again")
    return count


def make_stamp(source: Path, settings: RowSettings, model_digest: str) -> dict[str, Any]:
    """What an output of this input, model and settings carries in its footer.

    Raises:
        DataError: The input is not there.
    """
    try:
        size, modified = file_stamp(str(source))
    except OSError as error:
        raise DataError(f"{source}: cannot read the file: {error.strerror}") from error
    about = {"source": str(source), "bytes": size, "modified_ns": modified}
    return about | {"model_sha256": model_digest, "settings": asdict(settings)}


def read_stamp(output: Path) -> dict[str, Any] | None:
    """The stamp in an output's footer; None where there is no file, or one of somebody else's."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        stamp = json.loads((pq.read_metadata(output).metadata or {})[FOOTER_KEY.encode()])
    except (OSError, KeyError, ValueError, pa.ArrowException):
        return None
    return stamp if isinstance(stamp, dict) else None
