"""Strategies and number formats by name."""

import os
import subprocess
import sys

import keras
import pytest
import tensorflow as tf

from tfgan_models.errors import UsageError
from trainers.training import devices, machine


def test_one_device_by_default() -> None:
    strategy = devices.make_strategy(None, 1)
    assert isinstance(strategy, tf.distribute.OneDeviceStrategy)
    assert devices.worker(strategy) == 0


def test_virtual_devices_are_replicas() -> None:
    script = (
        "from trainers.training import devices\n"
        "strategy = devices.make_strategy(None, 3)\n"
        "print(type(strategy).__name__, strategy.num_replicas_in_sync)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ,
    )
    assert result.stdout.split() == ["MirroredStrategy", "3"]


def test_refuses_less_than_one_virtual_device() -> None:
    with pytest.raises(UsageError, match="--virtual_devices must be 1 or more"):
        devices.make_strategy("mirrored", 0)


def test_the_global_batch_divides_among_replicas() -> None:
    machine.check_batch(4, 2)
    with pytest.raises(UsageError, match=r"multiple of the 2 replicas\. Received: 3"):
        machine.check_batch(3, 2)


@pytest.mark.parametrize(
    ("name", "compute"),
    [("float32", "float32"), ("bfloat16", "bfloat16"), ("float16", "float16")],
)
def test_precision(name: str, compute: str) -> None:
    try:
        devices.set_precision(name)
        layer = keras.layers.Dense(1)
        layer.build((None, 2))
        assert layer.compute_dtype == compute
        assert layer.kernel.dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")
