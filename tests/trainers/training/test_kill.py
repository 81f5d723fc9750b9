"""Runs that are killed, interrupted and started again, as a person starts them."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.trainers import kills
from tests.trainers.conftest import TINY
from tfgan_models.runs import checkpoints

STEPS = 40


def start(folder: Path, run: Path, *flags: str) -> subprocess.Popen:
    given = (f"--dataset=folder:{folder}", f"--model_dir={run}", "--checkpoint_every=3")
    return kills.start("cyclegan", *TINY, *given, *flags)


def test_killed_and_started_again_is_bit_for_bit_the_same(
    folder: Path, tmp_path: Path
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    never_killed, killed = (start(folder, r, f"--steps={STEPS}") for r in (whole, run))
    reached = kills.kill_after(killed, run, 3, kills.chance().uniform(0.0, 0.4))
    assert reached < STEPS
    kills.finish(never_killed)
    printed = kills.finish(start(folder, run, f"--steps={STEPS}"))
    assert f"at step {reached} of {STEPS}" in printed
    kills.assert_same(whole, run, STEPS)


@pytest.mark.parametrize(
    ("number", "status"),
    # ProGAN's training has SIGTERM.
    [("SIGINT", 130), pytest.param("SIGTERM", 143, marks=pytest.mark.slow)],
)
def test_a_signal_saves_and_tells(
    folder: Path, tmp_path: Path, number: str, status: int
) -> None:
    process = start(folder, tmp_path, "--steps=100000")
    kills.wait_for_checkpoint(process, tmp_path, 3)
    process.send_signal(getattr(signal, number))
    printed, errors = process.communicate(timeout=kills.PATIENCE)
    assert process.returncode == status, errors
    step = checkpoints.steps(tmp_path / "checkpoints")[-1]
    assert f"Stopped at step {step}; run again to resume." in printed
    assert "Traceback" not in errors


def test_errors_are_one_line_and_exit_with_their_status(
    folder: Path, tmp_path: Path
) -> None:
    cases = [
        (["--virtual_devices=2", "--batch_size=3"], 2, "a multiple of the 2 replicas"),
        (["--preset=huge"], 2, "--preset"),
        (["--steps=9", "--learning_rate=1e18"], 1, "Stopped at step"),
    ]
    processes = [
        start(folder, tmp_path / str(i), "--steps=1", *flags)
        for i, (flags, _, _) in enumerate(cases)
    ]
    for process, (_, status, message) in zip(processes, cases, strict=True):
        kills.assert_refused(process, status, message)
