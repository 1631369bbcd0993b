"""Cut-outs: single frames, folders of them, and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from written_files import frames_of, picture

from singleout.errors import InputError
from singleout.media.cutout import CutoutWriter, cut

MASK = np.zeros((64, 96), dtype=bool)
MASK[16:48, 32:64] = True


def noisy() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(1, 255, (64, 96, 3), dtype=np.uint8)


def test_transparent_hides_everything_else() -> None:
    frame = noisy()
    hard = cut(frame, MASK, smooth=False)
    assert hard.shape == (64, 96, 4)
    assert (hard[MASK][:, :3] == frame[MASK]).all()
    assert (hard[..., 3] == np.where(MASK, 255, 0)).all()
    # What is cut away is gone, not only invisible.
    assert (hard[~MASK] == 0).all()
    soft = cut(frame, MASK)
    assert set(np.unique(soft[..., 3])) - {0, 255}
    assert (soft[20:44, 36:60, 3] == 255).all()
    assert (soft[:12] == 0).all()


def test_colour_behind() -> None:
    shown = cut(noisy(), MASK, "#20a040", smooth=False)
    assert shown.shape == (64, 96, 3)
    assert (shown[~MASK] == (32, 160, 64)).all()
    assert np.array_equal(shown, cut(noisy(), MASK, (32, 160, 64), smooth=False))


def test_blur_is_strong_and_has_no_halo() -> None:
    frame = np.full((64, 96, 3), 60, dtype=np.uint8)
    frame[:, ::2] = 100
    frame[MASK] = (255, 0, 0)
    shown = cut(frame, MASK, "blur", smooth=False).astype(int)
    assert (shown[MASK] == (255, 0, 0)).all()
    # The stripes are gone, and the red of the object does not glow around it.
    assert np.abs(shown[~MASK] - 80).max() <= 4


@pytest.mark.parametrize("mask", [np.ones((64, 96), dtype=bool), np.zeros((64, 96), dtype=bool)])
@pytest.mark.parametrize("background", ["transparent", "blur", "white"])
def test_all_and_nothing(mask: np.ndarray[Any, Any], background: str) -> None:
    shown = cut(picture(0), mask, background)
    if mask.all():
        assert (shown[..., :3] == picture(0)).all()
    elif background != "blur":
        assert (shown == (0 if background == "transparent" else 255)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 3)])
def test_tiny_frames(size: tuple[int, int]) -> None:
    for background in ("transparent", "blur", "red"):
        assert cut(np.ones((*size, 3), dtype=np.uint8), np.ones(size, dtype=bool), background).shape[:2] == size


def test_folder_of_png(tmp_path: Path) -> None:
    frames = [noisy(), picture(3)]
    with CutoutWriter(tmp_path / "cut", 64, 96, [0.0, 0.04], frame_names=["a", "b"]) as writer:
        for frame in frames:
            writer.write(frame, MASK)
    assert sorted(path.name for path in (tmp_path / "cut").iterdir()) == ["a.png", "b.png"]
    for name, frame in zip("ab", frames, strict=True):
        with Image.open(tmp_path / "cut" / f"{name}.png") as stored:
            assert stored.mode == "RGBA"
            assert np.array_equal(np.asarray(stored), cut(frame, MASK))


def test_videos(tmp_path: Path) -> None:
    for name, background in (("a.mp4", "blur"), ("b.mp4", "lime"), ("c.webm", "transparent")):
        with CutoutWriter(tmp_path / name, 64, 96, np.arange(3) / 25, background=background) as writer:
            for number in range(3):
                writer.write(picture(number), MASK)
        assert len(frames_of(tmp_path / name)) == 3
    green = frames_of(tmp_path / "b.mp4")[-1][4, 4].astype(int)
    assert np.abs(green - (0, 255, 0)).max() <= 3
    with av.open(str(tmp_path / "a.mp4")) as source:
        assert source.streams.video[0].codec_context.name == "h264"


def test_interrupted_folder_is_gone(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), CutoutWriter(tmp_path / "cut", 64, 96, [0.0, 0.04]) as writer:
        writer.write(picture(0), MASK)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an mp4 cannot be transparent"):
        CutoutWriter(tmp_path / "a.mp4", 64, 96, [0.0])
    with pytest.raises(InputError, match='background "plaid"'):
        CutoutWriter(tmp_path / "a", 64, 96, [0.0], background="plaid")
    with pytest.raises(InputError, match="three numbers from 0 to 255"):
        cut(picture(0), MASK, (0, 0, 256))
    with pytest.raises(InputError, match="1 frames but 2 frame names"):
        CutoutWriter(tmp_path / "a", 64, 96, [0.0], frame_names=["a", "b"])
    with pytest.raises(InputError, match="must be of one size"):
        cut(picture(0), MASK[:10])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="is not empty"), CutoutWriter(tmp_path / "full", 64, 96, [0.0]):
        pass
    assert (tmp_path / "full" / "mine.txt").read_text() == "keep"
    assert [item.name for item in tmp_path.iterdir()] == ["full"]
