"""The label scheme: ids, names, groups and definitions; the only place where a label map is made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from policy_bert.config import build_config, dump_config, read_yaml
from policy_bert.errors import ConfigError

SCHEME_FILE = "labels.yaml"
_INTEGER = re.compile(r"0|-?[1-9][0-9]*", re.ASCII)


def is_integer(text: str) -> bool:
    """Whether it is an integer in plain ASCII digits without leading zeros; `int` takes `1_1`, `０１` and `01` too."""
    return _INTEGER.fullmatch(text) is not None


@dataclass(frozen=True)
class Group:
    """A side of the scheme, such as supply (供给)."""

    id: str
    name: str
    english: str = ""


@dataclass(frozen=True)
class Label:
    """A class of the scheme.

    Attributes:
        id: 0, 1, 2 … in the order of the model's logits.
        name: The name that a reader sees, Chinese in the shipped scheme.
        english: The name in English; may be empty.
        group: The id of a `Group`; may be empty in a scheme without groups.
        definition: What a coder puts there, in English in the shipped scheme.
        chinese_definition: The same in Chinese; may be empty.
        examples: Sentences that a codebook shows for the class.
        name_source: `published` with the corpus or `inferred` from its sentences.
        code: What the corpus writes for the class; empty where it writes the id, or the name where names are numbers.
    """

    id: int
    name: str
    english: str = ""
    group: str = ""
    definition: str = ""
    name_source: str = "published"
    code: str = ""
    chinese_definition: str = ""
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelScheme:
    """Classes in the order of their ids, and the groups they belong to.

    Raises:
        ConfigError: Ids are not 0, 1, 2 …, names or codes repeat, or a label names an unknown group.
    """

    labels: tuple[Label, ...]
    groups: tuple[Group, ...] = field(default=())
    name: str = ""

    def __post_init__(self) -> None:
        if [label.id for label in self.labels] != list(range(len(self.labels))) or len(self.labels) < 2:
            raise ConfigError(
                f"labels: ids must be 0, 1, 2 … in order, at least two; found {[label.id for label in self.labels]}"
            )
        if len(set(self.names)) != len(self.labels) or not all(self.names):
            raise ConfigError("labels: every name must be there and differ from the others")
        if len(set(self.codes)) != len(self.labels):
            raise ConfigError(f"labels: codes must differ; found {', '.join(map(str, self.codes))}")
        known = {group.id for group in self.groups}
        if len(known) != len(self.groups):
            raise ConfigError(f"groups: ids must differ; found {[group.id for group in self.groups]}")
        for label in self.labels:
            if label.group and label.group not in known:
                raise ConfigError(f"labels: {label.name} is of group {label.group!r}, which is not under groups:")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The class names in the order of the ids."""
        return tuple(label.name for label in self.labels)

    @cached_property
    def id2label(self) -> dict[int, str]:
        """The label map as transformers' configurations hold it."""
        return {label.id: label.name for label in self.labels}

    @cached_property
    def label2id(self) -> dict[str, int]:
        """The inverse of `id2label`."""
        return {label.name: label.id for label in self.labels}

    @cached_property
    def codes(self) -> tuple[int, ...] | tuple[str, ...]:
        """What the corpus writes for the classes, in the order of the ids: integers where all of them are."""
        numbered = any(is_integer(name) for name in self.names)
        codes = tuple(label.code or (label.name if numbered else str(label.id)) for label in self.labels)
        return tuple(map(int, codes)) if all(map(is_integer, codes)) else codes

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {str(code): place for place, code in enumerate(self.codes)} | self.label2id

    def parse(self, text: str) -> int:
        """The id that a cell of a labelled file means: a name, Chinese or English, or a code, `4.0` for 4 included.

        Raises:
            KeyError: It is none of them, with the text that was found.
        """
        for form in (text, text.strip(), text.strip().removesuffix(".0")):
            if form in self._ids:
                return self._ids[form]
        for label in self.labels:
            if label.english and label.english.lower() == text.strip().lower():
                return label.id
        raise KeyError(text)

    def group_of(self, label: int) -> str:
        """The group id of a class, empty where the scheme has no groups."""
        return self.labels[label].group

    def in_group(self, group: str) -> tuple[Label, ...]:
        """The classes of a group, in the order of their ids."""
        return tuple(label for label in self.labels if label.group == group)

    def to_yaml(self) -> str:
        """The scheme as the text of a `labels.yaml`."""
        return dump_config(self)

    def check_label_map(self, id2label: Mapping[Any, str], source: str) -> None:
        """Refuse a model whose label map is not this scheme's.

        Raises:
            ConfigError: The first class that differs, with both names.
        """
        try:
            found = {int(key): name for key, name in id2label.items()}
        except ValueError as error:
            raise ConfigError(f"{source}: the model's label map has keys that are no numbers: {error}") from error
        if len(found) != len(self):
            raise ConfigError(f"{source}: the model has {len(found)} classes, its scheme {len(self)}")
        for label in self.labels:
            if found.get(label.id) != label.name:
                raise ConfigError(
                    f"{source}: the model calls class {label.id} {found.get(label.id)!r}, its scheme {label.name!r}"
                )


def load_scheme(path: str | Path) -> LabelScheme:
    """Read a `labels.yaml`.

    Raises:
        ConfigError: The file cannot be read or does not describe a scheme.
    """
    return build_config(LabelScheme, read_yaml(Path(path), "the label scheme"), source=str(path))


def scheme_from_names(names: tuple[str, ...] | list[str]) -> LabelScheme:
    """A scheme without groups or definitions, for a corpus that comes without a scheme file."""
    return LabelScheme(tuple(Label(index, name, name_source="inferred") for index, name in enumerate(names)))
