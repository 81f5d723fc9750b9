"""Maxout (Goodfellow et al., arXiv:1302.4389)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Initializer, Shape, Tensor, known_channels


@keras.saving.register_keras_serializable(package="tfgan_models")
class Maxout(keras.layers.Layer):
    """A dense layer in which each unit is the maximum of several linear pieces.

    Args:
        units: Output size.
        pieces: Linear functions of which each unit takes the maximum. Those
            of unit i are columns `i * pieces` to `(i + 1) * pieces - 1` of the kernel.
        kernel_initializer: Of the kernel, [D, units * pieces]. The bias starts at 0.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, ..., D]; output [N, ..., units].

    Raises:
        ValueError: `units` or `pieces` is less than 1.
    """

    def __init__(
        self,
        units: int,
        pieces: int,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("units", units), ("pieces", pieces)):
            if value < 1:
                raise ValueError(f"{name} must be 1 or more. Received: {name}={value}")
        self.units = units
        self.pieces = pieces
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Shape) -> None:
        """Creates kernel and bias.

        Args:
            input_shape: (N, ..., D); D must be known.
        """
        outputs = self.units * self.pieces
        self.kernel = self.add_weight(
            name="kernel",
            shape=(known_channels(self, input_shape), outputs),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(name="bias", shape=(outputs,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        """Takes the maxima for `inputs` [N, ..., D]."""
        x = ops.matmul(inputs, self.kernel) + self.bias
        shape = (-1, *inputs.shape[1:-1], self.units, self.pieces)
        return ops.max(ops.reshape(x, shape), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the shape of the output."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update(
            {
                "units": self.units,
                "pieces": self.pieces,
                "kernel_initializer": keras.initializers.serialize(
                    self.kernel_initializer
                ),
            }
        )
        return config
