from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import SENTENCES, CheckpointFactory

from policy_bert.checkpoint.folder import read_json
from policy_bert.errors import CheckpointError, UserError
from policy_bert.export.files import largest_difference
from policy_bert.labels import scheme_from_names
from policy_bert.scoring.classifier import PolicyClassifier, load_engine
from policy_bert.scoring.engine import OnnxEngine, TorchEngine, available_cores

TEXTS = [*SENTENCES, "好", "。", "abc 123 ＡＢＣ", "😀" * 60, "长" * 500, "\x00", "  "]


def test_both_engines_give_the_same_scores(tiny_checkpoint: Path) -> None:
    onnx = PolicyClassifier.from_pretrained(tiny_checkpoint, engine="onnx").scores(TEXTS)
    torch = PolicyClassifier.from_pretrained(tiny_checkpoint, engine="torch", device="cpu").scores(TEXTS)
    # The tiny model's head is large, so that classes differ: it multiplies rounding by up to 35.
    np.testing.assert_allclose(onnx, torch, rtol=0, atol=1e-4)
    assert len(np.unique(onnx.argmax(axis=1))) > 3


@pytest.mark.parametrize("shape", [{"layers": 1}, {"layers": 3, "heads": 4, "hidden": 16}, {"heads": 1}])
def test_engines_agree_for_other_shapes(make_checkpoint: CheckpointFactory, shape: dict[str, int]) -> None:
    folder = make_checkpoint(scheme=scheme_from_names(["甲", "乙", "丙"]), seed=1, **shape)
    difference = largest_difference(
        OnnxEngine(folder), TorchEngine(folder, "cpu"), read_json(folder / "config.json"), folder
    )
    assert difference < 1e-4


def test_padding_inside_the_mask_is_ignored_by_both_engines(tiny_checkpoint: Path) -> None:
    ids = np.array([[2, 7, 8, 9, 3]])
    padded = np.array([[2, 7, 8, 9, 3, 11, 12]])
    mask = (np.arange(7) < 5).astype(np.int64)[None]
    for engine in (OnnxEngine(tiny_checkpoint), TorchEngine(tiny_checkpoint, "cpu")):
        alone, beside = engine.logits(ids, np.ones_like(ids)), engine.logits(padded, mask)
        np.testing.assert_allclose(alone, beside, atol=1e-5)


def test_auto_takes_onnx_where_the_checkpoint_has_it_and_torch_otherwise(tiny_checkpoint: Path) -> None:
    assert isinstance(load_engine(tiny_checkpoint), OnnxEngine)
    (tiny_checkpoint / "model.onnx").unlink()
    assert isinstance(load_engine(tiny_checkpoint), TorchEngine)


def test_auto_without_onnx_and_without_torch_names_the_ways_out(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tiny_checkpoint / "model.onnx").unlink()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match="pip install"):
        load_engine(tiny_checkpoint)


def test_the_onnx_engine_needs_its_file_and_the_cpu(tiny_checkpoint: Path) -> None:
    with pytest.raises(UserError, match="--engine torch"):
        load_engine(tiny_checkpoint, "onnx", device="cuda")
    (tiny_checkpoint / "model.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"policy_bert\.export"):
        load_engine(tiny_checkpoint, "onnx")


def test_cuda_without_a_gpu_is_one_clear_error(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="no CUDA GPU"):
        load_engine(tiny_checkpoint, device="cuda")


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_a_corrupt_graph_is_a_checkpoint_error(tiny_checkpoint: Path, content: bytes | None) -> None:
    path = tiny_checkpoint / "model.onnx"
    path.write_bytes(path.read_bytes()[:-5000] if content is None else content)
    with pytest.raises(CheckpointError, match="corrupted"):
        OnnxEngine(tiny_checkpoint)


def test_a_graph_with_other_inputs_is_refused(tiny_checkpoint: Path) -> None:
    import onnx

    model = onnx.load(str(tiny_checkpoint / "model.onnx"))
    model.graph.input[0].name = "tokens"
    for node in model.graph.node:
        node.input[:] = ["tokens" if name == "input_ids" else name for name in node.input]
    onnx.save(model, str(tiny_checkpoint / "model.onnx"))
    with pytest.raises(CheckpointError, match="input_ids"):
        OnnxEngine(tiny_checkpoint)


def test_torch_refuses_weights_without_a_head(tiny_checkpoint: Path) -> None:
    from safetensors.numpy import load_file, save_file

    path = tiny_checkpoint / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if not name.startswith("classifier")}
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match="lacks classifier"):
        TorchEngine(tiny_checkpoint, "cpu")
    path.unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        TorchEngine(tiny_checkpoint, "cpu")


def test_threads_are_settable_and_default_to_the_cores_at_hand(tiny_checkpoint: Path) -> None:
    assert OnnxEngine(tiny_checkpoint).workers == available_cores() >= 1
    assert OnnxEngine(tiny_checkpoint, threads=3).workers == 3
    one = PolicyClassifier.from_pretrained(tiny_checkpoint, threads=1).scores(TEXTS)
    three = PolicyClassifier.from_pretrained(tiny_checkpoint, threads=3).scores(TEXTS)
    np.testing.assert_array_equal(one, three)


def test_scoring_imports_neither_torch_nor_transformers(tiny_checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("推动数据共享。\n", encoding="utf-8")
    code = (
        "import sys; from policy_bert.predict import main;"
        f"main([{str(tmp_path / 'in.txt')!r}, '--model', {str(tiny_checkpoint)!r}]);"
        "heavy = {'torch', 'transformers', 'datasets', 'sklearn', 'pandas', 'pyarrow', 'openpyxl', 'huggingface_hub'};"
        "sys.exit(str(sorted(heavy & set(sys.modules)) or 0))"
    )
    result = subprocess.run([sys.executable, "-c", code + ""], capture_output=True, text=True, encoding="utf-8")
    assert result.stderr in ("", "0\n"), result.stderr
    assert result.stdout.count("\n") == 2
