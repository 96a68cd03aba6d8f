"""A corpus, text and configurations small enough for training in a second."""

from __future__ import annotations

import lzma
from pathlib import Path

import yaml

from policy_bert.config import build_config
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.training.settings import RunConfig

ROOT = Path(__file__).parents[1]
CLASSES = (4, 6, 7)
ENCODER_SHAPE = {
    "layers": 2, "hidden": 16, "heads": 2, "intermediate": 32, "vocabulary_size": 300, "max_length_tokens": 48,
}  # fmt: skip


def corpus_lines(per_class: int = 20) -> list[tuple[str, int]]:
    """Real sentences of three classes, renumbered 0, 1, 2."""
    lines = []
    for line in (ROOT / "data" / "policy_sentences.tsv").read_text(encoding="utf-8").splitlines():
        text, _, label = line.rpartition("\t")
        if int(label) in CLASSES and sum(known == CLASSES.index(int(label)) for _, known in lines) < per_class:
            lines.append((text.strip(), CLASSES.index(int(label))))
    return lines


def write_corpus(folder: Path, per_class: int = 20) -> Path:
    """A corpus file with the scheme made from it."""
    path = folder / "corpus.tsv"
    path.write_text("".join(f"{text} \t{label}\n" for text, label in corpus_lines(per_class)), encoding="utf-8")
    return path


def write_auxiliary(folder: Path) -> Path:
    """Sentences for the same classes that are not in the corpus."""
    rows = [
        ("在城郊新建两座变电站与一条光缆。", 0), ("铺设地下管廊四十公里。", 0), ("机房扩容一倍并接入备用电源。", 0),
        ("违者由主管机关责令改正。", 1), ("泄露个人信息的，依法追究责任。", 1), ("未经许可不得从事该项业务。", 1),
        ("商业银行按订单发放周转款。", 2), ("由再担保公司分担两成风险。", 2), ("推动三家公司赴交易所挂牌。", 2),
    ]  # fmt: skip
    path = folder / "auxiliary.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return path


def run_config(folder: Path, **changes: object) -> RunConfig:
    """A two-epoch run of a one-layer model from scratch; `changes` are sections that replace or extend."""
    tree: dict[str, object] = {
        "data": {"corpus": str(write_corpus(folder)), "labels": None, "auxiliary": [str(write_auxiliary(folder))]},
        "split": {"validation_fraction": 0.2, "test_fraction": 0.2},
        "model": {
            "base": "scratch",
            "scratch": {
                "layers": 1, "hidden": 16, "heads": 2, "intermediate": 32,
                "vocabulary_size": 400, "max_length_tokens": 48,
            },
        },
        "adaptation": {"epochs": 1},
        "train": {"epochs": 3, "learning_rate": 3e-3, "auxiliary_weight": 0.5},
        "output": str(folder / "run"),
    }  # fmt: skip
    for key, value in changes.items():
        old = tree.get(key)
        tree[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return build_config(RunConfig, tree)


def write_config(folder: Path, config: RunConfig) -> Path:
    """The configuration as a file."""
    from policy_bert.config import dump_config

    path = folder / "run.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert yaml.safe_load(path.read_text(encoding="utf-8"))
    return path


def write_text(folder: Path) -> Path:
    """Text to pretrain on, compressed: 180 real sentences in documents of four."""
    path = folder / "text.txt.xz"
    sentences = [text for text, _ in corpus_lines(60)]
    documents = ["\n".join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]
    with lzma.open(path, "wt", encoding="utf-8") as stream:
        stream.write("\n\n".join(documents) + "\n")
    return path


def pretrain_config(text_file: Path, output: Path, **changes: object) -> PretrainConfig:
    """Twelve steps of pretraining; `changes` replace settings."""
    tree = {
        "text": [{"path": str(text_file), "weight": 2.0}], "output": str(output), "encoder": ENCODER_SHAPE,
        "window_tokens": 16, "tokens": 16 * 8 * 12, "batch_windows": 8, "warmup_steps": 2,
        "shallow_layers": 1, "shallow_fraction": 0.4, "held_out_fraction": 0.2, "evaluate_every_steps": 3,
    }  # fmt: skip
    return build_config(PretrainConfig, {**tree, **changes})
