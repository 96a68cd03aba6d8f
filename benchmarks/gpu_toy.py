"""The GPU run at toy size: every stage and every file, on a CPU, with models of a few thousand parameters."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gpu_stages import GpuRun

from policy_bert.checkpoint import SHIPPED_CLASSIFIER
from policy_bert.config import build_config
from policy_bert.pretrain import with_text
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.settings import EncoderConfig, RunConfig

ROOT = Path(__file__).parents[1]
CLASSES, UNLABELLED_CLASSES, PER_CLASS = (4, 6, 7), (0, 3, 9), 20
AUXILIARY = (
    ("铺设地下管廊四十公里。", 0),
    ("机房扩容一倍并接入备用电源。", 0),
    ("违者由主管机关责令改正。", 1),
    ("未经许可不得从事该项业务。", 1),
    ("商业银行按订单发放周转款。", 2),
    ("由再担保公司分担两成风险。", 2),
)
SHAPES = {"4x256": (1, 8, 1), "12x768": (2, 16, 2)}  # layers, hidden, heads: two sizes, under the names of full ones


def toy_run(output: Path, text: Sequence[str], settings: Sequence[str] = ()) -> GpuRun:
    """Two sizes, sixty sentences with labels and sixty without, read as text too unless `text` names some.

    `settings` change nothing.
    """
    lines, unlabelled = _labelled_lines(), _labelled_lines(UNLABELLED_CLASSES)
    corpus, own_text, auxiliary = (output / name for name in ("toy_corpus.tsv", "toy_text.txt", "toy_auxiliary.csv"))
    corpus.write_text("".join(f"{sentence} \t{label}\n" for sentence, label in lines), encoding="utf-8")
    sentences = [sentence for sentence, _ in lines + unlabelled]
    auxiliary.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in AUXILIARY), encoding="utf-8")
    documents = ["\n".join(sentences[start : start + 4]) for start in range(0, len(sentences), 4)]
    own_text.write_text("\n\n".join(documents) + "\n", encoding="utf-8")
    sizes = {}
    for size, (layers, hidden, heads) in SHAPES.items():
        config = build_config(PretrainConfig, {
            "encoder": {"layers": layers, "hidden": hidden, "heads": heads, "intermediate": 2 * hidden,
                        "vocabulary_size": 400, "max_length_tokens": 48},
            "window_tokens": 24, "batch_windows": 4, "warmup_steps": 2, "held_out_fraction": 0.2,
        })  # fmt: skip
        sizes[size] = with_text(config, list(text) or [f"{own_text}:2"])
    finetune = build_config(RunConfig, {
        "data": {"corpus": str(corpus), "labels": None, "auxiliary": [str(auxiliary)]},
        "model": {"pooling_layer": True},
        "train": {"epochs": 1, "learning_rate": 3e-3},
        "self_training": {"sentences": 40, "phase": {"epochs": 1, "learning_rate": 3e-3}},
    })  # fmt: skip
    figures = {
        "shape": EncoderConfig(1, 16, 2, 32, 6144, 64), "classifier": SHIPPED_CLASSIFIER, "sentences": 64,
        "pipeline_sentences": 16, "epochs": 1, "rounds": 1, "labelled": 40,
    }  # fmt: skip
    minutes = dict.fromkeys(("sizes", "objectives", "long", "teacher"), 0.04)
    return GpuRun(output, sizes, finetune, minutes, None, figures)


def _labelled_lines(classes: tuple[int, ...] = CLASSES) -> list[tuple[str, int]]:
    """Real sentences of three classes, renumbered 0, 1, 2."""
    found: dict[int, list[str]] = {label: [] for label in classes}
    for line in (ROOT / "data" / "policy_sentences.tsv").read_text(encoding="utf-8").splitlines():
        sentence, _, label = line.rpartition("\t")
        if int(label) in found and len(found[int(label)]) < PER_CLASS:
            found[int(label)].append(sentence.strip())
    return [(sentence, classes.index(label)) for label, sentences in found.items() for sentence in sentences]
