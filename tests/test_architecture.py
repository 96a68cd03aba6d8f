"""The house rules of docs/architecture.md, read from the source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policy_bert.__main__ import COMMANDS, command_module

COMMAND_ENDING = 'if __name__ == "__main__":\n    sys.exit(run_command(main))\n'
ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "policy_bert"
HEAVY = ("torch", "transformers", "datasets", "sklearn", "pandas", "scipy", "matplotlib", "evaluate")
SCORING = ("predict", "rows", "scoring", "checkpoint", "analyze", "documents", "reports", "files", "labels", "text")


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def own_imports(name, tree):
    """The package's modules that a module imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in found if module in SOURCES and module not in ("policy_bert", name)}


IMPORTS = {name: own_imports(name, tree) for name, tree in TREES.items()}


def levels():
    """Room to level, from the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.+?) \|", text, re.MULTILINE)
    return {room: int(level) for level, cell in rows for room in re.findall(r"`(\w+)/?`", cell)}


LEVELS = levels()


def room(name):
    """What stands at the top of the package: a module or a folder."""
    return name.split(".")[1] if "." in name else name


def reachable(name):
    seen, waiting = set(), [name]
    while waiting:
        for module in IMPORTS[waiting.pop()] - seen:
            seen.add(module)
            waiting.append(module)
    return seen


def test_every_room_has_a_level_and_every_level_names_rooms_that_are_there():
    rooms = {room(name) for name in SOURCES} - {"policy_bert", "__main__"}
    assert rooms == set(LEVELS)
    assert set(LEVELS.values()) == set(range(8))
    assert {name for name in COMMANDS if LEVELS[name] < 7} == {"encoder", "export", "scale"}


@pytest.mark.parametrize("name", [name for name in SOURCES if room(name) in LEVELS])
def test_imports_point_down(name):
    """A room imports rooms of lower levels alone; on the ground floor rooms may know each other."""
    own = LEVELS[room(name)]
    others = {other for other in IMPORTS[name] if room(other) in LEVELS and room(other) != room(name)}
    above = {other for other in others if LEVELS[room(other)] >= max(own, 1)}
    assert not above, f"{name} (level {own}) reaches up or sideways to {sorted(above)}"


def test_no_module_is_reached_from_itself_type_checking_included():
    circles = {name for name in SOURCES if name in reachable(name)}
    assert not circles


def test_folders_form_no_circle():
    """A folder inside a room counts with its room: `documents/readers` is part of `documents`."""
    folders = {(room(name), room(other)) for name in SOURCES for other in IMPORTS[name]}
    folders = {(a, b) for a, b in folders if a != b and "policy_bert" not in (a, b)}
    for start in {a for a, _ in folders}:
        seen, waiting = set(), [start]
        while waiting:
            here = waiting.pop()
            for beyond in {b for a, b in folders if a == here} - seen:
                seen.add(beyond)
                waiting.append(beyond)
        assert start not in seen, f"{start} is reached from itself"


def test_the_top_of_the_package_is_short_and_without_families():
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 35
    stems = [name.removesuffix(".py") for name in entries]
    families = {stem for stem in stems for other in stems if other != stem and other.startswith(stem + "_")}
    prefixes = [stem.partition("_")[0] for stem in stems if "_" in stem.strip("_")]
    assert not families
    assert len(prefixes) == len(set(prefixes))


def test_scoring_imports_nothing_heavy():
    modules = [name for name in SOURCES if room(name) in SCORING]
    assert {"policy_bert.checkpoint.folder", "policy_bert.scoring.engine"} <= set(modules)
    script = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
    heavy = [module for module in {HEAVY!r} if module in sys.modules]
    assert not heavy, f"{{name}} imports {{heavy}}"
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_commands_end_alike_and_nothing_else_runs():
    commands = {command_module(name) for name in COMMANDS}
    for name, path in SOURCES.items():
        source = path.read_text(encoding="utf-8")
        if name in commands:
            assert source.endswith(COMMAND_ENDING), f"{name} does not end in sys.exit(run_command(main))"
        elif name != "policy_bert.__main__":
            assert "__main__" not in source, f"{name} ends as if it were a command"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_main_of_the_agreed_form(name):
    tree = TREES[command_module(name)]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    main = functions["main"]
    assert ast.unparse(main.args) == "argv: Sequence[str] | None=None"
    assert ast.unparse(main.returns) == "int"
    assert ast.get_docstring(tree), f"{name} has no docstring to list it by"


@pytest.mark.parametrize("name", SOURCES)
def test_no_pickle_is_loaded(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            imported = {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not imported & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in ("torch.load", "torch.save"), f"{name} line {node.lineno}: {called} is a pickle"
            assert "allow_pickle=True" not in ast.unparse(node), f"{name} line {node.lineno}"


def test_no_module_is_named_for_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not [name for name in SOURCES if name.rpartition(".")[2] in drawers]


def test_every_module_says_what_it_is():
    assert not [name for name, tree in TREES.items() if not ast.get_docstring(tree)]


def test_what_is_shipped_stays_small_and_has_no_leftovers():
    kept = [path for folder in (PACKAGE, ROOT / "data") for path in folder.rglob("*") if path.is_file()]
    assert not [path for path in kept if path.name.startswith(".") and path.name != ".DS_Store"]
    sizes = [path.stat().st_size for path in kept]
    assert max(sizes) < 50e6
    assert sum(path.stat().st_size for path in kept if "models" in path.parts) < 150e6
    assert sum(sizes) < 160e6
