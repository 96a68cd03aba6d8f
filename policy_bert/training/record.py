"""What a folder of results was made from: its configuration, and digests of corpus, auxiliary sentences and base.

A folder is gone on with only by what began it. Anything else is refused in one line that names what differs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from policy_bert.checkpoint.folder import checkpoint_digest, find_checkpoint
from policy_bert.config import dump_config
from policy_bert.errors import UserError
from policy_bert.files import naming_disk_errors, write_text
from policy_bert.training.settings import RunConfig

CONFIG_FILE, RECORD_FILE = "config.yaml", "run.json"


def base_digest(base: Path | None) -> str:
    """The SHA-256 of a base model's files; `scratch` where there is none."""
    return checkpoint_digest(base) if base else "scratch"


def model_digests(config: RunConfig, base: Path | None) -> dict[str, str]:
    """The SHA-256 of the models that a run learns from: its base, and its teacher where it has one."""
    teacher = {"teacher": base_digest(find_checkpoint(config.teacher))} if config.teacher else {}
    return {"base": base_digest(base), **teacher}


def describe(config: Any, inputs: Mapping[str, str], **more: Any) -> dict[str, Any]:
    """Configuration and inputs as one tree; the name of the output folder is left out, since folders are moved."""
    return {**yaml.safe_load(dump_config(config)), "output": None, **more, "inputs": dict(inputs)}


def recipe_digest(config: RunConfig, inputs: Mapping[str, str]) -> str:
    """What a calibration belongs to: 16 digits over the inputs and the sections that say how the model learns."""
    tree = describe(config, inputs)
    known = json.dumps([tree[key] for key in ("model", "adaptation", "train", "inputs")], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def read_record(folder: Path) -> dict[str, Any] | None:
    """What `write_record` left in a folder, or, where a file is missing or damaged, as much as can be read; or None."""
    if not (folder / CONFIG_FILE).is_file():
        return None
    tree: dict[str, Any] = {}
    for name, read in ((CONFIG_FILE, yaml.safe_load), (RECORD_FILE, json.loads)):
        try:
            found = read((folder / name).read_text(encoding="utf-8"))
            tree |= found if isinstance(found, dict) else {}
        except (OSError, ValueError, yaml.YAMLError):
            pass
    return {**tree, "output": None}


def write_record(folder: Path, config: Any, record: Mapping[str, Any]) -> None:
    """Write the configuration, and what else the record holds.

    Raises:
        UserError: The folder cannot be made or written.
    """
    plain = yaml.safe_load(dump_config(config))
    with naming_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / CONFIG_FILE, dump_config(config))
        rest = {key: value for key, value in record.items() if key not in plain}
        write_text(folder / RECORD_FILE, json.dumps(rest, ensure_ascii=False, indent=2) + "\n")


def refuse_others(folder: Path, record: Mapping[str, Any], holds: str, ways_out: str) -> None:
    """Raise a `UserError` if the folder's record differs from this one; a folder without a record is free.

    Args:
        folder: Where `write_record` may have written.
        record: As `describe` gives it.
        holds: What the folder holds, for the message.
        ways_out: What the user can do.
    """
    found = read_record(folder)
    if found is None:
        return
    differing = differences({key: found.get(key) for key in record}, record)
    if differing:
        listed = ", ".join(differing[:5]) + (" …" if len(differing) > 5 else "")
        raise UserError(f"{folder}: holds {holds} of another configuration or other data ({listed} differ); {ways_out}")


def differences(first: Mapping[str, Any], second: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys under which two trees hold different values."""
    found: list[str] = []
    for key in {**first, **second}:
        one, other = first.get(key), second.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{prefix}{key}.")
        elif one != other:
            found.append(f"{prefix}{key}")
    return found
