"""Whether numbers are as near to the truth, float64's, as float32 can be expected."""

from typing import Any

import keras
import numpy as np


def in_float64(network: keras.Model) -> keras.Model:
    """Returns a network of the same configuration and weights that computes so."""
    config = network.get_config() | {"dtype": "float64"}
    twin = network.__class__.from_config(config)
    twin.set_weights(network.get_weights())
    return twin


def rms(difference: Any) -> float:
    """Returns the root of the mean square, computed in float64."""
    return float(np.sqrt(np.mean(np.square(np.asarray(difference, np.float64)))))


def assert_rounds_alike(
    found: Any, reference: Any, exact: Any, factor: float = 3.0
) -> None:
    """Asserts that an answer differs from the truth by rounding alone.

    How far rounding leads depends on the network and on the machine's order of
    summation: the same machine's other way to the same numbers is the yardstick.

    Args:
        found: What is judged.
        reference: The same, computed by the framework in the same precision.
        exact: The same, computed in float64.
        factor: How many times the reference's error is allowed, root mean square.
    """
    found, reference, exact = map(np.asarray, (found, reference, exact))
    assert found.shape == reference.shape == exact.shape
    rounding = rms(reference - exact)
    assert rms(exact) > 0
    # Not below what rounding the answer itself to float32 costs.
    least = np.finfo(np.float32).eps * rms(exact)
    error = rms(found - exact)
    assert error <= factor * max(rounding, least), (error, rounding)
