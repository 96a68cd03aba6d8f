"""What the READMEs say is so: their Python runs, their commands parse, their files are there, both name the same."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", ROOT / "README.zh-CN.md"]


def blocks(path, language):
    return re.findall(rf"```{language}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def commands(path):
    lines = [line.split("  #")[0].strip() for block in blocks(path, "sh") for line in block.splitlines()]
    return [shlex.split(line.partition(" < ")[0]) for line in lines if line]


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_the_python_runs(path, capsys):
    for block in blocks(path, "python"):
        exec(compile(block, str(path), "exec"), {})
    assert "资金投入" in capsys.readouterr().out


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_the_commands_exist_and_take_the_options_shown(path, capsys):
    shown = commands(path)
    assert shown
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for words in shown:
        if words[0] == "make":
            assert words[1] in targets
            continue
        module = words[words.index("-m") + 1]
        with pytest.raises(SystemExit) as stopped:
            importlib.import_module(module).main(["--help"])
        assert stopped.value.code == 0
        text = capsys.readouterr().out
        assert all(word in text for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word) and word != "-m")


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.name)
def test_the_files_named_are_there(path):
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"\]\(([^)#]+)\)", text) + re.findall(r"`((?:data|configs|docs|policy_bert)/[\w./-]+)`", text)
    assert named
    assert [name for name in named if not name.startswith("http") and not (ROOT / name).exists()] == []


def test_both_readmes_show_the_same_commands_and_tables():
    english, chinese = READMES
    assert [words[:3] for words in commands(english)] == [words[:3] for words in commands(chinese)]
    tables = [re.findall(r"<!-- table:(\w+) -->", path.read_text(encoding="utf-8")) for path in READMES]
    assert tables[0] == tables[1]


def test_the_tables_are_those_of_the_results(monkeypatch):
    import sys

    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(sys, "argv", ["readme_tables.py", "--check"])
    assert importlib.import_module("readme_tables").main() == 0
