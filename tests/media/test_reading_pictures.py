from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from numbered import number_of, numbered, write_folder
from PIL import Image

from singleout.errors import InputError
from singleout.media import Video


def png(frame: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


def one_line(error: pytest.ExceptionInfo[InputError]) -> str:
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    return text


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "my frames", [10, 2, 1, 100, 33])
    (folder / "notes.txt").write_text("not a frame")
    (folder / ".hidden.png").write_bytes(b"")
    video = Video(folder)
    assert [number_of(frame) for frame in video.frames()] == [1, 2, 10, 33, 100]
    assert video.frame_names == ["img1", "img2", "img10", "img33", "img100"]
    assert (video.kind, video.name, video.has_audio) == ("folder", "my frames", False)
    assert [number_of(video[index]) for index in (4, 0, 2)] == [100, 1, 10]
    assert Video(folder, fps=10, start=0.2).frame_names == ["img10", "img33", "img100"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_every_format_of_pictures(tmp_path: Path, suffix: str) -> None:
    video = Video(write_folder(tmp_path, range(3), "{}" + suffix))
    assert [number_of(frame) for frame in video.frames()] == [0, 1, 2]
    assert Video(tmp_path / f"2{suffix}").kind == "image"


def test_a_folder_of_mixed_sizes_names_the_odd_one(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, range(6))
    Image.fromarray(numbered(3, 40, 64)).save(folder / "img3.png")
    with pytest.raises(InputError, match=r"img3\.png: the picture is 64x40 but 5 of the 6 frames are 64x48"):
        Video(folder)


def test_folders_and_zips_without_pictures_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="no picture in this folder"):
        Video(tmp_path)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(InputError, match="no picture in this zip"):
        Video(tmp_path / "a.zip")


def test_a_zip_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "frames.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in (10, 9, 2):
            archive.writestr(f"clip/img{number}.png", png(numbered(number)))
        archive.writestr("__MACOSX/clip/._img2.png", b"\0")
    video = Video(path)
    assert [number_of(frame) for frame in video.frames()] == [2, 9, 10]
    video.close()
    assert number_of(video[2]) == 10
    assert (video.kind, video.frame_names) == ("zip", ["img2", "img9", "img10"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["frames.zip"]


@pytest.mark.parametrize("name", ["../img1.png", "a/../../img1.png", "/etc/img1.png", "C:/img1.png", "..\\img1.png"])
def test_a_zip_whose_names_lead_out_of_it_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, png(numbered(1)))
    with pytest.raises(InputError, match="leads out of the zip") as error:
        Video(tmp_path / "a.zip")
    assert "a.zip" in one_line(error)


def test_a_zip_bomb_is_refused_by_the_size_it_declares(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("img1.png", "w", force_zip64=True) as entry,
    ):
        zeros = bytes(1 << 20)
        for _ in range(400):
            entry.write(zeros)
    assert path.stat().st_size < 1 << 22
    with pytest.raises(InputError, match="would unpack to 419 MB"):
        Video(path)


def test_a_zip_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "liar.zip"
    picture = png(np.zeros((2000, 2000, 3), np.uint8))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("img1.png", picture)
    lying = path.read_bytes().replace(len(picture).to_bytes(4, "little"), (3000).to_bytes(4, "little"))
    path.write_bytes(lying)
    with pytest.raises(InputError, match="img1"):
        list(Video(path).frames())


def test_a_picture_bomb_inside_a_small_file_is_refused(tmp_path: Path) -> None:
    Image.new("1", (30000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="megapixels") as error:
        Video(tmp_path / "bomb.png")
    assert "bomb.png" in one_line(error)


def test_a_picture_20000_pixels_wide_is_read(tmp_path: Path) -> None:
    Image.fromarray(numbered(77, 40, 20000)).save(tmp_path / "wide.png")
    video = Video(tmp_path / "wide.png")
    assert (video.height, video.width, video.num_frames) == (40, 20000, 1)
    assert number_of(next(iter(video))) == 77
    assert number_of(Video(tmp_path / "wide.png", resize=20)[0]) == 77


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_obeyed(tmp_path: Path, orientation: int) -> None:
    frame = np.zeros((40, 64, 3), np.uint8)
    frame[:20, :32] = (255, 0, 0)
    frame[20:, :32] = (0, 0, 255)
    turned = {
        1: frame, 2: frame[:, ::-1], 3: frame[::-1, ::-1], 4: frame[::-1], 5: frame.transpose(1, 0, 2),
        6: np.rot90(frame, -1), 7: frame[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(frame),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(frame).save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=exif)
    video = Video(tmp_path / "a.jpg")
    assert (video.height, video.width) == turned.shape[:2]
    assert np.abs(video[0].astype(int) - turned).mean() < 3
    small = Video(tmp_path / "a.jpg", resize=20)
    assert small[0].shape == (small.height, small.width, 3) == (turned.shape[0] // 2, turned.shape[1] // 2, 3)


def test_pictures_of_other_modes_become_rgb(tmp_path: Path) -> None:
    grey = (np.arange(64, dtype=np.uint16)[None] * 1000).repeat(48, axis=0)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    assert np.array_equal(Video(tmp_path / "deep.png")[0][3, :, 1], grey[0] >> 8)
    clear = np.full((48, 64, 4), 200, np.uint8)
    clear[:, :, 3] = 51
    Image.fromarray(clear).save(tmp_path / "clear.png")
    assert (Video(tmp_path / "clear.png")[0] == 40).all()
    palette = Image.fromarray(numbered(7)).convert("P")
    palette.save(tmp_path / "palette.png")
    assert number_of(Video(tmp_path / "palette.png")[0]) == 7
    Image.fromarray(numbered(9)).convert("CMYK").save(tmp_path / "print.jpg")
    assert number_of(Video(tmp_path / "print.jpg")[0]) == 9


def test_a_picture_with_several_pages_is_refused(tmp_path: Path) -> None:
    first, second = Image.fromarray(numbered(1)), Image.fromarray(numbered(2))
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    with pytest.raises(InputError, match="holds 2 pictures"):
        Video(tmp_path / "pages.tif")


ARRAY = np.stack([numbered(number) for number in range(4)])


@pytest.mark.parametrize(
    ("array", "count"),
    [
        (ARRAY, 4),
        (ARRAY[..., 0], 4),
        (ARRAY[..., :1], 4),
        (ARRAY.astype(np.float32) / 255, 4),
        (ARRAY.transpose(0, 3, 1, 2), 4),
        (torch.from_numpy(ARRAY).permute(0, 3, 1, 2), 4),
        (torch.from_numpy(ARRAY), 4),
        (torch.from_numpy(ARRAY).half() / 255, 4),
        (ARRAY[0], 1),
        (torch.from_numpy(ARRAY[0]).permute(2, 0, 1), 1),
    ],
)
def test_arrays_of_every_layout(array: np.ndarray | torch.Tensor, count: int) -> None:
    video = Video(array)
    assert (video.num_frames, video.height, video.width, video.kind) == (count, 48, 64, "array")
    assert [number_of(frame) for frame in video.frames()] == list(range(count))
    assert np.array_equal(video[count - 1], numbered(count - 1))
    assert Video(array, resize=24)[0].shape == (24, 32, 3)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((3, 48, 64), np.uint8), r"shape \(3, 48, 64\) can be read in several ways"),
        (np.zeros((5, 3, 48, 3), np.uint8), "several ways"),
        (np.zeros((5, 2, 48, 64, 3), np.uint8), "cannot be a video"),
        (np.zeros((0, 48, 64, 3), np.uint8), "nothing in it"),
        (np.zeros((5, 48, 64, 3), np.int64), "the array is int64"),
        (np.full((5, 48, 64, 3), 200.0), "values from 200 to 200"),
        (np.full((5, 48, 64, 3), np.nan), "values from nan"),
        ([numbered(1)], "cannot open a list"),
        (7, "cannot open a int"),
    ],
)
def test_arrays_that_can_be_misread_are_refused(array: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Video(array)


def test_frames_of_an_array_are_copies() -> None:
    array = ARRAY.copy()
    Video(array)[1][:] = 0
    assert np.array_equal(array, ARRAY)
