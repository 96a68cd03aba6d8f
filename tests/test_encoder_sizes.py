"""The comparison of encoder sizes: its configurations, speeds and table; the trainings are gpu_run.py's."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def encoder_sizes(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import encoder_sizes

    yield encoder_sizes
    for name in [name for name in sys.modules if name.startswith(("gpu_", "encoder_sizes"))]:
        del sys.modules[name]


def test_sizes_differ_in_shape_alone(encoder_sizes, tmp_path):
    run = encoder_sizes.size_run(tmp_path, ["a.txt:2"], ["4x256", "6x384"])
    small, large = run.sizes.values()
    assert (small.encoder.layers, small.encoder.hidden, small.encoder.heads) == (4, 256, 4)
    assert (large.encoder.layers, large.encoder.hidden, large.encoder.intermediate) == (6, 384, 1536)
    assert small.shallow_layers == large.shallow_layers == 0
    assert small.learning_rate == large.learning_rate
    assert small.text[0].weight == 2.0


def test_the_downstream_score_is_the_mean_over_repeats(encoder_sizes, tmp_path, monkeypatch):
    import gpu_toy

    toy = gpu_toy.toy_run(tmp_path, [])
    toy.repeats = 2
    downstream = toy.downstream
    assert len(downstream.train) == 2
    assert set(downstream.train[0]) != set(downstream.train[1])
    scores = iter([0.5, 0.7])
    monkeypatch.setattr(downstream, "recipe", lambda base, adapted: SimpleNamespace(config=toy.finetune))
    monkeypatch.setattr(downstream, "_score_repeat", lambda *_: {"accuracy": 0.8, "macro_f1": next(scores)})
    found = downstream.score(tmp_path, tmp_path)
    assert found["macro_f1"] == pytest.approx(0.6)
    assert [one["macro_f1"] for one in found["repeats"]] == [0.5, 0.7]


def test_every_size_is_timed_and_tabled(encoder_sizes, tmp_path, monkeypatch):
    from policy_bert.checkpoint import SHIPPED_CLASSIFIER

    folders = {}
    for name in ("4x384", "4x384b"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        for file in SHIPPED_CLASSIFIER.iterdir():
            if file.is_file() and file.suffix != ".onnx":
                (folders[name] / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(encoder_sizes, "SPEED_SENTENCES", 8)
    monkeypatch.setattr(encoder_sizes, "SPEED_ROUNDS", 1)
    speeds = encoder_sizes.scoring_speeds(folders)
    assert all(rate > 0 for rate in speeds.values())
    assert not list(tmp_path.rglob("*.onnx")), "trial graphs are taken away"
    run = {"tokens": 12_300_000, "held_out_loss": 3.456, "downstream": {"macro_f1": 0.6, "accuracy": 0.61}}
    rows = encoder_sizes.table(
        {"runs": {"4x384": run, "4x384b": {**run, "held_out_loss": None}}, "speeds": {"4x384": 2.0, "4x384b": 1.0}}
    ).splitlines()
    assert rows[2] == "| 4x384 | 12.3 M | 3.46 | 0.600 | 0.610 | 1.00 |"
    assert rows[3] == "| 4x384b | 12.3 M | none | 0.600 | 0.610 | 0.50 |"


def test_each_objective_has_its_own_folder(encoder_sizes, tmp_path, monkeypatch, capsys):
    def train(run, folder, size, objective, minutes):
        scores = {"macro_f1": 0.6, "accuracy": 0.61}
        return {"tokens": 1e6, "held_out_loss": 3.0, "downstream": scores, "folder": folder.name, "minutes": minutes}

    monkeypatch.setattr(encoder_sizes.GpuRun, "train", train)
    monkeypatch.setattr(encoder_sizes, "scoring_speeds", lambda folders: dict.fromkeys(folders, 1.0))
    command = ["--text", "a.txt", "--sizes", "4x256", "-o", str(tmp_path), "--minutes", "2"]
    for objective in ("mlm", "rtd"):
        assert encoder_sizes.main([*command, "--objective", objective]) == 0
        found = json.loads((tmp_path / f"{objective}.json").read_text(encoding="utf-8"))["runs"]["4x256"]
        assert (found["folder"], found["minutes"]) == (f"4x256-{objective}", 2.0)
    assert "| 4x256 | 1.0 M |" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["4", "4x250", "0x256", "axb"])
def test_a_size_that_is_none_is_named(encoder_sizes, size, capsys):
    with pytest.raises(SystemExit):
        encoder_sizes.main(["--text", "a.txt", "--sizes", size])
    assert size in capsys.readouterr().err
