"""Configurations: frozen dataclasses, read from YAML that holds only what differs, and written back.

Values are coerced by field type, since PyYAML reads `2e-5` as a string; an unknown key is an error with a
suggestion. Nothing here knows torch or the meaning of a field: see `policy_bert.training.settings` for those.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from policy_bert.errors import ConfigError

ConfigT = TypeVar("ConfigT")


def load_config(config_type: type[ConfigT], path: str | Path | None = None, overrides: Sequence[str] = ()) -> ConfigT:
    """A configuration from a YAML file and `key.subkey=value` overrides; both may be left out.

    Args:
        config_type: A frozen dataclass, whose fields may be dataclasses themselves.
        path: The YAML file; its keys are the dataclass's fields.
        overrides: Strings such as `train.learning_rate=2e-5`; a value is read as YAML, but for a field that is text,
            which takes the text as it stands: a path with ` #2`, `on`, `01`. Where it may be absent `null` says so.

    Raises:
        ConfigError: The file is missing or no YAML mapping, a key is unknown, or a value is of the wrong type.
    """
    tree = read_yaml(Path(path)) if path is not None else {}
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key:
            raise ConfigError(f"--set expects key=value, found {override!r}")
        keys = key.strip().split(".")
        _set_key(tree, keys, _override_value(_field_type(config_type, keys), text), override)
    return build_config(config_type, tree, source=str(path) if path is not None else "configuration")


def build_config(config_type: type[ConfigT], tree: Mapping[str, Any], source: str = "configuration") -> ConfigT:
    """A dataclass instance from a tree of plain values, checked and coerced field by field.

    Raises:
        ConfigError: An unknown key, a value of the wrong type, or a value that the dataclass refuses.
    """
    return typing.cast(ConfigT, _build(config_type, tree, prefix="", source=source))


def dump_config(config: Any) -> str:
    """The configuration as YAML with every field, the resolved form that a run folder keeps."""
    plain = json.loads(json.dumps(dataclasses.asdict(config)))  # tuples become lists
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False)


def read_yaml(path: Path, what: str = "the configuration") -> dict[str, Any]:
    """The mapping in a YAML file, which messages call `what`; an empty one for a file without a value.

    Raises:
        ConfigError: The file cannot be read or holds something else.
    """
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read {what}: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{path}: not a YAML file: {error}") from error
    if not isinstance(tree, (dict, type(None))):
        raise ConfigError(f"{path}: expected a mapping of keys to values, found a {type(tree).__name__}")
    return tree or {}


def _set_key(tree: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {override}: {key} is a value, not a section")
    tree[keys[-1]] = value


def _field_type(config_type: Any, keys: Sequence[str]) -> Any:
    """The type of a field, or None where there is no such field, which building the configuration tells of."""
    for key in keys:
        options = [
            option for option in (config_type, *typing.get_args(config_type)) if dataclasses.is_dataclass(option)
        ]
        config_type = typing.get_type_hints(options[0]).get(key) if options else None
    return config_type


def _override_value(hint: Any, text: str) -> Any:
    arguments = typing.get_args(hint)
    if type(None) in arguments and text.strip() in ("", "~", "null"):
        return None
    if hint is str or (str in arguments and typing.get_origin(hint) is not tuple):
        return text
    if typing.get_origin(hint) is typing.Literal and text in arguments:
        return text
    is_texts = typing.get_origin(hint) is tuple and str in arguments
    if is_texts and not (text.strip().startswith("[") and text.strip().endswith("]")):
        return [text] if text.strip() else []
    try:
        return yaml.load(text, yaml.BaseLoader) if is_texts else yaml.safe_load(text)  # BaseLoader: all is text
    except (yaml.YAMLError, ValueError):  # ValueError: what looks like a date and is none
        return [item.strip() for item in text.strip()[1:-1].split(",")] if is_texts else text


def _build(config_type: type[Any], tree: Any, prefix: str, source: str) -> Any:
    tree = {} if tree is None else tree  # a section whose lines are all commented out
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{source}: {prefix or 'top level'}: expected a section, found {tree!r}")
    hints = typing.get_type_hints(config_type)
    names = [field.name for field in dataclasses.fields(config_type)]
    values = {}
    for key, value in tree.items():
        if key not in names:
            near = difflib.get_close_matches(str(key), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(names)}"
            raise ConfigError(f"{source}: unknown key {prefix}{key}; {hint}")
        values[key] = _coerce(hints[key], value, f"{prefix}{key}", source)
    try:
        return config_type(**values)
    except ConfigError as error:
        raise ConfigError(f"{source}: {prefix}{error}") from error
    except TypeError as error:
        raise ConfigError(f"{source}: {prefix or 'top level'}: {error}") from error


def _coerce(hint: Any, value: Any, key: str, source: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _coerce(next(a for a in arguments if a is not type(None)), value, key, source)
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type[Any], hint), value, f"{key}.", source)
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else [value]
        return tuple(_coerce(arguments[0], item, key, source) for item in items)
    if origin is typing.Literal:
        if value not in arguments:
            raise ConfigError(f"{source}: {key}: expected one of {', '.join(map(str, arguments))}, found {value!r}")
        return value
    return _coerce_scalar(hint, value, key, source)


def _coerce_scalar(hint: type[Any], value: Any, key: str, source: str) -> Any:
    if isinstance(value, bool) == (hint is bool):
        if hint in (bool, int) and isinstance(value, hint):
            return value
        if hint is str and isinstance(value, (str, int, float, datetime.date)):
            return str(value)  # PyYAML makes dates of texts such as 2024-05-01
        if hint in (int, float) and isinstance(value, (str, int, float)):
            with contextlib.suppress(ValueError, OverflowError):
                number = float(value)
                if math.isfinite(number) and (hint is float or number.is_integer()):
                    return hint(number)
    expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}.get(hint, hint)
    raise ConfigError(f"{source}: {key}: expected {expected}, found {value!r}")


def require_fraction(name: str, value: float) -> None:
    """Refuse what is not at least 0 and less than 1, with a `ConfigError` that names it."""
    if not 0.0 <= value < 1.0:
        raise ConfigError(f"{name}: expected at least 0 and less than 1, found {value}")


def require_positive(**values: float) -> None:
    """Refuse what is not more than 0, with a `ConfigError` that names it."""
    for name, value in values.items():
        if value <= 0:
            raise ConfigError(f"{name}: expected more than 0, found {value}")
