"""Every configuration that the project ships loads into its dataclass."""

from pathlib import Path

import pytest
import yaml

from policy_bert.config import build_config, dump_config, load_config
from policy_bert.pretraining.settings import PretrainConfig
from policy_bert.training.settings import RunConfig

CONFIGS = sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml"))


def config_type(path):
    return PretrainConfig if path.stem.startswith("pretrain") else RunConfig


def test_there_are_configurations():
    assert CONFIGS


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_loads_and_its_resolved_form_is_the_same(path):
    config = load_config(config_type(path), path)
    assert build_config(config_type(path), yaml.safe_load(dump_config(config))) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_configuration_gives_each_line_its_reason(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    values = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert lines[0].startswith("#"), "the first line says what the configuration is for"
    assert any("#" in line for line in values), "no value has a reason"


@pytest.mark.parametrize("defaults", [PretrainConfig(), RunConfig()], ids=lambda config: type(config).__name__)
def test_defaults_survive_yaml(defaults):
    assert build_config(type(defaults), yaml.safe_load(dump_config(defaults))) == defaults
