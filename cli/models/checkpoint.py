"""The tensors of a PyTorch checkpoint, read without PyTorch and without running anything it names.

A checkpoint is a zip of raw storages and a pickle that refers to them. Unpickling is done by a reader
that imports nothing: the few rebuild functions that tensors need are ours, and every other name becomes
an inert object that only holds its attributes.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.shared.errors import InvalidInput

_STORAGES: dict[str, type[np.generic]] = {
    "FloatStorage": np.float32,
    "HalfStorage": np.float16,
    "DoubleStorage": np.float64,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}


class _Inert:
    """Stands in for an object of a class that is not loaded: attributes, and nothing that runs."""

    def __init__(self, *_arguments: object) -> None:
        return

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


class _Storage:
    """A storage's element type, by its PyTorch name."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self.dtype = dtype


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_rest: object
) -> NDArray[Any]:
    """The strided view that PyTorch's `_rebuild_tensor_v2` makes, copied; refuses to reach past the storage."""
    reach = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) + 1
    if offset < 0 or any(step < 0 for step in stride) or (min(size, default=1) > 0 and reach > storage.size):
        raise InvalidInput("a tensor of the checkpoint reaches past its storage", field="file")
    item = storage.itemsize
    view = np.lib.stride_tricks.as_strided(storage[offset:], size, [step * item for step in stride])
    return np.array(view)


def _rebuild_parameter(data: NDArray[Any], *_rest: object) -> NDArray[Any]:
    return data


_REBUILDERS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
}


class _Reader(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(stream)
        self._archive = archive
        self._root = root

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _Storage(_STORAGES[name])
        return _REBUILDERS.get((module, name), _Inert)

    def persistent_load(self, reference: Any) -> NDArray[Any]:
        _kind, storage, key, _device, count = reference
        data = self._archive.read(f"{self._root}data/{key}")
        return np.frombuffer(data, storage.dtype, int(count))


def state_dict(checkpoint: bytes) -> dict[str, NDArray[np.float32]]:
    """Name -> tensor (float32) of the checkpoint's module, as PyTorch's `state_dict` names them.

    An exponential moving average, when there is one, is what Ultralytics would load, so it goes first.
    Raises InvalidInput when the bytes are no such checkpoint.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(checkpoint)) as archive:
            entry = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            root = entry.removesuffix("data.pkl")
            loaded = _Reader(io.BytesIO(archive.read(entry)), archive, root).load()
    except (zipfile.BadZipFile, StopIteration, pickle.UnpicklingError, KeyError, ValueError, TypeError) as error:
        raise InvalidInput(f"the file is no PyTorch checkpoint that can be read: {error}", field="file") from None
    module = loaded.get("ema") or loaded.get("model") if isinstance(loaded, dict) else loaded
    tensors = {name: value.astype(np.float32) for name, value in _walk(module, "").items()}
    if not tensors:
        raise InvalidInput("the checkpoint holds no module with weights", field="file")
    return tensors


def _walk(module: object, prefix: str) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for group in ("_parameters", "_buffers"):
        for name, value in getattr(module, group, {}).items():
            if isinstance(value, np.ndarray):
                found[prefix + name] = value
    for name, child in getattr(module, "_modules", {}).items():
        found.update(_walk(child, f"{prefix}{name}."))
    return found
