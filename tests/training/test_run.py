"""A run is reproducible, resumes to the same weights, and leaves a standard checkpoint."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from small import ROOT, corpus_lines, run_config, write_config
from transformers import Trainer, TrainerCallback

from policy_bert.checkpoint.folder import check_checkpoint
from policy_bert.config import load_config
from policy_bert.corpora.dataset import load_data
from policy_bert.corpora.reading import load_corpus
from policy_bert.corpora.splits import read_split
from policy_bert.errors import CheckpointError, ConfigError, UserError
from policy_bert.evaluation.calibration import WIDTHS, calibrate
from policy_bert.evaluation.metrics import FIGURES, measure
from policy_bert.scoring.classifier import PolicyClassifier
from policy_bert.train import main, train
from policy_bert.training.recipe import Recipe
from policy_bert.training.record import recipe_digest
from policy_bert.training.settings import RunConfig
from policy_bert.training.trainer import RecipeTrainer, finetune


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


def test_the_training_log_has_the_figures_that_evaluate_reports(finished):
    with (finished / "training_log.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3
    for row in rows:
        assert all(np.isfinite(float(row[f"eval_{name}"])) for name in FIGURES)
    config = load_config(RunConfig, finished / "config.yaml")
    data = load_data(config.data, config.split.near_duplicate_threshold)
    validation = data.parts(read_split(finished / "split.json", data.corpus))["validation"]
    scores = PolicyClassifier.from_pretrained(finished, engine="torch").scores(list(validation["text"]))
    found = measure(validation["label"], scores)
    logged = {name: float(rows[-1][f"eval_{name}"]) for name in FIGURES}
    assert logged["log_loss"] == pytest.approx(found["log_loss"], rel=0.02)  # weights are stored in float16
    assert logged["accuracy"] == pytest.approx(found["accuracy"], abs=0.1)
    assert logged["macro_f1"] == pytest.approx(found["macro_f1"], abs=0.1)


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


def tree(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


@pytest.mark.parametrize("change", [{"train": {"epochs": 1}}, {"seed": 7}, {"fit_on": "all"}])
def test_a_finished_run_of_another_configuration_is_kept_unless_told(tmp_path, change):
    run = train(run_config(tmp_path, adaptation=None, train={"epochs": 1}, seed=1))
    before = tree(run)
    other = run_config(tmp_path, adaptation=None, **{"train": {"epochs": 2}, **change})
    with pytest.raises(UserError, match=r"finished run of another configuration.*--restart") as refused:
        train(other)
    assert "\n" not in str(refused.value)
    assert tree(run) == before
    train(other, restart=True)
    assert tree(run) != before


def test_a_checkpoint_that_is_no_run_is_not_written_over(tmp_path, finished):
    foreign = Path(run_config(tmp_path).output)
    foreign.mkdir()
    shutil.copy(finished / "model.safetensors", foreign)
    with pytest.raises(UserError, match="no run of ours"):
        train(run_config(tmp_path))


def test_a_run_that_never_began_does_not_block_its_folder(tmp_path):
    config = run_config(tmp_path, adaptation=None, train={"epochs": 1})
    for wrong in (
        replace(config, data=replace(config.data, corpus=str(tmp_path / "typo.tsv"))),
        replace(config, model=replace(config.model, base=str(tmp_path / "typo"))),
        replace(config, data=replace(config.data, text_column="typo")),
    ):
        with pytest.raises(UserError):
            train(wrong)
        assert not Path(config.output).exists()
    assert (train(config) / "model.safetensors").is_file()


def interrupted(config, monkeypatch):
    """Begin a run and stop it in its second epoch."""
    steps = []

    def step(self, *arguments, **keywords):
        steps.append(1)
        if len(steps) == 4:
            raise KeyboardInterrupt
        return Trainer.training_step(self, *arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(RecipeTrainer, "training_step", step)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    assert list((Path(config.output) / "checkpoints").rglob("complete"))


def test_a_run_is_not_gone_on_with_on_another_corpus_or_other_auxiliary_sentences(tmp_path, monkeypatch):
    config = run_config(tmp_path, adaptation=None)
    interrupted(config, monkeypatch)
    for changed, name in ((config.data.corpus, "inputs.corpus"), (config.data.auxiliary[0], "inputs.auxiliary")):
        path = Path(changed)
        whole = path.read_text(encoding="utf-8")
        path.write_text(whole.rstrip("\n").rpartition("\n")[0] + "\n", encoding="utf-8")
        with pytest.raises(UserError, match=f"unfinished run .*{name} differ"):
            train(config)
        path.write_text(whole, encoding="utf-8")
    train(config)


def test_a_run_is_not_gone_on_with_from_a_base_that_was_replaced_in_place(tmp_path, finished, monkeypatch):
    base = Path(shutil.copytree(finished, tmp_path / "base"))
    config = run_config(tmp_path, adaptation=None, model={"base": str(base)})
    interrupted(config, monkeypatch)
    other = train(run_config(tmp_path, adaptation=None, seed=3, output=str(tmp_path / "other")))
    for name in ("model.safetensors", "tokenizer.json", "config.json"):
        shutil.copy(other / name, base / name)
    with pytest.raises(UserError, match=r"inputs\.base differ"):
        train(config)


def test_fit_on_all_leaves_no_split_to_be_measured_on(tmp_path):
    run = train(run_config(tmp_path, fit_on="all"))
    assert not (run / "split.json").exists()


SLOPES = (0.4, 0.5, 0.6, 0.2, 0.3, 0.9, 1.4, 1.2, 0.8, 0.1)
WIDE = {"scratch": {
    "layers": 1, "hidden": 32, "heads": 2, "intermediate": 32, "vocabulary_size": 400, "max_length_tokens": 48,
}}  # fmt: skip


def bound(config):
    """The configuration with its calibration bound to its own data and recipe."""
    data = load_data(config.data, config.split.near_duplicate_threshold)
    return replace(config, calibrated_on=recipe_digest(config, {**data.inputs, "base": "scratch"}))


def folded(run):
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["calibration_folded"]


def test_a_bound_calibration_is_folded_into_the_head_of_a_run_on_all_sentences(tmp_path):
    sentences = [text for text, _ in corpus_lines()]
    changes = {"adaptation": None, "model": WIDE, "fit_on": "all"}
    plain = train(run_config(tmp_path, **changes, output=str(tmp_path / "plain")))
    bent = train(bound(run_config(tmp_path, **changes, calibration=SLOPES)))
    scores = [PolicyClassifier.from_pretrained(run, engine="torch").scores(sentences) for run in (plain, bent)]
    np.testing.assert_allclose(scores[1], calibrate(scores[0], SLOPES), atol=5e-3)
    steps = weights(bent)["classifier.weight"][0]
    np.testing.assert_allclose(steps, np.pad(np.multiply(SLOPES, WIDTHS), (0, 32 - len(SLOPES))), rtol=1e-3)
    assert (folded(plain), folded(bent)) == ([], list(SLOPES))


@pytest.mark.parametrize(
    "other", [{"fit_on": "train"}, {"train": {"epochs": 2}}, {"data": {"auxiliary": []}}, {"calibrated_on": ""}]
)
def test_a_calibration_of_other_data_or_another_recipe_is_left_out(tmp_path, other):
    base = bound(run_config(tmp_path, adaptation=None, model=WIDE, fit_on="all", calibration=SLOPES))
    changed = {"fit_on": "all", "calibrated_on": base.calibrated_on, **other}
    config = run_config(tmp_path, adaptation=None, model=WIDE, calibration=SLOPES, **changed)
    assert folded(train(config)) == []


def test_a_run_with_parts_calibrates_itself_on_its_validation_part(tmp_path, monkeypatch):
    monkeypatch.setattr("policy_bert.training.run.FEWEST_TO_CALIBRATE", 10)
    slopes = folded(train(run_config(tmp_path, adaptation=None, model=WIDE)))
    assert len(slopes) == 10
    assert min(slopes) > 0
    assert slopes != list(SLOPES)
    narrow = train(run_config(tmp_path, adaptation=None, output=str(tmp_path / "narrow")))
    assert folded(narrow) == []  # its head has no room


@pytest.mark.parametrize(
    ("calibration", "message"), [(SLOPES, "3 classes need 30 units"), ((1.0, 1.0), "expected 10 slopes")]
)
def test_a_calibration_that_does_not_fit_is_refused_before_any_training(tmp_path, calibration, message):
    config = bound(run_config(tmp_path, calibration=calibration, fit_on="all"))
    with pytest.raises(ConfigError, match=message):
        train(config)
    assert not Path(config.output).exists()


def test_accumulated_batches_have_the_loss_and_the_gradient_of_one_batch(tmp_path):
    rows = load_data(run_config(tmp_path).data, 0.6).rows.select(range(32))
    config = run_config(tmp_path, model={"dropout": 0.0}, data={"auxiliary": []})
    recipe = Recipe(config, load_corpus(config.data.corpus).scheme, rows)
    found = []
    for size, steps in ((32, 1), (8, 4)):
        model = recipe.initial_model(seed=0)
        settings = replace(config.train, epochs=1, batch_size=size, gradient_accumulation_steps=steps)
        gradients = Gradients(model)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "policy_bert.training.trainer.show_progress", partial(RecipeTrainer.add_callback, callback=gradients)
            )
            history = finetune(
                model, recipe.tokenizer, rows, settings, tmp_path / str(size), seed=0, max_length_tokens=48,
                keep_checkpoints=False,
            )  # fmt: skip
        found.append((history[0]["loss"], history[0]["grad_norm"], gradients.found))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-2)
    assert found[0][1] == pytest.approx(found[1][1], rel=2e-2)
    np.testing.assert_allclose(found[0][2], found[1][2], atol=0.02 * np.abs(found[0][2]).max())


class Gradients(TrainerCallback):
    """Keeps the gradient of the one optimizer step."""

    def __init__(self, model):
        self.model = model

    def on_pre_optimizer_step(self, *_, **__):
        self.found = self.model.classifier.weight.grad.float().numpy().copy()


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
