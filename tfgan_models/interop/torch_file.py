"""PyTorch state dicts as NumPy arrays, without PyTorch and without running pickles.

A checkpoint is a pickle that names tensors, followed by their raw values. What a
pickle may build here are containers, basic values and descriptions of tensors.
"""

import dataclasses
import functools
import io
import math
import reprlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from tfgan_models.interop import restricted_pickle
from tfgan_models.interop.restricted_pickle import (
    Budget,
    Maker,
    RefusedError,
    StandIn,
    kind_of,
)

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
_ZIP_RECORD = "<4s22xHH"
"""A record's own header, of which the lengths of its name and extra field matter."""
_LONGEST_DIRECTORY = 2**21
_MOST_DIMENSIONS = 32

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_PARALLEL = "module."

_FLAT = "a flat dictionary of tensors, written by torch.save(module.state_dict(), path)"
_NESTED = (
    "dictionaries, lists, numbers, texts and tensors, as written by "
    "torch.save({'generator': module.state_dict(), ...}, path)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Storage:
    """Where a tensor's values are: a run of numbers of one type."""

    kind: str
    key: str
    length: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Tensor(StandIn):
    """A strided view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


_Storages = Callable[[_Storage], np.ndarray]


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
    kind = "a PyTorch state dict (.pth)"
    with restricted_pickle.opened(path, kind, _FLAT) as (data, budget):
        state, storages = _load(data, budget)
        for name, value in _dictionary(state).items():
            if not isinstance(value, _Tensor):
                raise RefusedError(f"{kind_of(value)} under {name!r}")
        return {n: _array((n,), t, storages, budget) for n, t in state.items()}


def read_nested(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint of several state dicts, or of one with other values.

    Args:
        path: The file, as of `torch.save({"generator": generator.state_dict(),
            "g_optimizer": optimizer.state_dict(), "step": 7}, path)`, in either
            format.

    Returns:
        What was saved: dictionaries (ordered ones become plain, their attributes are
        dropped), lists, tuples, numbers, texts, None; tensors are arrays as of
        `read`; devices and data types are texts, as "cuda:0" and "torch.float32".

    Raises:
        UsageError: There is no such file, it is damaged, or it holds anything else,
            as a whole module, which is then not built.
    """
    path = Path(path)
    kind = "a PyTorch checkpoint (.pth, .pt, .model)"
    with restricted_pickle.opened(path, kind, _NESTED) as (data, budget):
        state, storages = _load(data, budget)

        def leaf(where: tuple[Any, ...], value: Any) -> np.ndarray:
            if not isinstance(value, _Tensor):
                raise RefusedError(f"{kind_of(value)} under {_name(where)!r}")
            return _array(where, value, storages, budget)

        return restricted_pickle.plain(_dictionary(state), budget, leaf)


def without_prefix(state: dict[str, Any]) -> dict[str, Any]:
    """Takes DataParallel's "module." off, as often as all names begin with it."""
    while state and all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): v for name, v in state.items()}
    return state


def _dictionary(state: Any) -> dict[str, Any]:
    if type(state) is not dict:
        raise RefusedError(kind_of(state))
    for name in state:
        if type(name) is not str:
            raise RefusedError(f"a key that is no name: {name!r}")
    return state


def _name(where: tuple[Any, ...]) -> str:
    return ".".join(str(key) for key in where)


def _load(data: memoryview, budget: Budget) -> tuple[Any, _Storages]:
    if data[: len(_ZIP_MAGIC)] == _ZIP_MAGIC:
        return _load_archive(data, budget)
    return _load_stream(data, budget)


class _Window(io.RawIOBase):
    """Bytes as the file that `zipfile` wants, which reads no endless directory."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._position = data, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + (len(self._data) if whence == io.SEEK_END else 0)
        if not 0 <= position <= len(self._data):
            raise OSError(f"byte {position} of {len(self._data)}")
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        left = self._data[self._position :]
        taken = left if size < 0 else left[:size]
        if len(taken) > _LONGEST_DIRECTORY:
            raise RefusedError(f"a zip directory of {len(taken)} bytes")
        self._position += len(taken)
        return bytes(taken)


def _load_archive(data: memoryview, budget: Budget) -> tuple[Any, _Storages]:
    records = _records(data)
    names = [n for n in records if n.split("/")[1:] == ["data.pkl"]]
    if len(names) != 1:
        raise RefusedError("no pickle of tensors (a TorchScript or another archive)")
    folder = names[0].removesuffix("data.pkl")
    if f"{folder}byteorder" in records:
        order = bytes(_record(data, records[f"{folder}byteorder"])[:8])
        if order != b"little":
            raise RefusedError(f"numbers in byte order {order!r}")

    @functools.cache
    def storages(storage: _Storage) -> np.ndarray:
        record = _record(data, records[f"{folder}data/{storage.key}"])
        return _numbers(storage, record)

    pickled = _record(data, records[names[0]])
    state, _ = restricted_pickle.load(pickled, _names(budget), budget, _storage)
    return state, storages


def _records(data: memoryview) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(_Window(data)) as archive:
        infos = archive.infolist()
    if any(i.compress_type != zipfile.ZIP_STORED for i in infos):
        raise RefusedError("compressed records, which torch.save never writes")
    if sum(i.file_size for i in infos) > len(data):
        raise RefusedError("records that overlap or are longer than the file")
    return {info.filename: info for info in infos}


def _record(data: memoryview, info: zipfile.ZipInfo) -> memoryview:
    size = struct.calcsize(_ZIP_RECORD)
    header = data[info.header_offset : info.header_offset + size]
    magic, name, extra = struct.unpack(_ZIP_RECORD, header)
    start = info.header_offset + size + name + extra
    record = data[start : start + info.file_size]
    if magic != _ZIP_MAGIC or zlib.crc32(record) != info.CRC:
        raise zipfile.BadZipFile(f"the record {info.filename!r} is not what was saved")
    return record


def _load_stream(data: memoryview, budget: Budget) -> tuple[Any, _Storages]:
    parts, end, wanted = [], 0, {}

    def reference(identity: Any) -> _Storage:
        storage = _storage(identity)
        if wanted.setdefault(storage.key, storage) != storage:
            raise RefusedError(f"two storages of the key {storage.key!r}")
        return storage

    for _ in range(5):
        part, end = restricted_pickle.load(data, _names(budget), budget, reference, end)
        parts.append(part)
        if parts[0] != _LEGACY_MAGIC:
            raise RefusedError("no PyTorch header")
    _, protocol, system, state, keys = parts
    if protocol != _LEGACY_PROTOCOL or not system["little_endian"]:
        raise RefusedError(f"protocol and system {reprlib.repr((protocol, system))}")
    found = {}
    for key in keys:
        storage = wanted[key]
        (length,) = struct.unpack("<Q", data[end : end + 8])
        start, end = (
            end + 8,
            end + 8 + length * np.dtype(_DTYPES[storage.kind]).itemsize,
        )
        if end > len(data):
            raise EOFError(
                f"{end - start} bytes were to follow, {len(data) - start} do"
            )
        found[storage] = _numbers(storage, data[start:end])
    return state, found.__getitem__


def _names(budget: Budget) -> restricted_pickle.Names:
    """What a checkpoint may name, and what is made of it."""

    def ordered(items: Any = ()) -> dict[str, Any]:
        # Python 2 wrote the items as an argument, which could be given again and again.
        budget.spend(256 * len(items))
        if any(type(key) is not str for key, _ in items):
            raise RefusedError("an ordered dictionary whose keys are no names")
        return dict(items)

    makers = {
        ("collections", "OrderedDict"): ordered,
        ("torch", "Size"): _size,
        ("torch", "device"): _device,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _parameter,
    }
    return _TYPES | {name: Maker(".".join(name), f) for name, f in makers.items()}


_TYPES: dict[tuple[str, str], Any] = {
    **{(m, kind): kind for m in ("torch", "torch.storage") for kind in _DTYPES},
    **{
        ("torch", name): f"torch.{name}"
        for name in (
            *("float32", "float64", "float16", "bfloat16", "int64", "int32", "int16"),
            *("int8", "uint8", "bool"),
        )
    },
}


def _size(shape: tuple[int, ...] = ()) -> tuple[int, ...]:
    if type(shape) is not tuple:
        raise RefusedError(f"a size made of {kind_of(shape)}")
    return shape


def _device(kind: str, index: int | None = None) -> str:
    if type(kind) is not str or len(kind) > 16 or type(index) not in (int, type(None)):
        raise RefusedError(f"a device {reprlib.repr(kind)}")
    return kind if index is None else f"{kind}:{index}"


def _storage(identity: Any) -> _Storage:
    tag, kind, key, _, length, *view = identity
    allowed = tag == "storage" and type(kind) is str and kind in _DTYPES
    if not allowed or type(key) is not str or type(length) is not int or any(view):
        raise RefusedError(f"a reference to {reprlib.repr(identity)}")
    return _Storage(kind, key, length)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if type(storage) is not _Storage:
        raise RefusedError(f"a tensor whose storage is {kind_of(storage)}")
    if type(shape) is not tuple or type(strides) is not tuple:
        raise RefusedError(f"a tensor whose shape is {kind_of(shape)}")
    if len(shape) != len(strides) or len(shape) > _MOST_DIMENSIONS:
        raise RefusedError(f"a tensor of {len(shape)} sizes and {len(strides)} strides")
    if any(type(number) is not int for number in (offset, *shape, *strides)):
        raise RefusedError("a tensor whose shape is not made of whole numbers")
    return _Tensor(storage, offset, shape, strides)


def _parameter(tensor: Any, *_: Any) -> _Tensor:
    if type(tensor) is not _Tensor:
        raise RefusedError(f"a parameter made of {kind_of(tensor)}")
    return tensor


def _numbers(storage: _Storage, data: memoryview) -> np.ndarray:
    values = np.frombuffer(data, _DTYPES[storage.kind])
    if len(values) != storage.length:
        raise ValueError(f"{storage.length} numbers announced, {len(values)} found")
    return values


def _array(
    where: tuple[Any, ...], tensor: _Tensor, storages: _Storages, budget: Budget
) -> np.ndarray:
    """Copies the view out, having checked that it lies inside its storage."""
    values = storages(tensor.storage)
    offset, shape, strides = tensor.offset, tensor.shape, tensor.strides
    wide = tensor.storage.kind == "BFloat16Storage"
    if min((offset, *shape, *strides)) < 0:
        _outside(where, tensor)
    if math.prod(shape) == 0:
        return np.zeros(shape, np.float32 if wide else values.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if last >= len(values):
        _outside(where, tensor)
    budget.spend(math.prod(shape) * (4 if wide else values.itemsize))
    view = np.lib.stride_tricks.as_strided(
        values[offset:], shape, [s * values.itemsize for s in strides]
    )
    if not wide:
        return np.array(view, order="C")
    bits = view.astype(np.uint32, order="C")
    bits <<= 16
    return bits.view(np.float32)


def _outside(where: tuple[Any, ...], tensor: _Tensor) -> NoReturn:
    raise ValueError(
        f"tensor {_name(where)} (offset {tensor.offset}, shape {tensor.shape}, strides "
        f"{tensor.strides}) does not fit its {tensor.storage.length} numbers"
    )
