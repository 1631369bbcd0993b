"""Weights as names and tensors, from every form of file that authors publish them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from singleout.errors import InputError
from singleout.zoo.pickles import array_of, check_sums, read_numpy_pickle, read_torch_file
from singleout.zoo.scripted import read_scripted
from singleout.zoo.sniff import check_is_weights

if TYPE_CHECKING:
    from torch import Tensor

# Where training scripts put the weights: detectron2 and DETR's children, AOT and timm, SOC.
_WRAPPERS = ("model", "state_dict", "model_state_dict")
# Put before every name by torch's data parallel training and by its compiler.
_PREFIXES = ("module.", "_orig_mod.")


@dataclass(frozen=True)
class RawWeights:
    """What a file holds, under its own names, without wrappers.

    state: on the CPU; tensors may be mapped from the file, so it must stay as it is while they are used. others: names
    that hold no tensor.
    """

    state: dict[str, Tensor]
    others: tuple[str, ...] = ()


def read_weights(file: Path) -> RawWeights:
    """The weights of a ``.pth``, ``.pt``, detectron2 ``.pkl`` or ``.safetensors`` file; nothing in it is run.

    Raises InputError, in one line, for a file that is missing, damaged, cut off, no weights, or wants something run.
    """
    if not file.is_file():
        raise InputError(f"{file} is not there: give the path of a file of weights")
    kind = check_is_weights(file)
    if kind == "safetensors":
        return RawWeights(_read_safetensors(file))
    if kind == "numpy":
        raise InputError(
            f"{file} is one table of numbers (.npy), not weights; expected .pth, .pkl or .safetensors content"
        )
    if kind == "scripted":
        return RawWeights(read_scripted(file))
    if kind == "torch":
        check_sums(file)
    try:
        content = read_numpy_pickle(file) if kind == "pickle" else read_torch_file(file, kind)
    except MemoryError as error:
        raise InputError(f"{file} is damaged, or asks for more memory than there is") from error
    return _unwrapped(file, content)


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(file)
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{file} is damaged or cut off: {error}") from error
    if not state:
        raise InputError(f"{file} holds no tensors")
    return state


def _unwrapped(file: Path, content: Any) -> RawWeights:
    found = content
    while isinstance(found, Mapping):
        wrapper = next((key for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if wrapper is None:
            break
        found = found[wrapper]
    if not isinstance(found, Mapping):
        raise InputError(f"{file} holds a {type(content).__name__}, no names with tensors: it is no file of weights")
    tensors: dict[str, Tensor] = {}
    others = []
    for name, value in found.items():
        tensor = _as_tensor(file, str(name), value)
        if tensor is None:
            others.append(str(name))
        else:
            tensors[str(name)] = tensor
    if not tensors:
        inside = ", ".join(map(str, list(found)[:5])) or "nothing"
        raise InputError(f"{file} holds no tensors where weights are expected; it has: {inside}")
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): value for name, value in tensors.items()}
    return RawWeights(tensors, tuple(others))


def _as_tensor(file: Path, name: str, value: Any) -> Tensor | None:
    import torch

    array = array_of(value)
    if array is not None:
        # A copy of its own, in this machine's byte order.
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    if not isinstance(value, torch.Tensor):
        return None
    if value.layout is not torch.strided or value.is_quantized or value.is_meta:
        raise InputError(f"{file} holds {name} as a tensor without plain values: only plain tensors can be read")
    return value.detach()
