from __future__ import annotations

import errno
import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import SENTENCES

from policy_bert.errors import DataError
from policy_bert.files import locked
from policy_bert.scoring import job as scoring_job
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.engine import OnnxEngine
from policy_bert.scoring.job import JobInput, score_to_file
from policy_bert.scoring.rows import OutputOptions


class DeathError(BaseException):
    """The process ends here, as by SIGKILL: no handler of ours may catch it."""


@pytest.fixture(scope="module")
def classifier(shared_checkpoint: Path) -> PolicyClassifier:
    return PolicyClassifier.from_pretrained(shared_checkpoint, threads=1)


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxEngine, "window_sentences", 4)


@pytest.fixture
def source(tmp_path: Path) -> JobInput:
    path = tmp_path / "in.txt"
    path.write_text("".join(f"{sentence}\n" for sentence in SENTENCES[:11]), encoding="utf-8")
    return JobInput(str(path))


def dying(call: Callable[..., Any], deaths: dict[str, int], after: bool) -> Callable[..., Any]:
    """`call`, but the `deaths["at"]`-th use raises, before or after its work."""

    def wrapped(*arguments: Any, **options: Any) -> Any:
        deaths["uses"] += 1
        dies = deaths["uses"] == deaths["at"]
        if dies and not after:
            raise DeathError
        result = call(*arguments, **options)
        if dies:
            raise DeathError
        return result

    return wrapped


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("format", ["tsv", "parquet"])
def test_a_run_that_dies_at_any_step_is_continued_to_the_same_file(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, format: str, after: bool
) -> None:
    options = OutputOptions(format=format, top_k=2)
    whole, output = tmp_path / f"whole.{format}", tmp_path / f"out.{format}"
    score_to_file(classifier, source, whole, options)
    steps = 0
    while True:
        steps += 1
        deaths = {"uses": 0, "at": steps}
        with pytest.MonkeyPatch.context() as patch:
            for module, name in ((os, "replace"), (os, "fsync"), (shutil, "rmtree"), (Path, "mkdir")):
                patch.setattr(module, name, dying(getattr(module, name), deaths, after))
            try:
                score_to_file(classifier, source, output, options)
                break
            except DeathError:
                assert not output.exists() or output.read_bytes() == whole.read_bytes()
        assert score_to_file(classifier, source, output, options) == 11
        assert output.read_bytes() == whole.read_bytes()
        assert not output.with_name(output.name + ".parts").exists()
        output.unlink()
    assert steps > 8


def test_finished_parts_are_not_scored_again(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out.tsv"
    interrupt(classifier, source, output, after_parts=2)
    scored = []
    score_windows = classifier.score_windows
    monkeypatch.setattr(
        classifier,
        "score_windows",
        lambda windows, size: score_windows((scored.append(len(window)) or window for window in windows), size),
    )
    score_to_file(classifier, source, output, OutputOptions())
    assert scored == [3]


def interrupt(classifier: PolicyClassifier, source: JobInput, output: Path, after_parts: int, **options: Any) -> None:
    write = scoring_job.write_text

    def stop(path: Path, text: str) -> None:
        if path.name == f"part-{after_parts:07}.jsonl":
            raise KeyboardInterrupt
        write(path, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring_job, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            score_to_file(classifier, source, output, OutputOptions(**options))


def test_a_changed_input_model_or_setting_is_refused_and_a_restart_is_not(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    output = tmp_path / "out.tsv"
    interrupt(classifier, source, output, after_parts=1)
    with pytest.raises(DataError, match=r"other settings \(top_k was 1, is 3\).* --restart"):
        score_to_file(classifier, source, output, OutputOptions(top_k=3))
    with pytest.raises(DataError, match=r"other settings \(batch_size was None, is 7\)"):
        score_to_file(classifier, source, output, OutputOptions(), batch_size=7)
    readme = tiny_checkpoint / "labels.yaml"
    readme.write_text(readme.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="another model"):
        score_to_file(PolicyClassifier.from_pretrained(tiny_checkpoint), source, output, OutputOptions())
    Path(source.path).write_text("另一句。\n", encoding="utf-8")
    with pytest.raises(DataError, match="another input"):
        score_to_file(classifier, source, output, OutputOptions())
    assert not output.exists()
    assert score_to_file(classifier, source, output, OutputOptions(), restart=True) == 1


def test_an_input_that_changes_meanwhile_is_refused(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_parts = scoring_job._score_parts

    def change(*arguments: Any) -> None:
        score_parts(*arguments)
        with Path(source.path).open("a", encoding="utf-8") as file:
            file.write("又一句。\n")

    monkeypatch.setattr(scoring_job, "_score_parts", change)
    with pytest.raises(DataError, match="changed while"):
        score_to_file(classifier, source, tmp_path / "out.tsv", OutputOptions())
    assert not (tmp_path / "out.tsv").exists()


def test_a_full_disk_is_one_line_and_a_later_run_completes(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, write = tmp_path / "out.tsv", scoring_job.write_text

    def full(path: Path, text: str) -> None:
        if path.name == "part-0000001.jsonl":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, text)

    monkeypatch.setattr(scoring_job, "write_text", full)
    with pytest.raises(DataError, match=r"No space left on device.*to continue"):
        score_to_file(classifier, source, output, OutputOptions())
    monkeypatch.setattr(scoring_job, "write_text", write)
    assert score_to_file(classifier, source, output, OutputOptions()) == 11


def test_a_vanished_folder_is_one_line_and_a_later_run_completes(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, write = tmp_path / "results", scoring_job.write_text
    folder.mkdir()

    def vanish(path: Path, text: str) -> None:
        if path.name == "part-0000001.jsonl":
            shutil.rmtree(folder)
        write(path, text)

    monkeypatch.setattr(scoring_job, "write_text", vanish)
    with pytest.raises(DataError, match="cannot write"):
        score_to_file(classifier, source, folder / "out.tsv", OutputOptions())
    monkeypatch.setattr(scoring_job, "write_text", write)
    folder.mkdir()
    assert score_to_file(classifier, source, folder / "out.tsv", OutputOptions()) == 11


def test_standard_input_is_kept_and_can_be_given_again(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, output = Path(source.path).read_bytes(), tmp_path / "out.tsv"
    score_to_file(classifier, source, tmp_path / "whole.tsv", OutputOptions())

    def give() -> JobInput:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return JobInput("-")

    interrupt(classifier, give(), output, after_parts=1)
    score_to_file(classifier, give(), output, OutputOptions())
    assert output.read_bytes() == (tmp_path / "whole.tsv").read_bytes()


@pytest.mark.parametrize("data", [b"", b"\n \n", bytes(range(256)) * 9, "好\n".encode() * 50_000 + b"\xff\xfe\xff"])
def test_bad_standard_input_leaves_nothing_behind(
    classifier: PolicyClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    with pytest.raises(DataError):
        score_to_file(classifier, JobInput("-"), tmp_path / "out.tsv", OutputOptions())
    assert [path.name for path in tmp_path.iterdir()] == [".out.tsv.parts.lock"]


def test_two_runs_of_one_output_exclude_each_other(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path
) -> None:
    output = tmp_path / "out.tsv"
    interrupt(classifier, source, output, after_parts=1)
    with locked(tmp_path / "out.tsv.parts"), pytest.raises(DataError, match="another run"):
        score_to_file(classifier, source, output, OutputOptions())


def test_a_folder_that_is_not_ours_is_left_alone(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path
) -> None:
    folder = tmp_path / "out.tsv.parts"
    folder.mkdir()
    (folder / "diary.txt").write_text("mine", encoding="utf-8")
    for restart in (False, True):
        with pytest.raises(DataError, match=r"diary\.txt"):
            score_to_file(classifier, source, tmp_path / "out.tsv", OutputOptions(), restart=restart)
    assert (folder / "diary.txt").exists()


def test_a_part_that_lost_rows_is_noticed(classifier: PolicyClassifier, source: JobInput, tmp_path: Path) -> None:
    output = tmp_path / "out.tsv"
    interrupt(classifier, source, output, after_parts=2)
    part = tmp_path / "out.tsv.parts" / "part-0000000.jsonl"
    part.write_text("".join(part.read_text(encoding="utf-8").splitlines(keepends=True)[1:]), encoding="utf-8")
    with pytest.raises(DataError, match="expected 11 rows"):
        score_to_file(classifier, source, output, OutputOptions())
    manifest = tmp_path / "out.tsv.parts" / "manifest.json"
    assert json.loads(manifest.read_text(encoding="utf-8"))["scan"] == {"sentences": 11, "truncated": False}
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="--restart"):
        score_to_file(classifier, source, output, OutputOptions())


def test_an_older_file_stays_until_the_new_one_is_complete(
    classifier: PolicyClassifier, source: JobInput, tmp_path: Path
) -> None:
    output = tmp_path / "out.tsv"
    output.write_text("older", encoding="utf-8")
    interrupt(classifier, source, output, after_parts=1)
    assert output.read_text(encoding="utf-8") == "older"
    score_to_file(classifier, source, output, OutputOptions())
    assert output.read_text(encoding="utf-8").count("\n") == 12
