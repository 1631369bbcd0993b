"""Drawing masks: what is touched, what is not, and text of every kind."""

from __future__ import annotations

import numpy as np
import pytest

from singleout.errors import InputError
from singleout.media import overlay, palette

GREY = 100


def scene(height: int = 240, width: int = 320) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((height, width, 3), GREY, dtype=np.uint8)


def rectangle(top: int, bottom: int, left: int, right: int, height: int = 240, width: int = 320) -> np.ndarray:  # type: ignore[type-arg]
    mask = np.zeros((height, width), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def test_tint_contour_and_nothing_else() -> None:
    frame, mask = scene(), rectangle(60, 120, 80, 200)
    shown = overlay.draw(frame, [3], mask[None], [""], alpha=0.5)
    colour = np.array(palette.distinct(3))
    assert shown.dtype == np.uint8
    assert shown.shape == frame.shape
    assert (frame == GREY).all()
    assert (shown[~mask] == GREY).all()
    assert np.abs(shown[61:119, 81:199].astype(int) - (colour + GREY) / 2).max() <= 1
    for edge in (shown[60, 80:200], shown[119, 80:200], shown[60:120, 80], shown[60:120, 199]):
        assert (edge == colour).all()


@pytest.mark.parametrize(("short", "line"), [(60, 1), (240, 1), (480, 2), (1080, 4)])
def test_line_grows_with_the_picture(short: int, line: int) -> None:
    mask = rectangle(short // 4, short // 2, short // 4, short // 2, short, short)
    shown = overlay.draw(scene(short, short), [1], mask[None], [""])
    column = shown[short // 4 : short // 2, short // 3]
    full = (column == palette.distinct(1)).all(axis=1)
    assert full[:line].all()
    assert full[-line:].all()
    assert full.sum() == 2 * line


def test_no_line_along_the_edge_of_the_picture() -> None:
    mask = rectangle(0, 240, 0, 160)
    shown = overlay.draw(scene(), [1], mask[None], [""])
    tint = shown[120, 80]
    assert (shown[0, :150] == tint).all()
    assert (shown[:, 0] == tint).all()
    assert (shown[120, 159] == palette.distinct(1)).all()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_strength_of_the_tint(alpha: float) -> None:
    shown = overlay.draw(scene(), [1], rectangle(60, 120, 80, 200)[None], [""], alpha=alpha)
    assert (shown[90, 140] == (palette.distinct(1) if alpha else (GREY, GREY, GREY))).all()


def test_small_objects_lie_on_large_ones() -> None:
    masks = np.stack([rectangle(100, 110, 100, 110), rectangle(20, 200, 20, 300)])
    shown = overlay.draw(scene(), [1, 2], masks, ["", ""])
    assert (shown[100, 100] == palette.distinct(1)).all()


def test_no_objects_and_empty_masks() -> None:
    frame = scene()
    assert (overlay.draw(frame, [], np.zeros((0, 240, 320), dtype=bool), []) == frame).all()
    assert (overlay.draw(frame, [4], np.zeros((1, 240, 320), dtype=bool), ["gone"]) == frame).all()


def test_names_are_written_beside_their_objects() -> None:
    masks = np.stack([rectangle(100, 140, 40, 120), rectangle(102, 140, 60, 140), rectangle(0, 30, 200, 319)])
    plain = overlay.draw(scene(), [1, 2, 3], masks, ["", "", ""])
    shown = overlay.draw(scene(), [1, 2, 3], masks, ["dog", "dog", "roof"])
    tags = [(shown == palette.distinct(number)).all(axis=2) & ~(plain == shown).all(axis=2) for number in (1, 2, 3)]
    assert all(tag.sum() > 150 for tag in tags)
    # No name covers another: each keeps a whole rectangle of its own colour, save for the letters.
    for tag in tags:
        rows, columns = np.flatnonzero(tag.any(axis=1)), np.flatnonzero(tag.any(axis=0))
        assert tag[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].mean() > 0.5
    assert np.array_equal(
        overlay.draw(scene(), [1, 2, 3], masks), overlay.draw(scene(), [1, 2, 3], masks, ["1", "2", "3"])
    )


@pytest.mark.parametrize(
    "text",
    ["Fußgänger", "人と犬", "собака", "كلب", "👍🏽", "a\nb\tc", "\udce9 broken", "x" * 500, " ", "\x00", "ﷺ" * 80],
    ids=["accents", "cjk", "cyrillic", "arabic", "emoji", "control", "surrogate", "long", "space", "null", "wide"],
)
@pytest.mark.parametrize("installed", [True, False], ids=["fonts", "bare"])
@pytest.mark.parametrize("size", [(240, 320), (8, 12)])
def test_every_text_can_be_drawn(
    text: str, installed: bool, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay._tag.cache_clear()
    if not installed:
        monkeypatch.setattr(overlay, "_WIDE_FONTS", ())
    for legend in (True, False):
        shown = overlay.draw(scene(*size), [1], rectangle(4, 8, 4, 8, *size)[None], [text], legend=legend)
        assert shown.shape == (*size, 3)
    overlay._tag.cache_clear()


def test_legend_lists_what_is_there() -> None:
    masks = np.stack([rectangle(120, 240, 0, 320), rectangle(60, 120, 200, 320), np.zeros((240, 320), dtype=bool)])
    shown = overlay.draw(scene(), [1, 2, 3], masks, ["road", "car", "sky"], legend=True)
    corner = shown[:60, :100].reshape(-1, 3)
    seen = [int((corner == palette.distinct(number)).all(axis=1).sum()) for number in (1, 2, 3)]
    assert seen[0] > 100
    assert seen[1] > 100
    assert seen[2] == 0


def test_legend_of_many_stays_in_the_picture() -> None:
    masks = np.repeat(rectangle(200, 210, 200, 210)[None], 60, axis=0)
    shown = overlay.draw(scene(), list(range(1, 61)), masks, [f"class {number}" for number in range(60)], legend=True)
    assert shown.shape == (240, 320, 3)
    assert (shown[:, 0] == GREY).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"masks": np.zeros((1, 10, 10), dtype=bool)}, "masks must be"),
        ({"masks": np.zeros((1, 240, 320), dtype=np.uint8)}, "masks must be"),
        ({"labels": ["a", "b"]}, "1 objects but 2 labels"),
        ({"alpha": 50.0}, "alpha is 50"),
        ({"frame": np.zeros((240, 320), dtype=np.uint8)}, "the frame must be"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], words: str) -> None:
    given: dict[str, object] = {"frame": scene(), "ids": [1], "masks": np.zeros((1, 240, 320), dtype=bool)}
    given |= {"labels": ["a"], **change}
    with pytest.raises(InputError, match=words):
        overlay.draw(**given)  # type: ignore[arg-type]
