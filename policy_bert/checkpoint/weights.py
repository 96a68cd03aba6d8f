"""Files of weights (safetensors): checked by header and length and fingerprinted without being read whole."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from policy_bert.errors import CheckpointError

_SAMPLE_BYTES = 4096
_SMALL_TENSOR_BYTES = 1 << 16


def read_safetensors_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor name → dtype, shape and `data_offsets` from the begin of the file.

    Raises:
        CheckpointError: The header is broken, or the file is not as long as the header says.
    """
    broken = f"{path}: corrupted weights, not a safetensors file; download or train it again"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0] if size >= 8 else size
            if length > size - 8:
                raise CheckpointError(broken)
            header = dict(json.loads(file.read(length)))
        header.pop("__metadata__", None)
        for entry in header.values():
            entry["data_offsets"] = [8 + length + int(offset) for offset in entry["data_offsets"]]
        end = max((entry["data_offsets"][1] for entry in header.values()), default=8 + length)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the weights: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(broken) from error
    if end != size:
        raise CheckpointError(
            f"{path}: corrupted weights: expected {end} bytes, found {size}; download or train it again"
        )
    return header


def weights_fingerprint(path: Path) -> str:
    """A SHA-256 of the header, every small tensor and samples of the large ones: changes with training, costs 1 ms.

    Raises:
        CheckpointError: As `read_safetensors_header`.
    """
    digest = hashlib.sha256()
    header = read_safetensors_header(path)
    digest.update(json.dumps(header, sort_keys=True).encode())
    with path.open("rb") as file:
        for name in sorted(header):
            for offset, length in _sampled_ranges(*header[name]["data_offsets"]):
                file.seek(offset)
                digest.update(file.read(length))
    return digest.hexdigest()


def _sampled_ranges(start: int, end: int) -> Iterator[tuple[int, int]]:
    if end - start <= _SMALL_TENSOR_BYTES:
        yield start, end - start
        return
    step = (end - start - _SAMPLE_BYTES) // 3
    for index in range(4):
        yield start + index * step, _SAMPLE_BYTES
