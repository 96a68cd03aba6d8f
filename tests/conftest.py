"""Fixtures that several test files share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small import write_text

from policy_bert.labels import LabelScheme, load_scheme

ROOT = Path(__file__).resolve().parent.parent
SENTENCES = tuple(
    line.rpartition("\t")[0].strip()
    for line in (ROOT / "data" / "policy_sentences.tsv").read_text(encoding="utf-8").splitlines()[:200]
)
CheckpointFactory = Callable[..., Path]


@pytest.fixture(scope="session")
def scheme() -> LabelScheme:
    """The scheme with 14 classes."""
    return load_scheme(ROOT / "data" / "labels.yaml")


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text for pretraining."""
    return write_text(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="session")
def make_checkpoint(tmp_path_factory: pytest.TempPathFactory, scheme: LabelScheme) -> CheckpointFactory:
    """Writes checkpoint folders with random weights: `make_checkpoint(hidden=…, layers=…, scheme=…, onnx=…)`."""

    def make(
        scheme: LabelScheme = scheme,
        hidden: int = 12,
        layers: int = 2,
        heads: int = 2,
        vocabulary_size: int = 300,
        max_length_tokens: int = 48,
        onnx: bool = True,
        seed: int = 0,
    ) -> Path:
        import torch
        from transformers import BertConfig, BertForSequenceClassification

        from policy_bert.encoder.vocabulary import build_tokenizer, save_tokenizer
        from policy_bert.export.onnx_export import export_onnx

        folder = tmp_path_factory.mktemp("checkpoint")
        tokenizer = build_tokenizer(SENTENCES[:40], vocabulary_size)
        config = BertConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=2 * hidden,
            max_position_embeddings=max_length_tokens,
            id2label=scheme.id2label,
            label2id=scheme.label2id,
            pad_token_id=0,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = BertForSequenceClassification(config)
            for name, parameter in model.named_parameters():
                if not name.endswith("LayerNorm.weight"):  # no bias is zero
                    torch.nn.init.normal_(parameter, std=0.5)
            encoded = [tokenizer.encode(text).ids[:max_length_tokens] for text in SENTENCES[:60]]
            with torch.no_grad():  # scores far from uniform, and no class that is always the best
                logits = torch.cat([model.eval()(torch.tensor([ids])).logits for ids in encoded])
                scale = 2 / logits.std(dim=0)
                model.classifier.weight *= scale[:, None]
                model.classifier.bias.copy_(scale * (model.classifier.bias - logits.mean(dim=0)))
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder, max_length_tokens)
        (folder / "labels.yaml").write_text(scheme.to_yaml(), encoding="utf-8")
        if onnx:
            export_onnx(folder)
        return folder

    return make


@pytest.fixture(scope="session")
def shared_checkpoint(make_checkpoint: CheckpointFactory) -> Path:
    """The tiny checkpoint that nobody may change."""
    return make_checkpoint()


@pytest.fixture
def tiny_checkpoint(shared_checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint of some 7,000 parameters with the 14 classes and `model.onnx`, the test's own copy."""
    return Path(shutil.copytree(shared_checkpoint, tmp_path / "tiny_checkpoint"))


SLOW_ROOMS = {"training", "pretraining", "encoder", "export", "scale"}  # torch or Ray
SLOW_FIXTURES = {"make_checkpoint", "shared_checkpoint", "tiny_checkpoint"}  # made by torch


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs torch or Ray, so that `make test-fast` can leave it out."""
    for item in items:
        if item.path.parent.name in SLOW_ROOMS or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
