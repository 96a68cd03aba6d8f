import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import TfidfVectorizer

from policy_bert.corpora.reading import LabelledSentence, load_corpus
from policy_bert.corpora.settings import SplitConfig
from policy_bert.corpora.splits import (
    Split,
    near_duplicate_groups,
    read_split,
    stratified_folds,
    stratified_split,
    write_split,
)
from policy_bert.errors import DataError
from policy_bert.labels import load_scheme
from policy_bert.text import clean

DATA = Path(__file__).resolve().parents[2] / "data"
FRACTIONS = (0.8, 0.1, 0.1)


@pytest.fixture(scope="module")
def corpus():
    return load_corpus(DATA / "policy_sentences.tsv", load_scheme(DATA / "labels.yaml"))


@pytest.fixture(scope="module")
def labels(corpus):
    return np.array([sentence.label for sentence in corpus.sentences])


@pytest.fixture(scope="module")
def groups(corpus):
    return near_duplicate_groups([sentence.text for sentence in corpus.sentences])


def parts_of(split):
    return [split.train, split.validation, split.test]


def components_of_all_pairs(texts, threshold):
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(2, 3)).fit_transform(texts)
    return connected_components(vectors @ vectors.T > threshold, directed=False)[1]


def same_partition(first, second):
    pairs = set(zip(first.tolist(), second.tolist(), strict=True))
    return len(pairs) == len(set(first.tolist())) == len(set(second.tolist()))


# --- near-duplicate groups


@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_groups_are_the_components_of_all_pairs_above_the_threshold(corpus, threshold):
    texts = [sentence.text for sentence in corpus.sentences]
    assert same_partition(near_duplicate_groups(texts, threshold), components_of_all_pairs(texts, threshold))


@given(
    st.lists(st.text("政策数据共享ab ", min_size=2, max_size=12).map(str.strip), min_size=2, unique=True),
    st.floats(0, 0.95),
)
@settings(max_examples=60, deadline=None)
def test_searching_by_blocks_and_rare_parts_loses_no_pair(texts, threshold):
    texts = [text for text in dict.fromkeys(map(clean, texts)) if len(text) > 1]
    assume(texts)
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(2, 3)).fit_transform(texts)
    cosines = (vectors @ vectors.T).toarray()
    assume(np.all(np.abs(cosines - threshold) > 1e-9))  # where rounding decides
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy_bert.corpora.near_duplicates._BLOCK_PRODUCTS", 100)
        found = near_duplicate_groups(texts, threshold)
    assert same_partition(found, components_of_all_pairs(texts, threshold))


def test_groups_are_numbered_by_first_appearance_and_chains_join():
    chain = ["推动大数据与实体经济深度融合", "推动大数据与实体经济深度融合发展", "大数据与实体经济深度融合发展水平"]
    groups = near_duplicate_groups(["设立专项资金支持企业", *chain, "加强知识产权保护"])
    assert groups.tolist() == [0, 1, 1, 1, 2]
    assert groups.dtype == np.int64


def test_equal_sentences_are_one_group_even_without_ngrams():
    assert near_duplicate_groups(["好", "好", "坏", "  好 "]).tolist() == [0, 0, 1, 0]
    assert near_duplicate_groups(["推动共享。", "好", "推动共享。 ", "好"]).tolist() == [0, 1, 0, 1]
    assert near_duplicate_groups([]).tolist() == []


def test_a_threshold_that_is_no_cosine_is_an_error():
    with pytest.raises(ValueError, match="threshold"):
        near_duplicate_groups(["一"], 1.0)


# --- parts and folds


@st.composite
def labelled_groups(draw):
    classes = draw(st.integers(2, 5))
    labels, groups = [], []
    for label in range(classes):  # five groups of each class alone, so that five folds can hold it
        for _ in range(5):
            size = draw(st.integers(1, 3))
            group = len(groups) + 1000
            labels += [label] * size
            groups += [group] * size
    extra = draw(st.integers(0, 60))
    labels += draw(st.lists(st.integers(0, classes - 1), min_size=extra, max_size=extra))
    groups += draw(st.lists(st.integers(0, 20), min_size=extra, max_size=extra))
    order = draw(st.permutations(range(len(labels))))
    return np.array(labels)[order], np.array(groups)[order]


@given(labelled_groups(), st.integers(0, 2**32), st.sampled_from([FRACTIONS, (0.5, 0.0, 0.5), (0.34, 0.33, 0.33)]))
@settings(max_examples=60, deadline=None)
def test_parts_are_disjoint_exhaustive_complete_and_share_no_group(rows, seed, fractions):
    labels, groups = rows
    parts = parts_of(stratified_split(labels, groups, fractions, seed))
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, fraction in zip(parts, fractions, strict=True):
        assert set(labels[part]) == (set(labels) if fraction else set())
        assert np.array_equal(part, np.sort(part))
    held = [set(groups[part]) for part in parts]
    assert not held[0] & held[1]
    assert not held[0] & held[2]
    assert not held[1] & held[2]


@given(labelled_groups(), st.integers(2, 5), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_folds_are_disjoint_exhaustive_complete_and_share_no_group(rows, count, seed):
    labels, groups = rows
    folds = stratified_folds(labels, groups, count, seed)
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(len(labels)))
    assert all(set(labels[fold]) == set(labels) for fold in folds)
    assert sum(len(set(groups[fold])) for fold in folds) == len(set(groups))


def test_a_split_follows_from_its_seed_and_leaves_the_global_generator_alone(labels, groups):
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    first = stratified_split(labels, groups, FRACTIONS, 7)
    assert np.array_equal(before, np.random.get_state()[1])
    np.random.seed(2)
    second = stratified_split(labels, groups, FRACTIONS, 7)
    other = stratified_split(labels, groups, FRACTIONS, 8)
    assert all(map(np.array_equal, parts_of(first), parts_of(second)))
    assert not np.array_equal(first.test, other.test)


def test_the_corpus_splits_with_its_class_shares(labels, groups):
    for seed in range(3):
        split = stratified_split(labels, groups, FRACTIONS, seed)
        for part, fraction in zip(parts_of(split), FRACTIONS, strict=True):
            assert abs(len(part) - fraction * len(labels)) <= 3
            wanted = fraction * np.bincount(labels)
            assert np.all(np.abs(np.bincount(labels[part], minlength=14) - wanted) < 2)


def test_the_corpus_folds_with_its_class_shares(labels, groups):
    for fold in stratified_folds(labels, groups, 5, 0):
        assert abs(len(fold) - len(labels) / 5) <= 3
        assert np.all(np.abs(np.bincount(labels[fold], minlength=14) - np.bincount(labels) / 5) < 2)


def test_a_class_that_cannot_be_in_every_part_is_named():
    labels = np.array([0] * 20 + [1] * 4)
    groups = np.array([*range(20), 30, 30, 31, 31])
    with pytest.raises(DataError, match=r"class 采购: its 4 sentences form 2 groups .* too few for 3 parts"):
        stratified_split(labels, groups, FRACTIONS, 0, names=["目标", "采购"])
    with pytest.raises(DataError, match=r"class 1: .* 3 folds"):
        stratified_folds(labels, groups, 3, 0)
    with pytest.raises(DataError, match="class 空: no sentence"):
        stratified_split(labels, groups, (0.5, 0, 0.5), 0, names=["目标", "采购", "空"])
    assert len(stratified_folds(labels, groups, 2, 0)) == 2


def test_a_class_of_large_groups_is_still_in_every_part():
    labels = np.array([0] * 40 + [1] * 9)
    groups = np.array([*range(40), *[50] * 3, *[51] * 3, *[52] * 3])
    split = stratified_split(labels, groups, FRACTIONS, 0)
    assert [np.count_nonzero(labels[part]) for part in parts_of(split)] == [3, 3, 3]


@pytest.mark.parametrize("fractions", [(0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_fractions_that_are_no_shares_are_a_bug_of_the_caller(fractions):
    with pytest.raises(ValueError, match="fractions"):
        stratified_split([0, 1], [0, 1], fractions, 0)
    with pytest.raises(ValueError, match="folds"):
        stratified_folds([0, 1], [0, 1], 1, 0)


# --- split.json


def test_a_split_written_is_the_split_read_and_two_writings_are_equal(tmp_path, corpus, labels, groups):
    split = stratified_split(labels, groups, FRACTIONS, 0)
    for name in ("a.json", "b.json"):
        write_split(split, tmp_path / name, corpus, SplitConfig())
    assert all(map(np.array_equal, parts_of(split), parts_of(read_split(tmp_path / "a.json", corpus))))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    record = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert record["corpus_sha256"] == corpus.sha256
    assert (record["seed"], record["near_duplicate_threshold"], record["sentences"]) == (0, 0.6, 1586)


def small_corpus(path, lines, **options):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load_corpus(path, **options)


LINES = ["推动数据共享\t1", "设立专项资金\t0", "培养人才\t0", "扩大开放\t1", "推动数据共享\t0"]


@pytest.mark.parametrize("changed", [LINES[::-1], LINES[:-1], [*LINES, "新增\t1"], ["推动数据开放\t1", *LINES[1:]]])
def test_a_changed_or_permuted_corpus_is_refused(tmp_path, changed):
    path = tmp_path / "split.json"
    corpus = small_corpus(tmp_path / "a.tsv", LINES)
    write_split(Split(np.array([0, 1]), np.array([2]), np.array([], dtype=np.int64)), path, corpus, SplitConfig())
    assert read_split(path, corpus).validation.tolist() == [2]
    with pytest.raises(DataError, match="the corpus has changed"):
        read_split(path, small_corpus(tmp_path / "b.tsv", changed))


def test_the_same_bytes_read_differently_are_refused(tmp_path):
    corpus = small_corpus(tmp_path / "a.tsv", LINES)
    write_split(Split(*np.array([[0], [1], [2]])), tmp_path / "split.json", corpus, SplitConfig())
    for other in (
        small_corpus(tmp_path / "a.tsv", LINES, contradictions="first"),
        replace(corpus, sentences=(LabelledSentence("设立专项资金", 1, 2), *corpus.sentences[1:])),
    ):
        with pytest.raises(DataError, match="read differently"):
            read_split(tmp_path / "split.json", other)


@pytest.mark.parametrize("damage", ["", "[]", '{"train": []}', "null", "not json"])
def test_a_damaged_or_missing_split_is_a_one_line_error(tmp_path, damage):
    corpus = small_corpus(tmp_path / "a.tsv", LINES)
    with pytest.raises(DataError, match="cannot read the split"):
        read_split(tmp_path / "none.json", corpus)
    (tmp_path / "split.json").write_text(damage, encoding="utf-8")
    with pytest.raises(DataError, match="not a split"):
        read_split(tmp_path / "split.json", corpus)


@pytest.mark.parametrize("train", [[0, 0], [0], [0, 7], [0, 1.5]])
def test_indices_that_do_not_cover_the_corpus_once_are_refused(tmp_path, train):
    corpus = small_corpus(tmp_path / "a.tsv", LINES)
    path = tmp_path / "split.json"
    write_split(Split(*np.array([[0], [1], [2]])), path, corpus, SplitConfig())
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**record, "train": train, "validation": [2], "test": []}), encoding="utf-8")
    with pytest.raises(DataError, match=r"hold every one|not a split"):
        read_split(path, corpus)


def test_an_unwritable_split_is_a_one_line_error(tmp_path):
    corpus = small_corpus(tmp_path / "a.tsv", LINES)
    with pytest.raises(DataError, match="cannot write the split"):
        write_split(Split(*np.array([[0], [1], [2]])), tmp_path / "none" / "split.json", corpus, SplitConfig())
