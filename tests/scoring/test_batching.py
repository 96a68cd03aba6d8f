from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import SENTENCES
from hypothesis import given
from hypothesis import strategies as st

from policy_bert.errors import CheckpointError
from policy_bert.scoring.batching import SentenceTokenizer, batch_indices, pad_batch

lengths_of_sentences = st.lists(st.integers(2, 256), max_size=60)


@given(lengths_of_sentences, st.integers(1, 1000))
def test_every_sentence_is_in_one_batch_and_no_batch_passes_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(batch_indices(lengths, budget))
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= budget


@given(lengths_of_sentences, st.integers(1, 9))
def test_a_batch_size_counts_sentences(lengths: list[int], size: int) -> None:
    batches = list(batch_indices(lengths, 1, batch_size=size))
    assert all(len(batch) == size for batch in batches[:-1])
    assert sum(map(len, batches)) == len(lengths)


@given(lengths_of_sentences)
def test_batches_go_from_long_to_short(lengths: list[int]) -> None:
    flat = [lengths[index] for batch in batch_indices(lengths, 300) for index in batch]
    assert flat == sorted(lengths, reverse=True)


@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=20), min_size=1, max_size=9))
def test_padding_keeps_the_ids_and_masks_the_rest(rows: list[list[int]]) -> None:
    ids, mask = pad_batch([np.array(row) for row in rows], pad_id=0)
    assert ids.shape == mask.shape == (len(rows), max(map(len, rows)))
    assert [row[kept.astype(bool)].tolist() for row, kept in zip(ids, mask, strict=True)] == rows
    assert (ids[mask == 0] == 0).all()
    assert mask.sum() == sum(map(len, rows))


def test_ids_are_those_of_transformers(tiny_checkpoint: Path) -> None:
    from transformers import AutoTokenizer

    texts = [*SENTENCES, "ＡＢＣ１２３ abc", "😀\x00", "", "长" * 300, "½㈱" * 40]
    theirs = AutoTokenizer.from_pretrained(tiny_checkpoint)(texts, truncation=True)["input_ids"]
    ours = SentenceTokenizer(tiny_checkpoint).encode(texts)
    assert [row.tolist() for row in ours.ids] == theirs


def test_what_is_cut_is_flagged_to_the_token(tiny_checkpoint: Path) -> None:
    tokenizer = SentenceTokenizer(tiny_checkpoint)
    assert tokenizer.max_length_tokens == 48
    encoded = tokenizer.encode(["数" * 46, "数" * 47, "数", "数" * 1_000_000, "a" * 1_000_000])
    assert encoded.truncated.tolist() == [False, True, False, True, True]
    assert [len(ids) for ids in encoded.ids] == [48, 48, 3, 48, 3]


def test_the_shorter_of_two_stated_lengths_counts(tiny_checkpoint: Path) -> None:
    path = tiny_checkpoint / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for stated, expected in ((10, 10), (10**30, 48), (None, 48)):
        path.write_text(json.dumps({**settings, "model_max_length": stated}), encoding="utf-8")
        assert SentenceTokenizer(tiny_checkpoint).max_length_tokens == expected
    path.unlink()
    assert SentenceTokenizer(tiny_checkpoint).max_length_tokens == 48


def test_a_tokenizer_that_is_broken_or_of_another_model_is_refused(tiny_checkpoint: Path) -> None:
    config_path = tiny_checkpoint / "config.json"
    config = json.loads(config_path.read_text(encoding="utf-8"))
    config_path.write_text(json.dumps({**config, "vocab_size": 10}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="do not belong together"):
        SentenceTokenizer(tiny_checkpoint)
    (tiny_checkpoint / "tokenizer.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="corrupted tokenizer"):
        SentenceTokenizer(tiny_checkpoint)


def test_threads_tokenise_as_one_does(tiny_checkpoint: Path) -> None:
    sentences = [text + str(number) for number in range(5) for text in SENTENCES]
    one, three = (SentenceTokenizer(tiny_checkpoint, threads).encode(sentences) for threads in (1, 3))
    assert [row.tolist() for row in one.ids] == [row.tolist() for row in three.ids]
    np.testing.assert_array_equal(one.truncated, three.truncated)
