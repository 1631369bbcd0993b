"""The ``singleout`` program: finds the command, runs it, and turns what goes wrong into one line and an exit code.

Exit codes: 0 done, 2 bad input, 130 stopped by Ctrl-C, 1 a defect of singleout.
"""

from __future__ import annotations

import argparse
import io
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TextIO

from singleout.errors import InputError
from singleout.version import __version__

# One module per command, imported when it is asked for: `singleout --help` must not wait for numpy or torch.
# Each has `DESCRIPTION`, `add_arguments(parser)` and `run(args) -> exit code`.
COMMANDS: dict[str, tuple[str, str]] = {
    "segment": ("singleout.cli.segment", "find and follow objects in videos and images, by words or marks"),
    "export": ("singleout.cli.export", "write the tracks of a finished run in other formats"),
    "rename": ("singleout.cli.rename", "give the objects of a finished run names by another model"),
    "info": ("singleout.cli.info", "show what is known of a video: size, frames, shots, sound"),
    "run": ("singleout.cli.run", "let a model predict a whole benchmark, and pack what its server takes"),
    "fuse": ("singleout.cli.fuse", "make the masks of several models one, by a pipeline of steps"),
    "eval": ("singleout.cli.eval", "score predictions as the official evaluators of benchmarks do"),
    "models": ("singleout.cli.models", "list the models and published checkpoints, or show one with its scores"),
    "get": ("singleout.cli.get", "fetch a checkpoint that others publish"),
    "convert": ("singleout.cli.convert", "turn an official file of weights into a folder that needs no pickle"),
    "classifier": ("singleout.cli.classifier", "turn names into the vectors that models know them by"),
    "data": ("singleout.cli.data", "check the download of a data set, cut development sets, convert layouts"),
}

_EXAMPLES = """\
examples:
  singleout segment street.mp4 --say "the man in the suit" --out out/
  singleout segment street.mp4 --names person,car --out out/
  singleout segment demo --names person,car --out out/
  singleout export out/ --as ytvis
  singleout info street.mp4

singleout COMMAND --help tells more about each.
"""


class Parser(argparse.ArgumentParser):
    """An argument parser that reports mistakes as one line, like every other bad input."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError instead of printing the usage and leaving."""
        raise InputError(f"{message} (see {self.prog} --help)")


def build_parser(command: str | None = None) -> Parser:
    """The parser of the whole program; only the options of ``command`` are filled in."""
    parser = Parser(
        prog="singleout",
        description="Single out things in videos and images: words or marks go in, tracks come out.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"singleout {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands", required=True)
    for name, (module_name, summary) in COMMANDS.items():
        asked = name == command
        module = import_module(module_name) if asked else None
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=module.DESCRIPTION if module else summary,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if module:
            module.add_arguments(subparser)
            subparser.add_argument("--debug", action="store_true", help="show the traceback when something fails")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. argv: the words after ``singleout``; those of the process if None."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A file name may hold bytes that no encoding knows; saying it must not fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        command = next((word for word in words if not word.startswith("-")), None)
        if not words:
            build_parser().print_help()
            return 0
        args, unknown = build_parser(command).parse_known_args(words)
        if unknown:
            raise InputError(f"{unknown[0]} is not known here (see singleout {args.command} --help)")
        with warnings.catch_warnings():
            warnings.showwarning = _Notes(debug)
            warnings.simplefilter("always", UserWarning)
            return int(import_module(COMMANDS[args.command][0]).run(args))
    except InputError as error:
        if debug:
            raise
        _say_error(str(error))
        return 2
    except KeyboardInterrupt:
        _say_error("stopped by Ctrl-C")
        return 130
    except BrokenPipeError:
        # The reader of our output has gone (`singleout models | head`): nothing is left to say to anyone.
        sys.stderr.close()
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except Exception as error:
        if debug:
            raise
        _say_error(
            f"{type(error).__name__}: {error} (this is a defect of singleout: run the command again with --debug "
            "and report what it prints)"
        )
        return 1


class _Notes:
    """Shows the warnings of this package as one line each, once; those of libraries only with --debug."""

    def __init__(self, debug: bool) -> None:
        self.debug = debug
        self.told: set[str] = set()

    def __call__(  # noqa: PLR0917 - what warnings.showwarning is called with
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        ours = Path(filename).is_relative_to(Path(__file__).parents[1])
        if (ours or self.debug) and str(message) not in self.told:
            self.told.add(str(message))
            print(f"singleout: note: {message}", file=sys.stderr)


def _say_error(message: str) -> None:
    print(f"singleout: error: {message.replace(chr(10), ' ')}", file=sys.stderr)
