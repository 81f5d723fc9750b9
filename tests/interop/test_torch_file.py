"""State dicts read without PyTorch are what PyTorch saved; nothing else is built."""

import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tfgan_models.errors import UsageError
from tfgan_models.interop import torch_file

FORMATS = {"zip": True, "stream": False}
DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


def save(state: Any, path: Path, kind: str) -> Path:
    torch.save(state, path, _use_new_zipfile_serialization=FORMATS[kind])
    return path


def numbers(*shape: int) -> torch.Tensor:
    return torch.arange(np.prod(shape, dtype=int)).reshape(shape).float() - 3


def assert_same(read: dict[str, np.ndarray], state: dict[str, torch.Tensor]) -> None:
    assert list(read) == list(state)
    for name, value in state.items():
        expected = value.detach()
        if expected.dtype == torch.bfloat16:
            expected = expected.float()
        assert read[name].dtype == expected.numpy().dtype
        assert read[name].flags.c_contiguous
        np.testing.assert_array_equal(read[name], expected.numpy())


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_number_types(tmp_path: Path, dtype: torch.dtype, kind: str) -> None:
    state = {"x": torch.tensor([[-1.5, 0.0, 3.25], [1e3, 0.1, 7.0]]).to(dtype)}
    assert_same(torch_file.read(save(state, tmp_path / "a.pth", kind)), state)


@pytest.mark.parametrize("kind", FORMATS)
def test_views_strides_and_shared_storages(tmp_path: Path, kind: str) -> None:
    base = numbers(4, 6, 5)
    state = {
        "base": base,
        "transposed": base.permute(2, 0, 1),
        "sliced": base[1:3, ::2, 4],
        "last": base[-1, -1, -1],
        "expanded": torch.tensor([2.5]).expand(3, 4),
        "scalar": torch.tensor(7.0),
        "empty": torch.zeros(0, 3),
        "channels_last": numbers(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "bfloat16_view": base.bfloat16()[2:, 1].mT,
    }
    assert_same(torch_file.read(save(state, tmp_path / "a.pth", kind)), state)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_modules_state_dict(tmp_path: Path, kind: str) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    state = module.state_dict()
    assert_same(torch_file.read(save(state, tmp_path / "a.pth", kind)), state)
    parameters = dict(module.named_parameters())
    path = save(parameters, tmp_path / "b.pth", kind)
    assert_same(torch_file.read(path), parameters)


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("kind", [*FORMATS, "pickle"])
def test_code_is_refused_and_does_not_run(tmp_path: Path, kind: str) -> None:
    marker, path = tmp_path / "ran", tmp_path / "evil.pth"
    state = {"x": numbers(2), "evil": Evil(marker)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Evil(marker)))
    else:
        save(state, path, kind)
    with pytest.raises(UsageError, match=r"not loaded: it holds (posix|nt)\.system\."):
        torch_file.read(path)
    assert not marker.exists()
    if kind != "pickle":
        torch.load(path, weights_only=False)
        assert marker.exists()


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("state", "what"),
    [
        (torch.nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
        ({"state_dict": {"x": torch.ones(1)}}, "a dict under 'state_dict'"),
        ({"x": torch.ones(1), "epoch": 3}, "a int under 'epoch'"),
        ({1: torch.ones(1)}, "a key that is no name: 1"),
        ([torch.ones(1)], "a list"),
        ({"x": torch.ones(1, dtype=torch.complex64)}, "torch.ComplexFloatStorage"),
    ],
    ids=["module", "nested", "number", "key", "list", "complex"],
)
def test_anything_but_a_flat_dictionary_of_tensors_is_refused(
    tmp_path: Path, state: Any, what: str, kind: str
) -> None:
    path = save(state, tmp_path / "a.pth", kind)
    with pytest.raises(UsageError, match=rf"a\.pth was not loaded: it holds {what}"):
        torch_file.read(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_cut_off_anywhere(tmp_path: Path, kind: str) -> None:
    state = OrderedDict(x=numbers(10, 10), y=numbers(7))
    data = save(state, tmp_path / "a.pth", kind).read_bytes()
    cut = tmp_path / "cut.pth"
    for length in (0, 1, 10, 100, len(data) // 2, len(data) - 30, len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(UsageError, match=r"cut\.pth (cannot be read|was not load)"):
            torch_file.read(cut)


def rewrite(path: Path, before: bytes, after: bytes) -> None:
    """Replaces bytes in the pickle of a zip file."""
    with zipfile.ZipFile(path) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    changed = {name: data.replace(before, after) for name, data in records.items()}
    assert changed != records
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in changed.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Pickle's K is a one-byte integer, J a signed four-byte one.
        (b"K\x0bK\x0d\x86", b"K\x0bK\x0e\x86"),
        (b"K\x0bK\x0d\x86", b"K\x0bJ" + struct.pack("<i", -13) + b"\x86"),
        (b"K\x0bK\x0d\x86", b"K\x0dJ" + struct.pack("<i", 2**31 - 1) + b"\x86"),
    ],
    ids=["one more column", "negative", "huge"],
)
def test_a_tensor_outside_its_storage_is_refused(
    tmp_path: Path, before: bytes, after: bytes
) -> None:
    path = save({"x": numbers(11, 13)}, tmp_path / "a.pth", "zip")
    rewrite(path, before, after)
    with pytest.raises(UsageError, match=r"tensor x .* does not fit its 143 numbers"):
        torch_file.read(path)


def test_an_expanded_tensor_cannot_fill_the_memory(tmp_path: Path) -> None:
    state = {"x": torch.ones(1).expand(2**20, 2**20)}
    path = save(state, tmp_path / "a.pth", "zip")
    with pytest.raises(UsageError, match="does not fit its 1 numbers"):
        torch_file.read(path)


def test_compressed_and_foreign_archives(tmp_path: Path) -> None:
    path = save({"x": numbers(3)}, tmp_path / "a.pth", "zip")
    packed, other = tmp_path / "packed.pth", tmp_path / "other.pth"
    with (
        zipfile.ZipFile(path) as archive,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as copy,
    ):
        for name in archive.namelist():
            copy.writestr(name, archive.read(name))
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(UsageError, match="compressed records"):
        torch_file.read(packed)
    with pytest.raises(UsageError, match="no pickle of tensors"):
        torch_file.read(other)


def test_no_such_file_and_no_such_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.pth is not a file"):
        torch_file.read(tmp_path / "missing.pth")
    text = tmp_path / "text.pth"
    text.write_text("a text of some length, which is no pickle")
    with pytest.raises(UsageError, match="no PyTorch header"):
        torch_file.read(text)
