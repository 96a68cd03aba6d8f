"""Pretrain a small Chinese BERT by masked-language modelling: `python -m policy_bert.pretrain`.

The text is tokenised, packed into full windows and held in memory; embeddings and positions start warm
(`policy_bert.warmstart`); short spans are masked. `transformers.Trainer` runs the steps, and brings
resuming, several GPUs and logging. The one thing changed is that the output layer is computed at the masked positions
alone.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForMaskedLM, Trainer, TrainingArguments

from policy_bert import warmstart
from policy_bert.command import ArgumentParser, run_command
from policy_bert.config import dump_config, load_config
from policy_bert.encoder import find_base, load_tokenizer, quiet_transformers, save_in_half
from policy_bert.errors import CheckpointError
from policy_bert.hardware import trainer_precision
from policy_bert.masking import SpanMasker, SparseBertForMaskedLM, WindowDataset
from policy_bert.pretraining_data import PretrainingData, prepare_data
from policy_bert.settings import EncoderConfig, ModelConfig, PretrainConfig, TextSource
from policy_bert.training_checkpoints import CompletionMarker, last_complete_checkpoint
from policy_bert.training_progress import show_progress
from policy_bert.vocabulary import save_tokenizer, special_id

logger = logging.getLogger(__name__)


def initial_model(shape: EncoderConfig, data: PretrainingData, layers: int, seed: int) -> SparseBertForMaskedLM:
    """A masked-language model with warm embeddings and positions and `layers` random layers."""
    torch.manual_seed(seed)
    vocabulary_size = data.tokenizer.get_vocab_size()
    model = _sparse_model(
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


def _sparse_model(config: BertConfig) -> SparseBertForMaskedLM:
    """Random weights; plain attention on a CPU, where the fused kernel trained a third slower (`docs/log.md`)."""
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    model: SparseBertForMaskedLM = SparseBertForMaskedLM._from_config(config, attn_implementation=attention)
    return model


def pretrain(config: PretrainConfig) -> Path:
    """Run or resume the pretraining and return the folder `output/encoder`, a standard checkpoint in float16.

    The run folder also holds the configuration, `curve.csv`, `curve.png` and `result.json`.
    """
    quiet_transformers()
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.yaml").write_text(dump_config(config), encoding="utf-8")
    base = ModelConfig(base=config.start) if config.start else None
    start = find_base(base) if base else None
    data = prepare_data(config, load_tokenizer(base, start, ()) if base else None)
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
        model = _sparse_model(BertConfig(**{**shallow.config.to_dict(), "num_hidden_layers": shape.layers}))
        model.load_state_dict(shallow.state_dict(), strict=False)
        warmstart.stack_layers(shallow.bert.encoder.layer, model.bert.encoder.layer)
        model.tie_weights()
    elif start:
        model = _load_start(start, config.window_tokens)
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
    return _save_encoder(model, data.tokenizer, output / "encoder")


def _load_start(folder: Path, window_tokens: int) -> SparseBertForMaskedLM:
    """The encoder in the folder, without dropout, as a model to pretrain further."""
    config = BertConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if config.max_position_embeddings < window_tokens:
        raise CheckpointError(
            f"{folder}: the encoder takes {config.max_position_embeddings} tokens, fewer than window_tokens "
            f"({window_tokens}); set a smaller window_tokens"
        )
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    model: SparseBertForMaskedLM = SparseBertForMaskedLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation=attention
    )
    return model


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
    positions = int(model.config.max_position_embeddings)
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
        **trainer_precision(),
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


def _save_encoder(model: BertForMaskedLM, tokenizer: Tokenizer, folder: Path) -> Path:
    standard = BertForMaskedLM(model.config)
    standard.load_state_dict(model.state_dict())
    save_in_half(standard, folder)
    save_tokenizer(tokenizer, folder, int(model.config.max_position_embeddings))
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
