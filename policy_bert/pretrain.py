"""Pretrain a small Chinese BERT by masked-language modelling: `python -m policy_bert.pretrain`.

The text is tokenised, packed into full windows and held in memory; embeddings and positions start warm
(`policy_bert.warmstart`); short spans are masked. `transformers.Trainer` runs the steps: at this size its overhead
is under 2 % of a step, and it brings resuming, several GPUs and logging. The one thing changed is that the output
layer is computed at the masked positions alone, which a fifth of them needs.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset
from transformers import BertConfig, BertForMaskedLM, Trainer, TrainingArguments
from transformers.modeling_outputs import MaskedLMOutput

from policy_bert import warmstart
from policy_bert.command import ArgumentParser, run_command
from policy_bert.config import dump_config, load_config
from policy_bert.encoder import quiet_transformers, save_in_half
from policy_bert.errors import DataError
from policy_bert.finetuning import CompletionMarker, last_complete_checkpoint
from policy_bert.hardware import supports_bfloat16
from policy_bert.pretraining_text import is_held_out, iterate_documents, pack_documents, repeat_documents
from policy_bert.settings import EncoderConfig, PretrainConfig, TextSource
from policy_bert.text import comparison_key
from policy_bert.training_progress import show_progress
from policy_bert.vocabulary import build_tokenizer, save_tokenizer, special_id

logger = logging.getLogger(__name__)

SPAN_LENGTH_PROBABILITIES = (0.4, 0.4, 0.2)  # of 1, 2 and 3 tokens: the lengths of most Chinese words
IGNORED = -100


@dataclass(frozen=True)
class PretrainingData:
    """The tokenizer and the windows, each of shape (windows, window_tokens) and dtype uint16."""

    tokenizer: Tokenizer
    train: NDArray[np.uint16]
    held_out: NDArray[np.uint16]


class SparseBertForMaskedLM(BertForMaskedLM):
    """`BertForMaskedLM` that computes its output layer only where a label is to be predicted.

    Same parameters, same loss; without labels it is the parent.
    """

    def forward(self, input_ids: Tensor | None = None, labels: Tensor | None = None, **inputs: Any) -> MaskedLMOutput:
        """The loss over labels that are not -100; `logits` is left empty when labels are given."""
        if labels is None:
            return super().forward(input_ids=input_ids, **inputs)
        inputs.pop("num_items_in_batch", None)
        hidden = self.bert(input_ids=input_ids, **inputs).last_hidden_state
        chosen = labels != IGNORED
        logits = self.cls(hidden[chosen])
        return MaskedLMOutput(loss=torch.nn.functional.cross_entropy(logits.float(), labels[chosen]))


class WindowDataset(Dataset[NDArray[np.uint16]]):
    """Token windows by index."""

    def __init__(self, windows: NDArray[np.uint16]) -> None:
        self.windows = windows

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, index: int) -> NDArray[np.uint16]:
        return self.windows[index]


class SpanMasker:
    """A data collator that masks short spans: 80 % [MASK], 10 % a random token, 10 % unchanged (Devlin et al. 2019).

    Args:
        tokenizer: Names the special tokens, which are never masked.
        fraction: The expected share of masked tokens.
        shifted_fraction: The share of windows whose positions start at a random offset; [CLS] stays at 0.
        positions: How many positions the model has.
        seed: With the batch's own token ids it decides the masks. So they are the same after a resume and for every
            held-out loss, and new in every epoch, since no two epochs have the same batches.
    """

    def __init__(
        self, tokenizer: Tokenizer, fraction: float, shifted_fraction: float, positions: int, seed: int
    ) -> None:
        self.special = [special_id(tokenizer, token) for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")]
        self.mask_id = special_id(tokenizer, "[MASK]")
        self.vocabulary_size = tokenizer.get_vocab_size()
        self.shifted_fraction = shifted_fraction
        self.positions = positions
        self.seed = seed
        mean_length = sum(length * p for length, p in enumerate(SPAN_LENGTH_PROBABILITIES, start=1))
        self.start_probability = 1.0 - (1.0 - fraction) ** (1.0 / mean_length)

    def __call__(self, rows: Sequence[NDArray[np.uint16]]) -> dict[str, Tensor]:
        """Input ids, labels (-100 where nothing is predicted) and position ids, each of shape (rows, length)."""
        ids = torch.from_numpy(np.stack(rows).astype(np.int64))
        generator = torch.Generator().manual_seed((self.seed << 32) + zlib.crc32(ids.numpy().tobytes()))
        length = torch.multinomial(
            torch.tensor(SPAN_LENGTH_PROBABILITIES), ids.numel(), replacement=True, generator=generator
        ).view(ids.shape)
        starts = torch.rand(ids.shape, generator=generator) < self.start_probability
        masked = starts.clone()
        for extra in range(1, len(SPAN_LENGTH_PROBABILITIES)):
            masked[:, extra:] |= (starts & (length >= extra))[:, :-extra]
        masked &= ~torch.isin(ids, torch.tensor(self.special))
        labels = torch.where(masked, ids, IGNORED)
        kind = torch.rand(ids.shape, generator=generator)
        random_ids = torch.randint(5, self.vocabulary_size, ids.shape, generator=generator)
        inputs = torch.where(masked & (kind < 0.8), self.mask_id, ids)
        inputs = torch.where(masked & (kind >= 0.9), random_ids, inputs)
        return {"input_ids": inputs, "labels": labels, "position_ids": self._positions(ids, generator)}

    def _positions(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        rows, length = ids.shape
        most = self.positions - length
        offset = torch.randint(0, most + 1, (rows, 1), generator=generator)
        offset *= torch.rand((rows, 1), generator=generator) < self.shifted_fraction
        positions = torch.arange(length).expand(rows, -1) + offset
        positions[:, 0] = 0
        return positions


def prepare_data(config: PretrainConfig) -> PretrainingData:
    """Read the text, build the vocabulary and pack the windows.

    Raises:
        DataError: No text file is named or readable, or the text fills no window.
    """
    excluded = frozenset(
        key for path in config.exclude for key in map(comparison_key, _excluded_sentences(path)) if key
    )
    kept = Path(config.output) / "tokenizer.json"  # what an interrupted run began with
    if kept.is_file():
        tokenizer = Tokenizer.from_file(str(kept))
    else:
        lines = (line for document in _documents(config, excluded, held_out=False) for line in document)
        tokenizer = build_tokenizer(lines, config.encoder.vocabulary_size)
        kept.parent.mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(kept))
    parts = [
        pack_documents(_documents(config, excluded, held_out=part), tokenizer, config.window_tokens).windows
        for part in (False, True)
    ]
    if not len(parts[0]):
        raise DataError(f"the text fills no window of {config.window_tokens} tokens; give more text with --text")
    return PretrainingData(tokenizer, parts[0], parts[1])


def _excluded_sentences(path: str) -> Iterator[str]:
    try:
        for line in Path(path).read_text(encoding="utf-8-sig").splitlines():
            yield line.partition("\t")[0]
    except OSError as error:
        raise DataError(f"{path}: cannot read the sentences to exclude: {error.strerror}") from error


def _documents(config: PretrainConfig, excluded: frozenset[str], held_out: bool) -> Iterator[list[str]]:
    if not config.text:
        raise DataError("no text to pretrain on: name files with --text or under `text:` in the configuration")
    for source in config.text:
        part = (
            document
            for document in iterate_documents(source.path, excluded)
            if is_held_out(document, config.held_out_fraction) == held_out
        )
        yield from part if held_out else repeat_documents(part, source.weight, config.seed)


def initial_model(shape: EncoderConfig, data: PretrainingData, layers: int, seed: int) -> SparseBertForMaskedLM:
    """A masked-language model with warm embeddings and positions and `layers` random layers."""
    torch.manual_seed(seed)
    vocabulary_size = data.tokenizer.get_vocab_size()
    model = SparseBertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary_size,
            hidden_size=shape.hidden,
            num_hidden_layers=layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.intermediate,
            max_position_embeddings=shape.max_length_tokens,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=special_id(data.tokenizer, "[PAD]"),
        )
    )
    embeddings = model.bert.embeddings
    with torch.no_grad():
        words = warmstart.cooccurrence_embeddings(data.train, vocabulary_size, shape.hidden, seed=seed)
        random_words = warmstart.EMBEDDING_STD * torch.randn(words.shape)
        unseen = torch.from_numpy(~words.any(axis=1))
        embeddings.word_embeddings.weight.copy_(torch.where(unseen[:, None], random_words, torch.from_numpy(words)))
        embeddings.position_embeddings.weight.copy_(
            torch.from_numpy(warmstart.sinusoidal_positions(shape.max_length_tokens, shape.hidden))
        )
    return model


def pretrain(config: PretrainConfig) -> Path:
    """Run or resume the pretraining and return the folder `output/encoder`, a standard checkpoint in float16.

    The run folder also holds the configuration, `curve.csv`, `curve.png` and `result.json`.
    """
    quiet_transformers()
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    data = prepare_data(config)
    logger.info(
        "%d windows to train on (%.1f M tokens), %d held out, vocabulary of %d",
        len(data.train), data.train.size / 1e6, len(data.held_out), data.tokenizer.get_vocab_size(),
    )  # fmt: skip
    shape = config.encoder
    history: list[dict[str, float]] = []
    shallow_tokens = int(config.tokens * config.shallow_fraction) if config.shallow_layers else 0
    if shallow_tokens:
        shallow = initial_model(shape, data, config.shallow_layers, config.seed)
        history += _run_phase(config, shallow, data, shallow_tokens, 0.0, output / "shallow", 0)
        model = SparseBertForMaskedLM(BertConfig(**{**shallow.config.to_dict(), "num_hidden_layers": shape.layers}))
        model.load_state_dict(shallow.state_dict(), strict=False)
        warmstart.stack_layers(shallow.bert.encoder.layer, model.bert.encoder.layer)
        model.tie_weights()
    else:
        model = initial_model(shape, data, shape.layers, config.seed)
    history += _run_phase(
        config, model, data, config.tokens - shallow_tokens, config.decay_fraction, output / "full", shallow_tokens
    )
    _write_curve(history, output)
    held_out = [entry["held_out_loss"] for entry in history if "held_out_loss" in entry]
    result = {
        "tokens": config.tokens,
        "text_tokens": data.train.size,
        "held_out_loss": held_out[-1] if held_out else None,
    }
    (output / "result.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return _save_encoder(model, data.tokenizer, shape, output / "encoder")


def _run_phase(
    config: PretrainConfig,
    model: SparseBertForMaskedLM,
    data: PretrainingData,
    tokens: int,
    decay_fraction: float,
    folder: Path,
    tokens_before: int,
) -> list[dict[str, float]]:
    """Train one phase, resuming from its last checkpoint; the log with tokens seen, train and held-out loss."""
    arguments = _training_arguments(config, tokens, decay_fraction, folder, len(data.held_out) > 0)
    masking = (data.tokenizer, config.mask_fraction)
    positions = config.encoder.max_length_tokens
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=SpanMasker(*masking, config.shifted_fraction, positions, config.seed),
        train_dataset=WindowDataset(data.train),
        eval_dataset=WindowDataset(data.held_out),
        callbacks=[CompletionMarker()],
    )
    evaluator = SpanMasker(*masking, 0.0, positions, seed=config.seed)
    trainer.get_eval_dataloader = lambda eval_dataset=None: torch.utils.data.DataLoader(  # type: ignore[method-assign, assignment]
        WindowDataset(data.held_out), batch_size=arguments.per_device_eval_batch_size, collate_fn=evaluator
    )
    show_progress(trainer)
    trainer.train(resume_from_checkpoint=last_complete_checkpoint(folder))
    step_tokens = tokens / arguments.max_steps
    history: list[dict[str, float]] = []
    for entry in trainer.state.log_history:
        point = {"tokens": tokens_before + entry["step"] * step_tokens}
        if "eval_loss" in entry:
            history.append({**point, "held_out_loss": entry["eval_loss"]})
        elif "loss" in entry:
            history.append({**point, "loss": entry["loss"]})
    return history


def _training_arguments(
    config: PretrainConfig, tokens: int, decay_fraction: float, folder: Path, can_evaluate: bool
) -> TrainingArguments:
    devices = max(torch.cuda.device_count(), 1)
    batch = config.batch_windows * config.gradient_accumulation_steps * devices
    steps = max(1, tokens // (batch * config.window_tokens))
    on_gpu = torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=config.batch_windows,
        per_device_eval_batch_size=config.batch_windows,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        adam_beta2=0.98,
        optim="adamw_torch_fused",
        lr_scheduler_type="warmup_stable_decay",
        lr_scheduler_kwargs={"num_decay_steps": int(steps * decay_fraction), "min_lr_ratio": 0.0},
        warmup_steps=min(config.warmup_steps, steps // 2),
        bf16=supports_bfloat16(),
        torch_compile=config.compile,
        eval_strategy="steps" if can_evaluate else "no",
        eval_steps=config.evaluate_every_steps,
        logging_steps=min(50, config.evaluate_every_steps),
        save_steps=config.evaluate_every_steps,
        save_total_limit=2,
        remove_unused_columns=False,
        dataloader_num_workers=4 if on_gpu else 0,
        dataloader_pin_memory=on_gpu,
        report_to="none",
        disable_tqdm=True,
        seed=config.seed,
    )


def _write_curve(history: Sequence[dict[str, float]], output: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with (output / "curve.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["tokens", "loss", "held_out_loss"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for name, label in (("loss", "training"), ("held_out_loss", "held out")):
        points = [(entry["tokens"] / 1e6, entry[name]) for entry in history if name in entry]
        axes.plot(*zip(*points, strict=True), label=label) if points else None
    axes.set(xlabel="million tokens", ylabel="masked-token loss (nats)")
    if history:
        axes.legend()
    figure.savefig(output / "curve.png", dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def _save_encoder(model: BertForMaskedLM, tokenizer: Tokenizer, shape: EncoderConfig, folder: Path) -> Path:
    standard = BertForMaskedLM(model.config)
    standard.load_state_dict(model.state_dict())
    save_in_half(standard, folder)
    save_tokenizer(tokenizer, folder, shape.max_length_tokens)
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the command line, pretrain, print the encoder's folder."""
    parser = ArgumentParser(prog="policy_bert.pretrain", description=__doc__.splitlines()[0])
    parser.add_argument("--config", help="YAML file, such as configs/pretrain-compact.yaml")
    parser.add_argument("--text", nargs="+", default=[], metavar="FILE[:WEIGHT]", help="replaces the file's `text:`")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a key")
    arguments = parser.parse_args(argv)
    config = load_config(PretrainConfig, arguments.config, arguments.set)
    if arguments.text:
        config = _with_text(config, arguments.text)
    print(pretrain(config))
    return 0


def _with_text(config: PretrainConfig, files: Sequence[str]) -> PretrainConfig:

    sources = []
    for file in files:
        path, _, weight = file.rpartition(":")
        numeric = path and weight.replace(".", "", 1).isdigit()
        sources.append(TextSource(path, float(weight)) if numeric else TextSource(file))
    return dataclasses.replace(config, text=tuple(sources))


if __name__ == "__main__":
    sys.exit(run_command(main))
