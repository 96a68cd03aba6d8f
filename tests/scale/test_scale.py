import importlib.util
import json
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from policy_bert.checkpoint.folder import checkpoint_digest
from policy_bert.command import run_command
from policy_bert.errors import DataError, UserError
from policy_bert.files import locked
from policy_bert.scale.__main__ import main
from policy_bert.scale.job import Cluster, _room, find_inputs
from policy_bert.scale.parquet import FileScorer, ModelChoice, RowSettings, read_stamp, score_file
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.scoring.rows import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
SENTENCES = [
    line.rpartition("\t")[0].strip()
    for line in (ROOT / "data" / "policy_sentences.tsv").read_text(encoding="utf-8").splitlines()
]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray (the extra `ray`) is not installed")


@pytest.fixture(scope="module")
def classifier(shared_checkpoint):
    return PolicyClassifier.from_pretrained(shared_checkpoint, threads=1)


def write_lines(path: Path, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def in_this_process(monkeypatch):
    """Replace Ray by a loop: what the command does around it needs no cluster."""

    def score(files, choice, settings, digest, cluster):
        worker = FileScorer(choice, settings, digest)
        for source, target in files.items():
            yield from _results(worker({"source": np.array([str(source)]), "output": np.array([str(target)])}))

    monkeypatch.setattr("policy_bert.scale.job.score_files", score)


def _results(batch):
    from policy_bert.scale.parquet import ScoredFile

    return [ScoredFile(**dict(zip(batch, values, strict=True))) for values in zip(*batch.values(), strict=True)]


def test_rows_are_those_of_predict_with_their_source(tmp_path, classifier):
    source = write_lines(tmp_path / "in.txt", [*SENTENCES[:30], "", "长" * 200])
    output = tmp_path / "out" / "in.txt.parquet"
    assert score_file(classifier, source, output, RowSettings(top_k=2), "digest") == 31
    table = pq.read_table(output)
    assert table.column_names == [*COLUMNS, "alternatives", "truncated", "source"]
    rows = table.to_pylist()
    predictions = classifier.predict([*SENTENCES[:30], "长" * 200], top_k=2)
    assert [row["line"] for row in rows] == [*range(1, 31), 32]
    assert [row["label"] for row in rows] == [p.label for p in predictions]
    assert [row["confidence"] for row in rows] == pytest.approx([p.confidence for p in predictions], abs=1e-4)
    assert [row["truncated"] for row in rows] == [0] * 30 + [1]
    assert {row["source"] for row in rows} == {str(source)}
    assert list(output.parent.iterdir()) == [output]


def test_all_files_have_one_schema_even_without_rows(tmp_path, classifier):
    empty = tmp_path / "empty.txt"
    empty.touch()
    full = write_lines(tmp_path / "full.txt", SENTENCES[:3])
    settings = RowSettings(all_scores=True)
    assert score_file(classifier, empty, tmp_path / "a.parquet", settings, "d") == 0
    assert score_file(classifier, full, tmp_path / "b.parquet", settings, "d") == 3
    schemas = [pq.read_schema(tmp_path / name).remove_metadata() for name in ("a.parquet", "b.parquet")]
    assert schemas[0] == schemas[1]
    assert pa.types.is_integer(schemas[0].field("label").type)


def test_long_files_are_written_in_groups(tmp_path, classifier, monkeypatch):
    monkeypatch.setattr("policy_bert.rows.writers._ROW_GROUP", 4000)
    source = write_lines(tmp_path / "in.txt", SENTENCES * 6)
    assert score_file(classifier, source, tmp_path / "o.parquet", RowSettings(), "d") == len(SENTENCES) * 6
    table = pq.ParquetFile(tmp_path / "o.parquet")
    assert table.num_row_groups == 3
    assert table.read().column("line").to_pylist() == list(range(1, len(SENTENCES) * 6 + 1))


def test_finished_output_is_left_alone_and_a_changed_input_is_scored_again(tmp_path, classifier):
    source = write_lines(tmp_path / "in.txt", SENTENCES[:5])
    output = tmp_path / "o.parquet"
    score_file(classifier, source, output, RowSettings(), "d")
    before = output.stat().st_mtime_ns
    assert score_file(classifier, source, output, RowSettings(), "d") == 5
    assert output.stat().st_mtime_ns == before
    write_lines(source, SENTENCES[:6])
    assert score_file(classifier, source, output, RowSettings(), "d") == 6


def test_nothing_is_left_of_a_file_that_fails(tmp_path, classifier, monkeypatch):
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "好的句子。"}\n' * 3 + "{no json\n", encoding="utf-8")
    output = tmp_path / "out" / "o.parquet"
    with pytest.raises(DataError, match="line 4"):
        score_file(classifier, broken, output, RowSettings(), "d")
    source = write_lines(tmp_path / "in.txt", SENTENCES[:5])
    with pytest.raises(DataError, match="cannot write"):
        score_file(classifier, source, source / "o.parquet", RowSettings(), "d")
    stamps = iter([{"bytes": 1}, {"bytes": 2}])
    monkeypatch.setattr("policy_bert.scale.parquet.make_stamp", lambda *_: next(stamps))
    with pytest.raises(DataError, match="changed while it was scored"):
        score_file(classifier, source, output, RowSettings(), "d")
    assert list(output.parent.iterdir()) == []


def test_worker_reports_mistakes_as_rows_and_refuses_another_model(tmp_path, shared_checkpoint):
    good = write_lines(tmp_path / "in.txt", SENTENCES[:5])
    batch = {
        "source": np.array([str(good), str(tmp_path / "missing.txt")]),
        "output": np.array([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]),
    }
    choice = ModelChoice(str(shared_checkpoint))
    found = FileScorer(choice, RowSettings(), checkpoint_digest(shared_checkpoint))(batch)
    assert found["rows"] == [5, 0]
    assert found["error"][0] == ""
    assert "missing.txt: cannot read the file" in found["error"][1]
    for number in range(3):
        (tmp_path / f".b.parquet.node-{number}.partial").touch()
    found = FileScorer(choice, RowSettings(), checkpoint_digest(shared_checkpoint))(batch)
    assert "3 workers died of it" in found["error"][1]
    assert found["error"][0] == ""
    found = FileScorer(choice, RowSettings(), "another digest")(batch)
    assert all("is another model" in error for error in found["error"])


def test_inputs_of_folders_are_mirrored(tmp_path):
    for name in ("a/x.txt", "a/deep/x.txt", "a/y.parquet", "a/z.doc", "a/.hidden.txt", "a/out/old.parquet", "b/w.dat"):
        write_lines(tmp_path / name, ["句"])
    output = tmp_path / "a" / "out"
    found = find_inputs([str(tmp_path / "a"), str(tmp_path / "b" / "w.dat")], output)
    names = {str(source.relative_to(tmp_path)): str(target.relative_to(output)) for source, target in found.items()}
    assert names == {
        "a/x.txt": "x.txt.parquet",
        "a/deep/x.txt": "deep/x.txt.parquet",
        "a/y.parquet": "y.parquet.parquet",
        "b/w.dat": "w.dat.parquet",
    }
    with pytest.raises(DataError, match="no such file"):
        find_inputs([str(tmp_path / "nowhere")], output)
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"expected files ending in \.txt"):
        find_inputs([str(tmp_path / "c")], output)
    with pytest.raises(DataError, match="would both be scored into"):
        find_inputs([str(tmp_path / "a"), str(tmp_path / "a" / "deep" / "x.txt")], output)


def test_job_goes_on_where_it_stopped_and_refuses_to_mix(tmp_path, shared_checkpoint, monkeypatch, capsys):
    in_this_process(monkeypatch)
    for name in ("a.txt", "b.txt"):
        write_lines(tmp_path / "in" / name, SENTENCES[:4])
    command = [str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint)]
    assert run_command(main, command) == 0
    printed = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(Path(source).name, Path(target).name, rows) for source, target, rows in printed] == [
        ("a.txt", "a.txt.parquet", "4"),
        ("b.txt", "b.txt.parquet", "4"),
    ]
    (tmp_path / "out" / ".b.txt.parquet.999.partial").touch()
    (tmp_path / "out" / "b.txt.parquet").unlink()
    write_lines(tmp_path / "in" / "a.txt", SENTENCES[:7])
    write_lines(tmp_path / "in" / "c.txt", SENTENCES[:1])
    assert run_command(main, command) == 0
    assert [line.rpartition("\t")[2] for line in capsys.readouterr().out.splitlines()] == ["7", "4", "1"]
    assert run_command(main, command) == 0
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "_manifest.json", "a.txt.parquet", "b.txt.parquet", "c.txt.parquet",
    ]  # fmt: skip
    assert run_command(main, [*command, "--top-k", "2"]) == 2
    assert "scored with other settings (top_k was 1, is 2)" in capsys.readouterr().err
    assert run_command(main, [*command, "--top-k", "2", "--restart"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert "alternatives" in pq.read_schema(tmp_path / "out" / "c.txt.parquet").names


def test_a_restart_leaves_nothing_of_another_model_and_nothing_of_others_is_touched(
    tmp_path, shared_checkpoint, make_checkpoint, monkeypatch, capsys
):
    in_this_process(monkeypatch)
    for name in ("a.txt", "b.txt"):
        write_lines(tmp_path / "in" / name, SENTENCES[:4])
    output, other = tmp_path / "out", make_checkpoint(seed=7)
    both = [str(tmp_path / "in"), "-o", str(output), "--model", str(shared_checkpoint)]
    assert run_command(main, both) == 0
    foreign = [output / ".download.partial", output / ".x.txt.parquet.9.partial", output / "notes.parquet"]
    for path in foreign:
        path.write_text("of somebody else", encoding="utf-8")
    one = [str(tmp_path / "in" / "a.txt"), "-o", str(output), "--model", str(other)]
    assert run_command(main, one) == 2
    assert "holds files scored with another model" in capsys.readouterr().err
    (output / "_manifest.json").unlink()
    assert run_command(main, one) == 2
    assert run_command(main, [*one, "--restart"]) == 0
    assert {path.name for path in output.iterdir()} == {
        "_manifest.json", "a.txt.parquet", *(path.name for path in foreign)
    }  # fmt: skip
    assert read_stamp(output / "a.txt.parquet")["model_sha256"] == checkpoint_digest(other)


def test_a_second_run_of_one_output_is_refused(tmp_path, shared_checkpoint, capsys):
    source = write_lines(tmp_path / "a.txt", SENTENCES[:2])
    with locked(tmp_path / "out"):
        assert run_command(main, [str(source), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint)]) == 2
    assert "another run is writing it" in capsys.readouterr().err


def test_one_bad_file_does_not_stop_the_others(tmp_path, shared_checkpoint, monkeypatch, capsys):
    in_this_process(monkeypatch)
    write_lines(tmp_path / "in" / "good.txt", SENTENCES[:4])
    (tmp_path / "in" / "bad.txt").write_bytes(b"\x00\xff\xfe\xfd" * 100)
    command = [str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint)]
    assert run_command(main, command) == 2
    captured = capsys.readouterr()
    assert "1 of 2 files could not be scored, the others were" in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out.count("\n") == 1
    assert pq.read_metadata(tmp_path / "out" / "good.txt.parquet").num_rows == 4


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda out: out.write_text("x"), "cannot write the folder"),
        (lambda out: write_lines(out / "_manifest.json", ["{"]), "expected the manifest"),
        (lambda out: write_lines(out / "a.txt.parquet", ["mine"]), "not written by this command"),
    ],
)
def test_outputs_of_others_are_left_alone(tmp_path, shared_checkpoint, capsys, prepare, message):
    source = write_lines(tmp_path / "a.txt", SENTENCES[:2])
    prepare(tmp_path / "out")
    assert run_command(main, [str(source), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize("arguments", [["--gpus", "-1"], ["--gpus", "x"], ["--workers", "0"]])
def test_wrong_arguments_are_one_line(tmp_path, capsys, arguments):
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path), "-o", str(tmp_path), *arguments])
    assert end.value.code == 2
    assert re.fullmatch(r"error: [^\n]+\n", capsys.readouterr().err)


def test_workers_fit_the_cluster():
    assert _room({"CPU": 64.0}, Cluster()) == 64
    assert _room({"CPU": 64.0}, Cluster(threads=3)) == 21
    assert _room({"CPU": 64.0, "GPU": 4.0}, Cluster(gpus=0.5)) == 8
    with pytest.raises(UserError, match="sees 0 GPUs"):
        _room({"CPU": 64.0}, Cluster(gpus=1))


def test_missing_ray_is_one_line(tmp_path, shared_checkpoint, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    source = write_lines(tmp_path / "a.txt", SENTENCES[:2])
    assert run_command(main, [str(source), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint)]) == 2
    assert 'pip install "policy-bert[ray]"' in capsys.readouterr().err


@needs_ray
def test_unreachable_cluster_is_one_line(tmp_path, shared_checkpoint, capsys):
    source = write_lines(tmp_path / "a.txt", SENTENCES[:2])
    command = [str(source), "-o", str(tmp_path / "out"), "--model", str(shared_checkpoint)]
    assert run_command(main, [*command, "--address", "nonsense"]) == 2
    assert "cannot start or reach Ray at nonsense" in capsys.readouterr().err.splitlines()[-1]


def kill_first_worker(output: Path, killed: list[int], end: threading.Event) -> None:
    """Kill the first worker that has begun a file; its unfinished file has its process number in the name."""
    while not killed and not end.is_set():
        for path in output.glob(".*.parquet.*.partial"):
            killed.append(int(path.name.split(".")[-2].rpartition("-")[2]))
            os.kill(killed[0], signal.SIGKILL)
            return
        time.sleep(0.02)


@needs_ray
@pytest.mark.slow
def test_two_workers_lose_and_double_no_row_when_one_is_killed(tmp_path, shared_checkpoint, capsys):
    counts = {f"part{i}.txt": 9000 + 100 * i for i in range(4)}
    for name, count in counts.items():
        write_lines(tmp_path / "in" / name, [f"{i}{SENTENCES[i % len(SENTENCES)]}" for i in range(count)])
    output = tmp_path / "out"
    killed: list[int] = []
    end = threading.Event()
    killer = threading.Thread(target=kill_first_worker, args=(output, killed, end))
    killer.start()
    try:
        command = [str(tmp_path / "in"), "-o", str(output), "--model", str(shared_checkpoint), "--workers", "2"]
        assert run_command(main, command) == 0
    finally:
        end.set()
        killer.join()
    assert len(killed) == 1
    rows = {Path(line.split("\t")[0]).name: line.split("\t")[2] for line in capsys.readouterr().out.splitlines()}
    assert rows == {name: str(count) for name, count in counts.items()}
    for name, count in counts.items():
        table = pq.read_table(output / f"{name}.parquet")
        assert table.column("line").to_pylist() == list(range(1, count + 1))
        assert table.column("source").unique().to_pylist() == [str(tmp_path / "in" / name)]
    assert sorted(path.name for path in output.iterdir()) == ["_manifest.json", *(f"{name}.parquet" for name in counts)]
    assert pq.read_table(output).num_rows == sum(counts.values())
    assert json.loads((output / "_manifest.json").read_text())["model_sha256"] == checkpoint_digest(shared_checkpoint)
    assert read_stamp(output / "part0.txt.parquet")["bytes"] == (tmp_path / "in" / "part0.txt").stat().st_size
