"""`policy-bert <name>` finds the commands and hands over to them."""

import subprocess
import sys
from pathlib import Path

import pytest

from policy_bert import __main__, __version__
from policy_bert.errors import UserError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package folder with one command, one module, and the command's module importable."""
    (tmp_path / "greet.py").write_text(
        '"""Greet whom you name: `python -m policy_bert.greet`.\n\nMore.\n"""\n' + __main__.COMMAND_ENDING
    )
    (tmp_path / "plain.py").write_text('"""No command."""\n')
    monkeypatch.setattr(__main__, "PACKAGE_FOLDER", tmp_path)
    module = type(sys)("policy_bert.greet")
    module.main = lambda argv: print("hello", *argv) or len(argv)
    monkeypatch.setitem(sys.modules, "policy_bert.greet", module)
    monkeypatch.setattr(sys, "argv", ["policy-bert"])
    return tmp_path


def test_a_command_gets_the_rest_of_the_line_and_its_status_comes_back(package, capsys):
    assert __main__.dispatch(["greet", "a", "--b"]) == 2
    assert capsys.readouterr().out == "hello a --b\n"
    assert sys.argv[0] == "policy-bert greet"


@pytest.mark.parametrize("argv", [[], None, ["--help"], ["help"]])
def test_without_a_name_the_commands_are_listed_by_their_first_line(package, capsys, argv):
    assert __main__.dispatch(argv) == 0
    out = capsys.readouterr().out
    assert "  greet  Greet whom you name\n" in out
    assert "plain" not in out


def test_the_version_is_said(package, capsys):
    assert __main__.dispatch(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["policy-bert", __version__]


@pytest.mark.parametrize(
    ("name", "hint"), [("gret", "did you mean greet"), ("plain", "commands: greet"), ("../x", "no")]
)
def test_an_unknown_name_is_one_line_with_a_hint(package, name, hint):
    with pytest.raises(UserError, match=hint):
        __main__.dispatch([name])


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "policy_bert", "nothing-of-the-kind"]
    result = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: no command 'nothing-of-the-kind'")
    assert result.stderr.count("\n") == 1


def test_every_command_of_the_package_is_listed():
    known = __main__.commands()
    assert {"train", "pretrain"} <= set(known)
    assert not {"command", "config", "labels"} & set(known)
    assert all(f"  {name} " in __main__.overview() for name in known)
