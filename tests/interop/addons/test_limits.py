"""What would take all memory, or for ever, is refused in one line before it does."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.interop.addons.files import function, graph, image, layer, stack, write_h5
from tests.interop.addons.test_files import DENSE, WEIGHTS, refusal
from tfgan_models.interop import addons


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "m.h5"


def _numbers_alone(*first: Any, **others: Any) -> dict[str, Any]:
    call = function("f", "math.add", [*first, others])
    return graph([image(3)], call, outputs=[("f", 0, 0)])


def test_sums_of_numbers_alone_are_not_computed(file: Path) -> None:
    # This one would be of 3.6 GB.
    column = ["_CONSTANT_VALUE", -1, [[1.0]] * 30_000]
    config = _numbers_alone(*column, y=[1.0] * 30_000)
    assert "none of its arguments is a tensor" in refusal(write_h5(file, config))


@pytest.mark.parametrize("turned", [False, True])
def test_arrays_of_numbers_beside_a_tensor(file: Path, turned: bool) -> None:
    means, x = [0.5, 0.25, -1.5], ["image", 0, 0]
    config = _numbers_alone(*x, y=means)
    if turned:
        config = _numbers_alone("_CONSTANT_VALUE", -1, means, y=x)
    network = addons.load(write_h5(file, config)).networks["model"]
    np.testing.assert_array_equal(network(np.ones((1, 3))), [[1.5, 1.25, -0.5]])


@pytest.mark.parametrize(
    "shape", [[None, *[1] * 8], [None, -8, 3], [None, 0], [None, 2**62, 2**62], [1e9]]
)
def test_inputs_of_sizes_that_none_has(file: Path, shape: list[Any]) -> None:
    config = stack(image(3), layer("ReLU", "r"))
    config["config"]["layers"][0]["config"]["batch_input_shape"] = shape
    said = refusal(write_h5(file, config))
    assert "Allowed: up to 8 dimensions" in said or "is not in the file" in said


def test_more_layers_than_keras_follows(file: Path) -> None:
    config = stack(image(3), *(layer("ReLU", f"r{i}") for i in range(1100)))
    assert "too many layers" in refusal(write_h5(file, config))


def test_one_long_name_named_many_times(file: Path) -> None:
    write_h5(file, DENSE, WEIGHTS)
    with h5py.File(file, "r+") as opened:
        text = h5py.string_dtype()
        opened.attrs.create("long", "n" * 2**21, dtype=text)
        names = ["abcdefgh"] * 1000
        opened["model_weights/d"].attrs.create("weight_names", names, dtype=text)
    # Each of them is told to be the long one: 2 GB of a file of 2 MB.
    data = file.read_bytes()
    places = [i for i in range(len(data)) if data[i : i + 4] == b"\0\0\x20\0"]
    long = next(data[i : i + 16] for i in places if _leads_to_heap(data, i))
    heap = data.index(b"abcdefgh")
    heap = data.rindex(b"GCOL", 0, heap)
    short = b"\x08\0\0\0" + heap.to_bytes(8, "little")
    assert data.count(short) >= 100
    for _ in range(data.count(short)):
        at = data.index(short)
        data = data[:at] + long + data[at + 16 :]
    file.write_bytes(data)
    assert "may take more than" in refusal(file)


def _leads_to_heap(data: bytes, place: int) -> bool:
    address = int.from_bytes(data[place + 4 : place + 12], "little")
    return data[address : address + 4] == b"GCOL"


def test_texts_that_lead_to_themselves(file: Path) -> None:
    write_h5(file, DENSE, WEIGHTS)
    data = bytearray(file.read_bytes())
    # The length of what is free after the last text: none.
    heap = data.index(b"GCOL")
    position = heap + 16
    while data[position]:
        length = int.from_bytes(data[position + 8 : position + 16], "little")
        position += 16 + -(-length // 8) * 8
    data[position + 8 : position + 16] = bytes(8)
    file.write_bytes(data)
    assert "its strings have wrong lengths" in refusal(file)


def test_names_for_terminals_are_said_in_one_line(file: Path) -> None:
    config = stack(image(3), layer("Evil\n\x1b[2J", "e"))
    said = refusal(write_h5(file, config))
    assert "Evil  [2J" in said
    assert said.isprintable()


@pytest.mark.parametrize("name", ["keras_metadata.pb", "saved_model.pb"])
def test_descriptions_of_many_megabytes(tmp_path: Path, name: str) -> None:
    (tmp_path / "saved_model.pb").touch()
    with (tmp_path / name).open("wb") as message:
        message.truncate(2**24 + 1)
    assert f"{name} has 16777217 bytes" in refusal(tmp_path)
