"""Input that goes wrong in the hands of users, through the command line: one line that helps, and nothing left behind.

Outputs that go wrong (results in the folder already, a full disk, two runs at once, Ctrl-C) are in tests/cli.
"""

from __future__ import annotations

import io
import json
import shutil
import struct
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.rights import modes_bind

from singleout.cli.main import main


@dataclass
class Result:
    code: int
    err: str

    def assert_refused(self, *said: str) -> None:
        assert self.code == 2, self.err
        assert self.err.startswith("singleout: error: ") and self.err.count("\n") == 1, self.err
        for words in said:
            assert words in self.err, self.err


@pytest.fixture
def segment(monkeypatch, capsys, tmp_path) -> Callable[..., Result]:
    """Looks for what is red with the small system of tests/cli, and checks that a refusal leaves nothing behind."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "cli")

    def call(video: object, *words: object, out: Path = tmp_path / "out", keeps: bool = False) -> Result:
        before = everything_in(tmp_path)
        typed = ["segment", video, "--say", "red", "--out", out, "--quiet", *words]
        code = main([*map(str, typed), "--model", "colour_segmenter:ColourSegmenter"])
        if code and not keeps:
            assert everything_in(tmp_path) == before, "a refused run leaves nothing behind"
        return Result(code, capsys.readouterr().err)

    return call


def everything_in(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def picture(path: Path, width: int = 96, height: int = 64) -> Path:
    """A grey picture with a red square."""
    image = Image.new("RGB", (width, height), (120, 120, 120))
    image.paste((220, 30, 30), (8, 8, 24, 24))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def picture_bytes(width: int = 96, height: int = 64) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (220, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def head_of_png(width: int, height: int) -> bytes:
    """A few hundred bytes that claim to be a picture of this size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(100_000))) + chunk(b"IEND", b"")


def found_in(out: Path) -> list[int]:
    """The frames in which something was found."""
    return [frame["frame"] for frame in json.loads((out / "tracks.json").read_text())["frames"]]


# What is no video


def test_a_zero_byte_mp4(segment, tmp_path):
    video = tmp_path / "street.mp4"
    video.touch()
    segment(video).assert_refused(str(video), "the file is empty (0 bytes)", "was the download or recording finished?")


@pytest.mark.parametrize(("codec", "container"), [("libmp3lame", "mp3"), ("aac", "mp4")])
def test_sound_named_mp4(segment, tmp_path, codec, container):
    video = tmp_path / "song.mp4"
    with av.open(str(video), "w", format=container) as output:
        tone = output.add_stream(codec, rate=44100)
        wave = (0.3 * np.sin(np.arange(44100) * 0.06)).astype(np.float32)[None]
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = 44100
        output.mux(tone.encode(sound))
        output.mux(tone.encode(None))
    segment(video).assert_refused(str(video), "only sound in this file", "give a video")


@pytest.mark.parametrize("name", ["notes.mp4", "notes.png", "notes.zip", "notes.gif"])
def test_a_text_with_the_name_of_a_video(segment, tmp_path, name):
    video = tmp_path / name
    video.write_text("this is a shopping list, not a video\n" * 40)
    segment(video).assert_refused(str(video))


def test_a_folder_without_pictures(segment, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing here")
    segment(folder).assert_refused(str(folder), "without videos or pictures")


# Sizes


def test_a_folder_of_mixed_sizes(segment, tmp_path):
    for number in range(4):
        picture(tmp_path / "frames" / f"img{number}.png", width=100 if number == 2 else 96)
    segment(tmp_path / "frames").assert_refused("img2.png", "100x64", "96x64")


def test_a_gif_of_one_frame(segment, tmp_path):
    assert segment(picture(tmp_path / "still.gif")).code == 0
    assert found_in(tmp_path / "out") == [0]


def test_a_picture_20000_pixels_wide(segment, tmp_path):
    assert segment(picture(tmp_path / "wide.png", width=20000)).code == 0
    assert Image.open(tmp_path / "out" / "overlay.png").size == (20000, 64)
    assert Image.open(tmp_path / "out" / "masks" / "davis" / "wide" / "wide.png").size == (20000, 64)


def test_frames_too_wide_for_a_video_are_refused_before_the_work(segment, tmp_path):
    for number in range(2):
        picture(tmp_path / "frames" / f"{number}.png", width=20000)
    out = tmp_path / "out"
    result = segment(tmp_path / "frames")
    result.assert_refused(str(out / "overlay.mp4"), "20000x64 pixels cannot be written", "--no-overlay")
    assert not out.exists()
    assert segment(tmp_path / "frames", "--no-overlay").code == 0
    assert found_in(out) == [0, 1]


@pytest.mark.parametrize(
    ("width", "height", "said"), [(20000, 5000, "20000x5000, 100 megapixels"), (60000, 60000, "too large")]
)
def test_a_picture_too_large_to_hold(segment, tmp_path, width, height, said):
    video = tmp_path / "huge.png"
    video.write_bytes(head_of_png(width, height))
    segment(video).assert_refused(str(video), said, "at most 89", "make it smaller first")


# Zips


def write_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../../evil.png", "/etc/evil.png", "a/../../evil.png", "..\\evil.png", "C:\\evil.png"]
)
def test_a_zip_with_names_that_lead_elsewhere(segment, tmp_path, name):
    archive = write_zip(tmp_path / "frames.zip", {"00000.png": picture_bytes(), name: picture_bytes()})
    segment(archive).assert_refused(str(archive), "evil.png")


def test_a_zip_bomb_that_says_so(segment, tmp_path):
    archive = tmp_path / "bomb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as opened:
        opened.writestr("00000.png", picture_bytes())
        with opened.open("00001.png", "w", force_zip64=True) as entry:
            for _ in range(360):
                entry.write(bytes(1_000_000))
    assert archive.stat().st_size < 4_000_000
    segment(archive).assert_refused(str(archive), "00001.png would unpack to 360 MB")


def test_a_zip_bomb_that_lies_about_its_size(segment, tmp_path):
    content = picture_bytes() + bytes(50_000_000)
    archive = write_zip(tmp_path / "bomb.zip", {"00000.png": content})
    data = archive.read_bytes()
    archive.write_bytes(data.replace(struct.pack("<I", len(content)), struct.pack("<I", 2000)))
    segment(archive).assert_refused(str(archive), "00000.png")


def test_a_picture_in_a_zip_that_unpacks_to_gigabytes(segment, tmp_path):
    archive = write_zip(tmp_path / "bomb.zip", {"00000.png": head_of_png(60000, 60000)})
    segment(archive).assert_refused(str(archive), "00000.png", "megapixels")


# Names and places


@pytest.mark.parametrize(
    "name", ["straße im märz 日本 🎬.mp4", "  two  spaces .mp4", "100%s {x} [1] 'q'.mp4", "-dash.mp4"]
)
def test_odd_names(segment, squares_file, tmp_path, name, monkeypatch):
    folder = tmp_path / "söme földer 目"
    folder.mkdir()
    shutil.copy(squares_file, folder / name)
    out = folder / f"öut of {name}"
    assert segment(folder / name, out=out).code == 0
    assert found_in(out) == list(range(12))
    assert len(list((out / "masks" / "davis").rglob("*.png"))) == 12
    assert json.loads((out / "tracks.json").read_text(encoding="utf-8"))["video"]["name"] == Path(name).stem


def test_a_mask_with_an_odd_name(segment, squares, squares_file, tmp_path):
    mask = tmp_path / "mäsk: one, two.png"
    Image.fromarray(squares()[1][0]).save(mask)
    assert segment(squares_file, "--mask", f"0:{mask}").code == 0


@pytest.fixture
def read_only(tmp_path) -> Iterator[Path]:
    """A folder that cannot be written to: by its mode, or, as root may write everywhere, mounted so."""
    folder = tmp_path / "locked"
    folder.mkdir()
    if modes_bind():
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    if shutil.which("mount") is None:
        pytest.skip("root may write everywhere, and there is no mount command to make a read-only place with")
    words = ["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", str(folder)]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip(f"root may write everywhere, and nothing can be mounted here: {asked.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("below", [".", "out", "a/b/out"])
def test_a_read_only_output_folder(segment, squares_file, read_only, below):
    segment(squares_file, out=read_only / below).assert_refused(str(read_only), "read-only")


def test_a_file_that_may_not_be_read(segment, squares_file, tmp_path):
    if not modes_bind():
        pytest.skip("root may read everything; .ci/run drops that right")
    squares_file.chmod(0)
    segment(squares_file).assert_refused(str(squares_file), "cannot be read")
