"""PyTorch state dicts as NumPy arrays, without PyTorch and without running pickles.

A checkpoint is a pickle that names tensors, followed by their raw values. What a
pickle may build here are containers, basic values and descriptions of tensors.
"""

import contextlib
import dataclasses
import functools
import io
import math
import mmap
import reprlib
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tfgan_models.interop import restricted_pickle
from tfgan_models.interop.restricted_pickle import (
    Budget,
    Dict,
    Key,
    RefusedError,
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

_TYPES = (
    *("float32", "float64", "float16", "bfloat16"),
    *("int64", "int32", "int16", "int8", "uint8", "bool"),
)

_ZIP_MAGIC = b"PK\x03\x04"
_ZIP_RECORD = struct.Struct("<4s22xHH")
"""A record's own header, of which the lengths of its name and extra field matter."""
_LONGEST_DIRECTORY = 2**21
_LONGEST_DEVICE = 16
_MOST_NUMBERS = 1 + 2 * 32

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001

_PARALLEL = "module."

_FLAT = "a flat dictionary of tensors, written by torch.save(module.state_dict(), path)"
_NESTED = (
    "dictionaries, lists, numbers, strings and tensors, as written by "
    "torch.save({'generator': module.state_dict(), ...}, path)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Storage:
    """Where a tensor's values are: a run of numbers of one type."""

    kind: str
    key: str
    length: int


@dataclasses.dataclass(frozen=True, slots=True)
class _Tensor:
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
    return _read(Path(path), "a PyTorch state dict (.pth)", flat=True)


def read_nested(path: str | Path) -> dict[str, Any]:
    """Reads a checkpoint of several state dicts, or of one with other values.

    Args:
        path: The file, as of `torch.save({"generator": generator.state_dict(),
            "g_optimizer": optimizer.state_dict(), "step": 7}, path)`, in either
            format.

    Returns:
        What was saved: dictionaries (ordered ones become plain, their attributes are
        dropped), lists, tuples, numbers, strings, None; tensors are arrays as of
        `read`; devices and data types are strings, as "cuda:0" and "torch.float32".

    Raises:
        UsageError: There is no such file, it is damaged, or it holds anything else,
            as a whole module, which is then not built.
    """
    return _read(Path(path), "a PyTorch checkpoint (.pth, .pt, .model)", flat=False)


def without_prefix(state: dict[str, Any]) -> dict[str, Any]:
    """Strips DataParallel's "module." while all names begin with it."""
    while state and all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): v for name, v in state.items()}
    return state


def _read(path: Path, kind: str, flat: bool) -> dict[str, Any]:
    allowed = _FLAT if flat else _NESTED
    with restricted_pickle.opened(path, kind, allowed) as (data, budget):
        zipped = data[: len(_ZIP_MAGIC)] == _ZIP_MAGIC
        state, storages = (_load_archive if zipped else _load_stream)(data, budget)
        if type(state) is not Dict:
            raise RefusedError(kind_of(state))
        for name, value in state.items():
            if type(name) is not str:
                raise RefusedError(f"a key that is not a string: {name!r}")
            if flat and type(value) is not _Tensor:
                raise RefusedError(f"{kind_of(value)} under {name!r}")

        def leaf(where: tuple[Key, ...], value: object) -> np.ndarray:
            name = ".".join(str(key) for key in where)
            if type(value) is not _Tensor:
                raise RefusedError(f"{kind_of(value)} under {name!r}")
            return _array(name, value, storages(value.storage), budget)

        return restricted_pickle.plain(state, budget, leaf)


class _Directory:
    """A file for `zipfile` whose directory cannot be endless."""

    def __init__(self, data: mmap.mmap) -> None:
        self.seek, self.tell, self._read = data.seek, data.tell, data.read

    def read(self, size: int = -1) -> bytes:
        if size > _LONGEST_DIRECTORY:
            raise RefusedError(f"a zip directory of {size} bytes")
        return self._read(size)


def _load_archive(data: mmap.mmap, budget: Budget) -> tuple[Any, _Storages]:
    with zipfile.ZipFile(_Directory(data)) as archive:  # type: ignore[call-overload]
        infos = {info.filename: info for info in archive.infolist()}
    if any(i.compress_type != zipfile.ZIP_STORED for i in infos.values()):
        raise RefusedError("compressed records, which torch.save never writes")
    if sum(i.file_size for i in infos.values()) > len(data):
        raise RefusedError("records that overlap or are longer than the file")
    names = [n for n in infos if n.split("/")[1:] == ["data.pkl"]]
    if len(names) != 1:
        raise RefusedError("no pickle of tensors (a TorchScript or another archive)")

    def record(name: str) -> memoryview:
        info = infos[names[0].removesuffix("data.pkl") + name]
        start = info.header_offset + _ZIP_RECORD.size
        header = data[info.header_offset : start]
        magic, *lengths = _ZIP_RECORD.unpack(header)
        start += sum(lengths)
        content = memoryview(data)[start : start + info.file_size]
        if magic != _ZIP_MAGIC or zlib.crc32(content) != info.CRC:
            raise zipfile.BadZipFile(f"record {info.filename!r} fails its checksum")
        return content

    # PyTorch 1 did not write it.
    with contextlib.suppress(KeyError):
        if (order := bytes(record("byteorder")[:8])) != b"little":
            raise RefusedError(f"numbers in byte order {order!r}")

    @functools.cache
    def storages(storage: _Storage) -> np.ndarray:
        return _numbers(storage, record(f"data/{storage.key}"))

    pickled = io.BytesIO(record("data.pkl"))
    state = restricted_pickle.load(pickled, _names(budget), budget, _storage)
    return state, storages


def _load_stream(data: mmap.mmap, budget: Budget) -> tuple[Any, _Storages]:
    parts: list[Any] = []
    wanted: dict[str, _Storage] = {}

    def reference(identity: Any) -> _Storage:
        storage = _storage(identity)
        return wanted.setdefault(storage.key, storage)

    for _ in range(5):
        parts.append(restricted_pickle.load(data, _names(budget), budget, reference))
        if parts[0] != _LEGACY_MAGIC:
            raise RefusedError("no PyTorch header")
    _, protocol, system, state, keys = parts
    if protocol != _LEGACY_PROTOCOL or not system["little_endian"]:
        raise RefusedError(f"protocol and system {reprlib.repr((protocol, system))}")
    found = {}
    for key in keys:
        # Hashing a nested tuple overflows the stack.
        if type(key) is not str:
            raise RefusedError(f"{kind_of(key)} as a storage's key")
        (length,) = struct.unpack("<Q", data.read(8))
        start = data.tell()
        end = start + length * np.dtype(_DTYPES[wanted[key].kind]).itemsize
        found[wanted[key]] = _numbers(wanted[key], memoryview(data)[start:end])
        data.seek(end)
    return state, found.__getitem__


def _names(budget: Budget) -> restricted_pickle.Names:
    """What a checkpoint may name, and what is made of it."""

    def ordered(items: Any = ()) -> Dict:
        # Python 2 wrote the items as an argument, which could be given again and again.
        made = Dict()
        for key, value in items:
            budget.spend(256)
            made[key] = value
        return made

    return {
        **{(m, kind): kind for m in ("torch", "torch.storage") for kind in _DTYPES},
        **{("torch", name): f"torch.{name}" for name in _TYPES},
        ("collections", "OrderedDict"): ordered,
        ("torch", "Size"): _first,
        ("torch", "device"): _device,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _first,
    }


def _first(value: object = (), *_: object) -> object:
    return value


def _device(kind: str, index: int | None = None) -> str:
    known = type(kind) is str and len(kind) <= _LONGEST_DEVICE
    if not known or type(index) not in (int, type(None)):
        raise RefusedError(f"a device {reprlib.repr(kind)}")
    return kind if index is None else f"{kind}:{index}"


def _storage(identity: Any) -> _Storage:
    tag, kind, key, _, length, *view = identity
    allowed = tag == "storage" and type(kind) is str and kind in _DTYPES
    if not allowed or type(key) is not str or type(length) is not int or any(view):
        raise RefusedError(f"a reference to {reprlib.repr(identity)}")
    return _Storage(kind, key, length)


def _tensor(
    storage: object, offset: Any, shape: object, strides: object, *_: object
) -> _Tensor:
    if type(shape) is not tuple or type(strides) is not tuple:
        raise RefusedError(f"a tensor whose shape is {kind_of(shape)}")
    numbers = (offset, *shape, *strides)
    if len(numbers) > _MOST_NUMBERS or any(type(n) is not int for n in numbers):
        raise RefusedError("a tensor whose shape is not integers")
    if type(storage) is not _Storage:
        raise RefusedError(f"a tensor whose storage is {kind_of(storage)}")
    return _Tensor(storage, offset, shape, strides)


def _numbers(storage: _Storage, data: memoryview) -> np.ndarray:
    values = np.frombuffer(data, _DTYPES[storage.kind])
    if len(values) != storage.length:
        raise ValueError(f"expected {storage.length} numbers, found {len(values)}")
    return values


def _array(
    name: str, tensor: _Tensor, values: np.ndarray, budget: Budget
) -> np.ndarray:
    """Copies a view out. NumPy's own checks let some views outside a buffer pass."""
    offset, shape, strides = tensor.offset, tensor.shape, tensor.strides
    count = math.prod(shape)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min((offset, *shape, *strides)) < 0 or (count and last >= len(values)):
        raise ValueError(
            f"tensor {name} (offset {offset}, shape {shape}, strides {strides}) lies "
            f"outside its storage of {len(values)} numbers"
        )
    wide = tensor.storage.kind == "BFloat16Storage"
    budget.spend(count * (4 if wide else values.itemsize))
    view = np.lib.stride_tricks.as_strided(
        values[offset:], shape, [s * values.itemsize for s in strides]
    )
    if not wide:
        return np.array(view, order="C")
    bits = view.astype(np.uint32, order="C")
    bits <<= 16
    return bits.view(np.float32)
