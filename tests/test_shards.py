"""What is split and joined is what was there, and damage is noticed."""

import io
import json
import tarfile

import pytest

from policy_bert.errors import DataError
from policy_bert.shards import join_parts, main, split_folder


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "run"
    (source / "encoder").mkdir(parents=True)
    (source / "encoder" / "weights").write_bytes(bytes(range(256)) * 40)
    (source / "曲线.csv").write_text("tokens,loss\n", encoding="utf-8")
    return source


def test_a_folder_comes_back_byte_for_byte_in_parts_within_the_limit(folder, tmp_path):
    parts = split_folder(folder, tmp_path / "parts", part_bytes=100)
    assert len(parts) > 1
    assert all(part.stat().st_size <= 100 for part in parts)
    joined = join_parts(tmp_path / "parts", tmp_path / "back")
    assert (joined / "encoder" / "weights").read_bytes() == (folder / "encoder" / "weights").read_bytes()
    assert (joined / "曲线.csv").read_text(encoding="utf-8") == "tokens,loss\n"


def test_a_missing_or_damaged_part_is_refused(folder, tmp_path):
    parts = split_folder(folder, tmp_path / "parts", part_bytes=100)
    parts[0].write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="do not add up"):
        join_parts(tmp_path / "parts", tmp_path / "back")
    parts[1].unlink()
    with pytest.raises(DataError, match="not the parts"):
        join_parts(tmp_path / "parts", tmp_path / "back")


def test_an_archive_cannot_write_outside_the_folder(tmp_path):
    import hashlib

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        archive.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    (tmp_path / "part-000").write_bytes(buffer.getvalue())
    record = {"parts": 1, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    (tmp_path / "manifest.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(DataError, match="below the folder"):
        join_parts(tmp_path, tmp_path / "deep" / "back")


def test_the_command_splits_and_joins(folder, tmp_path, capsys):
    assert main(["split", str(folder), str(tmp_path / "parts")]) == 0
    assert main(["join", str(tmp_path / "parts"), str(tmp_path / "back")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "back")
    with pytest.raises(DataError, match="holds files already"):
        split_folder(folder, tmp_path / "parts", 100)
    with pytest.raises(DataError, match="expected a folder"):
        split_folder(tmp_path / "none", tmp_path / "p2", 100)
