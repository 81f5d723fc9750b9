"""Growing trainings that are killed and started again, as a person starts them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.conftest import saved
from tests.trainers.training.test_growing import class_folder
from tfgan_models.runs import checkpoints

TINY = (
    "--preset=cpu",
    "--fmap_max=4",
    "--fmap_base=32",
    "--latent_size=4",
    "--kimg_per_phase=0.032",
    "--batch_size=4",
    "--batch_sizes=8:8",
    "--checkpoint_every=2",
)
OWN = {
    # 4 steps at 8 px, 8 of fading to 16, 28 at 16.
    "stylegan": (
        "--image_size=16",
        "--kimg=0.176",
        "--w_size=4",
        "--mapping_layers=2",
        "--augment=ada",
    ),
    # 8 steps at 4 px, 4 of fading to 8, 28 at 8.
    "progan": ("--image_size=8", "--kimg=0.288", "--micro_batch=4"),
}
STEPS = 40


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("classes"))


def start(name: str, data: Path, run: Path, *flags: str) -> subprocess.Popen:
    command = [sys.executable, "-m", f"trainers.{name}", f"--dataset=folder:{data}"]
    return subprocess.Popen(
        [*command, *TINY, *OWN[name], f"--model_dir={run}", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # As a person has it: the command quiets TensorFlow by itself.
        env={k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"},
    )


def kill_after(process: subprocess.Popen, run: Path, step: int, delay: float) -> int:
    """Kills after a checkpoint and some seconds; returns the newest checkpoint."""
    end = time.monotonic() + 400
    while not [s for s in checkpoints.steps(run / "checkpoints") if s >= step]:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end, "no checkpoint within 400 seconds"
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    return checkpoints.steps(run / "checkpoints")[-1]


@pytest.mark.parametrize(
    "name", ["stylegan", pytest.param("progan", marks=pytest.mark.slow)]
)
def test_killed_and_started_again_is_bit_for_bit_the_same(
    name: str, classes: Path, tmp_path: Path
) -> None:
    """In one process and in two, of which the first is killed at a random moment."""
    flags = ("--classes=2",)
    whole = start(name, classes, tmp_path / "whole", *flags)
    run = tmp_path / "killed"
    # While the first resolution is shown, or the next one's fade is being traced.
    delay = random.Random().uniform(0.0, 3.0)
    killed = start(name, classes, run, *flags)
    reached = kill_after(killed, run, 2, delay)
    _, errors = whole.communicate(timeout=240)
    assert whole.returncode == 0, errors

    again = start(name, classes, run, *flags)
    printed, errors = again.communicate(timeout=240)
    assert again.returncode == 0, errors
    if reached < STEPS:
        assert f"at step {reached} of {STEPS}" in printed
    expected, resumed = saved(tmp_path / "whole", STEPS), saved(run, STEPS)
    assert expected.keys() == resumed.keys()
    for tensor, value in expected.items():
        np.testing.assert_array_equal(
            resumed[tensor], value, err_msg=f"{tensor}, killed at {reached}"
        )


def read_until(process: subprocess.Popen, words: str) -> str:
    """Returns the first line with these words."""
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(process.stderr.read())


def test_a_signal_while_tracing_is_told_and_ends_the_run(
    classes: Path, tmp_path: Path
) -> None:
    process = start("stylegan", classes, tmp_path, "--image_size=8", "--kimg=100")
    while not (tmp_path / "samples/reals.png").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(0.5)  # the first step takes many seconds
    process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    read_until(process, "Stopping after this step; once more to stop at once.")
    assert time.monotonic() - sent < 3
    assert checkpoints.steps(tmp_path / "checkpoints") == []
    read_until(process, "Stopped at step 1; run again to go on.")
    stopped = time.monotonic()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert time.monotonic() - stopped < 5
    process.communicate()
    assert checkpoints.steps(tmp_path / "checkpoints") == [1]


def test_errors_are_one_line_and_keep_no_recipe(classes: Path, tmp_path: Path) -> None:
    """With the mistake corrected, the same command works in the same folder."""
    cases = {
        "--image_size=48": "--image_size must be a power of two",
        "--micro_batch=3": "multiple of micro_batch=3",
        "--classes=5": "Give --classes=2",
    }
    processes = [
        start("stylegan", classes, tmp_path / str(i), flag)
        for i, flag in enumerate(cases)
    ]
    for i, (process, message) in enumerate(zip(processes, cases.values(), strict=True)):
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 2, errors
        assert message in errors
        assert len(errors.strip().splitlines()) == 1, errors
        assert not (tmp_path / str(i) / "recipe.json").exists()
