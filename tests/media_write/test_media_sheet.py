"""Contact sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from singleout.errors import InputError
from singleout.media.sheet import ContactSheet


def flat(value: int, height: int = 48, width: int = 85) -> np.ndarray:  # type: ignore[type-arg]
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_eight_of_many(tmp_path: Path) -> None:
    sheet = ContactSheet(106, np.arange(106) / 25)
    assert sheet.indices == (0, 15, 30, 45, 60, 75, 90, 105)
    kept = 0
    for index in reversed(range(106)):
        kept += sheet.wants(index)
        sheet.add(index, flat(index + 100))
    assert kept == 8
    sheet.save(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.format == "PNG"
        assert 1500 <= picture.width <= 1600
        pixels = np.asarray(picture)
    # The frames stand in their order, four in a row: read a pixel in the middle of each.
    height, width = pixels.shape[:2]
    middles = [
        pixels[height * (2 * row + 1) // 4 - 15, width * (2 * column + 1) // 8, 0]
        for row in (0, 1)
        for column in range(4)
    ]
    assert middles == [index + 100 for index in sheet.indices]
    assert [item.name for item in tmp_path.iterdir()] == ["sheet.png"]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 9])
@pytest.mark.parametrize("size", [(48, 85), (1280, 720), (2000, 3), (3, 2000)])
def test_every_length_and_shape(count: int, size: tuple[int, int]) -> None:
    sheet = ContactSheet(count)
    for index in range(count):
        sheet.add(index, flat(200, *size))
    assert len(set(sheet.indices)) == min(count, 8)
    picture = sheet.image()
    assert picture.width <= 1600
    assert picture.height <= 3400
    assert (np.asarray(picture) == 200).all(axis=2).any()


def test_captions_tell_number_and_time() -> None:
    empty, late = ContactSheet(1, [0.0]), ContactSheet(1, [3725.5])
    empty.add(0, flat(200))
    late.add(0, flat(200))
    assert not np.array_equal(np.asarray(empty.image()), np.asarray(late.image()))


def test_missing_frames_stay_empty() -> None:
    sheet = ContactSheet(8)
    with pytest.raises(InputError, match="the contact sheet is empty"):
        sheet.image()
    sheet.add(3, flat(200))
    assert sheet.image().width > 1500


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one frame"):
        ContactSheet(0)
    with pytest.raises(InputError, match="5 frames but 4 times"):
        ContactSheet(5, [0.0] * 4)
    sheet = ContactSheet(1)
    sheet.add(0, flat(200))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file, not a folder"):
        sheet.save(tmp_path / "file" / "sheet.png")
