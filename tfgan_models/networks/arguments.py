"""What a network was made with, for its `get_config`."""

import inspect
from typing import Any

import keras


def arguments(
    network: keras.Model, constructor: type[keras.Model], **others: Any
) -> dict[str, Any]:
    """Returns the arguments of a network's constructor, by name.

    Args:
        network: Has them as attributes of their names, the dtype's as `policy`.
        constructor: The class whose they are: the network's, or one above it.
        **others: The values of those that are no such attributes.
    """
    known = {"dtype": network.policy.name} | others
    return {
        name: known[name] if name in known else getattr(network, name)
        for name in inspect.signature(constructor.__init__).parameters
        if name not in ("self", "kwargs")
    }
