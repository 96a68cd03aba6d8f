"""The model to fine-tune: from the package, a folder or the hub, or made from scratch; and its pooling layer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedModel,
)

from policy_bert.checkpoint.folder import (
    SHIPPED_ADAPTED,
    SHIPPED_ENCODER,
    TOKENIZER_CONFIG_FILE,
    TOKENIZER_FILE,
    TOKENIZER_FILES,
    find_checkpoint,
    read_json,
)
from policy_bert.encoder.hardware import training_attention
from policy_bert.encoder.head import make_linear, standard_copy
from policy_bert.encoder.settings import ModelConfig
from policy_bert.encoder.vocabulary import build_tokenizer
from policy_bert.errors import CheckpointError
from policy_bert.files import write_text
from policy_bert.labels import LabelScheme

SCRATCH = "scratch"
SHIPPED = {"compact": SHIPPED_ENCODER, "adapted": SHIPPED_ADAPTED}
POOLED_MEAN_SCALE = 4.0  # how much the mean of the tokens outweighs [CLS] itself at the start
WAYS_OUT = (
    "ways out: set HF_ENDPOINT to a mirror of the hub, set model.base to a local folder, "
    "or use configs/compact.yaml, which needs no download"
)


def find_base(config: ModelConfig) -> Path | None:
    """The folder of the base model, downloaded if need be; None for `scratch`.

    Raises:
        CheckpointError: It can be neither found nor downloaded; the message names the ways out.
    """
    if config.base == SCRATCH:
        return None
    if config.base in SHIPPED:
        return SHIPPED[config.base]
    try:
        folder = find_checkpoint(config.base, config.revision)
    except CheckpointError as error:
        raise CheckpointError(f"base model {config.base}: {error}; {WAYS_OUT}") from error
    if not (folder / "config.json").is_file():
        raise CheckpointError(f"base model {config.base}: {folder} has no config.json; {WAYS_OUT}")
    return folder


def load_tokenizer(config: ModelConfig, base: Path | None, sentences: Sequence[str]) -> Tokenizer:
    """The base model's tokenizer, or one built from `sentences` where there is no base."""
    if base is None:
        return build_tokenizer(sentences, config.scratch.vocabulary_size)
    if (base / "tokenizer.json").is_file():
        return Tokenizer.from_file(str(base / "tokenizer.json"))
    return AutoTokenizer.from_pretrained(base).backend_tokenizer


def keep_tokenizer(base: Path, folder: Path, longest: int) -> None:
    """Write the base's tokenizer into a checkpoint as it is: its kind, its special tokens, its model's inputs.

    Args:
        base: The base model's folder.
        folder: The checkpoint.
        longest: How many tokens the model takes.
    """
    names = [name for name in TOKENIZER_FILES if (base / name).is_file()]
    if TOKENIZER_FILE in names and TOKENIZER_CONFIG_FILE in names:
        for name in names:
            shutil.copyfile(base / name, folder / name)
    else:
        AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    finish_tokenizer(folder, longest)


def finish_tokenizer(folder: Path, longest: int) -> None:
    """Have a saved tokenizer say how many tokens its model takes, and a class that transformers 4 and 5 both know.

    Its vocabulary loses its indentation, a third of the file.
    """
    pieces = read_json(folder / TOKENIZER_FILE)
    write_text(folder / TOKENIZER_FILE, json.dumps(pieces, ensure_ascii=False, separators=(",", ":")) + "\n")
    settings = read_json(folder / TOKENIZER_CONFIG_FILE)
    settings["model_max_length"] = min(int(settings.get("model_max_length") or longest), longest)
    if settings.get("tokenizer_class") == "TokenizersBackend":
        settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    write_text(folder / TOKENIZER_CONFIG_FILE, json.dumps(settings, ensure_ascii=False, indent=2) + "\n")


def load_classifier(
    config: ModelConfig, base: Path | None, scheme: LabelScheme, vocabulary_size: int, seed: int
) -> PreTrainedModel:
    """A sequence classifier over the base model for the scheme's classes, in float32, its head linear if it is a BERT.

    Its head is new, unless the base is a classifier with the same class names. The same seed gives the same weights.

    Raises:
        CheckpointError: The folder's files do not load.
    """
    torch.manual_seed(seed)
    label_maps: dict[str, Any] = {"id2label": scheme.id2label, "label2id": scheme.label2id, "num_labels": len(scheme)}
    if base is None:
        shape = config.scratch
        random = BertForSequenceClassification._from_config(
            BertConfig(
                vocab_size=vocabulary_size,
                hidden_size=shape.hidden,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=shape.intermediate,
                max_position_embeddings=shape.max_length_tokens,
                hidden_dropout_prob=config.dropout,
                attention_probs_dropout_prob=config.dropout,
                **label_maps,
            ),
            attn_implementation=training_attention(),
        )
        return _with_head(random, config, seed, new=True)
    try:
        model_config = AutoConfig.from_pretrained(base, **label_maps)
        for name, value in model_config.to_dict().items():  # each architecture has its own names
            if "dropout" in name and isinstance(value, (int, float)) and not isinstance(value, bool):
                setattr(model_config, name, config.dropout)
        model = AutoModelForSequenceClassification.from_pretrained(
            base,
            config=model_config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            attn_implementation=training_attention(),
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{base}: cannot load the base model: {str(error).splitlines()[0]}; {WAYS_OUT}"
        ) from error
    new = class_names(base) != list(scheme.names)
    if new:
        _renew_head(model)
    return _with_head(model, config, seed, new)


def _with_head(model: PreTrainedModel, config: ModelConfig, seed: int, new: bool) -> PreTrainedModel:
    if config.pooling_layer:
        model = add_pooling_layer(model, seed)
    make_linear(model, new)
    return model


def class_names(base: Path) -> list[str]:
    """The classes by a base model's configuration, in the order of their ids."""
    id2label = read_json(base / "config.json").get("id2label", {})
    return [str(id2label[key]) for key in sorted(id2label, key=int)]


def _renew_head(model: PreTrainedModel) -> None:
    head: Any = getattr(model, "classifier", None)
    for module in head.modules() if head is not None else ():
        if isinstance(module, torch.nn.Linear):
            torch.nn.init.normal_(module.weight, std=model.config.initializer_range)
            torch.nn.init.zeros_(module.bias)


def add_pooling_layer(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    """The classifier with one layer more, which starts as mean pooling into [CLS].

    In the new layer queries and keys are near zero, so that [CLS] attends to all tokens alike; values and the
    attention's output are multiples of the identity and the feed-forward part adds nothing. BERT's head reads
    [CLS], so it starts from the mean of the tokens, and fine-tuning may turn the mean into an attention of its own.
    """
    if not isinstance(model, BertForSequenceClassification):
        raise CheckpointError(f"model.pooling_layer: expected a BERT encoder, found {type(model).__name__}")
    torch.manual_seed(seed)
    config = BertConfig(**{**model.config.to_dict(), "num_hidden_layers": model.config.num_hidden_layers + 1})
    deeper = BertForSequenceClassification._from_config(config, attn_implementation=training_attention())
    deeper.load_state_dict(model.state_dict(), strict=False)
    layer: Any = deeper.bert.encoder.layer[-1]
    identity = torch.eye(config.hidden_size)
    with torch.no_grad():
        layer.attention.self.value.weight.copy_(identity)
        layer.attention.output.dense.weight.copy_(POOLED_MEAN_SCALE * identity)
        layer.output.dense.weight.zero_()
    return deeper


def save_in_half(model: PreTrainedModel, folder: Path) -> None:
    """Write weights in float16, and a configuration that has every loader compute in float32; `model` stays as it is.

    A linear head is written as BERT's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    standard_copy(model).half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings.pop("torch_dtype", None)
    settings["dtype"] = "float32"
    write_text(folder / "config.json", json.dumps(settings, ensure_ascii=False, indent=2, sort_keys=True) + "\n")


def quiet_transformers() -> None:
    """Keep transformers' advice (new weights in the head, and the like) and all bars but ours out of the log."""
    import datasets
    from transformers.utils import logging as transformers_logging

    datasets.disable_progress_bars()

    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
