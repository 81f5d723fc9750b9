"""Pickles of dnnlib's networks are read as they were written, without dnnlib."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.interop.pickled_networks import EasyDict, Network, dump, network
from tfgan_models.errors import UsageError
from tfgan_models.interop import dnnlib_file
from tfgan_models.interop.dnnlib_file import PickledNetwork


def save(path: Path, value: Any, **options: Any) -> Path:
    path.write_bytes(dump(value, **options))
    return path


def assert_same(read: PickledNetwork, written: Network) -> None:
    state = written.state
    assert read.name == state["name"]
    assert read.build_func_name == state["build_func_name"]
    assert read.static_kwargs == state["static_kwargs"]
    assert list(read.components) == list(state["components"])
    for name, component in read.components.items():
        assert_same(component, state["components"][name])
    assert list(read.variables) == [name for name, _ in state["variables"]]
    for name, value in state["variables"]:
        array = read.variables[name]
        assert array.dtype == np.asarray(value).dtype.newbyteorder("=")
        assert array.shape == np.shape(value)
        assert array.flags.c_contiguous and array.flags.owndata
        np.testing.assert_array_equal(array, value)


@pytest.mark.parametrize("numpy1", [True, False], ids=["numpy 1", "numpy 2"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_gives_what_was_written(
    tmp_path: Path, protocol: int, numpy1: bool
) -> None:
    written = network("G"), network("D", components={}), network("Gs")
    path = save(tmp_path / "a.pkl", written, protocol=protocol, numpy1=numpy1)
    networks = dnnlib_file.read(path)
    assert len(networks) == 3
    for one, other in zip(networks, written, strict=True):
        assert_same(one, other)
    assert type(networks[0].static_kwargs["resolution"]) is int
    assert type(networks[0].static_kwargs["nested"]) is dict


def test_one_network_alone_and_a_list(tmp_path: Path) -> None:
    for value in (network("Gs"), [network("Gs")]):
        (read,) = dnnlib_file.read(save(tmp_path / "a.pkl", value))
        assert read.name == "Gs"
        assert read.components["mapping"].variables["Dense0/weight"][1, 2] == 5


def test_progressive_gans_networks_have_no_components(tmp_path: Path) -> None:
    written = network(version=2)
    del written.state["components"]
    path = save(tmp_path / "a.pkl", written, module="tfutil", protocol=2)
    (read,) = dnnlib_file.read(path)
    assert read.components == {}
    assert "lod" in read.variables


def test_an_empty_dictionary_with_attributes_as_python_3_6_wrote_it(
    tmp_path: Path,
) -> None:
    # Python 3.6 gave every object a state, if an empty one: instruction b.
    data = dump(network(static_kwargs={"a": EasyDict()}), protocol=3)
    name = b"cdnnlib.util\nEasyDict\n"
    start = data.index(name) + len(name)
    made = data.index(b"\x81", start) + 3
    data = data[:made] + b"}b" + data[made:]
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    (read,) = dnnlib_file.read(path)
    assert read.static_kwargs == {"a": {}}


def test_nothing_of_the_other_project_is_imported(tmp_path: Path) -> None:
    dnnlib_file.read(save(tmp_path / "a.pkl", network()))
    assert not any(name.split(".")[0] == "dnnlib" for name in sys.modules)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"G": 1}, "a dict instead of a network"),
        ((), "no network"),
        ([network(), 7], "an int instead of a network"),
        (network(version=7), r"a network of version 7, which is not one of \(2, 3, 4"),
        (network(name=3), "a network whose name is an int"),
        (network(static_kwargs=[1]), "a list as arguments of 'G'"),
        (
            network(static_kwargs={"x": np.zeros(2)}),
            r"an array as argument \('x',\) of 'G'",
        ),
        (network(components={"mapping": 3}), "an int instead of a network"),
        (network(variables=[("x", 3)]), "an int as variable 'x' of 'G'"),
        (
            network(variables=[("x", np.zeros(1)), ("x", np.zeros(1))]),
            "variable 'x' of 'G' twice",
        ),
        (
            network(variables=[("x", np.array([None]))]),
            "an array of type 'O8'",
        ),
        (network(variables=[("x", np.array("text"))]), "an array of type 'U4'"),
        (network(variables=[("x", np.zeros(1, complex))]), "an array of type 'c16"),
        (
            network(variables=[("x", np.zeros(1, [("a", "f4")]))]),
            "an array of type 'V4'",
        ),
    ],
)
def test_anything_but_networks_of_numbers_is_refused(
    tmp_path: Path, value: Any, what: str
) -> None:
    path = save(tmp_path / "a.pkl", value)
    with pytest.raises(UsageError, match=rf"a\.pkl was not loaded: it holds {what}"):
        dnnlib_file.read(path)


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.pkl is not a file\. Pass a pickle"):
        dnnlib_file.read(tmp_path / "missing.pkl")
    page = tmp_path / "page.pkl"
    page.write_text("<!DOCTYPE html><html>too many downloads</html>")
    with pytest.raises(UsageError, match=r"b'<!DOCTYPE html><' instead of a pickle"):
        dnnlib_file.read(page)
    page.write_bytes(b"")
    with pytest.raises(UsageError, match=r"page\.pkl cannot be read as a pickle of"):
        dnnlib_file.read(page)
    save(page, network(variables=[("x", np.zeros(3))]))
    data = page.read_bytes()
    page.write_bytes(data.replace(b"K\x03\x85", b"K\x04\x85"))
    with pytest.raises(UsageError, match=r"cannot be read .* buffer is too small"):
        dnnlib_file.read(page)
