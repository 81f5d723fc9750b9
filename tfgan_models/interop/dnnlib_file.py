"""Networks in pickles of NVlabs/stylegan, without dnnlib and without running them.

Such a pickle holds networks with the source code that builds them, their arguments
and their variables. The code is neither run nor kept.
"""

import dataclasses
import reprlib
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

_VERSIONS = (2, 3, 4)
_NUMBERS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
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
        UsageError: The file is missing or damaged, or holds anything but networks.
    """
    kind = "a pickle of StyleGAN networks (.pkl)"
    allowed = (
        "one or several networks of dnnlib.tflib.network (or Progressive GAN's "
        "tfutil), as NVlabs/stylegan's training saves them"
    )
    with restricted_pickle.opened(Path(path), kind, allowed) as (data, budget):
        value = restricted_pickle.load(data, _names(budget), budget)
        networks = value if type(value) in (list, tuple) else [value]
        if not networks:
            raise RefusedError("no network")
        return tuple(_network(network, budget) for network in networks)


class _Network:
    state: object = None

    def fill(self, state: object) -> None:
        self.state = state


class _Dtype:
    def __init__(self, code: object = None, *_: object) -> None:
        if type(code) is not str or code not in _NUMBERS:
            raise RefusedError(f"an array of type {reprlib.repr(code)}")
        self.numpy = np.dtype(code)

    def fill(self, state: Any) -> None:
        self.numpy = self.numpy.newbyteorder(state[1])


class _Array:
    def __init__(self, *description: Any) -> None:
        self.view = _view(*description) if description else None

    def fill(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        self.view = _view(data, dtype, shape, "F" if fortran else "C")

    def value(self, budget: Budget) -> np.ndarray:
        """Copies the numbers out."""
        if self.view is None:
            raise RefusedError("an array without data")
        budget.spend(self.view.nbytes)
        return np.array(self.view, self.view.dtype.newbyteorder("="), order="C")


def _view(
    data: object, dtype: object, shape: object = (), order: Any = "C", *_: object
) -> np.ndarray:
    if type(dtype) is not _Dtype or type(data) is not bytes:
        raise RefusedError(f"an array of {kind_of(dtype)} in {kind_of(data)}")
    if type(shape) is not tuple:
        raise RefusedError(f"an array whose shape is {kind_of(shape)}")
    view = np.ndarray(shape, dtype.numpy, data, order=order)
    # NumPy takes one size of -1 as "all there is".
    if min(shape, default=0) < 0 or view.nbytes != len(data):
        raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
    return view


def _names(budget: Budget) -> restricted_pickle.Names:
    """What such a pickle may name, and what is made of it."""

    def encode(text: str, encoding: str) -> bytes:
        # Bytes that Python 3 wrote into a pickle of protocol 2.
        if type(text) is not str or encoding != "latin1":
            raise RefusedError(f"a string in the encoding {reprlib.repr(encoding)}")
        budget.spend(len(text))
        return text.encode("latin-1")

    names: dict[tuple[str, str], Callable[..., object] | None] = {
        ("dnnlib.tflib.network", "Network"): _Network,
        ("tfutil", "Network"): _Network,
        ("dnnlib.util", "EasyDict"): lambda: Dict(),
        ("collections", "OrderedDict"): lambda: Dict(),
        ("numpy", "ndarray"): None,
        ("numpy", "dtype"): _Dtype,
        # What an array of no numbers has for its bytes in protocol 2.
        ("__builtin__", "bytes"): lambda: b"",
        ("_codecs", "encode"): encode,
    }
    # NumPy 1's names and NumPy 2's.
    for package in ("numpy.core", "numpy._core"):
        names[f"{package}.multiarray", "_reconstruct"] = lambda *_: _Array()
        names[f"{package}.multiarray", "scalar"] = lambda dtype, n: _Array(n, dtype)
        names[f"{package}.numeric", "_frombuffer"] = _Array
    return names


def _network(network: object, budget: Budget) -> PickledNetwork:
    budget.spend()
    if type(network) is not _Network or type(network.state) is not Dict:
        raise RefusedError(f"{kind_of(network)} instead of a network")
    state = network.state
    version, name = state.get("version"), state["name"]
    if version not in _VERSIONS:
        raise RefusedError(
            f"a network of version {reprlib.repr(version)}, which is not one of "
            f"{_VERSIONS}"
        )
    if type(name) is not str or type(state["build_func_name"]) is not str:
        raise RefusedError(f"a network whose name is {kind_of(name)}")

    def argument(where: tuple[Key, ...], value: object) -> bool | int | float:
        if type(value) is not _Array or value.view is None or value.view.shape:
            raise RefusedError(f"{kind_of(value)} as argument {where} of {name!r}")
        return value.view.item()

    arguments, components = state["static_kwargs"], state.get("components", {})
    if type(arguments) is not Dict:
        raise RefusedError(f"{kind_of(arguments)} as arguments of {name!r}")
    return PickledNetwork(
        name=name,
        static_kwargs=restricted_pickle.plain(arguments, budget, argument),
        components={key: _network(value, budget) for key, value in components.items()},
        variables=_variables(name, state["variables"], budget),
        build_func_name=state["build_func_name"],
    )


def _variables(network: str, pairs: Any, budget: Budget) -> dict[str, np.ndarray]:
    variables: dict[str, np.ndarray] = {}
    for name, value in pairs:
        if type(name) is not str or name in variables:
            raise RefusedError(f"variable {name!r} of {network!r} twice")
        if type(value) is not _Array:
            raise RefusedError(f"{kind_of(value)} as variable {name!r} of {network!r}")
        variables[name] = value.value(budget)
    return variables
