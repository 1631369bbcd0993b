"""Official files in all their forms, and files that are broken or want something run."""

from __future__ import annotations

import argparse
import collections
import io
import os
import pathlib
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from singleout.errors import InputError
from singleout.zoo.reading import read_weights

STATE = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.count": torch.tensor(7)}


def assert_is_state(file: Path) -> None:
    read = read_weights(file).state
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[name], STATE[name]) for name in STATE)


# Forms


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "model_state_dict"])
def test_wrappers(tmp_path, wrapper, legacy):
    content = STATE if wrapper is None else {wrapper: STATE, "epoch": 3}
    torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=not legacy)
    assert_is_state(tmp_path / "file.pth")


def test_prefixes_of_parallel_training_and_of_the_compiler(tmp_path):
    for prefix in ("module.", "_orig_mod.", "module._orig_mod."):
        torch.save({"model": {prefix + name: value for name, value in STATE.items()}}, tmp_path / "file.pth")
        assert_is_state(tmp_path / "file.pth")
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, tmp_path / "file.pth")
    assert set(read_weights(tmp_path / "file.pth").state) == {"module.a", "b"}


class CfgNode(dict):
    """Like that of yacs: a dictionary with attributes."""


CfgNode.__module__ = "yacs.config"


@pytest.fixture
def yacs(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("yacs.config")
    module.CfgNode = CfgNode
    monkeypatch.setitem(sys.modules, "yacs", types.ModuleType("yacs"))
    monkeypatch.setitem(sys.modules, "yacs.config", module)


@pytest.mark.usefixtures("yacs")
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_what_training_leaves_is_put_aside(tmp_path, legacy):
    options = CfgNode(depth=50)
    options.frozen = True
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([parameter])
    parameter.sum().backward()
    optimizer.step()
    content = {
        "model": STATE,
        "args": argparse.Namespace(lr=1e-4, out=pathlib.PurePosixPath("a/b")),
        "cfg": options,
        "best": np.float64(0.5),
        "history": collections.defaultdict(list, {"loss": [1.0]}),
        "names": np.arange(3),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(content, tmp_path / "file.pth", _use_new_zipfile_serialization=not legacy)
    assert_is_state(tmp_path / "file.pth")


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickles_of_detectron2(tmp_path, protocol, order):
    arrays = {
        "a.weight": np.array(np.arange(6, dtype=np.float32).reshape(2, 3), order=order),
        "a.half": np.arange(4, dtype=np.float16),
        "a.big": np.arange(3, dtype=">f4"),
        "a.empty": np.zeros((0, 3), np.float32),
        "a.flag": np.array([True, False]),
        "a.number": np.int64(5),
    }
    (tmp_path / "file.pkl").write_bytes(
        pickle.dumps({"model": arrays, "__author__": "somebody", "matching_heuristics": True}, protocol)
    )
    read = read_weights(tmp_path / "file.pkl")
    assert read.others == ("a.number",)
    assert read.state.keys() == arrays.keys() - {"a.number"}
    for name, tensor in read.state.items():
        assert np.array_equal(tensor.numpy(), arrays[name])
        assert tensor.numpy().dtype == arrays[name].dtype.newbyteorder("=")


def test_a_pickle_of_python_2(tmp_path):
    # As Python 2 wrote it: bytes of an array as a string of latin1.
    raw = np.arange(2, dtype="<f4").tobytes()
    parts = [
        b"\x80\x02}q\x00U\x05modelq\x01}q\x02U\x01wq\x03cnumpy.core.multiarray\n_reconstruct\nq\x04cnumpy\nndarray\n",
        b"K\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff",
        b"J\xff\xff\xff\xffK\x00tb\x89U" + bytes([len(raw)]) + raw + b"tbss.",
    ]
    (tmp_path / "file.pkl").write_bytes(b"".join(parts))
    assert read_weights(tmp_path / "file.pkl").state["w"].tolist() == [0.0, 1.0]


def test_safetensors(tmp_path):
    from safetensors.torch import save_file

    save_file(STATE, tmp_path / "file.safetensors")
    assert_is_state(tmp_path / "file.safetensors")


def test_a_file_without_checksums_is_taken(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(STATE, tmp_path / "file.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_is_state(tmp_path / "file.pth")


# Malice


class Evil:
    """Asks whoever unpickles it to run something."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.asked = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.asked


def evil_things(trap: Path) -> list[Evil]:
    return [
        Evil(os.system, f"touch {trap}"),
        Evil(eval, f"open({str(trap)!r}, 'w')"),
        Evil(exec, f"open({str(trap)!r}, 'w')"),
        Evil(open, str(trap), "w"),
        Evil(pathlib.Path.touch, trap),
        Evil(getattr, trap, "touch"),
        Evil(torch.hub.load, str(trap.parent), "x"),
        Evil(np.save, str(trap), 1),
        Evil(collections.namedtuple, "A", "b"),
        Evil(torch.utils.collect_env.run, f"touch {trap}"),
    ]


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("number", range(10))
def test_nothing_is_run(tmp_path, number, form):
    trap = tmp_path / "trap"
    content = {"model": STATE if form != "pickle" else {"a": np.ones(2)}, "args": evil_things(trap)[number]}
    file = tmp_path / "file.pth"
    if form == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(InputError, match="which no weights need: nothing of it was run") as told:
        read_weights(file)
    assert not trap.exists() and not (tmp_path / "trap.npy").exists()
    assert "\n" not in str(told.value) and str(file) in str(told.value)


def test_attributes_of_allowed_names_are_not_reached(tmp_path):
    # STACK_GLOBAL takes dotted names; a reader that follows the dots would reach what is behind them.
    code = b"\x80\x04\x8c\x0bcollections\x8c\x15OrderedDict.__class__\x93."
    (tmp_path / "file.pkl").write_bytes(code)
    with pytest.raises(InputError, match="nothing of it was run"):
        read_weights(tmp_path / "file.pkl")


def test_an_array_of_objects_is_refused(tmp_path):
    (tmp_path / "file.pkl").write_bytes(pickle.dumps({"model": {"a": np.array([{}, "b"], dtype=object)}}))
    with pytest.raises(InputError, match="damaged"):
        read_weights(tmp_path / "file.pkl")


def test_a_tensor_that_reaches_beyond_its_bytes_is_refused(tmp_path):
    torch.save({"a": torch.ones(4)}, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(tmp_path / "file.pth", "w") as bad:
        for name in good.namelist():
            content = good.read(name)
            # The shape (4,) becomes (200,): K\x04 is the pickled 4.
            bad.writestr(name, content.replace(b"K\x04\x85", b"K\xc8\x85") if name.endswith("data.pkl") else content)
    with pytest.raises(InputError, match="damaged"):
        read_weights(tmp_path / "file.pth")


# Damage


def damaged(what: str, whole: bytes) -> bytes:
    middle = len(whole) // 2
    return {
        "empty": b"",
        "page": b"  <!DOCTYPE html><html><body>Quota exceeded</body></html>",
        "text": b"hello, this is a text\n" * 20,
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "half": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "zeros": whole[:100] + bytes(len(whole) - 100),
    }[what]


FORMS = ("zip", "legacy", "pickle", "safetensors")
DAMAGES = [(form, what) for form in FORMS for what in ("empty", "page", "text", "lfs", "half")]
# Nothing but a checksum shows these, and only the zip form has one; converted folders add one.
DAMAGES += [("zip", "flipped"), ("zip", "zeros")]


@pytest.mark.parametrize(("form", "what"), DAMAGES)
def test_damaged_files_give_one_line(tmp_path, form, what):
    file = tmp_path / "file.pth"
    big = {"a": torch.arange(5000.0), "b": torch.arange(5000.0)}
    if form == "pickle":
        file.write_bytes(pickle.dumps({"model": {name: value.numpy() for name, value in big.items()}}))
    elif form == "safetensors":
        from safetensors.torch import save_file

        save_file(big, file)
    else:
        torch.save(big, file, _use_new_zipfile_serialization=form == "zip")
    file.write_bytes(damaged(what, file.read_bytes()))
    with pytest.raises(InputError) as told:
        read_weights(file)
    assert "\n" not in str(told.value) and str(file) in str(told.value)


def test_packed_tensors_are_refused(tmp_path):
    torch.save(STATE, tmp_path / "good.pth")
    packed = zipfile.ZipFile(tmp_path / "file.pth", "w", zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "good.pth") as good, packed:
        for name in good.namelist():
            packed.writestr(name, good.read(name))
    with pytest.raises(InputError, match="is compressed, which"):
        read_weights(tmp_path / "file.pth")


def test_other_things(tmp_path):
    cases = {
        "holds a list": [torch.ones(2)],
        "holds no tensors": {"model": {"a": 1}},
        "it has: nothing": {},
        "holds a Tensor": torch.ones(2),
        "without plain values": {"a": torch.ones(2, 2).to_sparse()},
    }
    for said, content in cases.items():
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(InputError, match=said):
            read_weights(tmp_path / "file.pth")
    with zipfile.ZipFile(tmp_path / "file.pth", "w") as archive:
        archive.writestr("model.pth", b"x")
    with pytest.raises(InputError, match="a zip of something else"):
        read_weights(tmp_path / "file.pth")
    with zipfile.ZipFile(tmp_path / "file.pth", "w") as archive:
        archive.writestr("m/data.pkl", b"x")
        archive.writestr("m/constants.pkl", b"x")
    with pytest.raises(InputError, match="is damaged"):
        read_weights(tmp_path / "file.pth")
    with pytest.raises(InputError, match="is not there"):
        read_weights(tmp_path / "none.pth")


SAVED = io.BytesIO()
torch.save({"model": STATE, "args": argparse.Namespace(a=1)}, SAVED, _use_new_zipfile_serialization=False)
ARRAYS = pickle.dumps({"model": {"a": np.arange(40, dtype=np.float32)}}, 2)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_changed_in_a_pickle_it_is_read_or_refused(tmp_path, data):
    whole = bytearray(data.draw(st.sampled_from([SAVED.getvalue(), ARRAYS])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "file.pth").write_bytes(bytes(whole))
    try:
        read_weights(tmp_path / "file.pth")
    except InputError as error:
        assert "\n" not in str(error)


def test_a_huge_memo_takes_no_memory(tmp_path):
    # LONG_BINPUT of a place far away: C's unpickler would make room for all before it.
    code = b"\x80\x02K\x01r" + struct.pack("<I", 2**31) + b"."
    (tmp_path / "file.pkl").write_bytes(code)
    with pytest.raises(InputError):
        read_weights(tmp_path / "file.pkl")


class Scripted(torch.nn.Module):
    """A program with numbers in it, as OpenAI publishes CLIP."""

    def __init__(self):
        super().__init__()
        self.token_embedding = torch.nn.Embedding(5, 3)
        self.ln_final = torch.nn.LayerNorm(3)
        self.register_buffer("halves", torch.arange(6, dtype=torch.float16).reshape(2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.ln_final(self.token_embedding(x))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_of_a_torchscript_archive_only_the_numbers_are_read(tmp_path):
    torch.manual_seed(0)
    module = Scripted()
    file = tmp_path / "program.pt"
    torch.jit.script(module).save(file)
    state = read_weights(file).state
    assert state.keys() == module.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in module.state_dict().items())
    whole = file.read_bytes()
    (tmp_path / "cut.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut off"):
        read_weights(tmp_path / "cut.pt")


def test_a_torchscript_archive_that_names_anything_else_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "program.pt", "w") as archive:
        archive.writestr("m/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
        archive.writestr("m/constants.pkl", b"x")
    with pytest.raises(InputError, match=r"asks for \S*system, which no weights need"):
        read_weights(tmp_path / "program.pt")
