"""Hostile files give one clear line; nothing of them runs, the memory is bounded.

One process reads them all. It is watched by an audit hook, which Python tells of
every import, call of the system, process, socket and opened file, and its address
space is limited.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.interop import hostile_pickles
from tests.interop.hostile_pickles import archive, attacks, sizes, stream
from tests.interop.pickled_networks import dump, network
from tfgan_models.interop import torch_file

ROOT = Path(__file__).parents[2]
READER = Path(__file__).with_name("hostile_reader.py")
MOST_SECONDS = 10.0
"""A second or two alone; the machine of the tests does other things."""

ATTACKS = {name: works for name, _, works in attacks(str)}
SIZES = [name for name, _ in sizes()]


def write_attacks(folder: Path, canaries: Path) -> None:
    for name, pickled, _ in attacks(lambda key: str(canaries / key)):
        (folder / f"{name}.pickle").write_bytes(pickled)
        (folder / f"{name}.pkl").write_bytes(pickled)
        (folder / f"{name}_zip.pth").write_bytes(archive(pickled))
        (folder / f"{name}_stream.pth").write_bytes(stream(pickled))


def write_good(folder: Path, canaries: Path) -> None:
    state = {"weight": torch.arange(12.0).reshape(3, 4), "bias": torch.ones(3).half()}
    torch.save(state, folder / "zip.pth")
    torch.save(state, folder / "stream.pth", _use_new_zipfile_serialization=False)
    source = f"open({str(canaries / 'source')!r}, 'w').close()"
    pickled = dump((network("G", build_module_src=source), network("Gs")))
    (folder / "networks.pkl").write_bytes(pickled)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("attacks", "sizes", "good", "canaries"):
        (folder / name).mkdir()
    write_attacks(folder / "attacks", folder / "canaries")
    write_good(folder / "good", folder / "canaries")
    for name, data in sizes():
        (folder / "sizes" / name).write_bytes(data)
    done = subprocess.run(
        [sys.executable, READER, folder],
        **{"capture_output": True, "text": True, "cwd": ROOT, "timeout": 300},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)
    result["control"] = sorted(path.name for path in (folder / "canaries").iterdir())
    return result


def assert_one_line(result: dict[str, Any]) -> None:
    message = result["message"]
    assert result["kind"] == "UsageError", result
    assert message.isprintable() and len(message) < 1000, result
    assert result["file"] in message, result
    assert "MemoryError" not in message, result
    assert result["events"] == [], result
    assert result["seconds"] < MOST_SECONDS, result


@pytest.mark.parametrize("name", ATTACKS)
def test_pickles_that_run_code_are_refused_by_every_reader(
    report: dict[str, Any], name: str
) -> None:
    files = [f"{name}.pkl", f"{name}_zip.pth", f"{name}_stream.pth"]
    found = [result for result in report["attacks"] if result["file"] in files]
    assert len(found) == 5
    for result in found:
        assert_one_line(result)
        assert " was not loaded: it holds " in result["message"]


def test_nothing_ran(report: dict[str, Any]) -> None:
    assert report["ran"] == []
    for part in ("attacks", "sizes", "damaged"):
        assert report[part]
        for result in report[part]:
            assert result["events"] == [], result


def test_pythons_own_unpickler_runs_them_and_the_hook_sees_it(
    report: dict[str, Any],
) -> None:
    works = {name for name, works in ATTACKS.items() if works}
    assert works <= set(report["control"])
    events = {event.split()[0] for event in report["control_events"]}
    assert events >= {"os.system", "subprocess.Popen", "exec", "import", "open"}
    assert events >= {"pickle.find_class", "compile"}


@pytest.mark.parametrize("name", SIZES)
def test_what_is_declared_and_not_there(report: dict[str, Any], name: str) -> None:
    found = [result for result in report["sizes"] if result["file"] == name]
    assert len(found) == (2 if name.endswith(".pth") else 1)
    for result in found:
        assert_one_line(result)
        assert result["peak"] < 64 * 2**20 + 4 * result["size"], result


def test_the_process_stays_small(report: dict[str, Any]) -> None:
    largest = max(result["size"] for result in report["sizes"])
    assert largest < 4 * 2**20
    assert 0 < report["resident"] < 64 * 2**20 + 4 * largest


@pytest.mark.parametrize("file", ["zip.pth", "stream.pth", "networks.pkl"])
def test_files_cut_off_and_files_with_a_changed_bit(
    report: dict[str, Any], file: str
) -> None:
    found = [r for r in report["damaged"] if r["file"] == f"damaged_{file}"]
    cut = [result for result in found if result["damage"] == "cut"]
    flips = [result for result in found if result["damage"] == "flip"]
    assert len(cut) >= 200 and len(flips) >= 300
    for result in cut:
        assert_one_line(result)
    refused = [result for result in flips if result["kind"] != "read"]
    for result in refused:
        assert_one_line(result)
    # A bit of a number or of a word that is not used makes another good file.
    assert len(refused) > len(flips) / 4


@pytest.mark.parametrize("old", [False, True], ids=["zip", "stream"])
def test_files_made_here_are_files_as_pytorch_reads_them(
    tmp_path: Path, old: bool
) -> None:
    numbers = hostile_pickles.storage(2, old=old)
    state = hostile_pickles.flat(hostile_pickles.tensor(numbers, (2,), (1,)))
    data = np.array([1, 2], "<f4").tobytes()
    keys = b"\x80\x02]X\x01\x00\x00\x000a."
    whole = stream(state, keys, (2).to_bytes(8, "little") + data)
    path = tmp_path / "a.pth"
    path.write_bytes(whole if old else archive(state, _0=data))
    assert torch.load(path, weights_only=False)["x0"].tolist() == [1, 2]
    assert torch_file.read(path)["x0"].tolist() == [1, 2]
