"""PyTorch state dicts as NumPy arrays, without PyTorch and without running pickles.

A state dict is a pickle that names tensors, followed by their raw values. What a
pickle may build here is a dictionary and descriptions of tensors, nothing else.
"""

import collections
import functools
import io
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from tfgan_models.errors import UsageError

_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    # NumPy has no bfloat16: read as bits and widened to float32.
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}

_ZIP_MAGIC = b"PK\x03\x04"
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_MOST_EXPANDED = 2**24
"""Numbers of a tensor that has more of them than it stores (stride 0): a bound, so
that no small file fills the memory."""


class _Storage(NamedTuple):
    """Where a tensor's values are: a run of numbers of one type."""

    kind: str
    key: str
    length: int


class _Tensor(NamedTuple):
    """A strided view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RefusedError(Exception):
    """What a file asks for and may not have."""


def read(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a state dict written by `torch.save(module.state_dict(), path)`.

    Both of PyTorch's formats: zip archives, and the stream from before PyTorch 1.6.

    Args:
        path: The file.

    Returns:
        Name to array, in the file's order, contiguous, in the file's number types;
        bfloat16 becomes float32.

    Raises:
        UsageError: There is no such file, it is damaged, or it holds anything but a
            flat dictionary of tensors, which is then not built.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"{path} is not a file. Pass a PyTorch state dict (.pth).")
    try:
        with path.open("rb") as file:
            if file.peek(len(_ZIP_MAGIC)).startswith(_ZIP_MAGIC):
                with zipfile.ZipFile(file) as archive:
                    return _read_archive(archive)
            return _read_stream(file, path.stat().st_size)
    except _RefusedError as error:
        raise UsageError(
            f"{path} was not loaded: it holds {error}. Allowed: a flat dictionary of "
            "tensors, written by torch.save(module.state_dict(), path)."
        ) from error
    # Damage shows as any error of pickle, zipfile or NumPy.
    except Exception as error:
        raise UsageError(
            f"{path} cannot be read as a PyTorch state dict: it is cut off, damaged "
            f"or of another kind ({type(error).__name__}: {error}). Download or save "
            "it again."
        ) from error


def _read_archive(archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    names = [n for n in archive.namelist() if n.split("/")[1:] == ["data.pkl"]]
    if len(names) != 1:
        raise _RefusedError("no pickle of tensors (a TorchScript or another archive)")
    folder = names[0].removesuffix("data.pkl")
    if any(i.compress_type != zipfile.ZIP_STORED for i in archive.infolist()):
        raise _RefusedError("compressed records, which torch.save never writes")
    if f"{folder}byteorder" in archive.namelist():
        order = archive.read(f"{folder}byteorder")
        if order != b"little":
            raise _RefusedError(f"numbers in byte order {order!r}")
    tensors = _tensors(_Unpickler(io.BytesIO(archive.read(names[0]))).load())
    storages = {
        storage: _numbers(storage, archive.read(f"{folder}data/{storage.key}"))
        for storage in {tensor.storage for tensor in tensors.values()}
    }
    return _arrays(tensors, storages)


def _read_stream(file: BinaryIO, size: int) -> dict[str, np.ndarray]:
    try:
        magic = _Unpickler(file).load()
    except _RefusedError:
        raise
    except Exception:
        magic = None
    if magic != _LEGACY_MAGIC:
        raise _RefusedError("no PyTorch header")
    protocol = _Unpickler(file).load()
    system = _Unpickler(file).load()
    if protocol != _LEGACY_PROTOCOL or not system["little_endian"]:
        raise _RefusedError(f"protocol {protocol} of system {system}")
    tensors = _tensors(_Unpickler(file).load())
    wanted = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    storages = {}
    for key in _Unpickler(file).load():
        storage = wanted[key]
        length = int.from_bytes(file.read(8), "little")
        count = length * np.dtype(_DTYPES[storage.kind]).itemsize
        # A damaged length must not ask for more memory than the file can fill.
        data = file.read(count) if count <= size else b""
        if len(data) != count:
            raise EOFError(f"{count} bytes were to follow, {len(data)} do")
        storages[storage] = _numbers(storage, data)
    return _arrays(tensors, storages)


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries and `_Tensor`s; every other name is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        rebuild = _REBUILDERS.get(f"{module}.{name}")
        if rebuild:
            # A new object each time: a pickle can set attributes of what it gets.
            return functools.partial(rebuild)
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return name
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        tag, kind, key, _, length, *view = pid
        if tag != "storage" or kind not in _DTYPES or any(view):
            raise _RefusedError(f"a reference to {pid!r}")
        return _Storage(kind, str(key), int(length))


def _tensor(
    storage: _Storage,
    offset: int,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    *_: Any,
) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


def _parameter(tensor: _Tensor, *_: Any) -> _Tensor:
    return tensor


_REBUILDERS: dict[str, Callable[..., _Tensor]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}


def _tensors(state: Any) -> dict[str, _Tensor]:
    """Checks that what was unpickled is a flat dictionary of tensors."""
    if not isinstance(state, dict):
        raise _RefusedError(f"a {type(state).__name__}")
    for name, value in state.items():
        if not isinstance(name, str):
            raise _RefusedError(f"a key that is no name: {name!r}")
        if not isinstance(value, _Tensor):
            raise _RefusedError(f"a {type(value).__name__} under {name!r}")
        if not isinstance(value.storage, _Storage):
            raise _RefusedError(f"a tensor without a storage under {name!r}")
    return dict(state)


def _numbers(storage: _Storage, data: bytes) -> np.ndarray:
    values = np.frombuffer(data, _DTYPES[storage.kind])
    if len(values) != storage.length:
        raise ValueError(f"{storage.length} numbers announced, {len(values)} found")
    if storage.kind == "BFloat16Storage":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values


def _arrays(
    tensors: dict[str, _Tensor], storages: dict[_Storage, np.ndarray]
) -> dict[str, np.ndarray]:
    return {n: _array(n, t, storages[t.storage]) for n, t in tensors.items()}


def _array(name: str, tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    """Copies the view out, having checked that it lies inside its storage."""
    _, offset, shape, strides = tensor
    if len(shape) != len(strides) or min((offset, *shape, *strides)) < 0:
        _outside(name, tensor)
    if math.prod(shape) == 0:
        return np.zeros(shape, values.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if last >= len(values) or math.prod(shape) > max(len(values), _MOST_EXPANDED):
        _outside(name, tensor)
    view = np.lib.stride_tricks.as_strided(
        values[offset:], shape, [s * values.itemsize for s in strides]
    )
    return np.array(view, order="C")


def _outside(name: str, tensor: _Tensor) -> NoReturn:
    raise ValueError(
        f"tensor {name} (offset {tensor.offset}, shape {tensor.shape}, strides "
        f"{tensor.strides}) does not fit its {tensor.storage.length} numbers"
    )
