"""Configurations: coerced by type, refused by name, written back whole."""

import dataclasses
from typing import Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_bert.config import build_config, dump_config, load_config
from policy_bert.corpora.settings import DataConfig
from policy_bert.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    steps: int = 10

    def __post_init__(self):
        if self.steps < 1:
            raise ConfigError(f"steps: expected at least 1, found {self.steps}")


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str = "x"
    on: bool = False
    mode: Literal["slow", "fast"] = "slow"
    maybe: int | None = None
    files: tuple[str, ...] = ()
    inner: Inner = dataclasses.field(default_factory=Inner)
    optional: Inner | None = None
    many: tuple[Inner, ...] = ()


@dataclasses.dataclass(frozen=True)
class Needy:
    must: int


def test_nothing_given_gives_the_defaults():
    assert load_config(Outer) == Outer()


def test_values_are_coerced_by_field_type():
    tree = {"inner": {"rate": "2e-5", "steps": 3.0}, "name": 7, "maybe": "4", "files": "one", "many": [{"steps": "2"}]}
    config = build_config(Outer, tree)
    assert config == Outer(inner=Inner(2e-5, 3), name="7", maybe=4, files=("one",), many=(Inner(steps=2),))
    assert type(config.inner.steps) is int


def test_a_file_holds_what_differs_and_overrides_come_last(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("# 中文\ninner:\n  rate: 2e-5\nname: 甲\n", encoding="utf-8")
    config = load_config(Outer, path, ["inner.rate=3e-4", "files=[a, b]", "optional.steps=5", "maybe=null"])
    assert config == Outer(name="甲", inner=Inner(rate=3e-4), files=("a", "b"), optional=Inner(steps=5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2024-05-01", "2024-05-01"), ("2024-13-45", "2024-13-45"), ("a=b", "a=b"), ("[", "["), ("12", "12")],
)
def test_an_override_of_a_text_is_that_text(text, expected):
    assert load_config(Outer, overrides=[f"name={text}"]).name == expected


@pytest.mark.parametrize("text", ["in/my data #2.xlsx", "on", "01", "a: b", "1_000", "null #", "'x'", "[a", "~/x"])
def test_a_field_that_is_text_takes_the_text(text):
    for key in ("corpus", "labels", "text_column", "label_column", "encoding", "sheet"):
        assert getattr(load_config(DataConfig, overrides=[f"{key}={text}"]), key) == text
    assert load_config(DataConfig, overrides=[f"auxiliary={text}"]).auxiliary == (text,)


def test_a_text_that_may_be_absent_is_taken_away_by_null():
    assert load_config(DataConfig, overrides=["labels=null"]).labels is None
    assert load_config(DataConfig, overrides=["labels="]).labels is None
    assert load_config(DataConfig, overrides=["auxiliary=[01, on, a #2.csv]"]).auxiliary == ("01", "on", "a #2.csv")
    assert load_config(DataConfig, overrides=["auxiliary=[]"]).auxiliary == ()


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip() not in ("", "~", "null")))
def test_any_text_is_taken_as_it_stands(text):
    assert load_config(DataConfig, overrides=[f"sheet={text}"]).sheet == text


def test_an_empty_section_is_its_defaults(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("inner:\n  # rate: 1\n", encoding="utf-8")
    assert load_config(Outer, path) == Outer()
    assert load_config(Outer, path, ["inner.steps=4"]).inner.steps == 4
    path.write_text("", encoding="utf-8")
    assert load_config(Outer, path) == Outer()


def test_large_whole_numbers_keep_every_digit():
    assert build_config(Outer, {"maybe": 2**63 - 1}).maybe == 2**63 - 1


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"nmae": 1}, ["unknown key nmae", "did you mean 'name'"]),
        ({"inner": {"zzz": 1}}, ["unknown key inner.zzz", "rate, steps"]),
        ({"inner": {"steps": 1.5}}, ["inner.steps", "whole number", "1.5"]),
        ({"inner": {"steps": "many"}}, ["inner.steps", "whole number", "'many'"]),
        ({"inner": {"steps": True}}, ["inner.steps", "True"]),
        ({"inner": {"steps": float("inf")}}, ["inner.steps", "inf"]),
        ({"inner": {"rate": float("nan")}}, ["inner.rate", "nan"]),
        ({"inner": {"rate": [1]}}, ["inner.rate", "a number"]),
        ({"inner": {"steps": 0}}, ["inner.steps", "at least 1"]),
        ({"inner": 3}, ["inner", "section"]),
        ({"on": "yes please"}, ["on", "true or false"]),
        ({"on": 1}, ["on", "true or false"]),
        ({"name": True}, ["name", "a text"]),
        ({"name": None}, ["name", "a text"]),
        ({"mode": "medium"}, ["mode", "slow, fast", "medium"]),
        ({"mode": ["slow"]}, ["mode", "slow, fast"]),
        ({"many": [{"steps": 1}, 2]}, ["many", "section"]),
    ],
)
def test_what_does_not_fit_is_refused_by_its_key(tree, words):
    with pytest.raises(ConfigError) as caught:
        build_config(Outer, tree, source="file.yaml")
    for word in ["file.yaml", *words]:
        assert word in str(caught.value)


def test_a_missing_value_is_named():
    with pytest.raises(ConfigError, match="must"):
        build_config(Needy, {})


@pytest.mark.parametrize("override", ["name", "=3", "name.deeper=1", "nmae=1", "inner.steps=x"])
def test_a_bad_override_is_refused(tmp_path, override):
    path = tmp_path / "c.yaml"
    path.write_text("name: x\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load_config(Outer, path, [override])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [", "not a YAML file"),
        (b"- 1\n- 2\n", "a list"),
        ("名: 甲".encode("gb18030"), "not a YAML file"),
        (b"when: 2024-13-45", "not a YAML file"),
        (b"a: \x00", "not a YAML file"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, words):
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        load_config(Outer, path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot read"):
            load_config(Outer, path)


configs = st.builds(
    Outer,
    name=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20),
    on=st.booleans(),
    mode=st.sampled_from(["slow", "fast"]),
    maybe=st.none() | st.integers(),
    files=st.lists(st.text("aé中: #-'\"", max_size=8), max_size=3).map(tuple),
    inner=st.builds(Inner, rate=st.floats(allow_nan=False, allow_infinity=False), steps=st.integers(1)),
    optional=st.none() | st.builds(Inner, steps=st.integers(1, 9)),
    many=st.lists(st.builds(Inner, steps=st.integers(1, 9)), max_size=2).map(tuple),
)


@settings(max_examples=40, deadline=None)
@given(configs)
def test_what_is_written_reads_back(config):
    assert build_config(Outer, yaml.safe_load(dump_config(config))) == config
