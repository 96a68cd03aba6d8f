"""The label scheme: ids in order, names once, one label map."""

from pathlib import Path

import pytest
import yaml

from policy_bert.config import build_config
from policy_bert.errors import ConfigError
from policy_bert.labels import Group, Label, LabelScheme, load_scheme, scheme_from_names

SCHEME_PATH = Path(__file__).parents[1] / "data" / "labels.yaml"


@pytest.fixture(scope="module")
def scheme():
    return load_scheme(SCHEME_PATH)


def test_the_shipped_scheme_is_the_codebooks(scheme):
    assert len(scheme) == 14
    assert scheme.names[:3] == ("人才培养", "资金投入", "科技投入")
    assert scheme.names[10] == "政府采购"
    assert [group.id for group in scheme.groups] == ["supply", "environment", "demand"]
    assert [len(scheme.in_group(group)) for group in ("supply", "environment", "demand")] == [5, 5, 4]
    assert [label.name_source for label in scheme.labels] == ["published"] * 10 + ["inferred"] * 4
    assert all(label.definition and label.english for label in scheme.labels)


def test_label_maps_are_in_numeric_order_and_inverse(scheme):
    assert list(scheme.id2label) == list(range(14))
    assert {name: key for key, name in scheme.id2label.items()} == scheme.label2id
    assert scheme.group_of(11) == "demand"


@pytest.mark.parametrize("text", ["10", " 10 ", "10.0", "政府采购", "government procurement", "Government Procurement"])
def test_a_cell_is_an_id_or_a_name(scheme, text):
    assert scheme.parse(text) == 10


@pytest.mark.parametrize("text", ["14", "-1", "1.5", "", "采购", "１", "²"])
def test_a_cell_that_is_neither_is_a_key_error(scheme, text):
    with pytest.raises(KeyError):
        scheme.parse(text)


def test_a_name_that_looks_like_a_number_is_the_name():
    assert scheme_from_names(["2", "1", "0"]).parse("2") == 0


def test_the_scheme_survives_yaml(scheme, tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_text(scheme.to_yaml(), encoding="utf-8")
    assert load_scheme(path) == scheme
    assert "人才培养" in scheme.to_yaml()


def test_a_label_map_that_contradicts_is_refused_by_the_class(scheme):
    scheme.check_label_map({str(key): name for key, name in scheme.id2label.items()}, "model")
    swapped = dict(scheme.id2label) | {2: "公共服务", 3: "科技投入"}
    with pytest.raises(ConfigError, match=r"model: .* class 2 '公共服务', its scheme '科技投入'"):
        scheme.check_label_map(swapped, "model")
    with pytest.raises(ConfigError, match="3 classes, its scheme 14"):
        scheme.check_label_map({0: "a", 1: "b", 2: "c"}, "model")
    with pytest.raises(ConfigError, match="no numbers"):
        scheme.check_label_map({"LABEL_0": "a"}, "model")


@pytest.mark.parametrize(
    ("labels", "groups"),
    [
        ((Label(0, "a"),), ()),
        ((Label(1, "a"), Label(0, "b")), ()),
        ((Label(0, "a"), Label(2, "b")), ()),
        ((Label(0, "a"), Label(1, "a")), ()),
        ((Label(0, "a"), Label(1, "")), ()),
        ((Label(0, "a", group="x"), Label(1, "b")), (Group("y", "Y"),)),
        ((Label(0, "a"), Label(1, "b")), (Group("y", "Y"), Group("y", "Z"))),
    ],
)
def test_a_scheme_that_contradicts_itself_is_refused(labels, groups):
    with pytest.raises(ConfigError):
        LabelScheme(labels, groups)


def test_a_scheme_of_names_has_no_groups():
    scheme = scheme_from_names(["正面", "负面", "中性"])
    assert scheme.id2label == {0: "正面", 1: "负面", 2: "中性"}
    assert (scheme.groups, scheme.group_of(0), scheme.labels[0].name_source) == ((), "", "inferred")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("- a\n- b\n", "expected a mapping"),
        ("labels: [", "not a YAML file"),
        ("labels:\n  - {id: 0, nmae: a}\n", "did you mean 'name'"),
        ("labels:\n  - {id: 0}\n  - {id: 1, name: b}\n", "name"),
        ("groups: []\n", "labels"),
    ],
)
def test_a_file_that_is_no_scheme_is_refused(tmp_path, content, words):
    path = tmp_path / "labels.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=words):
        load_scheme(path)


def test_a_missing_scheme_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the label scheme"):
        load_scheme(tmp_path / "labels.yaml")


def test_a_class_can_be_renamed_in_the_file_alone(tmp_path):
    tree = yaml.safe_load(SCHEME_PATH.read_text(encoding="utf-8"))
    tree["labels"][10]["name"] = "政府采购与对外开放"
    assert build_config(LabelScheme, tree).names[10] == "政府采购与对外开放"
