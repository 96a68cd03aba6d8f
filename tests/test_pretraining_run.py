"""The objectives end to end, on the processor's batches and on those that stay on a device."""

import json
import zlib

import numpy as np
import pytest
import torch
from small import pretrain_config as config

from policy_bert import pretraining_run
from policy_bert.contrast import PairCollator, WindowPairs
from policy_bert.encoder import load_classifier
from policy_bert.labels import scheme_from_names
from policy_bert.masking import SPAN_LENGTH_PROBABILITIES, SpanMasker, WindowDataset
from policy_bert.pretrain import pretrain
from policy_bert.pretraining_data import prepare_data
from policy_bert.pretraining_model import initial_model
from policy_bert.pretraining_run import compilation_kept_here, make_trainer, training_arguments
from policy_bert.resident import DeviceMasker, ResidentWindows
from policy_bert.settings import ModelConfig


@pytest.fixture(params=["processor", "resident"])
def place(request, monkeypatch):
    if request.param == "resident":
        monkeypatch.setattr(pretraining_run, "resident_device", lambda: torch.device("cpu"))
    return request.param


@pytest.mark.parametrize(("objective", "contrast_weight"), [("mlm", 0.5), ("rtd", 0.0), ("rtd", 0.5)])
def test_every_objective_leaves_a_standard_encoder_that_fills_masks(
    text_file,
    tmp_path,
    place,
    objective,
    contrast_weight,
):
    from transformers import AutoModel, pipeline

    run = config(text_file, tmp_path / "run", objective=objective, contrast_weight=contrast_weight)
    encoder = pretrain(run)
    assert len(pipeline("fill-mask", model=str(encoder))("建设统一的数据[MASK]台。")) == 5
    _, loading = AutoModel.from_pretrained(encoder, output_loading_info=True, add_pooling_layer=False)
    assert not loading["missing_keys"]
    assert {name.partition(".")[0] for name in loading["unexpected_keys"]} <= {"cls"}
    model = load_classifier(ModelConfig(pooling_layer=True), encoder, scheme_from_names(["甲", "乙"]), 300, seed=0)
    assert model.config.num_hidden_layers == 3
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    assert 0 < result["held_out_loss"] < 2 * np.log(300)


def test_an_interrupted_run_of_all_objectives_resumes_to_the_same_weights(
    text_file,
    tmp_path,
    place,
    monkeypatch,
):
    from safetensors.numpy import load_file
    from transformers import Trainer

    settings = {"objective": "rtd", "contrast_weight": 0.5, "shallow_layers": 0}
    whole = pretrain(config(text_file, tmp_path / "whole", **settings))
    original, steps = Trainer.training_step, []

    def failing(self, *arguments, **keywords):
        steps.append(1)
        if len(steps) == 8:
            raise KeyboardInterrupt
        return original(self, *arguments, **keywords)

    monkeypatch.setattr(Trainer, "training_step", failing)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config(text_file, tmp_path / "resumed", **settings))
    monkeypatch.setattr(Trainer, "training_step", original)
    resumed = pretrain(config(text_file, tmp_path / "resumed", **settings))
    first, second = load_file(whole / "model.safetensors"), load_file(resumed / "model.safetensors")
    for name in first:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)


def trainer_of(settings, folder):
    data = prepare_data(settings)
    arguments = training_arguments(settings, settings.tokens, 0.3, folder, len(data.train), True)
    return make_trainer(settings, initial_model(settings, data, 1), data, arguments, []), arguments


def test_a_processor_keeps_its_own_batches(text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    trainer, arguments = trainer_of(config(text_file, tmp_path), tmp_path)
    assert type(trainer.train_dataset) is WindowDataset
    assert type(trainer.data_collator) is SpanMasker
    assert not arguments.dataloader_drop_last
    assert arguments.logging_nan_inf_filter
    pairs, arguments = trainer_of(config(text_file, tmp_path, contrast_weight=1.0), tmp_path)
    assert type(pairs.train_dataset) is WindowPairs
    assert type(pairs.data_collator) is PairCollator
    assert arguments.per_device_train_batch_size == 4, "of pairs, so that a batch has as many windows as before"


def test_resident_batches_have_one_shape(text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(pretraining_run, "resident_device", lambda: torch.device("cpu"))
    trainer, _ = trainer_of(config(text_file, tmp_path), tmp_path)
    assert type(trainer.train_dataset) is ResidentWindows
    assert type(trainer.data_collator) is DeviceMasker
    batches = [{name: value.shape for name, value in batch.items()} for batch in trainer.get_train_dataloader()]
    assert len(batches) > 3
    assert all(batch == batches[0] for batch in batches)


def test_the_processors_masks_are_what_they_always_were(text_file, tmp_path):
    """The draws of the first release, written out: a run begun with it must go on unchanged."""
    data = prepare_data(config(text_file, tmp_path))
    masker = SpanMasker(data.tokenizer, 0.15, 0.5, 48, seed=3)
    rows = list(data.train[:9])
    batch = masker(rows)
    ids = torch.from_numpy(np.stack(rows).astype(np.int64))
    generator = torch.Generator().manual_seed(zlib.crc32(ids.numpy().tobytes(), 3))
    shares = torch.tensor(SPAN_LENGTH_PROBABILITIES)
    length = torch.multinomial(shares, ids.numel(), replacement=True, generator=generator).view(ids.shape)
    starts = torch.rand(ids.shape, generator=generator) < masker.start_probability
    masked = starts.clone()
    masked[:, 1:] |= (starts & (length >= 1))[:, :-1]
    masked[:, 2:] |= (starts & (length >= 2))[:, :-2]
    masked &= ~torch.isin(ids, torch.tensor(masker.special))
    kind = torch.rand(ids.shape, generator=generator)
    random_ids = torch.randint(5, masker.vocabulary_size, ids.shape, generator=generator)
    inputs = torch.where(masked & (kind < 0.8), masker.mask_id, ids)
    offset = torch.randint(0, 48 - 16 + 1, (9, 1), generator=generator)
    offset *= torch.rand((9, 1), generator=generator) < 0.5
    positions = torch.arange(16).expand(9, -1) + offset
    positions[:, 0] = 0
    assert torch.equal(batch["labels"], torch.where(masked, ids, -100))
    assert torch.equal(batch["input_ids"], torch.where(masked & (kind >= 0.9), random_ids, inputs))
    assert torch.equal(batch["position_ids"], positions)


def test_compiling_one_training_does_not_compile_the_next(monkeypatch):
    import os

    monkeypatch.setenv("ACCELERATE_DYNAMO_MODE", "default")
    with compilation_kept_here():
        os.environ["ACCELERATE_DYNAMO_BACKEND"] = "inductor"
        os.environ["ACCELERATE_DYNAMO_MODE"] = "max-autotune"
    assert "ACCELERATE_DYNAMO_BACKEND" not in os.environ
    assert os.environ["ACCELERATE_DYNAMO_MODE"] == "default"
