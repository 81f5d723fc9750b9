"""Two workers on loopback, killed at random moments and started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_workers import free_ports
from tests.trainers import kills, systems
from tfgan_models.runs import checkpoints

STEPS = 1000
GAN = systems.CASES[0]


def start(data: Path, run: Path, number: int = 2) -> list[subprocess.Popen]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(number)]}
    started = []
    for index in range(number):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        with (run.parent / f"{run.name}_{index}.log").open("a") as log:
            started.append(
                subprocess.Popen(
                    [
                        *(sys.executable, "-m", "trainers.gan", *systems.EVERY),
                        *(*GAN.flags[:-1], f"--steps={STEPS}", "--checkpoint_every=10"),
                        *(f"--dataset=folder:{data}", f"--model_dir={run}"),
                        "--strategy=multi_worker_mirrored",
                    ],
                    env=os.environ | {"TF_CONFIG": json.dumps(task)},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=kills.ROOT,
                )
            )
    return started


def told(run: Path, index: int) -> str:
    return (run.parent / f"{run.name}_{index}.log").read_text()


def newest(run: Path, index: int) -> int:
    folder = run / "checkpoints" / ("" if index == 0 else f"worker_{index}")
    return max(checkpoints.steps(folder), default=0)


def finish(processes: list[subprocess.Popen], run: Path) -> None:
    for index, process in enumerate(processes):
        assert process.wait(240) == 0, told(run, index)[-3000:]


@pytest.mark.slow
def test_killed_workers_go_on_together(tmp_path: Path) -> None:
    """To the same weights, bit for bit, as workers that nobody kills."""
    data = tmp_path / "data"
    data.mkdir()
    systems.photos(data)
    finish(start(data, tmp_path / "whole"), tmp_path / "whole")

    run, chance = tmp_path / "killed", kills.chance()
    for doomed in ([0], [1], [0, 1], [1, 0]):
        before = newest(run, 0)
        processes = start(data, run)
        end = time.monotonic() + 240
        while min(newest(run, 0), newest(run, 1)) <= before:
            assert time.monotonic() < end, told(run, 0)[-3000:]
            assert all(p.poll() is None for p in processes), told(run, 0)[-3000:]
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 1.0))
        for index in doomed:
            processes[index].send_signal(signal.SIGKILL)
            time.sleep(chance.uniform(0.0, 0.1))
        for index, process in enumerate(processes):
            # One that is left alone sees it, and ends by itself.
            assert process.wait(120) != 0
            assert "Traceback" not in told(run, index), told(run, index)[-3000:]
    finish(start(data, run), run)
    assert newest(run, 0) == newest(run, 1) == STEPS
    kills.assert_same(tmp_path / "whole", run, STEPS)
