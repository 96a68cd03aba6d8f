"""The road's rows: ids in numeric order, groups, weights and origins, parts as they are trained and measured on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from policy_bert.corpora.dataset import load_data, read_corpus
from policy_bert.corpora.settings import DataConfig, SplitConfig
from policy_bert.corpora.splits import Split

ROOT = Path(__file__).parents[2]
SETTINGS = DataConfig(
    str(ROOT / "data" / "policy_sentences.tsv"), str(ROOT / "data" / "labels.yaml"),
    auxiliary=(str(ROOT / "data" / "authored_sentences.csv"),),
)  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return load_data(SETTINGS, 0.6)


def test_labels_are_classes_in_numeric_order(data):
    feature = data.rows.features["label"]
    assert feature.names == list(data.scheme.names)
    assert [feature.str2int(name) for name in data.scheme.names] == list(range(14))


def test_rows_are_the_corpus_and_then_the_auxiliary_sentences(data):
    first = data.corpus.sentences[3]
    row = data.rows[3]
    assert (row["text"], row["label"], row["line"]) == (first.text, first.label, first.line)
    assert (row["origin"], row["weight"]) == ("corpus", 1.0)
    last = data.rows[len(data.rows) - 1]
    assert (last["origin"], last["weight"]) == ("auxiliary", 1.0)
    assert list(data.rows["origin"]).count("corpus") == 1586 == len(data.labels) == len(data.groups)


def test_no_part_shares_a_group_and_auxiliary_rows_are_trained_on_alone(data):
    parts = data.parts(data.split(SplitConfig()))
    groups = {name: set(part["group"]) for name, part in parts.items()}
    assert list(parts) == ["train", "validation", "test"]
    assert not groups["train"] & groups["validation"] | groups["train"] & groups["test"]
    assert not groups["validation"] & groups["test"]
    assert "auxiliary" in parts["train"]["origin"]
    assert set(parts["validation"]["origin"]) == set(parts["test"]["origin"]) == {"corpus"}


def test_an_empty_part_is_left_out_and_without_a_split_all_is_train(data):
    split = Split(np.arange(10, 1586), np.array([], dtype=np.int64), np.arange(10))
    assert {name: len(part) for name, part in data.parts(split).items()} == {"train": len(data.rows) - 10, "test": 10}
    assert {name: len(part) for name, part in data.parts().items()} == {"train": len(data.rows)}


def test_an_auxiliary_sentence_that_nearly_is_a_corpus_sentence_is_left_out(tmp_path):
    path = tmp_path / "corpus.tsv"
    path.write_text("设立数据产业专项资金\t0\n违者由主管机关责令改正\t1\n", encoding="utf-8")
    extra = {"设立数据产业专项资金。": (0, 1.0), "鼓励银行发放贷款": (1, 0.5)}
    data = load_data(DataConfig(str(path), labels=None), 0.6, extra=extra)
    assert list(data.rows["text"])[2:] == ["鼓励银行发放贷款"]
    assert list(data.rows["weight"]) == [1.0, 1.0, 0.5]
    heavier = load_data(DataConfig(str(path), labels=None), 0.6, extra={"鼓励银行发放贷款": (1, 1.0)})
    assert heavier.inputs["auxiliary"] != data.inputs["auxiliary"]


def test_inputs_change_with_sentences_labels_and_auxiliary_sentences_alone(data, tmp_path):
    lines = Path(SETTINGS.corpus).read_text(encoding="utf-8").splitlines()
    same = tmp_path / "same.tsv"
    same.write_text("\r\n".join(lines), encoding="utf-8")
    settings = replace(SETTINGS, corpus=str(same))
    assert load_data(settings, 0.6).inputs == data.inputs
    same.write_text("\n".join(lines[1:]), encoding="utf-8")
    other = load_data(settings, 0.6).inputs
    assert other["corpus"] != data.inputs["corpus"]
    assert load_data(replace(SETTINGS, auxiliary=()), 0.6).inputs["auxiliary"] != data.inputs["auxiliary"]


def test_a_corpus_is_read_as_the_configuration_says(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("句子,码\n设立专项资金,乙\n引进人才,甲\n".encode("gb18030"))
    found = read_corpus(DataConfig(str(path), None, "句子", "码", "gb18030"))
    assert [sentence.text for sentence in found.sentences] == ["设立专项资金", "引进人才"]
