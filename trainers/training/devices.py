"""Devices, tf.distribute strategies and number formats."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from trainers.training import machine

STRATEGIES = ("one_device", "mirrored", "multi_worker_mirrored")


def make_strategy(name: str | None, virtual_devices: int) -> tf.distribute.Strategy:
    """Returns the named strategy; call it before anything else uses a device.

    Args:
        name: One of `STRATEGIES`; None: "mirrored" with several devices,
            else "one_device".
        virtual_devices: Above 1, the CPU is split into this many logical devices and
            the replicas run on them, to try replicas without GPUs.

    Raises:
        UsageError: `virtual_devices` below 1.
    """
    machine.check_virtual_devices(virtual_devices)
    if virtual_devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * virtual_devices
        )
    if name == "multi_worker_mirrored":
        # Before anything queries a device: the workers' connections come first.
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = [] if virtual_devices > 1 else tf.config.list_logical_devices("GPU")
    cpus = [f"CPU:{i}" for i in range(virtual_devices)]
    if name == "mirrored" or (name is None and max(len(gpus), len(cpus)) > 1):
        return tf.distribute.MirroredStrategy([g.name for g in gpus] or cpus)
    return tf.distribute.OneDeviceStrategy(gpus[0].name if gpus else "CPU:0")


def set_precision(name: str) -> None:
    """Sets the compute dtype of every network built from now on.

    Args:
        name: "float32", "bfloat16" or "float16"; weights are float32 in any case.
    """
    keras.config.set_dtype_policy("float32" if name == "float32" else f"mixed_{name}")


def worker(strategy: tf.distribute.Strategy) -> int:
    """Returns this process's number among the workers, 0 the chief."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return 0
    chief_first = resolver.task_type == "worker" and "chief" in (
        resolver.cluster_spec().jobs
    )
    return resolver.task_id + int(chief_first)


def workers(strategy: tf.distribute.Strategy) -> int:
    """Returns how many processes train together."""
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return 1
    jobs = resolver.cluster_spec().as_dict()
    return len(jobs.get("worker", ())) + len(jobs.get("chief", ()))


def everyones(
    numbers: Sequence[int], strategy: tf.distribute.Strategy
) -> list[list[int]]:
    """Returns the numbers of every replica.

    Args:
        numbers: This worker's, as many as every other's.
        strategy: All workers call this at the same point.
    """
    row = tf.constant([numbers], tf.int64)
    return strategy.gather(strategy.run(lambda: row), axis=0).numpy().tolist()
