"""The record store: nothing is lost by a kill at any byte, damage is told apart from a cut, files of others refused."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tracks_strategies import tracks

from singleout.errors import InputError
from singleout.exports.native import RecordReader, RecordWriter, load_tracks, save_tracks, truncate
from singleout.tracks import Answer, FrameMasks, ObjectInfo, Tracks
from singleout.tracks.interchange import header

HEIGHT, WIDTH = 12, 16


@pytest.fixture
def made() -> Tracks:
    about = {"times": np.arange(6) / 3, "video_name": "große Straße 😀", "source": {"a": 1}}
    tracks = Tracks(HEIGHT, WIDTH, 6, exclusive=False, **about)
    for index in (4, 0, 2):
        tracks.append(noise(index))
    return tracks.describe({2: ObjectInfo(2, "dog", "the dog", 0.1)}, [Answer("the dog", (2,), 0.1, 0.5, "unsure")])


def noise(index: int, seed: int = 0) -> FrameMasks:
    random = np.random.default_rng(100 * seed + index)
    masks = random.random((2, HEIGHT, WIDTH)) > 0.6
    return FrameMasks(index, [7, 2], random.random(2), masks, HEIGHT, WIDTH, exclusive=False)  # type: ignore[arg-type]


@given(made=tracks())
def test_saving_and_loading_loses_nothing(tmp_path_factory: pytest.TempPathFactory, made: Tracks) -> None:
    path = tmp_path_factory.mktemp("saved") / "the tracks"
    save_tracks(made, path)
    assert load_tracks(path) == made
    save_tracks(made.between(0, 0), path)
    assert load_tracks(path) == made.between(0, 0)
    assert [each.name for each in path.parent.iterdir()] == ["the tracks"]


def test_a_run_cut_off_at_any_byte_goes_on(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "records"
    save_tracks(made, path)
    whole = path.read_bytes()
    ends = _ends(whole)
    # Around the ends of records and of their heads, and a sample of what lies between.
    near = (-24, -23, -9, -1, 0, 1, 7, 8, 23, 24, 25)
    lengths = {end + step for end in [0, *ends] for step in near} | set(range(0, len(whole), 101))
    frames_kept = set()
    for length in sorted(lengths & set(range(len(whole) + 1))):
        path.write_bytes(whole[:length])
        with RecordWriter(path, header(made), resume=True) as writer:
            frames_kept.add(len(writer.frames))
            assert writer.num_records == max(sum(end <= length for end in ends) - 1, 0)
            assert bool(writer.note) == (length > ends[0] and length not in ends)
            for index in made.stored_frames:
                if index not in writer.frames:
                    writer.append(made.frame(index))
            writer.describe(made.objects, made.answers)
        assert load_tracks(path) == made
    assert frames_kept == {0, 1, 2, 3}


def _ends(data: bytes) -> list[int]:
    """Where each record ends, the header's first, found without the reader."""
    ends, head = [len(b"SOUTREC\n")], struct.Struct("<4sIQII")
    while ends[-1] < len(data):
        ends.append(ends[-1] + head.size + head.unpack_from(data, ends[-1])[2])
    return ends[1:]


def test_a_record_cut_off_at_the_end_is_dropped_with_a_note(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "records"
    with RecordWriter(path, header(made)) as writer:
        writer.append(noise(0))
        writer.append(noise(1))
    path.write_bytes(path.read_bytes()[:-5])
    reader = RecordReader(path)
    assert [frame.frame for frame in reader] == [0]
    assert "dropped" in reader.note
    assert str(path) in reader.note
    with pytest.warns(UserWarning, match="dropped"):
        assert load_tracks(path).stored_frames == (0,)


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"\xa7rec" * 10, b"\xff"])
def test_rubbish_at_the_end_is_dropped(tmp_path: Path, made: Tracks, tail: bytes) -> None:
    path = tmp_path / "records"
    save_tracks(made, path)
    with path.open("ab") as file:
        file.write(tail)
    with pytest.warns(UserWarning, match=f"the last {len(tail)} bytes"):
        assert load_tracks(path) == made


@given(st.data())
def test_any_damaged_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damaged") / "records"
    with RecordWriter(path, {"height": HEIGHT, "width": WIDTH, "num_frames": 9}) as writer:
        ends = [writer._end]
        for index in range(3):
            writer.append(noise(index))
            ends.append(writer._end)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    number = sum(end <= place for end in ends) - 1
    if number == 2:
        with pytest.warns(UserWarning, match="dropped"):
            assert load_tracks(path).stored_frames == (0, 1)
    else:
        wanted = f"record {number} " if number >= 0 else "not a record file|header is damaged"
        with pytest.raises(InputError, match=wanted) as refused:
            load_tracks(path)
        assert str(path) in str(refused.value)
        with pytest.raises(InputError):
            RecordWriter(path, {"height": HEIGHT, "width": WIDTH, "num_frames": 9}, resume=True)
        assert path.read_bytes() == bytes(content)


def test_of_two_records_of_one_frame_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with RecordWriter(path, {"height": HEIGHT, "width": WIDTH, "num_frames": 3}) as writer:
        for index, seed in ((2, 0), (0, 1), (2, 2)):
            writer.append(noise(index, seed))
        assert (writer.num_records, writer.frames) == (3, {0, 2})
    tracks = load_tracks(path)
    assert tracks.stored_frames == (0, 2)
    assert np.array_equal(tracks.masks(2)[2], noise(2, 2).coded().masks())


def test_truncating_to_some_records(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "records"
    save_tracks(made, path)
    truncate(path, 2)
    assert load_tracks(path).stored_frames == (0, 2)
    truncate(path, 2)
    with pytest.raises(InputError, match="has 2 records, cannot keep 3"):
        truncate(path, 3)
    truncate(path, 0)
    assert load_tracks(path).stored_frames == ()


def test_codes_can_be_appended_as_they_are(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "records"
    with RecordWriter(path, header(made)) as writer:
        ids, scores, codes = made.codes(4)
        writer.append_codes(4, ids.tolist(), scores.tolist(), codes)
    assert load_tracks(path).frame(4) == made.frame(4)


def test_what_does_not_belong_is_refused(tmp_path: Path, made: Tracks) -> None:
    path = tmp_path / "records"
    save_tracks(made, path)
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        RecordWriter(path, header(made))
    with pytest.raises(InputError, match="belongs to another run"):
        RecordWriter(path, {**header(made), "fingerprint": "x"}, resume=True)
    with RecordWriter(path, header(made), resume=True) as writer:
        with pytest.raises(InputError, match="frame 0 is 9x8, but the video is 16x12"):
            writer.append(FrameMasks(0, [], [], np.zeros((0, 8, 9)), 8, 9))  # type: ignore[arg-type]
        with pytest.raises(InputError, match="outside the video"):
            writer.append(noise(6))
    assert path.read_bytes() == before
    with pytest.raises(InputError, match='"num_frames" is None'):
        RecordWriter(tmp_path / "new", {"height": 3, "width": 4})
    assert not (tmp_path / "new").exists()


def test_an_unknown_version_is_refused_clearly(tmp_path: Path) -> None:
    path = tmp_path / "records"
    payload = json.dumps({"version": 2, "header": {}}).encode()
    head = struct.pack("<4sIQI", b"\xa7rec", 0, len(payload), zlib.crc32(payload))
    path.write_bytes(b"SOUTREC\n" + head + struct.pack("<I", zlib.crc32(head)) + payload)
    for use in (RecordReader, lambda at: RecordWriter(at, {"height": 1, "width": 1, "num_frames": 1}, resume=True)):
        with pytest.raises(InputError, match=r"version 2 .* reads version 1"):
            use(path)


@pytest.mark.parametrize("content", [b"", b"SOUT", b'{"format": "singleout-tracks"}', b"\0" * 100])
def test_files_of_others_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my file"
    path.write_bytes(content)
    with pytest.raises(InputError, match="my file is not a record file"):
        load_tracks(path)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            load_tracks(path)


def test_a_disk_that_fills_up_leaves_whole_records(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the system refuses the write in its middle."""
    script = f"""
import resource, signal, sys
sys.dont_write_bytecode = True  # the limit would cut those files too
import numpy as np
from singleout.errors import InputError
from singleout.exports.native import RecordWriter
from singleout.tracks import FrameMasks
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
writer = RecordWriter({str(tmp_path / "records")!r}, {{"height": 64, "width": 64, "num_frames": 99}})
try:
    for index in range(99):
        mask = np.random.default_rng(index).random((1, 64, 64)) > 0.9
        writer.append(FrameMasks(index, [1], [1.0], mask, 64, 64))
except InputError as error:
    print(writer.num_records, error)
writer.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert "the disk is full" in done.stdout
    reader = RecordReader(tmp_path / "records")
    assert len(list(reader)) == int(done.stdout.split()[0]) > 0
    assert reader.note == ""


def test_a_killed_process_loses_nothing_it_appended(tmp_path: Path) -> None:
    script = f"""
import time
import numpy as np
from singleout.exports.native import RecordWriter
from singleout.tracks import FrameMasks
writer = RecordWriter({str(tmp_path / "records")!r}, {{"height": 64, "width": 64, "num_frames": 3}})
for index in range(3):
    writer.append(FrameMasks(index, [1], [1.0], np.ones((1, 64, 64), bool), 64, 64))
print("ready", flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert load_tracks(tmp_path / "records").stored_frames == (0, 1, 2)


def test_reading_a_long_file_takes_a_moment(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with RecordWriter(path, {"height": HEIGHT, "width": WIDTH, "num_frames": 5000}) as writer:
        coded = noise(0).coded()
        for index in range(5000):
            writer.append(type(coded)(index, coded.ids, coded.scores, coded.ends, coded.blob, HEIGHT, WIDTH, False))
    with path.open("ab") as file:
        file.write(b"\xa7rec" + os.urandom(1000))
    began = time.monotonic()
    with RecordWriter(path, {"height": HEIGHT, "width": WIDTH, "num_frames": 5000}, resume=True) as writer:
        assert len(writer.frames) == 5000
    assert time.monotonic() - began < 10
