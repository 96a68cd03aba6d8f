"""The GPU run at toy size: one command makes every file, skips what is done and outlives a stage that fails."""

import json
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

ROOT = Path(__file__).parents[1]


@pytest.fixture
def gpu_run(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr("policy_bert.time_budget.WARM_STEPS", 1)
    monkeypatch.setattr("policy_bert.time_budget.TIMED_STEPS", 1)
    import gpu_run

    yield gpu_run
    for name in [name for name in sys.modules if name.startswith("gpu_")]:
        del sys.modules[name]


def result(folder, stage):
    return json.loads((folder / stage / "result.json").read_text(encoding="utf-8"))


SHORT = ["--minutes", *(f"{stage}=0.001" for stage in ("sizes", "objectives", "long", "teacher"))]


def test_one_command_makes_what_comes_back(gpu_run, tmp_path, capsys):
    from transformers import AutoModel

    from policy_bert.shards import join_parts

    output = tmp_path / "gpu"
    stages = "probe,sizes,long,pack"
    assert gpu_run.main(["--toy", "-o", str(output), "--stages", stages, *SHORT]) == 0
    assert {"tokens_per_s", "utilisation", "parameters"} <= set(result(output, "probe")["sizes"]["4x256"])
    runs = result(output, "sizes")["runs"]
    assert list(runs) == ["4x256", "12x768"]
    assert all(0 <= run["downstream"]["macro_f1"] <= 1 for run in runs.values())
    best = max(runs, key=lambda name: runs[name]["downstream"]["macro_f1"])
    assert result(output, "long")["size"] == best
    joined = join_parts(output / "pack" / "parts", tmp_path / "back")
    assert AutoModel.from_pretrained(joined / "long" / "encoder").config.model_type == "bert"
    assert json.loads((joined / "sizes" / "result.json").read_text(encoding="utf-8"))["runs"] == runs
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("stage,size,objective")
    assert len(rows) == 4
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.safetensors")}
    assert gpu_run.main(["--toy", "-o", str(output), "--stages", "sizes,long", *SHORT]) == 0
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.safetensors")} == before, "done is done"


def test_the_teacher_teaches_the_student(gpu_run, tmp_path):
    from policy_bert.shards import join_parts

    toy = ["--toy", "-o", str(tmp_path), *SHORT]
    assert gpu_run.main([*toy, "--stages", "distill"]) == 1
    assert "`long` has no result" in (tmp_path / "distill" / "error.txt").read_text(encoding="utf-8")
    assert gpu_run.main([*toy, "--stages", "long,teacher,distill,pack", "--size", "4x256"]) == 0
    found = result(tmp_path, "distill")
    assert set(found["before"]) == {"long", "teacher"}
    assert 0 <= found["downstream"]["macro_f1"] <= 1
    distilled = join_parts(tmp_path / "pack" / "parts", tmp_path / "back") / "distill" / "distilled"
    weights = [
        load_file(folder / "model.safetensors") for folder in (distilled, tmp_path / "long/run/finetuned/adapted")
    ]
    assert weights[0].keys() == weights[1].keys()
    assert any((weights[0][name] != weights[1][name]).any() for name in weights[0])


def test_a_stage_that_fails_leaves_its_error_and_the_next_ones_run(gpu_run, tmp_path, monkeypatch):
    def broken(run):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(gpu_run.STAGES, "probe", broken)
    monkeypatch.setitem(gpu_run.STAGES, "figures", lambda run: {"found": run.chosen_size()})
    assert gpu_run.main(["--toy", "-o", str(tmp_path), "--stages", "probe,figures", "--size", "8x512"]) == 1
    assert "out of memory" in (tmp_path / "probe" / "error.txt").read_text(encoding="utf-8")
    assert not (tmp_path / "probe" / "result.json").exists()
    assert result(tmp_path, "figures")["found"] == "8x512"
    assert result(tmp_path, "figures")["device"]
    monkeypatch.setitem(gpu_run.STAGES, "probe", lambda run: {})
    assert gpu_run.main(["--toy", "-o", str(tmp_path), "--stages", "probe,figures"]) == 0
    assert not (tmp_path / "probe" / "error.txt").exists()


def test_a_run_of_another_text_reads_it_anew(gpu_run, tmp_path):
    first = gpu_run.gpu_toy.toy_run(tmp_path, [])
    own = len(first.data.train)
    other = tmp_path / "other.txt"
    other.write_text("\n\n".join(f"推动{number}项公共数据开放。" * 8 for number in range(30)), encoding="utf-8")
    assert len(gpu_run.gpu_toy.toy_run(tmp_path, []).data.train) == own
    assert len(gpu_run.gpu_toy.toy_run(tmp_path, [str(other)]).data.train) != own


@pytest.mark.parametrize("argument", [["--stages", "sises"], ["--minutes", "sizes=none"], []])
def test_mistakes_of_the_command_line_are_named(gpu_run, argument, capsys):
    with pytest.raises(SystemExit):
        gpu_run.main(argument)
    assert "error" in capsys.readouterr().err


def test_the_full_run_is_configured(gpu_run, tmp_path):
    run = gpu_run.full_run(tmp_path, ["a.txt:2", "b.txt"], ["compile=false"])
    shapes = [(config.encoder.layers, config.encoder.hidden) for config in run.sizes.values()]
    assert shapes == [(4, 256), (6, 384), (8, 512), (12, 768)]
    assert all(not config.compile and config.text[0].weight == 2.0 for config in run.sizes.values())
    assert len({config.encoder.vocabulary_size for config in run.sizes.values()}) == 1, "the windows are shared"
