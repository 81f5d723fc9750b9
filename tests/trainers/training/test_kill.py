"""Runs that are killed, interrupted and started again, as a person starts them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.conftest import TINY, saved
from tfgan_models.runs import checkpoints

STEPS = 40


def start(folder: Path, run: Path, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "trainers.cyclegan", f"--dataset=folder:{folder}"]
    return subprocess.Popen(
        [*command, *TINY, f"--model_dir={run}", "--checkpoint_every=3", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a person has it: the command quiets TensorFlow by itself.
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )


def wait_for_checkpoint(process: subprocess.Popen, run: Path, step: int) -> None:
    end = time.monotonic() + 180
    while not [s for s in checkpoints.steps(run / "checkpoints") if s >= step]:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "no checkpoint within 3 minutes"
        time.sleep(0.02)


def test_killed_and_started_again_is_bit_for_bit_the_same(
    folder: Path, tmp_path: Path
) -> None:
    whole = start(folder, tmp_path / "whole", f"--steps={STEPS}")
    _, errors = whole.communicate(timeout=240)
    assert whole.returncode == 0, errors

    run = tmp_path / "killed"
    delay = random.Random().uniform(0.0, 0.4)
    killed = start(folder, run, f"--steps={STEPS}")
    wait_for_checkpoint(killed, run, 3)
    time.sleep(delay)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    reached = checkpoints.steps(run / "checkpoints")[-1]
    assert reached < STEPS

    again = start(folder, run, f"--steps={STEPS}")
    printed, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    assert f"at step {reached} of {STEPS}" in printed
    expected, resumed = saved(tmp_path / "whole", STEPS), saved(run, STEPS)
    assert expected.keys() == resumed.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(
            resumed[name], value, err_msg=f"{name}, killed after {delay:.3f} s"
        )


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_saves_and_tells(
    folder: Path, tmp_path: Path, number: str, status: int
) -> None:
    process = start(folder, tmp_path, "--steps=100000")
    wait_for_checkpoint(process, tmp_path, 3)
    process.send_signal(getattr(signal, number))
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == status, errors
    step = checkpoints.steps(tmp_path / "checkpoints")[-1]
    assert f"Stopped at step {step}; run again to go on." in printed
    assert "Traceback" not in errors


def test_errors_are_one_line_and_exit_with_their_status(
    folder: Path, tmp_path: Path
) -> None:
    cases = [
        (["--image_size=18"], 2, "image_size=18 is not a multiple of 4"),
        (["--virtual_devices=2", "--batch_size=3"], 2, "a multiple of the 2 replicas"),
        (["--preset=huge"], 2, "--preset"),
        (["--steps=9", "--learning_rate=1e18"], 1, "Stopped at step"),
    ]
    processes = [
        start(folder, tmp_path / str(i), "--steps=1", *flags)
        for i, (flags, _, _) in enumerate(cases)
    ]
    for process, (flags, status, message) in zip(processes, cases, strict=True):
        _, errors = process.communicate(timeout=240)
        assert process.returncode == status, (flags, errors)
        assert message in errors
        assert len(errors.strip().splitlines()) == 1, errors
