"""A learned constant input (Karras et al., arXiv:1812.04948, section 2)."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class LearnedConstant(keras.layers.Layer):
    """A learned tensor, starting at ones, repeated for each sample.

    Args:
        shape: Of one sample, such as (4, 4, 512).
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input: anything with a batch, [N, ...]; only N is used. Output [N, *shape].
    """

    def __init__(self, shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, input_shape: Shape) -> None:
        """Creates the tensor.

        Args:
            input_shape: (N, ...).
        """
        self.constant = self.add_weight(
            name="constant", shape=self.shape, initializer="ones"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Returns the constant for each sample of `inputs` [N, ...]."""
        constant = ops.cast(self.constant, self.compute_dtype)
        return ops.broadcast_to(constant, (ops.shape(inputs)[0], *self.shape))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns (N, *shape)."""
        return (input_shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["shape"] = self.shape
        return config
