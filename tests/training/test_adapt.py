"""Silver labels by digest, and the adaptation that trains on them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from small import corpus_lines, run_config, write_config

from policy_bert.adapt import adapt, main
from policy_bert.corpora.dataset import load_data
from policy_bert.corpora.silver_labels import (
    clauses,
    find_sentences,
    read_silver_labels,
    sentence_digest,
)
from policy_bert.errors import ConfigError, DataError, UserError
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.train import train
from policy_bert.training.settings import FinetuneConfig, RunConfig

TEXT = """第三条 （一）对违规采集信息的单位处以罚款；新建三座数据机房并联网运行。
没有标签的一句话放在这里。

一、鼓励银行发放信用贷款。对违规采集信息的单位处以罚款；
"""
SILVER = {"对违规采集信息的单位处以罚款；": 1, "新建三座数据机房并联网运行。": 0, "鼓励银行发放信用贷款。": 2}


@pytest.fixture
def text_file(tmp_path: Path) -> str:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def write_silver(folder: Path, labels: dict[str, int]) -> str:
    path = folder / "silver.tsv"
    rows = "".join(f"{sentence_digest(text)}\t{label}\n" for text, label in labels.items())
    path.write_text("digest\tlabel\n" + rows, encoding="utf-8")
    return str(path)


def test_clauses_lose_their_numbering():
    assert list(clauses(TEXT.splitlines()[0])) == list(SILVER)[:2]


def test_sentences_are_found_once_with_their_labels(tmp_path, text_file):
    labels = read_silver_labels(write_silver(tmp_path, {**SILVER, "文本里没有的一句。": 1}), classes=3)
    found = find_sentences([text_file], labels)
    assert found == SILVER
    assert list(found) == sorted(found, key=sentence_digest)


def test_digests_ignore_width_and_punctuation():
    assert sentence_digest("发展“互联网＋”。") == sentence_digest('发展"互联网+"')
    assert sentence_digest("发展一") != sentence_digest("发展二")


@pytest.mark.parametrize("line", ["abc\t1", "0123456789abcdef\tx", "0123456789abcdef\t3", "0123456789abcdef"])
def test_a_bad_row_is_named(tmp_path, line):
    path = tmp_path / "silver.tsv"
    path.write_text(f"digest\tlabel\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2: expected a digest"):
        read_silver_labels(path, classes=3)


def test_text_without_any_of_the_sentences_is_refused(tmp_path, text_file):
    with pytest.raises(DataError, match="none of the sentences"):
        find_sentences([text_file], {"0" * 16: 1})


def test_the_adapted_checkpoint_scores_and_is_trained_further(tmp_path, text_file):
    config = run_config(tmp_path, output=str(tmp_path / "adapted"))
    folder = adapt(config, [text_file], [(write_silver(tmp_path, SILVER), 1.0)])
    assert PolicyClassifier.from_pretrained(folder, engine="torch").scores(["新建机房。"]).shape == (1, 3)
    without = adapt(replace(config, output=str(tmp_path / "plain")), [])
    name = "classifier.weight"
    assert not np.array_equal(*(load_file(path / "model.safetensors")[name] for path in (folder, without)))
    further = replace(
        config,
        adaptation=None,
        model=replace(config.model, base=str(folder)),
        train=replace(config.train, epochs=1, learning_rate=1e-9),
        output=str(tmp_path / "run"),
    )
    kept = [load_file(path / "model.safetensors")[name] for path in (folder, train(further))]
    np.testing.assert_allclose(*kept, atol=1e-4)  # the head is the adapted one, not a new one


def test_other_class_names_get_a_new_head(tmp_path, text_file):
    config = run_config(tmp_path, output=str(tmp_path / "adapted"))
    folder = adapt(config, [])
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    settings["id2label"] = {key: f"其他{key}" for key in settings["id2label"]}
    settings["label2id"] = {name: int(key) for key, name in settings["id2label"].items()}
    (folder / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    tuned = replace(config.train, epochs=1, learning_rate=1e-9)
    further = replace(
        config,
        adaptation=None,
        model=replace(config.model, base=str(folder)),
        train=tuned,
        output=str(tmp_path / "run"),
    )
    old, new = (load_file(path / "model.safetensors")["classifier.weight"] for path in (folder, train(further)))
    assert np.abs(old - new).max() > 1e-3


def test_the_command_prints_the_folder(tmp_path, text_file, capsys):
    config = run_config(tmp_path, output=str(tmp_path / "adapted"))
    silver = write_silver(tmp_path, SILVER)
    assert main(["--config", str(write_config(tmp_path, config)), "--text", text_file, "--silver-labels", silver]) == 0
    assert capsys.readouterr().out.strip() == config.output


def test_the_first_table_that_has_a_sentence_gives_its_class_and_weight(tmp_path, text_file, monkeypatch):
    sure, unsure = tmp_path / "sure", tmp_path / "unsure"
    sure.mkdir(), unsure.mkdir()
    first = write_silver(sure, {"鼓励银行发放信用贷款。": 2})
    second = write_silver(unsure, {"鼓励银行发放信用贷款。": 0, "新建三座数据机房并联网运行。": 0})
    seen = []
    monkeypatch.setattr("policy_bert.training.recipe.Recipe.adapt", lambda self, *_: seen.append(self.rows))
    config = run_config(tmp_path, data={"auxiliary": []}, output=str(tmp_path / "adapted"))
    adapt(config, [text_file], [(first, 1.0), (second, 0.5)])
    found = {row["text"]: (row["label"], row["weight"]) for row in seen[0]}
    assert found == {"鼓励银行发放信用贷款。": (2, 1.0), "新建三座数据机房并联网运行。": (0, 0.5)}


def test_a_teacher_of_the_same_classes_is_followed(tmp_path):
    unsure = run_config(tmp_path, output=str(tmp_path / "teacher"), adaptation={"epochs": 1})
    teacher = adapt(unsure, [])
    sentences = [row["text"] for row in load_data(unsure.data, 0.6).rows if row["origin"] == "auxiliary"]
    wanted = PolicyClassifier.from_pretrained(teacher, engine="torch").scores(sentences)
    distances = []
    for share in (0.0, 0.9):
        changes = {"epochs": 60, "learning_rate": 1e-2, "label_smoothing": 0.0, "teacher_share": share}
        pupil = run_config(tmp_path, output=str(tmp_path / str(share)), teacher=str(teacher), adaptation=changes)
        folder = adapt(pupil, [])
        assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["inputs"]["teacher"]
        found = PolicyClassifier.from_pretrained(folder, engine="torch").scores(sentences)
        distances.append(np.abs(found - wanted).mean())
    assert distances[1] < distances[0] / 2


def test_a_teacher_that_is_missing_is_named():
    with pytest.raises(ConfigError, match=r"adaptation\.teacher_share: expected a checkpoint"):
        RunConfig(adaptation=FinetuneConfig(teacher_share=0.5))


def test_a_model_that_knows_the_classes_is_held_by_its_own_scores(tmp_path):
    config = run_config(tmp_path, train={"epochs": 6, "learning_rate": 1e-2, "teacher_share": 0.9})
    free = replace(config, train=replace(config.train, teacher_share=0.0), output=str(tmp_path / "free"))
    sentences = [text for text, _ in corpus_lines()]
    start = adapt(replace(config, output=str(tmp_path / "start")), [])
    known = PolicyClassifier.from_pretrained(start, engine="torch").scores(sentences)
    moved = []
    for fit in (config, free):
        run = train(replace(fit, adaptation=None, model=replace(fit.model, base=str(start))))
        moved.append(np.abs(PolicyClassifier.from_pretrained(run, engine="torch").scores(sentences) - known).mean())
    assert moved[0] < moved[1] / 2


def test_a_configuration_without_the_phase_is_refused(tmp_path):
    with pytest.raises(UserError, match="no `adaptation:` phase"):
        adapt(run_config(tmp_path, adaptation=None), [])
