"""What ships, and whether README and docs say what is so."""

from __future__ import annotations

import ast
import io
import re
import shlex
import tomllib
import zipfile
from importlib import metadata, resources
from pathlib import Path

import pytest

import singleout
from singleout.cli.main import COMMANDS, Parser, build_parser
from singleout.exports import FORMATS
from singleout.systems.catalog import model_names, read_card

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST_BYTES, MOST_WEIGHTS = 30e6, 25e6


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_blocks(path: Path, *languages: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for language, text in found if language in languages]


# What ships


def shipped_files() -> dict[str, bytes]:
    """Every file of the package as it is installed here, compiled code left out."""
    package = resources.files("singleout")
    assert isinstance(package, Path)
    return {
        file.relative_to(package).as_posix(): file.read_bytes()
        for file in sorted(package.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_a_wheel_stays_under_30_mb_with_the_weights_in_it():
    files = shipped_files()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
    assert len(packed.getvalue()) <= MOST_BYTES
    weights = {name: content for name, content in files.items() if name.startswith("systems/starter/weights/")}
    assert {"starter.safetensors", "words.safetensors", "words.txt"} <= {Path(name).name for name in weights}
    assert sum(map(len, weights.values())) <= MOST_WEIGHTS
    assert "py.typed" in files


@pytest.mark.parametrize("name", model_names())
def test_weights_come_with_their_licence_and_card(name):
    beside = [file for file in shipped_files() if file.startswith(f"systems/{name}/weights/")]
    assert any(Path(file).name.startswith("LICENSE") for file in beside)
    card = read_card(name)
    assert {"name", "description", "size_mb", "licence", "trained_on", "scores"} <= card.keys()
    for score in card["scores"]:
        assert {"what", "value", "measured_on"} <= score.keys()


def test_nothing_but_code_data_and_weights_ships():
    allowed = {".py", ".typed", ".json", ".txt", ".safetensors", ".yaml"}
    strange = [name for name in shipped_files() if Path(name).suffix not in allowed and Path(name).name != "py.typed"]
    assert not strange


def test_the_program_is_installed():
    scripts = {entry.name: entry.value for entry in metadata.entry_points(group="console_scripts")}
    assert scripts["singleout"] == "singleout.cli.main:main"
    assert metadata.version("singleout") == singleout.__version__


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license"] == "Apache-2.0"


# What README and docs say


def test_ci_runs_what_readme_says():
    said = [line for block in code_blocks(ROOT / "README.md", "sh") for line in block.splitlines() if "pytest" in line]
    assert len(said) == 1
    _, install, test = said[0].split(" && ")
    run = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert any(line.endswith(test.replace(".venv/bin/python", '"$venv/bin/python"')) for line in run.splitlines())
    assert install.removeprefix(".venv/bin/pip install ") in run


def test_constraints_hold_the_tested_range_of_torch():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["torch>=2.11,<2.14"]
    assert "torch>=2.11" in PROJECT["dependencies"]


def test_every_dependency_is_explained():
    extras = PROJECT["optional-dependencies"].values()
    declared = {re.split(r"[><=\[ ]", word)[0] for words in (PROJECT["dependencies"], *extras) for word in words}
    page = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| ([a-z][a-z0-9_-]+) \|", page, re.MULTILINE)
    assert sorted(declared) == sorted(name for name in explained if name != "package")


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page_name(page)}: {target} is not there"


def said_commands(page: Path) -> list[list[str]]:
    """The command lines of singleout in the examples of a page, as words."""
    lines = [line for block in code_blocks(page, "sh") for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split(" && ")]
    return [shlex.split(part, comments=True)[1:] for part in parts if re.match(r"(\.venv/bin/)?singleout [a-z]", part)]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_examples_are_commands_that_the_program_takes(page):
    for words in said_commands(page):
        build_parser(words[0]).parse_args(words)


def test_readme_shows_commands():
    assert len(said_commands(ROOT / "README.md")) >= 8


def test_every_option_is_in_the_docs():
    page = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        section = page.partition(f"## singleout {name}\n")[2].partition("\n## ")[0]
        assert section, f"docs/command-line.md has no section on {name}"
        parsers = build_parser(name)._subparsers
        assert parsers is not None
        parser: Parser = parsers._group_actions[0].choices[name]  # type: ignore[index,assignment]
        for action in parser._actions:
            for option in action.option_strings:
                if option not in ("-h", "--help", "--debug"):
                    assert f"`{option}" in section or f", `{option}" in section, f"{name} {option} is not in the docs"


def test_every_format_is_in_the_docs():
    page = (ROOT / "docs/formats/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    assert {name.strip("` ") for row in rows for name in row.split(",")} == set(FORMATS)
    assert all(f"`{name}`" in README for name in FORMATS)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_python_examples_use_names_that_exist(page):
    for block in code_blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "singleout":
                assert hasattr(singleout, node.attr), f"{page_name(page)}: singleout.{node.attr}"


def test_readme_has_the_scores_of_the_card(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from tools.readme_scores import main

    assert main(["--check"]) == 0, "run python -m tools.readme_scores"


def test_the_table_of_rooms_is_the_one_that_is_held():
    page = (ROOT / "docs/how-it-works.md").read_text(encoding="utf-8")
    held = ast.parse((ROOT / "tests/test_architecture.py").read_text(encoding="utf-8"))
    rooms = next(
        ast.literal_eval(node.value)
        for node in held.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ROOMS"
    )
    assert tuple(re.findall(r"^\| `([a-z_.*]+)` \|", page, re.MULTILINE)) == rooms


def test_the_changelog_knows_this_version():
    assert f"## [{singleout.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
