from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from singleout.errors import InputError
from singleout.media import read_ids

IDS = np.zeros((20, 30), np.uint8)
IDS[2:8, 3:9], IDS[10:15, 10:20] = 1, 7


def test_palette_and_grey_masks_keep_their_ids(tmp_path: Path) -> None:
    palette = Image.fromarray(IDS, "P")
    palette.putpalette([value for index in range(256) for value in (index * 7 % 256, index * 31 % 256, index)])
    palette.save(tmp_path / "p.png")
    Image.fromarray(IDS).save(tmp_path / "l.png")
    Image.fromarray(IDS.astype(np.uint16) * 1000).save(tmp_path / "deep.png")
    for name, expected in (("p.png", IDS), ("l.png", IDS), ("deep.png", IDS.astype(int) * 1000)):
        ids = read_ids(tmp_path / name)
        assert ids.dtype == np.int32
        assert np.array_equal(ids, expected)


def test_black_and_white_is_one_object(tmp_path: Path) -> None:
    white = (IDS > 0).astype(np.uint8) * 255
    Image.fromarray(white).save(tmp_path / "l.png")
    Image.fromarray(white).convert("1").save(tmp_path / "one.png")
    for name in ("l.png", "one.png"):
        assert np.array_equal(read_ids(tmp_path / name), IDS > 0)


@pytest.mark.parametrize(
    ("name", "mode", "says"),
    [("rgb.png", "RGB", "in colour"), ("rgba.png", "RGBA", "in colour"), ("blurred.jpg", "L", "must not be a JPEG")],
)
def test_pictures_that_hold_no_ids_are_refused(tmp_path: Path, name: str, mode: str, says: str) -> None:
    Image.fromarray(IDS).convert(mode).save(tmp_path / name)
    with pytest.raises(InputError, match=says) as error:
        read_ids(tmp_path / name)
    assert name in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_mask_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    for path, says in ((tmp_path / "none.png", "no such"), (tmp_path, "folder"), (tmp_path / "a.png", "not a picture")):
        with pytest.raises(InputError, match=says):
            read_ids(path)
