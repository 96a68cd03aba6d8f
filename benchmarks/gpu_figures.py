"""Fine-tuning and scoring speed on the device at hand, beside `transformers.pipeline` in the same process."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_downstream import free_memory
from scoring import distinct_sentences, interleaved_rates, operations_per_sentence
from tokenizers import Tokenizer

from policy_bert.checkpoint import check_checkpoint
from policy_bert.classifier import PolicyClassifier
from policy_bert.corpus import load_corpus
from policy_bert.encoder import load_classifier, save_in_half
from policy_bert.engines import TorchEngine
from policy_bert.finetuning import finetune
from policy_bert.hardware import supports_bfloat16
from policy_bert.labels import SCHEME_FILE, load_scheme
from policy_bert.settings import EncoderConfig, FinetuneConfig, ModelConfig
from policy_bert.training_examples import Examples, one_hot
from policy_bert.utilisation import matrix_peak, training_operations
from policy_bert.vocabulary import save_tokenizer

ROOT = Path(__file__).parents[1]
PIPELINE = "pipeline(batch_size=256)"
MAX_LENGTH_TOKENS = 128


def measure_figures(
    shape: EncoderConfig,
    classifier: Path,
    sentences: int,
    pipeline_sentences: int,
    epochs: int,
    rounds: int,
    labelled: int | None = None,
) -> dict[str, Any]:
    """All figures; the first matrix peak is measured before the rest, the second after.

    Args:
        shape: The shape of the large model, which has random weights.
        classifier: The checkpoint of the small one, whose tokenizer both use.
        sentences: How many distinct sentences the engines score.
        pipeline_sentences: How many of them the pipeline scores, which is slow.
        epochs: Passes of the fine-tuning over the corpus.
        rounds: Interleaved rounds, of which the median counts.
        labelled: How many sentences of the corpus to fine-tune on; None for all.
    """
    on_cuda = torch.cuda.is_available()
    device = "cuda" if on_cuda else "cpu"
    peak = matrix_peak(device, on_cuda or supports_bfloat16())
    with tempfile.TemporaryDirectory() as folder:
        large = _random_checkpoint(shape, classifier, Path(folder) / "large")
        finetuning = [
            _finetuning(shape, classifier, Path(folder), epochs, batch_size, peak, labelled) for batch_size in (32, 128)
        ]
        scoring = {}
        for name, checkpoint in (("large", large), ("shipped", classifier)):
            scoring[name] = _scoring(checkpoint, device, sentences, pipeline_sentences, rounds, peak)
    return {
        "device": torch.cuda.get_device_name() if on_cuda else "cpu",
        "torch": torch.__version__,
        "shape": [shape.layers, shape.hidden],
        "matrix_peak_operations_per_s": [peak, matrix_peak(device, on_cuda or supports_bfloat16())],
        "finetuning": finetuning,
        "scoring": scoring,
    }


def _random_checkpoint(shape: EncoderConfig, classifier: Path, folder: Path) -> Path:
    model, tokenizer = _random_model(shape, classifier)
    save_in_half(model, folder)
    save_tokenizer(tokenizer, folder, shape.max_length_tokens)
    (folder / SCHEME_FILE).write_text((classifier / SCHEME_FILE).read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def _random_model(shape: EncoderConfig, classifier: Path) -> tuple[Any, Tokenizer]:
    scheme = check_checkpoint(classifier)
    model = load_classifier(ModelConfig(scratch=shape), None, scheme, shape.vocabulary_size, seed=0)
    return model, Tokenizer.from_file(str(classifier / "tokenizer.json"))


def _finetuning(
    shape: EncoderConfig,
    classifier: Path,
    folder: Path,
    epochs: int,
    batch_size: int,
    peak: float,
    labelled: int | None,
) -> dict[str, Any]:
    """Seconds of a whole fine-tuning on the corpus, and the share of the peak that its tokens' operations reach."""
    model, tokenizer = _random_model(shape, classifier)
    corpus = load_corpus(ROOT / "data" / "policy_sentences.tsv", load_scheme(ROOT / "data" / "labels.yaml"))
    chosen = corpus.sentences[:labelled]
    texts = [sentence.text for sentence in chosen]
    targets = one_hot(np.array([sentence.label for sentence in chosen]), len(corpus.scheme))
    examples = Examples(texts, targets, np.ones(len(texts), np.float32))
    lengths = [min(len(encoding.ids), MAX_LENGTH_TOKENS) for encoding in tokenizer.encode_batch(texts)]
    started = time.perf_counter()
    finetune(
        model, tokenizer, examples, FinetuneConfig(epochs=epochs, batch_size=batch_size, learning_rate=3e-5),
        folder / "finetuning", seed=0, max_length_tokens=MAX_LENGTH_TOKENS, keep_checkpoints=False,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    operations = epochs * sum(length * training_operations(model.config, length) for length in lengths)
    del model
    free_memory()
    return {
        "batch_size": batch_size,
        "sentences": len(texts),
        "epochs": epochs,
        "elapsed_s": seconds,
        "sentences_per_s": epochs * len(texts) / seconds,
        "utilisation": operations / seconds / peak,
    }


def _scoring(
    folder: Path, device: str, sentences: int, pipeline_sentences: int, rounds: int, peak: float
) -> list[dict[str, Any]]:
    """Sentences a second of every system, its ratio to the pipeline of the same precision, its share of the peak."""
    texts = distinct_sentences(sentences)
    systems = _systems(folder, device)
    parts = {name: texts[:pipeline_sentences] if name.startswith("pipeline") else texts for name in systems}
    for name, scorer in systems.items():
        scorer(parts[name][: max(64, len(parts[name]) // 2)])  # warm: kernels are chosen, graphs compiled
    rates = interleaved_rates(systems, parts, rounds)
    work = operations_per_sentence(folder, texts)
    base = {name: rate for name, rate in rates.items() if name.startswith("pipeline")}
    rows = [
        {
            "system": name,
            "sentences_per_s": rate,
            "ratio_to_pipelines": {pipeline: rate / pipelines for pipeline, pipelines in base.items()},
            "utilisation": rate * work / peak,
        }
        for name, rate in rates.items()
    ]
    del systems
    free_memory()
    return rows


def _systems(folder: Path, device: str) -> dict[str, Callable[[Sequence[str]], Any]]:
    """The pipeline in float32, and in bfloat16 where there is a GPU; the engine plain, and compiled there."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    scheme, tokenizer = check_checkpoint(folder), AutoTokenizer.from_pretrained(folder)
    systems: dict[str, Callable[[Sequence[str]], Any]] = {}
    types = {"": torch.float32, **({" bf16": torch.bfloat16} if device == "cuda" else {})}
    for suffix, dtype in types.items():
        model = AutoModelForSequenceClassification.from_pretrained(folder).to(dtype).eval()
        classify = pipeline("text-classification", model=model, tokenizer=tokenizer, device=device)
        systems[PIPELINE + suffix] = lambda part, classify=classify: classify(  # type: ignore[misc]
            list(part), batch_size=256, truncation=True
        )
    for suffix, compiled in {"": False, **({" compiled": True} if device == "cuda" else {})}.items():
        engine = TorchEngine(folder, device, compiled=compiled)
        systems["TorchEngine" + suffix] = PolicyClassifier(folder, scheme, engine).scores
    return systems
