"""A pretraining that is given minutes in place of tokens."""

import json
from dataclasses import replace

import pytest
import torch
from small import pretrain_config as config

from policy_bert import time_budget
from policy_bert.config import build_config
from policy_bert.errors import ConfigError
from policy_bert.pretrain import pretrain
from policy_bert.pretraining_data import prepare_data
from policy_bert.pretraining_model import initial_model
from policy_bert.pretraining_settings import PretrainConfig
from policy_bert.time_budget import Plan, Speed, measure_speed, plan_tokens

SPEED = Speed(1000.0, 2.0, 10.0, 5.0, 1e6, 0.005)


@pytest.fixture(autouse=True)
def short_stretch(monkeypatch):
    monkeypatch.setattr(time_budget, "WARM_STEPS", 1)
    monkeypatch.setattr(time_budget, "TIMED_STEPS", 2)
    monkeypatch.setattr(time_budget, "matrix_peak", lambda device, bfloat16: 1e9)


def timed(text_file, output, minutes=0.01):
    return config(text_file, output, shallow_layers=0, minutes=minutes)


def test_the_plan_fills_what_compiling_and_the_reserve_leave(text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(time_budget, "measure_speed", lambda *_: SPEED)
    plan = plan_tokens(timed(text_file, tmp_path, minutes=1.0), None, None, tmp_path)
    assert plan == Plan(int((60 * (1 - time_budget.RESERVE) - 2.0 * time_budget.RECOMPILING) * 1000), SPEED)
    monkeypatch.setattr(time_budget, "measure_speed", lambda *_: replace(SPEED, tokens_per_s=1.0))
    assert plan_tokens(timed(text_file, tmp_path, minutes=9.0), None, None, tmp_path) == plan, "a resume measures again"


def test_measuring_leaves_the_model_and_the_random_state_as_they_were(text_file, tmp_path):
    settings = timed(text_file, tmp_path)
    data = prepare_data(settings)
    model = initial_model(settings, data, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    speed = measure_speed(settings, model, data)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert speed.tokens_per_s > 0
    assert speed.utilisation == pytest.approx(speed.tokens_per_s * speed.operations_per_token / 1e9)
    assert 0 < speed.warm_up_s < speed.elapsed_s


def test_a_timed_run_says_what_it_planned_and_how_fast_it_was(text_file, tmp_path):
    pretrain(timed(text_file, tmp_path / "run", minutes=0.02))
    result = json.loads((tmp_path / "run" / "result.json").read_text(encoding="utf-8"))
    plan = json.loads((tmp_path / "run" / "plan.json").read_text(encoding="utf-8"))
    assert result["tokens"] == plan["tokens"]
    assert result["tokens_per_s"] == plan["speed"]["tokens_per_s"] > 0
    assert result["utilisation"] > 0


def test_minutes_and_a_shallow_phase_exclude_each_other():
    with pytest.raises(ConfigError, match="exclude"):
        build_config(PretrainConfig, {"minutes": 5, "shallow_layers": 2})
    with pytest.raises(ConfigError, match="minutes"):
        build_config(PretrainConfig, {"minutes": 0})
