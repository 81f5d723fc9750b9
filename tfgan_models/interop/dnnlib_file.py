"""Networks in pickles of NVlabs/stylegan, without dnnlib and without running them.

Such a pickle holds networks with the source code that builds them, their arguments
and their variables. The code is neither run nor kept.
"""

import dataclasses
import math
import reprlib
from pathlib import Path
from typing import Any

import numpy as np

from tfgan_models.interop import restricted_pickle
from tfgan_models.interop.restricted_pickle import (
    Budget,
    Maker,
    RefusedError,
    StandIn,
    kind_of,
)

_VERSIONS = (2, 3, 4)
_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
_MOST_DIMENSIONS = 32
_NDARRAY = "numpy.ndarray"


@dataclasses.dataclass(frozen=True)
class PickledNetwork:
    """One network of a pickle.

    Attributes:
        name: Its name, as "Gs".
        static_kwargs: The arguments of the function that built it: basic values only.
        components: Name to network inside it, as "mapping" -> "G_mapping".
        variables: Name to value, those of components excluded; contiguous and in
            this machine's byte order. Single numbers are arrays of no dimension.
        build_func_name: The function that built it, as "G_style".
    """

    name: str
    static_kwargs: dict[str, Any]
    components: dict[str, "PickledNetwork"]
    variables: dict[str, np.ndarray]
    build_func_name: str


def read(path: str | Path) -> tuple[PickledNetwork, ...]:
    """Reads a pickle of `dnnlib.tflib.Network`s, or of Progressive GAN's `tfutil`.

    Args:
        path: The file.

    Returns:
        The networks in the file's order: (G, D, Gs), or one alone.

    Raises:
        UsageError: There is no such file, it is damaged, or it holds anything but
            networks of numbers, which is then not built.
    """
    kind = "a pickle of StyleGAN networks (.pkl)"
    allowed = (
        "one or several networks of dnnlib.tflib.network (or Progressive GAN's "
        "tfutil), as NVlabs/stylegan's training saves them"
    )
    with restricted_pickle.opened(Path(path), kind, allowed) as (data, budget):
        value, _ = restricted_pickle.load(data, _names(budget), budget)
        networks = value if type(value) in (list, tuple) else [value]
        if not networks:
            raise RefusedError("no network")
        return tuple(_network(network, budget) for network in networks)


class _Network(StandIn):
    state: dict[str, Any] | None = None

    def fill(self, state: Any) -> None:
        if type(state) is not dict:
            raise RefusedError(f"a network whose state is {kind_of(state)}")
        self.state = state


class _Dtype(StandIn):
    def __init__(self, code: Any = None, *_: Any) -> None:
        if type(code) is not str or code not in _NUMBERS:
            raise RefusedError(f"an array of the type {reprlib.repr(code)}")
        self.dtype = np.dtype(code)

    def fill(self, state: Any) -> None:
        _, order, *parts = state
        if order not in ("<", ">", "|") or any(part is not None for part in parts[:3]):
            raise RefusedError(
                f"an array of byte order {reprlib.repr(order)}, or of structures"
            )
        self.dtype = self.dtype.newbyteorder(order)


class _Array(StandIn):
    """An array: where its bytes are and what they mean."""

    data: Any = None
    numbers: np.ndarray | None = None

    def fill(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.describe(shape, dtype, "F" if fortran else "C", data)

    def describe(self, shape: Any, dtype: Any, order: str, data: Any) -> None:
        """Checks that the bytes are those of such an array."""
        if type(dtype) is not _Dtype or type(data) not in (memoryview, bytes):
            raise RefusedError(f"an array of {kind_of(dtype)} in {kind_of(data)}")
        if type(shape) is not tuple or len(shape) > _MOST_DIMENSIONS:
            raise RefusedError("an array whose shape is none")
        if any(type(size) is not int or size < 0 for size in shape):
            raise RefusedError(f"an array of the shape {shape}")
        count = math.prod(shape) * dtype.dtype.itemsize
        if count != len(data) or order not in ("C", "F"):
            raise RefusedError(
                f"an array of the shape {shape} and type {dtype.dtype} in order "
                f"{reprlib.repr(order)}: {count} bytes, of which there are {len(data)}"
            )
        self.shape, self.dtype = shape, dtype.dtype
        self.order, self.data = order, data

    def value(self, budget: Budget) -> np.ndarray:
        """Copies the numbers out, once."""
        if self.data is None:
            raise RefusedError("an array without its numbers")
        if self.numbers is None:
            budget.spend(len(self.data))
            view = np.frombuffer(self.data, self.dtype)
            view = view.reshape(self.shape, order=self.order)
            self.numbers = np.array(view, self.dtype.newbyteorder("="), order="C")
        return self.numbers


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind != _NDARRAY:
        raise RefusedError(f"an array that is {kind_of(kind)}")
    return _Array()


def _scalar(dtype: Any, data: Any) -> _Array:
    return _frombuffer(data, dtype, (), "C")


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> _Array:
    array = _Array()
    array.describe(shape, dtype, order, data)
    return array


def _empty() -> dict[str, Any]:
    return {}


def _names(budget: Budget) -> restricted_pickle.Names:
    """What such a pickle may name, and what is made of it."""

    def encode(text: Any, encoding: Any) -> bytes:
        # Bytes that Python 3 wrote into a pickle of protocol 2.
        if type(text) is not str or encoding != "latin1":
            raise RefusedError(f"a text in the encoding {reprlib.repr(encoding)}")
        budget.spend(len(text))
        return text.encode("latin-1")

    makers = {
        ("dnnlib.tflib.network", "Network"): _Network,
        ("tfutil", "Network"): _Network,
        ("dnnlib.util", "EasyDict"): _empty,
        ("collections", "OrderedDict"): _empty,
        ("numpy", "dtype"): _Dtype,
        # What an array of no numbers has for its bytes in protocol 2.
        ("__builtin__", "bytes"): lambda: b"",
        ("_codecs", "encode"): encode,
    }
    # NumPy 1's names and NumPy 2's.
    for package in ("numpy.core", "numpy._core"):
        makers[f"{package}.multiarray", "_reconstruct"] = _reconstruct
        makers[f"{package}.multiarray", "scalar"] = _scalar
        makers[f"{package}.numeric", "_frombuffer"] = _frombuffer
    named = {name: Maker(".".join(name), maker) for name, maker in makers.items()}
    return {("numpy", "ndarray"): _NDARRAY, **named}


def _network(network: Any, budget: Budget, depth: int = 0) -> PickledNetwork:
    budget.visit(depth)
    if type(network) is not _Network or network.state is None:
        raise RefusedError(f"{kind_of(network)} in place of a network with a state")
    state = network.state
    if state.get("version") not in _VERSIONS:
        raise RefusedError(
            f"a network of version {reprlib.repr(state.get('version'))}, which is not "
            f"one of {_VERSIONS}"
        )
    name, function = state["name"], state["build_func_name"]
    if type(name) is not str or type(function) is not str:
        raise RefusedError(f"a network whose name is {kind_of(name)}")
    components = state.get("components", {})
    return PickledNetwork(
        name=name,
        static_kwargs=_arguments(name, state["static_kwargs"], budget),
        components={k: _network(v, budget, depth + 1) for k, v in components.items()},
        variables=_variables(name, state["variables"], budget),
        build_func_name=function,
    )


def _arguments(network: str, arguments: Any, budget: Budget) -> dict[str, Any]:
    def leaf(where: tuple[Any, ...], value: Any) -> Any:
        if type(value) is not _Array or value.data is None or value.shape:
            raise RefusedError(f"{kind_of(value)} as argument {where} of {network!r}")
        return value.value(budget).item()

    if type(arguments) is not dict:
        raise RefusedError(f"{kind_of(arguments)} as arguments of {network!r}")
    return restricted_pickle.plain(arguments, budget, leaf)


def _variables(network: str, pairs: Any, budget: Budget) -> dict[str, np.ndarray]:
    variables: dict[str, np.ndarray] = {}
    for name, value in pairs:
        budget.visit(0)
        if type(name) is not str or name in variables:
            raise RefusedError(f"two variables {name!r} of {network!r}, or no name")
        if type(value) is not _Array:
            raise RefusedError(f"{kind_of(value)} as variable {name!r} of {network!r}")
        variables[name] = value.value(budget)
    return variables
