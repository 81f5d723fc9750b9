"""Growing trainings that are killed and started again, as a person starts them."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.trainers import kills
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
    given = (f"--dataset=folder:{data}", f"--model_dir={run}")
    return kills.start(name, *TINY, *OWN[name], *given, *flags)


@pytest.mark.parametrize(
    "name", ["progan", pytest.param("stylegan", marks=pytest.mark.slow)]
)
def test_killed_and_started_again_is_bit_for_bit_the_same(
    name: str, classes: Path, tmp_path: Path
) -> None:
    """In one process and in two, of which the first is killed at a random moment."""
    whole, run = tmp_path / "whole", tmp_path / "killed"
    never_killed, killed = (
        start(name, classes, r, "--classes=2") for r in (whole, run)
    )
    # While the first resolution is shown, or the next one's fade is being traced.
    reached = kills.kill_after(killed, run, 2, kills.chance().uniform(0.0, 3.0))
    kills.finish(never_killed)
    printed = kills.finish(start(name, classes, run, "--classes=2"))
    if reached < STEPS:
        assert f"at step {reached} of {STEPS}" in printed
    kills.assert_same(whole, run, STEPS)


def read_until(process: subprocess.Popen, words: str) -> str:
    """Returns the first line with these words."""
    for line in process.stdout:
        if words in line:
            return line
    raise AssertionError(process.stderr.read())


def test_a_signal_while_tracing_is_told_and_ends_the_run(
    classes: Path, tmp_path: Path
) -> None:
    process = start("progan", classes, tmp_path, "--kimg=100")
    while not (tmp_path / "samples/reals.png").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(0.5)  # the first step takes many seconds
    process.send_signal(signal.SIGTERM)
    sent = time.monotonic()
    read_until(process, "Stopping after this step; once more to stop immediately.")
    assert time.monotonic() - sent < 3
    assert checkpoints.steps(tmp_path / "checkpoints") == []
    read_until(process, "Stopped at step 1; run again to resume.")
    stopped = time.monotonic()
    assert process.wait(60) == 128 + signal.SIGTERM
    assert time.monotonic() - stopped < 5
    process.communicate()
    assert checkpoints.steps(tmp_path / "checkpoints") == [1]
