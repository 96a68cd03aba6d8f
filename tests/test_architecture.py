"""The house rules of docs/architecture.md, read from the source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from policy_bert.__main__ import COMMAND_ENDING, commands

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "policy_bert"
HEAVY = ("torch", "transformers", "datasets", "sklearn", "pandas", "scipy", "matplotlib", "evaluate")
SCORING = ("predict", "rows", "batching", "engines", "checkpoint", "classifier", "analyze", "documents")


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in SOURCES.items()}


def nodes(tree):
    """All nodes but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def own_imports(name, tree):
    """The package's modules that a module imports, at the top or inside a function."""
    found = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in found if module in SOURCES and module not in ("policy_bert", name)}


IMPORTS = {name: own_imports(name, tree) for name, tree in TREES.items()}


def layers():
    """Room to layer, and the rooms marked as commands, from the table in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms, marked = {}, set()
    for layer, cell in re.findall(r"^\| (\d) \| (.+?) \|", text, re.MULTILINE):
        outside_brackets = re.sub(r"\([^()]*\)", "", cell)
        for room, mark in re.findall(r"`(\w+)/?`( ▶)?", outside_brackets):
            rooms[room] = int(layer)
            marked |= {room} if mark else set()
    return rooms, marked


ROOMS, MARKED = layers()


def room(name):
    return name.split(".")[1] if "." in name else name


def reachable(name):
    seen, waiting = set(), [name]
    while waiting:
        for module in IMPORTS[waiting.pop()] - seen:
            seen.add(module)
            waiting.append(module)
    return seen


def test_the_table_of_layers_is_read():
    assert set(ROOMS.values()) == {0, 1, 2, 3, 4}
    assert {"predict", "train", "pretrain", "evaluate", "corpus"} <= MARKED
    assert ROOMS["config"] == 0
    assert ROOMS["metrics"] == 1
    assert ROOMS["evaluate"] == 4


@pytest.mark.parametrize("name", SOURCES)
def test_imports_point_down(name):
    own = ROOMS.get(room(name))
    if own is None:  # a room inside another's wall: what it brings along counts there, by `reachable`
        return
    above = {other for other in reachable(name) if ROOMS.get(room(other), -1) > own}
    assert not above, f"{name} (layer {own}) reaches up to {sorted(above)}"


def test_no_module_is_reached_from_itself():
    circles = {name for name in SOURCES if name in reachable(name)}
    assert not circles


@pytest.mark.parametrize("name", SOURCES)
def test_nobody_imports_the_training_commands(name):
    assert not IMPORTS[name] & {"policy_bert.train", "policy_bert.pretrain"}


@pytest.mark.parametrize("layer_0", [room for room, layer in ROOMS.items() if layer == 0])
def test_the_ground_floor_knows_the_ground_floor_alone(layer_0):
    others = {room(other) for other in reachable(f"policy_bert.{layer_0}")}
    assert all(ROOMS.get(other) == 0 for other in others)


def test_scoring_imports_nothing_heavy():
    modules = [name for name in SOURCES if room(name) in SCORING]
    assert {"policy_bert.checkpoint", "policy_bert.engines"} <= set(modules)
    script = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
    heavy = [module for module in {HEAVY!r} if module in sys.modules]
    assert not heavy, f"{{name}} imports {{heavy}}"
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_marked_rooms_are_commands_and_commands_end_alike():
    for name, path in SOURCES.items():
        source = path.read_text(encoding="utf-8")
        if name == "policy_bert.__main__":
            continue
        if room(name) in MARKED and name.count(".") == 1:
            assert source.endswith(COMMAND_ENDING), f"{name} does not end in sys.exit(run_command(main))"
        assert ("__main__" in source) == source.endswith(COMMAND_ENDING), f"{name} ends in its own way"


@pytest.mark.parametrize("name", commands())
def test_a_command_has_a_main_of_the_agreed_form(name):
    functions = {node.name: node for node in TREES[f"policy_bert.{name}"].body if isinstance(node, ast.FunctionDef)}
    main = functions["main"]
    assert ast.unparse(main.args) == "argv: Sequence[str] | None=None"
    assert ast.unparse(main.returns) == "int"
    assert ast.get_docstring(TREES[f"policy_bert.{name}"]), f"{name} has no docstring to list it by"


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
    assert sum(sizes) < 120e6
