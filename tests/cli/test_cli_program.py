"""The program as a whole: its commands, its help, its exit codes, and how long it takes to start."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from PIL import Image

import singleout.cli
from singleout.cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


def test_commands_and_modules_are_in_step():
    modules = {
        f"singleout.cli.{found.name}": importlib.import_module(f"singleout.cli.{found.name}")
        for found in pkgutil.iter_modules(singleout.cli.__path__)
    }
    commands = {name for name, module in modules.items() if hasattr(module, "add_arguments")}
    assert commands == {module for module, _ in COMMANDS.values()}
    for name in commands:
        assert callable(modules[name].run)
        assert modules[name].DESCRIPTION.strip()
        assert "examples:\n  singleout " + name.rpartition(".")[2] in modules[name].EXAMPLES


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_is_shown(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "singleout" in shown
    for name in COMMANDS if words == ["--help"] else ():
        assert re.search(rf"\n    {name}\s", shown)


def test_no_words_show_the_help(capsys):
    assert main([]) == 0
    assert "commands" in capsys.readouterr().out


def test_help_and_import_are_fast_and_light():
    def best(*words: str) -> float:
        """Processor seconds, which other programs on this machine disturb less than the clock."""

        def once() -> float:
            before = os.times()
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            after = os.times()
            return after.children_user + after.children_system - before.children_user - before.children_system

        return min(once() for _ in range(3))

    assert best("-m", "singleout", "--help") < 0.5
    assert best("-c", "import singleout") < 0.3
    code = (
        "import sys; from singleout.cli.main import main; main(['--help']);"
        "heavy = {'torch', 'numpy', 'av', 'scipy', 'transformers', 'PIL'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_version_is_the_one_of_the_package(capsys):
    written = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if "version" in written:
        assert singleout.__version__ == written["version"]
    else:
        assert "version" in written["dynamic"]
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"singleout {singleout.__version__}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["slice", "a.mp4"], "invalid choice: 'slice' (choose from"),
        (["segment"], "required: VIDEO, --out"),
        (["segment", "a.mp4", "--say", "x", "--out", "o", "--colour", "red"], "--colour is not known here"),
        (["segment", "a.mp4", "--sa", "x", "--out", "o"], "--sa is not known here"),
        (["segment", "a.mp4", "--out", "o"], "nothing to look for: give --say"),
        (["segment", "a.mp4", "--say", "", "--out", "o"], '"the white dog"'),
        (["segment", "a.mp4", "--names", "dog,,cat", "--out", "o"], "empty name"),
        (["segment", "a.mp4", "--say", "x", "--out", "o", "--every", "0"], "--every 0: expected 1 or more"),
        (["segment", "a.mp4", "--say", "x", "--out", "o", "--every", "two"], "invalid int value: 'two'"),
        (["segment", "a.mp4", "--say", "x", "--out", "o", "--start", "1:2:3:4"], "--start '1:2:3:4': expected seconds"),
        (["segment", "a.mp4", "--say", "x", "--out", "o", "--as", "jpeg"], "--as jpeg: there is no such format"),
        (["segment", "a.mp4", "--say", "x", "--out", "o", "--cutout", "greenish"], 'background "greenish": expected'),
        (["segment", "a.mp4", "--box", "0:1,2,3", "--out", "o"], "--box '0:1,2,3': expected [ID@]FRAME:left,top"),
        (["segment", "a.mp4", "--box", "0:9,2,3,4", "--out", "o"], "right must be larger than left"),
        (["segment", "a.mp4", "--point", "0:1", "--out", "o"], "--point '0:1': expected [ID@]FRAME:x,y"),
        (["segment", "a.mp4", "--point", "0@0:1,1", "--out", "o"], "must be 1 or larger"),
        (["segment", "a.mp4", "--point", "1@0:1,1,-", "--out", "o"], 'of object 1 only say "not here"'),
        (["segment", "a.mp4", "--mask", "0:none.png", "--out", "o"], "none.png: there is no such mask file"),
        (["segment", "a.mp4", "--say", "x", "--out", "o"], "a.mp4: there is no such file or folder"),
        (["segment", "https://x.org/a.mp4", "--say", "x", "--out", "o"], "download it first"),
        (["export", "nowhere", "--as", "davis"], "nowhere: there is no such folder"),
        (["export", ".", "--as", "davis"], "holds no tracks.json"),
        (["models", "grand"], "there is no model 'grand': expected starter, "),
        (["info", "a.mp4"], "a.mp4: there is no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("singleout: error: ") and err.count("\n") == 1
    assert said in err
    assert not list(tmp_path.iterdir()), "bad input must leave nothing behind"


def test_a_defect_is_exit_code_1_without_a_traceback(capsys, tmp_path, monkeypatch):
    (tmp_path / "broken_system.py").write_text("def make():\n    raise RuntimeError('lost a wheel')\n")
    Image.new("RGB", (32, 32)).save(tmp_path / "frame.png")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["segment", str(tmp_path / "frame.png"), "--say", "x", "--out", str(tmp_path / "out")]
    words += ["--model", "broken_system:make"]
    assert main(words) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "RuntimeError: lost a wheel" in err and "--debug" in err
    assert not (tmp_path / "out").exists()
    with pytest.raises(RuntimeError, match="lost a wheel"):
        main([*words, "--debug"])


def test_models_lists_what_can_be_loaded(capsys):
    assert main(["models"]) == 0
    assert capsys.readouterr().out.startswith("starter")
    assert main(["models", "starter", "--json"]) == 0
    assert '"name": "starter"' in capsys.readouterr().out
