"""Metrics are computed in float32, whatever training computes in."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def float32_layers() -> Iterator[None]:
    """Makes Keras layers compute in float32 under another global policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
