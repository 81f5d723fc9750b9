"""Metrics are computed in float32, whatever a training computes in."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def float32_layers() -> Iterator[None]:
    """Has Keras layers compute in float32 while the global policy is another one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
