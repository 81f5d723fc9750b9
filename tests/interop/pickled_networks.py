"""Pickles as StyleGAN's training writes them, made with throw-away classes."""

import contextlib
import io
import pickle
import sys
import types
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np


class EasyDict(dict):
    """A dictionary with attributes."""


class Network:
    """A network of which only the pickled state is of interest."""

    def __init__(self, **state: Any) -> None:
        self.state = state

    def __getstate__(self) -> dict[str, Any]:
        return self.state


def _reconstruct() -> None: ...


def scalar() -> None: ...


class _OldPickler(pickle.Pickler):
    """Gives NumPy's functions the names they had in NumPy 1."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            _, *rest = value.__reduce__()
            return (_reconstruct, *rest)
        if isinstance(value, np.generic):
            return (scalar, *value.__reduce__()[1:])
        return NotImplemented


@contextlib.contextmanager
def _homes(network_module: str) -> Iterator[None]:
    homes = {
        Network: network_module,
        EasyDict: "dnnlib.util",
        _reconstruct: "numpy.core.multiarray",
        scalar: "numpy.core.multiarray",
    }
    # The pickler imports a module's first part, too.
    names = {part for home in homes.values() for part in (home, home.split(".")[0])}
    modules = {name: types.ModuleType(name) for name in names - {"numpy"}}
    with mock.patch.dict(sys.modules, modules), contextlib.ExitStack() as stack:
        for item, home in homes.items():
            stack.enter_context(mock.patch.object(item, "__module__", home))
            setattr(modules[home], item.__name__, item)
        yield


def dump(
    value: Any,
    protocol: int = 4,
    numpy1: bool = True,
    module: str = "dnnlib.tflib.network",
) -> bytes:
    """Pickles networks under the names of the other project's classes."""
    file = io.BytesIO()
    with _homes(module):
        (_OldPickler if numpy1 else pickle.Pickler)(file, protocol).dump(value)
    return file.getvalue()


def network(name: str = "G", **changed: Any) -> Network:
    """A network with one component, every kind of argument and of number."""
    inner = {
        "version": 3,
        "name": f"{name}_mapping",
        "static_kwargs": {},
        "components": {},
        "build_module_src": "raise SystemExit('this was run')",
        "build_func_name": "G_mapping",
        "variables": [("Dense0/weight", np.arange(6, dtype=np.float32).reshape(2, 3))],
    }
    state = inner | {
        "name": name,
        "static_kwargs": {
            "num_channels": 3,
            "resolution": np.int64(8),
            "use_noise": True,
            "psi": 0.7,
            "dtype": "float32",
            "truncation": None,
            "gains": [1.0, (2, 3)],
            "nested": EasyDict(lr=0.5),
        },
        "components": {"mapping": Network(**inner)},
        "build_func_name": "G_style",
        "variables": [
            ("lod", np.float32(1.5)),
            ("big_endian", np.arange(4, dtype=">f8")),
            ("columns", np.asfortranarray(np.arange(6, dtype="i4").reshape(2, 3))),
            ("half", np.array([[0.5]], np.float16)),
            ("flags", np.array([True, False])),
            ("long", np.array([2**40])),
            ("none", np.zeros((0, 3), np.float32)),
        ],
    }
    return Network(**(state | changed))
