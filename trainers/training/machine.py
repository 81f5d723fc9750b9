"""What can be known about a machine without TensorFlow, which is slow to import."""

import glob
import os
import sys

from tfgan_models.errors import UsageError


def may_have_gpu() -> bool:
    """Says whether there is a device that TensorFlow could use as a GPU."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1"):
        return False
    nodes = ("/dev/nvidia[0-9]*", "/dev/dxg", "/dev/kfd")
    return sys.platform != "linux" or any(map(glob.glob, nodes))


def has_gpu() -> bool:
    """Says whether TensorFlow finds a GPU; it is imported only if there may be one."""
    if not may_have_gpu():
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def check_virtual_devices(count: int) -> None:
    """Raises UsageError unless there is at least one device."""
    if count < 1:
        raise UsageError(f"--virtual_devices must be 1 or more. Received: {count}")


def check_batch(batch_size: int, replicas: int) -> None:
    """Raises UsageError unless the global batch divides evenly among replicas."""
    if batch_size % replicas:
        raise UsageError(
            f"--batch_size is the global batch and must be a multiple of the "
            f"{replicas} replicas. Received: {batch_size}"
        )
