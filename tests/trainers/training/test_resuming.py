"""Several workers go on at the newest step that all of them have."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tfgan_models.errors import FailureError
from tfgan_models.runs import checkpoints
from trainers.training import devices, resuming


def save(directory: Path, *steps: int) -> None:
    for step in steps:
        checkpoints.save(directory, step, {"at": tf.Variable(step)})


def resume(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Has two workers resume at once; returns their steps and what they restored."""
    meeting = threading.Barrier(2, timeout=60)
    rows: list[Any] = [None, None]

    def everyones(numbers: Sequence[int], worker: int) -> list[list[int]]:
        rows[worker] = [int(number) for number in numbers]
        meeting.wait()
        found = list(rows)
        meeting.wait()
        return found

    def one(worker: int) -> tuple[int, int]:
        state = {"at": tf.Variable(0)}
        step = resuming.restore(root / str(worker), state, worker)
        return step, int(state["at"])

    monkeypatch.setattr(devices, "workers", lambda strategy: 2)
    monkeypatch.setattr(devices, "everyones", everyones)
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, range(2)))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((2, 4, 6), (2, 4, 6), 6),
        ((2, 4, 6), (2, 4), 4),
        ((4, 6, 8), (2, 4, 6), 6),
        ((2,), (), 0),
        ((), (), 0),
    ],
)
def test_the_newest_step_of_all(
    first: Sequence[int],
    second: Sequence[int],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(tmp_path / "0", *first)
    save(tmp_path / "1", *second)
    assert resume(tmp_path, monkeypatch) == [(expected, expected)] * 2
    # Newer ones would be taken for those of the training that goes on.
    for worker, steps in enumerate((first, second)):
        left = [step for step in steps if step <= expected]
        assert checkpoints.steps(tmp_path / str(worker)) == left


def test_what_one_cannot_read_no_one_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for worker in "01":
        save(tmp_path / worker, 2, 4)
    (tmp_path / "1/step_00000004/state.index").write_bytes(b"torn")
    with pytest.warns(UserWarning, match="step_00000004 cannot be read"):
        assert resume(tmp_path, monkeypatch) == [(2, 2), (2, 2)]


def test_a_workers_lost_folder_does_not_cost_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "0", 2, 4)
    with pytest.raises(FailureError, match=r"can read: \[\[2, 4\], \[\]\]"):
        resume(tmp_path, monkeypatch)
    assert checkpoints.steps(tmp_path / "0") == [2, 4]
