from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policy_bert.checkpoint import folder as checkpoint
from policy_bert.checkpoint.folder import check_checkpoint, checkpoint_digest, find_checkpoint
from policy_bert.checkpoint.weights import read_safetensors_header, weights_fingerprint
from policy_bert.errors import CheckpointError
from policy_bert.export.files import read_weights
from policy_bert.labels import LabelScheme


def edit_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def test_a_folder_is_found_as_it_is(tiny_checkpoint: Path) -> None:
    assert find_checkpoint(tiny_checkpoint) == find_checkpoint(str(tiny_checkpoint)) == tiny_checkpoint


def test_without_a_model_the_shipped_classifier_is_taken(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checkpoint, "SHIPPED_CLASSIFIER", tiny_checkpoint)
    assert find_checkpoint(None) == tiny_checkpoint
    monkeypatch.setattr(checkpoint, "SHIPPED_CLASSIFIER", tmp_path / "none")
    with pytest.raises(CheckpointError, match="make train"):
        find_checkpoint(None)


@pytest.mark.parametrize("name", ["no/such/folder", "./nothing", "", "a b", "名字"])
def test_a_name_that_is_no_folder_and_no_hub_id_is_refused_without_a_download(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no such folder|is missing|no config"):
        check_checkpoint(find_checkpoint(tmp_path / name if name == "" else name))


def test_a_file_or_a_revision_of_a_folder_is_refused(tiny_checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="found a file"):
        find_checkpoint(tiny_checkpoint / "config.json")
    with pytest.raises(CheckpointError, match="--revision"):
        find_checkpoint(tiny_checkpoint, revision="main")


def test_the_scheme_comes_from_the_scheme_file(tiny_checkpoint: Path, scheme: LabelScheme) -> None:
    assert check_checkpoint(tiny_checkpoint) == scheme


def test_without_a_scheme_file_the_label_map_is_read_in_numeric_order(
    tiny_checkpoint: Path, scheme: LabelScheme
) -> None:
    (tiny_checkpoint / "labels.yaml").unlink()
    reordered = {str(key): scheme.id2label[key] for key in sorted(scheme.id2label, key=str)}
    edit_config(tiny_checkpoint, id2label=reordered)
    assert list(reordered)[2] == "10"
    assert check_checkpoint(tiny_checkpoint).names == scheme.names


def test_a_label_map_that_contradicts_the_scheme_is_refused(tiny_checkpoint: Path, scheme: LabelScheme) -> None:
    swapped = {**scheme.id2label, 2: scheme.names[10], 10: scheme.names[2]}
    edit_config(tiny_checkpoint, id2label=swapped)
    with pytest.raises(CheckpointError, match="class 2"):
        check_checkpoint(tiny_checkpoint)
    for broken in (None, {"a": "b"}):
        edit_config(tiny_checkpoint, id2label=broken)
        with pytest.raises(CheckpointError, match="id2label"):
            check_checkpoint(tiny_checkpoint)
    (tiny_checkpoint / "labels.yaml").unlink()
    edit_config(tiny_checkpoint, id2label={"0": "甲", "2": "乙"})
    with pytest.raises(CheckpointError):
        check_checkpoint(tiny_checkpoint)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_without_a_needed_file_is_refused(tiny_checkpoint: Path, name: str) -> None:
    (tiny_checkpoint / "model.onnx").unlink()
    (tiny_checkpoint / name).unlink()
    with pytest.raises(CheckpointError, match=name):
        check_checkpoint(tiny_checkpoint)


def test_a_config_that_is_no_mapping_is_refused(tiny_checkpoint: Path) -> None:
    for text in ("[1]", "{", "\udcff"):
        (tiny_checkpoint / "config.json").write_text(text, encoding="utf-8", errors="surrogateescape")
        with pytest.raises(CheckpointError, match="corrupted"):
            check_checkpoint(tiny_checkpoint)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"",
        lambda data: b"\xff" * 64,
        lambda data: b"not weights at all, but long enough to be some",
        lambda data: data[:8] + b"{" * 20 + data[28:],
    ],
)
def test_corrupted_weights_are_one_clear_error(tiny_checkpoint: Path, damage: Any) -> None:
    path = tiny_checkpoint / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match="corrupted weights"):
        check_checkpoint(tiny_checkpoint)


def test_a_graph_that_is_cut_or_of_other_weights_is_refused(tiny_checkpoint: Path) -> None:
    graph, weights = tiny_checkpoint / "model.onnx", tiny_checkpoint / "model.safetensors"
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-10])
    with pytest.raises(CheckpointError, match="corrupted: expected"):
        check_checkpoint(tiny_checkpoint)
    graph.write_bytes(whole)
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1  # one bit of a small tensor, as a new head has it
    weights.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"policy_bert\.export"):
        check_checkpoint(tiny_checkpoint)
    assert check_checkpoint(tiny_checkpoint, onnx=False)


def test_a_digest_changes_with_every_file_that_decides_scores(tiny_checkpoint: Path) -> None:
    before = checkpoint_digest(tiny_checkpoint)
    (tiny_checkpoint / "README.md").write_text("not one of them", encoding="utf-8")
    assert checkpoint_digest(tiny_checkpoint) == before
    (tiny_checkpoint / "labels.yaml").write_text("other", encoding="utf-8")
    assert checkpoint_digest(tiny_checkpoint) != before


def test_weights_are_read_as_safetensors_reads_them(tiny_checkpoint: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.numpy import load_file
    from safetensors.torch import save_file

    theirs = load_file(tiny_checkpoint / "model.safetensors")
    ours = read_weights(tiny_checkpoint / "model.safetensors")
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value)
    exact = torch.tensor([[1.5, -2.0]])
    kinds = {"bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64, "int": torch.int64}
    save_file({name: exact.to(kind) for name, kind in kinds.items()}, tmp_path / "mixed.safetensors")
    mixed = read_weights(tmp_path / "mixed.safetensors")
    assert mixed.keys() == {"bf16", "f16", "f64"}
    assert all(value.tolist() == [[1.5, -2.0]] for value in mixed.values())


def test_a_fingerprint_sees_large_tensors_too(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    large = np.zeros(100_000, np.float32)
    save_file({"large": large}, tmp_path / "a.safetensors")
    save_file({"large": large + 1}, tmp_path / "b.safetensors")
    assert read_safetensors_header(tmp_path / "a.safetensors") == read_safetensors_header(tmp_path / "b.safetensors")
    assert weights_fingerprint(tmp_path / "a.safetensors") != weights_fingerprint(tmp_path / "b.safetensors")
    with pytest.raises(CheckpointError, match="cannot read"):
        read_safetensors_header(tmp_path / "none.safetensors")


def hub_errors() -> list[tuple[Exception, str]]:
    from huggingface_hub import errors

    def http(kind: type[Exception]) -> Exception:
        return kind.__new__(kind)

    return [
        (http(errors.GatedRepoError), "login"),
        (http(errors.RepositoryNotFoundError), "check the name"),
        (http(errors.RevisionNotFoundError), "no revision"),
        (errors.HFValidationError("bad"), "not a valid hub id"),
        (errors.OfflineModeIsEnabled("off"), "HF_ENDPOINT"),
        (errors.LocalEntryNotFoundError("none"), "cannot be reached"),
        (OSError("Consistency check failed: 3 of 5 bytes"), "download failed"),
    ]


@pytest.mark.parametrize(("error", "words"), hub_errors(), ids=lambda value: type(value).__name__)
def test_a_download_that_fails_is_one_line(error: Exception, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*_: Any, **__: Any) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(CheckpointError, match=words):
        find_checkpoint("owner/name", revision="v1")


def test_a_bug_in_a_download_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def fail(*_: Any, local_files_only: bool = False, **__: Any) -> str:
        raise FileNotFoundError if local_files_only else ZeroDivisionError

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(ZeroDivisionError):
        find_checkpoint("owner/name")


def test_a_cached_hub_id_makes_no_hub_call_and_a_partial_cache_does(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    calls = []

    def snapshot(repository: str, *, allow_patterns: list[str], local_files_only: bool = False, **_: Any) -> str:
        calls.append(local_files_only)
        assert not any(pattern.endswith((".bin", ".pt", ".pkl")) or "*" in pattern for pattern in allow_patterns)
        return str(tiny_checkpoint)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert find_checkpoint("owner/name") == tiny_checkpoint
    assert calls == [True]
    (tiny_checkpoint / "tokenizer.json").unlink()
    find_checkpoint("owner/name")
    assert calls == [True, True, False]
