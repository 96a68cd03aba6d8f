"""Files of weights (safetensors): checked by header and length and fingerprinted without being read whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from policy_bert.errors import CheckpointError

_SAMPLE_BYTES = 4096
_SMALL_TENSOR_BYTES = 1 << 16


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


def weights_fingerprint(path: Path) -> str:
    """A SHA-256 of the header, every small tensor and samples of the large ones: changes with training, costs 1 ms.

    Raises:
        CheckpointError: As `read_safetensors_header`.
    """
    header = read_safetensors_header(path)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    with path.open("rb") as file:
        for name in sorted(header):
            start, end = header[name]["data_offsets"]
            size, starts = end - start, [start]
            if size > _SMALL_TENSOR_BYTES:
                step, size = (size - _SAMPLE_BYTES) // 3, _SAMPLE_BYTES
                starts = [start + index * step for index in range(4)]
            for place in starts:
                file.seek(place)
                digest.update(file.read(size))
    return digest.hexdigest()
