"""Files of weights (safetensors): checked by header and length, fingerprinted, and read as numpy arrays."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from policy_bert.errors import CheckpointError

_SAMPLE_BYTES = 4096
_SMALL_TENSOR_BYTES = 1 << 16
_FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


def read_safetensors_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor name → dtype, shape and `data_offsets` from the begin of the file.

    Raises:
        CheckpointError: The header is broken, or the file is not as long as the header says.
    """
    try:
        safe_open(path, "np")
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = dict(json.loads(file.read(length)))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the weights: {error.strerror or error}") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path}: corrupted weights: {error}; download or train it again") from error
    header.pop("__metadata__", None)
    for entry in header.values():
        entry["data_offsets"] = [8 + length + offset for offset in entry["data_offsets"]]
    return header


def read_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The floating-point tensors of a safetensors file as float32 arrays; integer tensors are left out.

    Raises:
        CheckpointError: As `read_safetensors_header`.
    """
    weights = {}
    header, content = read_safetensors_header(path), _content(path)
    for name, entry in header.items():
        data = content[slice(*entry["data_offsets"])]
        if entry["dtype"] == "BF16":  # the upper half of a float32
            weights[name] = (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(entry["shape"])
        elif entry["dtype"] in _FLOATS:
            weights[name] = data.view(_FLOATS[entry["dtype"]]).astype(np.float32).reshape(entry["shape"])
    return weights


def weights_fingerprint(path: Path) -> str:
    """A SHA-256 of the header, every small tensor and samples of the large ones: changes with training, costs 1 ms.

    Raises:
        CheckpointError: As `read_safetensors_header`.
    """
    header, content = read_safetensors_header(path), _content(path)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name in sorted(header):
        start, end = header[name]["data_offsets"]
        size, starts = end - start, [start]
        if size > _SMALL_TENSOR_BYTES:
            step, size = (size - _SAMPLE_BYTES) // 3, _SAMPLE_BYTES
            starts = [start + index * step for index in range(4)]
        for place in starts:
            digest.update(content[place : place + size].tobytes())
    return digest.hexdigest()


def _content(path: Path) -> NDArray[np.uint8]:
    return np.asarray(np.memmap(path, np.uint8, "r"))
