"""Checkpoints come from a hub: download, pinned revision, cache without the hub, and every way it can fail.

A client reads HF_ENDPOINT when it is imported, so each one is a process of its own.
"""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import HubServer

from policy_bert.labels import load_scheme

ROOT = Path(__file__).resolve().parents[2]
FIND = """
import sys
from policy_bert.checkpoint.folder import check_checkpoint, find_checkpoint
from policy_bert.errors import CheckpointError

for argument in sys.argv[1:]:
    name, _, revision = argument.partition("@")
    try:
        folder = find_checkpoint(name, revision or None)
        print(folder, len(check_checkpoint(folder)))
    except CheckpointError as error:
        print("refused:", *str(error).split())
"""


def safetensors(values: int) -> bytes:
    data = bytes(4 * values)
    header = json.dumps({"weight": {"dtype": "F32", "shape": [values], "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


def checkpoint_files(**changes: bytes) -> dict[str, bytes]:
    scheme = load_scheme(ROOT / "data" / "labels.yaml")
    config = {"model_type": "bert", "id2label": scheme.id2label, "max_position_embeddings": 64}
    files = {
        "config.json": json.dumps(config, ensure_ascii=False).encode(),
        "model.safetensors": safetensors(20_000),
        "tokenizer.json": b"{}",
        "tokenizer_config.json": b"{}",
        "labels.yaml": scheme.to_yaml().encode(),
        "training_args.bin": b"a pickle",
        "pytorch_model.bin": b"a pickle",
    }
    return files | {name.replace("_dot_", "."): content for name, content in changes.items()}


@pytest.fixture
def hub():
    with HubServer() as server:
        yield server


def find(hub, home, *arguments, script=FIND):
    """One line of output for each `name` or `name@revision`."""
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=hub.client_environment(home) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == len(arguments), result.stdout
    return lines


def assert_refused(line, *words):
    assert line.startswith("refused: ")
    for word in words:
        assert word in line


def test_a_checkpoint_is_downloaded_whole_and_without_pickles(hub, tmp_path):
    files = checkpoint_files()
    commit = hub.add_repository("owner/name", files)
    folder, classes = find(hub, tmp_path, "owner/name")[0].split()
    assert (Path(folder).name, classes) == (commit, "14")
    found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert found == {name: content for name, content in files.items() if not name.endswith(".bin")}


def test_a_revision_is_pinned_by_tag_and_by_commit(hub, tmp_path):
    old = hub.add_repository("owner/name", checkpoint_files(model_dot_safetensors=safetensors(10)), revision="v1")
    new = hub.add_repository("owner/name", checkpoint_files())
    assert old != new
    lines = find(hub, tmp_path, "owner/name@v1", f"owner/name@{old}", "owner/name@main", "owner/name@v9")
    assert [Path(line.split()[0]).name for line in lines[:3]] == [old, old, new]
    assert_refused(lines[3], "owner/name", "v9")


def test_a_cached_checkpoint_needs_no_hub(tmp_path):
    with HubServer() as hub:
        hub.add_repository("owner/name", checkpoint_files())
        first, again = find(hub, tmp_path, "owner/name", "owner/name")
        assert again == first
        assert sum("/revision/" in request for request in hub.requests) == 1, "asked again for what is cached"
    assert find(hub, tmp_path, "owner/name", "owner/name@main") == [first, first]


def test_what_is_not_there_is_refused_by_name(hub, tmp_path):
    hub.add_repository("owner/empty", {"README.md": b"nothing here"})
    files = checkpoint_files()
    del files["model.safetensors"]
    hub.add_repository("owner/weightless", files)
    hub.add_repository("owner/cut", checkpoint_files(model_dot_safetensors=safetensors(20_000)[:-400]))
    nothing, empty, weightless, cut = find(
        hub, tmp_path, "owner/nothing", "owner/empty", "owner/weightless", "owner/cut"
    )
    assert_refused(nothing, "owner/nothing")
    assert_refused(empty, "config.json")
    assert_refused(weightless, "model.safetensors")
    assert_refused(cut, "model.safetensors")


def test_an_unreachable_hub_is_refused_with_the_way_out(tmp_path):
    with HubServer() as hub:
        pass
    assert_refused(find(hub, tmp_path, "owner/name")[0], "owner/name", "HF_ENDPOINT")


@pytest.mark.parametrize("fault", ["cut", "short"])
def test_a_truncated_download_is_refused_and_mends_when_the_hub_does(hub, tmp_path, fault):
    hub.add_repository("owner/name", checkpoint_files())
    hub.faults["model.safetensors"] = fault
    assert_refused(find(hub, tmp_path, "owner/name")[0], "owner/name")
    hub.faults.clear()
    assert find(hub, tmp_path, "owner/name")[0].endswith(" 14")


def test_a_broken_connection_is_tried_again(hub, tmp_path):
    hub.add_repository("owner/name", checkpoint_files())
    hub.faults["model.safetensors"] = "cut once"
    folder, _ = find(hub, tmp_path, "owner/name")[0].split()
    assert (Path(folder) / "model.safetensors").read_bytes() == safetensors(20_000)
    assert sum("GET /lfs/" in request for request in hub.requests) == 2


@pytest.mark.slow
def test_plain_transformers_loads_from_the_same_server(hub, tmp_path, tiny_checkpoint):
    commit = hub.add_repository("owner/tiny", Path(tiny_checkpoint))
    script = """
import sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer
name, _, revision = sys.argv[1].partition("@")
AutoTokenizer.from_pretrained(name, revision=revision)
model = AutoModelForSequenceClassification.from_pretrained(name, revision=revision)
print(model.config.id2label[10])
"""
    assert find(hub, tmp_path, f"owner/tiny@{commit}", script=script) == ["政府采购"]
    assert f"GET /lfs/owner/tiny/{commit}/model.safetensors" in hub.requests
