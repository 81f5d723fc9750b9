"""The base of functional networks that may take labels as a second input."""

from typing import Any

import keras

from tfgan_models.layers.tensors import Tensor
from tfgan_models.networks import growing

UNIFORM = "uniform_latent"
"""A layer of this name right after the latent marks it as uniform in [-1, 1) instead of
N(0, 1): also readable from a .keras file of Keras's own layers."""


class LabelledNetwork(keras.Model):
    """A functional network called with an input and, with classes, one-hot labels.

    A subclass passes `inputs` and `outputs` to its base, `inputs` as a list: of one
    tensor, or of it and "labels". `predict` and `fit` take that list or a dict by
    the inputs' names, as with any functional model.

    Attributes:
        label_size: Classes; 0 for none.
    """

    label_size = 0

    def __call__(
        self, inputs: Tensor, labels: Tensor | None = None, **kwargs: Any
    ) -> Tensor:
        """Calls the network.

        Args:
            inputs: Its first input, [N, ...]; or all of its inputs, as a list
                or dict.
            labels: One-hot [N, label_size], if there are classes.
            **kwargs: `training`, False by default.

        Returns:
            Its output, float32.

        Raises:
            ValueError: Labels are missing, or not supported.
        """
        if not isinstance(inputs, list | tuple | dict):
            growing.check_labels(self.label_size, labels)
            inputs = [inputs] if labels is None else [inputs, labels]
        return super().__call__(inputs, **kwargs)


def uniform_latent(latent: Tensor, policy: keras.DTypePolicy) -> Tensor:
    """Marks the input "latent" as uniform in [-1, 1), see `UNIFORM`."""
    return keras.layers.Activation("linear", dtype=policy, name=UNIFORM)(latent)


def check_sizes(smallest: int = 1, **sizes: int) -> None:
    """Raises ValueError unless sizes are at least `smallest`."""
    for name, size in sizes.items():
        if size < smallest:
            raise ValueError(
                f"{name} must be {smallest} or more. Received: {name}={size}"
            )


def check_dropout(dropout: float) -> None:
    """Raises ValueError unless a dropout rate is in [0, 1)."""
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must be in [0, 1). Received: dropout={dropout}")
