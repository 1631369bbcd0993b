"""The table of rooms in docs/how-it-works.md, held by reading the imports of every module."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "singleout"

# Ground floor first: a room imports from rooms before it and from itself. What is not in a folder is a room by itself.
ROOMS = (
    "version",
    "errors",
    "prompts",
    "tracks",
    "media",
    "exports",
    "vocabularies",
    "nn",
    "segmenter",
    "referring",
    "systems.*",
    "systems",
    "zoo",
    "combine",
    "runs",
    "data",
    "evaluation",
    "fusion",
    "singleout",
    "cli",
    "__main__",
)
# `Tracks.save` is written on the object because users look for it there, and calls the face by name.
BACK_DOORS = {("singleout.tracks.tracks", "singleout")}
SOURCES = sorted(PACKAGE.rglob("*.py"))
CODE = [path for folder in ("src", "tests", "tools", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
LONGEST = 500


@dataclass(frozen=True)
class Import:
    """One name that a module takes from the package, and whether that happens only when a function is called."""

    module: str
    target: str
    line: int
    late: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in SOURCES}


def room_of(module: str) -> str:
    """media, runs …; systems.starter for what is inside of a system, systems for what knows their names."""
    parts = module.split(".")[1:]
    if not parts:
        return "singleout"
    if parts[0] == "systems" and f"singleout.systems.{'.'.join(parts[1:2])}" in PACKAGES:
        return f"systems.{parts[1]}"
    return parts[0]


PACKAGES = {module_name(path) for path in SOURCES if path.name == "__init__.py"}


def rank_of(room: str) -> int:
    return ROOMS.index("systems.*" if room.startswith("systems.") else room)


def imports_of(path: Path) -> Iterator[Import]:
    """Every module of the package that a file imports, `if TYPE_CHECKING` and functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        node
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
    }
    module = module_name(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports of the package in full"
            source = node.module or ""
            names = [
                f"{source}.{alias.name}" if f"{source}.{alias.name}" in MODULES else source for alias in node.names
            ]
        else:
            continue
        for name in names:
            if name == "singleout" or name.startswith("singleout."):
                yield Import(module, name, node.lineno, node in late)


ALL_IMPORTS = [found for path in SOURCES for found in imports_of(path)]


def test_every_room_is_in_the_table():
    rooms = {room_of(module) for module in MODULES}
    assert {"systems.*" if room.startswith("systems.") else room for room in rooms} <= set(ROOMS)
    assert len(ALL_IMPORTS) > 200, "the walk must see the imports"


def test_rooms_import_only_from_rooms_above():
    wrong = []
    for found in ALL_IMPORTS:
        here, there = room_of(found.module), room_of(found.target)
        if here == there or rank_of(there) < rank_of(here):
            continue
        if (found.module, found.target) in BACK_DOORS and found.late:
            continue
        wrong.append(f"{found.module}:{found.line} ({here}) imports {found.target} ({there})")
    assert not wrong, "\n".join(wrong)


def test_systems_do_not_know_each_other_and_nobody_below_knows_them():
    wrong = []
    for found in ALL_IMPORTS:
        here, there = room_of(found.module), room_of(found.target)
        # `systems/catalog.py` loads by name; nothing else may name a system.
        if there.startswith("systems.") and here != there:
            wrong.append(f"{found.module}:{found.line} imports {found.target}")
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_the_command_line():
    users = {found.module for found in ALL_IMPORTS if room_of(found.target) == "cli" and room_of(found.module) != "cli"}
    assert users <= {"singleout.__main__"}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_by(modules: list[str]) -> set[str]:
    code = f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\nprint(*sys.modules)"
    return {name.partition(".")[0] for name in run_python(code).split()}


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "av", "transformers", "numpy", "scipy", "PIL", "pycocotools"}
    assert not loaded_by(["singleout"]) & heavy


def test_rooms_that_know_no_model_load_no_torch():
    light = {"prompts", "tracks", "media", "exports", "vocabularies", "segmenter", "runs", "data", "evaluation"}
    light |= {"fusion", "cli"}
    modules = sorted(module for module in MODULES if room_of(module) in light)
    assert not loaded_by(modules) & {"torch", "transformers", "huggingface_hub"}


def test_the_starter_needs_no_transformers():
    modules = sorted(module for module in MODULES if room_of(module) in ("nn", "systems.starter"))
    assert modules
    assert not loaded_by(modules) & {"transformers", "tokenizers", "huggingface_hub"}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_device_is_hidden_and_no_pickle_is_trusted(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        assert node.func.attr != "cuda", f"{where}: .cuda() hides a device; use .to(device)"
        owner = node.func.value.id if isinstance(node.func.value, ast.Name) else ""
        assert owner != "pickle", f"{where}: a pickle can run anything"
        if (owner, node.func.attr) == ("torch", "load"):
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert given.get("weights_only") == "True", f"{where}: torch.load without weights_only=True"


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_are_finished_and_short(path):
    text = path.read_text(encoding="utf-8")
    # Put together from halves, so that this file does not find itself.
    unfinished = re.search(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b|raise NotImplement" r"edError", text)
    assert unfinished is None, f"unfinished work: {unfinished}"
    lines = text.count("\n")
    reason = ast.get_docstring(ast.parse(text)) or ""
    assert lines <= LONGEST or "is long because" in reason, f"{lines} lines: split it, or say why in its docstring"
