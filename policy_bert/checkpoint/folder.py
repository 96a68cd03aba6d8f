"""Checkpoint folders: find or download one, and check it without loading a model."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policy_bert.checkpoint.weights import read_safetensors_header, weights_fingerprint
from policy_bert.errors import CheckpointError, ConfigError
from policy_bert.labels import SCHEME_FILE, LabelScheme, load_scheme, scheme_from_names

_MODELS = Path(__file__).resolve().parents[1] / "models"
SHIPPED_CLASSIFIER = _MODELS / "classifier"
SHIPPED_ENCODER = _MODELS / "encoder"
SHIPPED_ADAPTED = _MODELS / "adapted"

WEIGHTS_FILE, ONNX_FILE, ONNX_RECORD_FILE = "model.safetensors", "model.onnx", "onnx.json"
TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, MODEL_CONFIG_FILE = "tokenizer.json", "tokenizer_config.json", "config.json"
# A tokenizer's own files, as fast tokenizers are saved; `AutoTokenizer` reads them.
TOKENIZER_FILES = (TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, "special_tokens_map.json", "vocab.txt")
# What is downloaded from the hub: never *.bin, *.pt or other files that hold a pickle.
DOWNLOADED_FILES = (
    MODEL_CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE, ONNX_RECORD_FILE, *TOKENIZER_FILES,
    SCHEME_FILE, "config.yaml", "metrics.json", "README.md",
)  # fmt: skip
# Architectures that number positions from behind the padding's id, so that so many fewer tokens fit.
_POSITIONS_BEHIND_PADDING = (
    "camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta",
    "xlm-roberta-xl", "xmod",
)  # fmt: skip


def find_checkpoint(model: str | Path | None, revision: str | None = None) -> Path:
    """The folder of a checkpoint: the shipped one, a local folder, or a snapshot of a hub repository.

    A hub id that is in the cache is used from there, without a call to the hub.

    Args:
        model: None for the classifier in the package, a folder, or a hub id such as `owner/name`.
        revision: A commit, tag or branch of the hub repository.

    Raises:
        CheckpointError: There is no such folder or repository, it cannot be downloaded, or it holds no model.
    """
    if model is None:
        if not (SHIPPED_CLASSIFIER / MODEL_CONFIG_FILE).is_file():
            raise CheckpointError(
                "the package holds no trained classifier: train one with `make train`, or name a folder or "
                "hub id with --model"
            )
        return SHIPPED_CLASSIFIER
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise CheckpointError(f"{folder}: a revision belongs to a hub id, this is a folder; leave --revision out")
        return folder
    name = str(model)
    if folder.exists():
        raise CheckpointError(f"{name}: expected a checkpoint folder, found a file; name the folder it lies in")
    if not re.fullmatch(r"[\w][\w.-]*(/[\w][\w.-]*)?", name, re.ASCII):
        raise CheckpointError(f"{name}: no such folder, and not a hub id such as owner/name")
    return _hub_snapshot(name, revision)


def _hub_snapshot(repository: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    patterns = list(DOWNLOADED_FILES)
    try:
        cached = Path(snapshot_download(repository, revision=revision, allow_patterns=patterns, local_files_only=True))
        if not _missing_files(cached):
            return cached
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        pass  # not in the cache, or only in part: ask the hub
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=patterns))
    except Exception as error:
        explanation = _explain_download_error(error, repository, revision)
        if explanation is None:
            raise
        raise CheckpointError(explanation) from error


def _explain_download_error(error: Exception, repository: str, revision: str | None) -> str | None:
    """One line for what the hub's client raises; None where it is none of its errors."""
    from huggingface_hub import errors

    way_out = "name a local folder with --model, or set HF_ENDPOINT to a mirror that can be reached"
    module = type(error).__module__
    if isinstance(error, errors.GatedRepoError):
        return f"{repository}: the hub asks for a login to download it: run `hf auth login`, or {way_out}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{repository}: neither a folder here nor a repository on the hub; check the name"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{repository}: the hub has no revision {revision!r} of it; leave --revision out or check it"
    if isinstance(error, errors.HFValidationError):
        return f"{repository}: no such folder, and not a valid hub id: {error}"
    if isinstance(error, (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)):
        return f"{repository}: no such folder, not in the cache, and the hub cannot be reached; {way_out}"
    if isinstance(error, OSError) or module.startswith(("huggingface_hub", "httpx", "httpcore", "requests", "hf_xet")):
        return f"{repository}: the download failed ({error}); try again, or {way_out}"
    return None


def check_checkpoint(folder: Path, onnx: bool = True) -> LabelScheme:
    """The label scheme of a checkpoint whose files are there, whole, and agree with one another.

    The scheme is read from `labels.yaml`; a checkpoint without one gets a scheme without groups from its
    `config.json`. Weights are checked by header and length, without being read.

    Args:
        folder: The checkpoint.
        onnx: Whether to check a `model.onnx`; an export that will replace it need not.

    Raises:
        CheckpointError: A file is missing or broken, or the model's label map contradicts the scheme.
    """
    missing = _missing_files(folder)
    if missing:
        raise CheckpointError(
            f"{folder}: not a checkpoint folder, {missing} is missing; name the folder of a training run"
        )
    config = read_json(folder / MODEL_CONFIG_FILE)
    if (folder / WEIGHTS_FILE).exists():
        read_safetensors_header(folder / WEIGHTS_FILE)
    if onnx and (folder / ONNX_FILE).exists():
        _check_onnx(folder)
    id2label = config.get("id2label")
    if not isinstance(id2label, Mapping) or not all(str(key).isdigit() for key in id2label):
        raise CheckpointError(f"{folder / MODEL_CONFIG_FILE}: no label map (id2label): not a classifier")
    names = {int(key): str(name) for key, name in id2label.items()}
    try:
        if (folder / SCHEME_FILE).exists():
            scheme = load_scheme(folder / SCHEME_FILE)
        else:
            scheme = scheme_from_names([names[key] for key in sorted(names)])
        scheme.check_label_map(names, str(folder))
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    return scheme


def _missing_files(folder: Path) -> str:
    """What a folder lacks to be a checkpoint, empty if nothing."""
    for name in (MODEL_CONFIG_FILE, TOKENIZER_FILE):
        if not (folder / name).is_file():
            return name
    if not any((folder / name).is_file() for name in (WEIGHTS_FILE, ONNX_FILE)):
        return f"{WEIGHTS_FILE} (or {ONNX_FILE})"
    return ""


def _check_onnx(folder: Path) -> None:
    """Refuse a `model.onnx` that is cut off, or was exported from other weights than those beside it."""
    if not (folder / ONNX_RECORD_FILE).exists():
        return
    record = read_json(folder / ONNX_RECORD_FILE)
    found, expected = (folder / ONNX_FILE).stat().st_size, record.get("bytes")
    if expected is not None and found != expected:
        raise CheckpointError(
            f"{folder / ONNX_FILE}: corrupted: expected {expected} bytes, found {found}; export it again"
        )
    source = record.get("weights_fingerprint")
    if source and (folder / WEIGHTS_FILE).exists() and weights_fingerprint(folder / WEIGHTS_FILE) != source:
        raise CheckpointError(
            f"{folder / ONNX_FILE} was not exported from the {WEIGHTS_FILE} beside it: "
            f"run `python -m policy_bert.export {folder}`"
        )


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        CheckpointError: It cannot be read or holds something else.
    """
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read it: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{path}: corrupted: not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise CheckpointError(f"{path}: corrupted: expected a mapping, found {type(tree).__name__}")
    return tree


def longest_input(config: Mapping[str, Any]) -> int:
    """How many tokens a model takes, special ones included, by its `config.json`.

    >>> longest_input({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    512
    """
    positions = int(config.get("max_position_embeddings") or 512)
    offset = config.get("model_type") in _POSITIONS_BEHIND_PADDING
    return positions - int(config.get("pad_token_id") or 0) - 1 if offset else positions


def checkpoint_digest(folder: Path) -> str:
    """A SHA-256 of the files that decide a checkpoint's scores and labels, for manifests."""
    digest = hashlib.sha256()
    for name in (MODEL_CONFIG_FILE, WEIGHTS_FILE, ONNX_FILE, TOKENIZER_FILE, TOKENIZER_CONFIG_FILE, SCHEME_FILE):
        path = folder / name
        if path.is_file():
            digest.update(f"{name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()
