"""A run is reproducible, resumes to the same weights, and leaves a standard checkpoint."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from small import ROOT, corpus_lines, run_config, write_config

from policy_bert.checkpoint.folder import check_checkpoint
from policy_bert.corpora.reading import load_corpus
from policy_bert.corpora.splits import read_split
from policy_bert.errors import CheckpointError, ConfigError, UserError
from policy_bert.evaluation.calibration import WIDTHS, calibrate
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.train import main, train


def weights(run):
    return load_file(Path(run) / "model.safetensors")


def assert_equal_weights(first, second):
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return train(run_config(folder))


def test_a_run_folder_holds_what_later_steps_need_and_no_pickle(finished):
    names = {path.name for path in finished.iterdir()}
    assert {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
        "labels.yaml", "config.yaml", "split.json", "training_log.csv", "README.md",
    } <= names  # fmt: skip
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth", ".pkl")) or name == "checkpoints"]
    assert len(check_checkpoint(finished)) == 3
    assert list((finished / "tensorboard" / "fit").glob("events.*"))


def test_the_split_in_the_run_is_of_the_corpus(finished):
    corpus = load_corpus(finished.parent / "corpus.tsv")
    split = read_split(finished / "split.json", corpus)
    parts = np.concatenate([split.train, split.validation, split.test])
    assert sorted(parts) == list(range(len(corpus.sentences)))


def test_plain_transformers_gives_the_same_labels_and_scores(finished):
    from transformers import pipeline

    sentences = [sentence.text for sentence in load_corpus(finished.parent / "corpus.tsv").sentences]
    theirs = pipeline("text-classification", model=str(finished))(sentences, top_k=1)
    ours = PolicyClassifier.from_pretrained(finished, engine="torch").predict(sentences)
    assert [row[0]["label"] for row in theirs] == [prediction.label_name for prediction in ours]
    np.testing.assert_allclose([row[0]["score"] for row in theirs], [p.confidence for p in ours], atol=1e-4)


def test_one_seed_gives_equal_weights_and_another_gives_others(finished, tmp_path):
    assert_equal_weights(weights(finished), weights(train(run_config(tmp_path))))
    other = train(run_config(tmp_path, seed=1, output=str(tmp_path / "other")))
    assert any((weights(finished)[name] != tensor).any() for name, tensor in weights(other).items())


def test_a_killed_run_resumes_to_the_weights_of_one_that_was_not(finished, tmp_path):
    config = run_config(tmp_path)
    command = [sys.executable, "-m", "policy_bert.train", "--config", str(write_config(tmp_path, config))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    second = Path(config.output) / "checkpoints" / "fit"
    while process.poll() is None and not list(second.glob("checkpoint-*/trainer_state.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    train(config)
    assert_equal_weights(weights(finished), weights(config.output))


def test_an_unfinished_run_of_another_configuration_is_not_continued(tmp_path):
    config = run_config(tmp_path)
    checkpoints = Path(config.output) / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "config.yaml").write_text("other: 1\n", encoding="utf-8")
    with pytest.raises(UserError, match="--restart"):
        train(config)
    assert (train(config, restart=True) / "model.safetensors").is_file()


def test_fit_on_all_leaves_no_split_to_be_measured_on(tmp_path):
    run = train(run_config(tmp_path, fit_on="all"))
    assert not (run / "split.json").exists()


SLOPES = (0.4, 0.5, 0.6, 0.2, 0.3, 0.9, 1.4, 1.2, 0.8, 0.1)
WIDE = {"scratch": {
    "layers": 1, "hidden": 32, "heads": 2, "intermediate": 32, "vocabulary_size": 400, "max_length_tokens": 48,
}}  # fmt: skip


def test_the_calibration_is_folded_into_the_head(tmp_path):
    sentences = [text for text, _ in corpus_lines()]
    changes = {"adaptation": None, "model": WIDE}
    plain = train(run_config(tmp_path, **changes, output=str(tmp_path / "plain")))
    bent = train(run_config(tmp_path, **changes, calibration=SLOPES))
    scores = [PolicyClassifier.from_pretrained(run, engine="torch").scores(sentences) for run in (plain, bent)]
    np.testing.assert_allclose(scores[1], calibrate(scores[0], SLOPES), atol=5e-3)
    steps = weights(bent)["classifier.weight"][0]
    np.testing.assert_allclose(steps, np.pad(np.multiply(SLOPES, WIDTHS), (0, 32 - len(SLOPES))), rtol=1e-3)


@pytest.mark.parametrize(
    ("calibration", "message"), [(SLOPES, "3 classes need 30 units"), ((1.0, 1.0), "expected 10 slopes")]
)
def test_a_calibration_that_does_not_fit_is_refused_before_any_training(tmp_path, calibration, message):
    config = run_config(tmp_path, calibration=calibration)
    with pytest.raises(ConfigError, match=message):
        train(config)
    assert not list(Path(config.output).rglob("*.safetensors"))


def test_early_stopping_keeps_the_best_epoch(tmp_path):
    config = run_config(tmp_path, adaptation=None, train={"early_stopping_patience": 1, "epochs": 6})
    run = train(config)
    assert "eval_macro_f1" in (run / "training_log.csv").read_text(encoding="utf-8")


def test_two_processes_train_to_the_end(tmp_path):
    config = write_config(tmp_path, run_config(tmp_path))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    done = subprocess.run(
        [*launch, "-m", "policy_bert.train", "--config", str(config)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_base_that_cannot_be_had_names_the_ways_out(tmp_path):
    config = run_config(tmp_path)
    with pytest.raises(CheckpointError, match=r"HF_ENDPOINT.*compact"):
        train(replace(config, model=replace(config.model, base=str(tmp_path / "no" / "such" / "folder"))))


def test_the_command_prints_the_run_folder(tmp_path, capsys):
    config = write_config(tmp_path, run_config(tmp_path, adaptation=None))
    assert main(["--config", str(config), "--set", "train.epochs=1"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "run")
