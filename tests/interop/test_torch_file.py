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

from tfgan_models.errors import FailureError, UsageError
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
        ({"x": torch.ones(1), "epoch": 3}, "an int under 'epoch'"),
        ({1: torch.ones(1)}, "a key that is not a string: 1"),
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
    with pytest.raises(
        UsageError, match=r"tensor x .* lies outside its storage of 143"
    ):
        torch_file.read(path)


def test_an_expanded_tensor_cannot_fill_the_memory(tmp_path: Path) -> None:
    state = {"x": torch.ones(1).expand(2**20, 2**20)}
    path = save(state, tmp_path / "a.pth", "zip")
    with pytest.raises(UsageError, match=r"more than 16781[0-9]{3} bytes, which is"):
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
    with pytest.raises(
        UsageError, match=r"b'a text of some.* instead of a pickle of protocol 2 to 5"
    ):
        torch_file.read(text)


def assert_nested(read: Any, written: Any) -> None:
    if isinstance(written, torch.Tensor):
        assert_same({"x": read}, {"x": written})
    elif isinstance(written, dict):
        assert type(read) is dict
        assert list(read) == list(written)
        for key, value in written.items():
            assert_nested(read[key], value)
    elif isinstance(written, list | tuple):
        assert type(read) is (list if isinstance(written, list) else tuple)
        assert len(read) == len(written)
        for one, other in zip(read, written, strict=True):
            assert_nested(one, other)
    else:
        assert type(read) is type(written)
        assert read == written


def trained(optimizer: type[torch.optim.Optimizer]) -> dict[str, Any]:
    """A checkpoint as of a training loop, after one step."""
    generator, discriminator = torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)
    parameters = [*generator.parameters(), *discriminator.parameters()]
    algorithm = optimizer(parameters, lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(algorithm, 10)
    discriminator(generator(torch.randn(4, 3))).square().sum().backward()
    algorithm.step()
    return {
        "generator": generator.state_dict(),
        "discriminator": torch.nn.DataParallel(discriminator).state_dict(),
        "g_running": generator.state_dict(),
        "optimizer": algorithm.state_dict(),
        "schedule": schedule.state_dict(),
        "step": 2**40,
        "best": -0.25,
        "note": "a text",
        "nothing": None,
        "done": False,
        "random": torch.get_rng_state(),
        "losses": [0.5, (1, 2.5), {}, []],
    }


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_checkpoints_of_several_state_dicts(
    tmp_path: Path, optimizer: type[torch.optim.Optimizer], kind: str
) -> None:
    state = trained(optimizer)
    path = save(state, tmp_path / "a.pth", kind)
    read = torch_file.read_nested(path)
    assert_nested(read, state)
    assert "module.running_mean" in read["discriminator"]
    with pytest.raises(UsageError, match="it holds a dict under 'generator'"):
        torch_file.read(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_devices_types_and_sizes_become_basic_values(tmp_path: Path, kind: str) -> None:
    state = {
        "device": torch.device("cuda", 1),
        "cpu": torch.device("cpu"),
        "type": torch.bfloat16,
        "size": torch.Size([2, 3]),
        "parameter": torch.nn.Parameter(numbers(2, 3).T),
        "bfloat16": numbers(2, 3).bfloat16().T,
        "no numbers": torch.zeros(3, 0, dtype=torch.bfloat16),
    }
    read = torch_file.read_nested(save(state, tmp_path / "a.pth", kind))
    assert read["device"] == "cuda:1"
    assert read["cpu"] == "cpu"
    assert read["type"] == "torch.bfloat16"
    assert read["size"] == (2, 3)
    tensors = ("parameter", "bfloat16", "no numbers")
    assert_same({n: read[n] for n in tensors}, {n: state[n] for n in tensors})


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("state", "what"),
    [
        (torch.nn.Linear(2, 2), r"torch\.nn\.modules\.linear\.Linear"),
        ({"g": torch.nn.Linear(2, 2)}, r"torch\.nn\.modules\.linear\.Linear"),
        ({"path": Path("a")}, r"pathlib(\._local)?\.(Posix|Windows)Path"),
        ({"loss": np.float64(1)}, r"numpy\._core\.multiarray\.scalar"),
        ({"bytes": b"a"}, r"_codecs\.encode"),
        ({"set": {1, 2}}, r"__builtin__\.set"),
        ({"complex": 1j}, r"__builtin__\.complex"),
        ({"a": {(1, 2): 3}}, "a tuple as a key"),
        ({1: 2}, "a key that is not a string: 1"),
        ([1, 2], "a list"),
        ({"cycle": None}, "containers nested more than 64 deep"),
    ],
    ids=lambda value: None if isinstance(value, str) else "state",
)
def test_whole_modules_and_other_objects_are_refused(
    tmp_path: Path, state: Any, what: str, kind: str
) -> None:
    if isinstance(state, dict) and "cycle" in state:
        state["cycle"] = state
    path = save(state, tmp_path / "a.pth", kind)
    with pytest.raises(UsageError, match=rf"it holds {what}.*module\.state_dict\(\)"):
        torch_file.read_nested(path)


def python2(words: str) -> bytes:
    """A legacy file as PyTorch 0.3 under Python 2 wrote it: texts are bytes."""
    pickled = {
        "magic": pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        "protocol": pickle.dumps(1001, 2),
        "system": b"\x80\x02}U\x0dlittle_endian\x88s.",
        "state": b"\x80\x02ccollections\nOrderedDict\n]]("
        + b"U%c%s" % (len(words), words.encode())
        + b"ctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nFloatStorage\n"
        + b"U\x017U\x03cpuK\x03NtQK\x00K\x03\x85K\x01\x85tRea\x85R.",
        "keys": b"\x80\x02]U\x017a.",
    }
    return b"".join(pickled.values()) + struct.pack("<q3f", 3, 1, 2, 3)


def test_files_of_python_2(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(python2("model.1.weight"))
    torch_twin = torch.load(path, weights_only=False)
    assert_same(torch_file.read(path), torch_twin)
    assert torch_file.read(path)["model.1.weight"].tolist() == [1, 2, 3]


def test_shared_tensors_are_bounded_by_three_times_the_file(tmp_path: Path) -> None:
    base = torch.zeros(2**21)
    tied = {f"x{i}": base for i in range(3)}
    assert len(torch_file.read(save(tied, tmp_path / "a.pth", "zip"))) == 3
    tied = {f"x{i}": base for i in range(6)}
    path = save(tied, tmp_path / "b.pth", "zip")
    with pytest.raises(UsageError, match="three times its size and 16 MiB"):
        torch_file.read(path)


def test_records_that_overlap_or_are_changed(tmp_path: Path) -> None:
    path = save({"x": numbers(256), "y": numbers(3)}, tmp_path / "a.pth", "zip")
    data = path.read_bytes()
    changed = tmp_path / "changed.pth"
    at = data.index(numbers(256).numpy().tobytes())
    changed.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    with pytest.raises(UsageError, match=r"record 'a/data/0' fails its checksum"):
        torch_file.read(changed)
    # Every entry of the directory declares 5000 bytes, more than the file in all.
    entry, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    directory = bytearray(data[entry:end])
    at = directory.find(b"PK\x01\x02")
    while at >= 0:
        directory[at + 20 : at + 28] = struct.pack("<II", 5000, 5000)
        at = directory.find(b"PK\x01\x02", at + 1)
    changed.write_bytes(data[:entry] + directory + data[end:])
    with pytest.raises(UsageError, match="overlap or are longer than the file"):
        torch_file.read(changed)


def test_a_file_larger_than_the_memory_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise MemoryError("Unable to allocate 1 GiB")

    path = save({"x": numbers(3)}, tmp_path / "a.pth", "zip")
    monkeypatch.setattr(torch_file, "_array", full)
    with pytest.raises(
        FailureError, match=r"a\.pth .* does not fit into memory \(Unable to"
    ):
        torch_file.read(path)
