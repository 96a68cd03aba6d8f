"""`policy-bert <name>` finds the commands and hands over to them."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from policy_bert import __main__, __version__
from policy_bert.errors import UserError


@pytest.fixture
def greeting(monkeypatch):
    """A command that says its arguments."""
    module = type(sys)("policy_bert.greet")
    module.main = lambda argv: print("hello", *argv) or len(argv)
    monkeypatch.setitem(sys.modules, "policy_bert.greet", module)
    monkeypatch.setitem(__main__.COMMANDS, "greet", "Greet whom you name.")


def test_a_command_gets_the_rest_of_the_line_and_its_status_comes_back(greeting, capsys):
    assert __main__.dispatch(["greet", "a", "--b"]) == 2
    assert capsys.readouterr().out == "hello a --b\n"


@pytest.mark.parametrize("argv", [[], None, ["--help"], ["help"]])
def test_without_a_name_the_commands_are_listed_with_their_summaries(greeting, capsys, argv):
    assert __main__.dispatch(argv) == 0
    out = capsys.readouterr().out
    assert "  greet          Greet whom you name\n" in out
    assert "  predict " in out


def test_the_version_is_said(capsys):
    assert __main__.dispatch(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["policy-bert", __version__]


@pytest.mark.parametrize(
    ("name", "hint"), [("predikt", "did you mean predict"), ("labels", "commands: predict"), ("../x", "no command")]
)
def test_an_unknown_name_is_one_line_with_a_hint(name, hint):
    with pytest.raises(UserError, match=hint):
        __main__.dispatch([name])


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "policy_bert", "nothing-of-the-kind"]
    result = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: no command 'nothing-of-the-kind'")
    assert result.stderr.count("\n") == 1


def test_public_names_are_functions_and_classes_whatever_is_imported_first():
    import policy_bert

    for name in ("train", "analyze"):
        importlib.import_module(f"policy_bert.{name}")
        assert callable(getattr(policy_bert, name)), f"{name} is the command's module"
    assert {name for name in policy_bert.__all__ if not callable(getattr(policy_bert, name))} == set()
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = policy_bert.nonsense


@pytest.mark.parametrize("name", __main__.COMMANDS)
def test_every_command_says_its_own_name_in_its_help(name, capsys):
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(__main__.command_module(name)).main(["--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: policy-bert {name} ")
