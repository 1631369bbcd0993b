"""A pipeline drawn as text: what comes from what, how far each step is, and what it takes on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from singleout.errors import InputError
from singleout.fusion.board import DONE, Board
from singleout.fusion.scoring import Judging
from singleout.fusion.steps.base import MASKS_OF, Step
from singleout.fusion.tools import picture_size

# Bytes that tell where a mask is and what its video and sentences are.
_ABOUT_A_MASK, _ABOUT_A_VIDEO = 100, 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")


def explain(board: Board) -> Iterator[str]:
    """The lines of the drawing. Nothing is made or changed."""
    pipeline = board.pipeline
    sentences = sum(len(video.sentences) for video in board.videos)
    masks = sum(len(video.sentences) * len(video.frame_names) for video in board.videos)
    yield pipeline.title
    counted = ((len(board.videos), "video"), (sentences, "sentence"), (masks, "mask"))
    yield ", ".join(f"{count} {what}{'s' * (count != 1)}" for count, what in counted) + f" a step{_most(board)}"
    yield ""
    drawn = list(_forest(board))
    width = max(len(tree) for tree, step in drawn if step is not None)
    states = {step.name: _state(board, step) for _, step in drawn if step is not None}
    longest = max([len(state) for state in states.values()] or [0])
    for tree, step in drawn:
        if step is None:
            yield tree
            continue
        size = f"{_size(board.num_bytes(step)):>9}"
        yield f"{tree:<{width}}  {states[step.name]:<{longest}}  {size}  {step.about()}".rstrip()
    if pipeline.quirks:
        yield ""
        yield "quirks, switched by --quirk NAME=yes or no:"
        for name, quirk in pipeline.quirks.items():
            yield f"  {name} ({'yes' if quirk.active else 'no'}): {quirk.about}"
    notes = list(_missing(board))
    if notes:
        yield ""
        yield "to be seen to before it can run:"
        yield from (f"  {note}" for note in notes)


def _forest(board: Board) -> Iterator[tuple[str, Step | None]]:
    """Each step once below the first that needs it, later only by name; then those that nothing needs."""
    pipeline = board.pipeline
    steps = {name: step for name, step in pipeline.steps.items() if not isinstance(step, Judging)}
    needed = {one for step in steps.values() for one in step.needs}
    wanted = set(pipeline.wanted())
    shown: set[str] = set()
    roots = [name for name in steps if name not in needed and name in wanted]
    for name in roots:
        yield from _branch(steps, name, "", "", shown)
    others = [name for name in steps if name not in needed and name not in wanted]
    if others:
        yield "not part of the result, made where it is asked for by --up-to:", None
        for name in others:
            yield from _branch(steps, name, "", "", shown)


def _branch(
    steps: dict[str, Step], name: str, first: str, rest: str, shown: set[str]
) -> Iterator[tuple[str, Step | None]]:
    if name in shown:
        yield f"{first}{name} (above)", None
        return
    shown.add(name)
    yield f"{first}{name}", steps[name]
    inner: Sequence[str] = list(steps[name].needs)
    for place, each in enumerate(inner):
        last = place == len(inner) - 1
        yield from _branch(steps, each, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "), shown)


def _missing(board: Board) -> Iterator[str]:
    """What would be told if the pipeline were run now, each once."""
    told: set[str] = set()
    for name in board.pipeline.wanted():
        try:
            board.check(board.pipeline.steps[name])
        except InputError as error:
            if str(error) not in told:
                yield str(error)
            told.add(str(error))


def _state(board: Board, step: Step) -> str:
    try:
        counts = Counter(board.state(step, video) for video in board.videos)
    except InputError:
        return "cannot be made yet"
    done = counts.pop(DONE, 0)
    if done == len(board.videos):
        return f"{DONE}, {done} of {done}"
    left = ", ".join(f"{count} {what}" for what, count in counts.items())
    return f"{DONE} {done} of {len(board.videos)}: {left}"


def _most(board: Board) -> str:
    """What a step of masks can take at the most."""
    total = 0
    for video in board.videos:
        size = picture_size(video)
        if size is None:
            return ""
        masks = len(video.sentences) * len(video.frame_names)
        total += masks * (size[0] * size[1] // 8 + _ABOUT_A_MASK) + _ABOUT_A_VIDEO
    steps = sum(step.gives == MASKS_OF for step in board.pipeline.steps.values())
    return f", at most {_size(total)} in each of {steps} steps" if total else ""


def _size(count: float) -> str:
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} B"
