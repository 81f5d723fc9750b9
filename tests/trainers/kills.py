"""Trainings as a person starts them, and what ends them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from tests.trainers.conftest import saved
from tfgan_models.runs import checkpoints

ROOT = Path(__file__).parents[2]
PATIENCE = 400
"""Seconds: other tests may have the processor."""


def start(module: str, *flags: str) -> subprocess.Popen:
    """Starts a trainer in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", f"trainers.{module}", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        # As a person has it: the command quiets TensorFlow by itself.
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )


def finish(process: subprocess.Popen) -> str:
    """Waits for a process that is to succeed; returns what it printed."""
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return printed


def assert_refused(process: subprocess.Popen, status: int, message: str) -> None:
    """Waits for a process that is to fail, with one line."""
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, (process.args, errors)
    assert message in errors
    assert len(errors.strip().splitlines()) == 1, errors


def chance() -> random.Random:
    """Decides when to kill; as before where TESTS_SEED is what was printed then."""
    seed = int(os.environ.get("TESTS_SEED", random.randrange(10**6)))
    print(f"TESTS_SEED={seed}")
    return random.Random(seed)


def wait_for_checkpoint(process: subprocess.Popen, run: Path, step: int) -> None:
    """Returns as soon as there is a checkpoint of this step or a later one."""
    end = time.monotonic() + PATIENCE
    while not [s for s in checkpoints.steps(run / "checkpoints") if s >= step]:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, f"no checkpoint within {PATIENCE} seconds"
        time.sleep(0.01)


def kill_after(process: subprocess.Popen, run: Path, step: int, delay: float) -> int:
    """Kills after a checkpoint and some seconds; returns the newest checkpoint."""
    wait_for_checkpoint(process, run, step)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    reached = checkpoints.steps(run / "checkpoints")[-1]
    print(f"killed {delay:.3f} s after step {step}, at step {reached}")
    return reached


def assert_same(whole: Path, resumed: Path, step: int) -> None:
    """Asserts that two trainings have come to the same, bit for bit."""
    expected, found = saved(whole, step), saved(resumed, step)
    assert expected.keys() == found.keys()
    assert len(expected) > 8
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def assert_same_pictures(whole: Path, resumed: Path, step: int) -> None:
    """Asserts that all sample grids of one training are those of another."""
    samples = {path.name: path.read_bytes() for path in (whole / "samples").iterdir()}
    assert any(name.startswith(f"step_{step:08d}") for name in samples)
    for name, contents in samples.items():
        assert (resumed / "samples" / name).read_bytes() == contents, name
