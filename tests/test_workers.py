"""Two workers, two processes on loopback, are one replica with the whole batch."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import gans, worker
from tfgan_models.runs import checkpoints


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def test_two_workers_equal_one_replica(tmp_path: Path) -> None:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    processes = []
    for index in range(2):
        config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        with open(tmp_path / f"{index}.log", "w") as log:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.worker", str(tmp_path / f"{index}")],
                    env=os.environ | {"TF_CONFIG": json.dumps(config)},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    try:
        for index, process in enumerate(processes):
            code = process.wait(timeout=240)
            assert code == 0, (tmp_path / f"{index}.log").read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()

    single = worker.model()
    start = gans.weights(single)
    losses = gans.train(single, gans.batches(worker.STEPS, worker.BATCH))
    for index in range(2):
        result = np.load(tmp_path / f"{index}.npz")
        assert int(result["step"]) == worker.STEPS
        # The second has a checkpoint more.
        assert int(result["resumed"]) == 2
        assert checkpoints.steps(tmp_path / f"{index}") == [1, 2]
        weights = [result[f"w{i}"] for i in range(len(start))]
        gans.assert_moved_alike(weights, gans.weights(single), start)
        for name, value in losses.items():
            assert float(result[name]) == pytest.approx(value, rel=1e-5), name
