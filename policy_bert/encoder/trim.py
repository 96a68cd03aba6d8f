"""Trim an encoder's vocabulary to the pieces that a language and its texts need.

A multilingual encoder spends most of its weights on the words of other languages. Without their rows the encoder gives
the same vectors for every text whose pieces have all been kept: a Unigram model's best path and a WordPiece model's
longest match stay what they are when only pieces outside them go (the idea of Abdaoui et al. 2020).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, cast

import torch
from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from policy_bert.errors import CheckpointError

TEXTS_AT_ONCE = 4096
_WORD_STARTS = ("", "▁", "##")  # how a single character's pieces may begin
_GB2312_ROWS = (*range(0xA1, 0xAA), *range(0xB0, 0xF8))
_GB2312_CELLS = range(0xA1, 0xFF)
_SPECIAL_IDS = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")


def gb2312_characters() -> frozenset[str]:
    """The 7,445 characters of GB2312: Chinese characters, full-width punctuation, letters of other scripts.

    >>> len(gb2312_characters()), "数" in gb2312_characters(), "，" in gb2312_characters()
    (7445, True, True)
    """
    cells = (bytes((row, cell)) for row in _GB2312_ROWS for cell in _GB2312_CELLS)
    return frozenset(character for cell in cells if (character := cell.decode("gb2312", errors="ignore")))


def printable_ascii() -> frozenset[str]:
    """The 94 visible characters of ASCII, with which any Latin word can be spelt."""
    return frozenset(map(chr, range(0x21, 0x7F)))


def count_pieces(tokenizer: Tokenizer, texts: Iterable[str]) -> Counter[int]:
    """How often each piece of the vocabulary occurs in the texts, by id."""
    counts: Counter[int] = Counter()
    remaining = iter(texts)
    while batch := list(islice(remaining, TEXTS_AT_ONCE)):
        for encoding in tokenizer.encode_batch(batch, add_special_tokens=False):
            counts.update(encoding.ids)
    return counts


def trim_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    texts: Iterable[str],
    characters: Iterable[str] = (),
    always: Iterable[str] = (),
    min_count: int = 1,
) -> PreTrainedTokenizerFast:
    """The tokenizer without the pieces that are not needed; `model` loses their embeddings in place.

    Kept are the special tokens, the pieces that occur often enough, and the characters' own pieces; their order stays.
    Texts whose pieces are all kept are tokenised as before, only with other ids.

    Args:
        model: An encoder, with or without a head; an output layer over the vocabulary is trimmed with it.
        tokenizer: Its tokenizer, Unigram (SentencePiece) or WordPiece.
        texts: What the pieces are counted in.
        characters: Characters whose pieces stay even if no text has them; those without a piece are passed over.
        always: Texts whose pieces stay however rare they are, such as the prefixes that the model was trained with.
        min_count: How often a piece must occur in `texts` to stay.

    Raises:
        CheckpointError: The tokenizer is of another kind, or the model has fewer embeddings than the vocabulary needs.
    """
    backend = tokenizer.backend_tokenizer
    description = json.loads(backend.to_str())
    counts = count_pieces(backend, texts)
    often = {piece for piece, count in counts.items() if count >= min_count} | set(count_pieces(backend, always))
    wanted = often | _character_pieces(backend, characters) | _special_pieces(description)
    kept = sorted(wanted | _set_by_score(description))
    rows = _input_rows(model)
    if kept[-1] >= rows:
        raise CheckpointError(f"the tokenizer has piece {kept[-1]}, but the model only {rows} embeddings")
    new_ids = {old: new for new, old in enumerate(kept)}
    trimmed = Tokenizer.from_str(json.dumps(_trimmed(description, new_ids), ensure_ascii=False))
    _trim_model(model, kept, new_ids)
    return PreTrainedTokenizerFast(
        tokenizer_object=trimmed,
        model_max_length=tokenizer.model_max_length,
        model_input_names=tokenizer.model_input_names,
        padding_side=tokenizer.padding_side,
        **{name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)},
    )


def tokenised_alike(full: Tokenizer, trimmed: Tokenizer, texts: Sequence[str]) -> list[bool]:
    """Whether the two tokenizers cut each text into the same pieces."""
    pairs = zip(full.encode_batch([*texts]), trimmed.encode_batch([*texts]), strict=True)
    return [_without_padding(one) == _without_padding(other) for one, other in pairs]


def _without_padding(encoding: Encoding) -> list[str]:
    return [token for token, attended in zip(encoding.tokens, encoding.attention_mask, strict=True) if attended]


def _character_pieces(tokenizer: Tokenizer, characters: Iterable[str]) -> set[int]:
    """Ids of the characters as pieces of their own, as the tokenizer's normaliser writes them."""
    pieces = {"▁"}
    for character in characters:
        normalised = tokenizer.normalizer.normalize_str(character) if tokenizer.normalizer else character
        pieces.update(start + one for one in {character, *normalised} for start in _WORD_STARTS)
    return {found for piece in pieces if (found := tokenizer.token_to_id(piece)) is not None}


def _special_pieces(description: dict[str, Any]) -> set[int]:
    special = {int(token["id"]) for token in description["added_tokens"]}
    model = description["model"]
    if model["type"] == "Unigram":
        return special if model["unk_id"] is None else special | {int(model["unk_id"])}
    if model["type"] == "WordPiece":
        return special | {model["vocab"][model["unk_token"]]}
    raise CheckpointError(f"expected a Unigram or WordPiece tokenizer, found {model['type']}, which cannot be trimmed")


def _set_by_score(description: dict[str, Any]) -> set[int]:
    """The least likely Unigram piece: the score of unknown characters is set by it."""
    if description["model"]["type"] != "Unigram":
        return set()
    scores = [score for _, score in description["model"]["vocab"]]
    return {min(range(len(scores)), key=scores.__getitem__)}


def _trimmed(description: dict[str, Any], new_ids: dict[int, int]) -> dict[str, Any]:
    """The tokenizer's description over the pieces kept."""
    model = description["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [model["vocab"][old] for old in new_ids]
        model["unk_id"] = new_ids.get(model["unk_id"])
    else:
        by_id = {number: piece for piece, number in model["vocab"].items()}
        model["vocab"] = {by_id[old]: new for old, new in new_ids.items()}
    for token in description["added_tokens"]:
        token["id"] = new_ids[token["id"]]
    _renumber(description["post_processor"], new_ids)
    return {**description, "padding": None, "truncation": None}


def _renumber(processor: dict[str, Any] | None, new_ids: dict[int, int]) -> None:
    """Give the special tokens that a post-processor adds their new ids, in place."""
    for part in (processor or {}).get("processors", []):
        _renumber(part, new_ids)
    if processor and processor["type"] == "TemplateProcessing":
        for token in processor["special_tokens"].values():
            token["ids"] = [new_ids[old] for old in token["ids"]]
    elif processor and processor["type"] in ("BertProcessing", "RobertaProcessing"):
        for end in ("sep", "cls"):
            piece, old = processor[end]
            processor[end] = [piece, new_ids[old]]


def _input_rows(model: PreTrainedModel) -> int:
    return int(cast(Any, model.get_input_embeddings()).weight.shape[0])


def _trim_model(model: PreTrainedModel, kept: Sequence[int], new_ids: dict[int, int]) -> None:
    """Leave only the kept pieces' rows in the embeddings and in the output layer, if there is one."""
    index = torch.tensor(kept)
    config = model.config
    for name in _SPECIAL_IDS:
        old = getattr(config, name, None)
        if isinstance(old, int):
            setattr(config, name, new_ids.get(old))
    embeddings: Any = model.get_input_embeddings()
    padding = new_ids.get(embeddings.padding_idx) if embeddings.padding_idx is not None else None
    model.set_input_embeddings(torch.nn.Embedding.from_pretrained(embeddings.weight.data[index], False, padding))
    config.vocab_size = len(kept)
    output: Any = model.get_output_embeddings()
    if output is None:
        return
    trimmed = torch.nn.Linear(output.in_features, len(kept), bias=output.bias is not None)
    trimmed.weight.data = output.weight.data[index]
    if output.bias is not None:
        trimmed.bias.data = output.bias.data[index]
    model.set_output_embeddings(trimmed)
    model.tie_weights()
