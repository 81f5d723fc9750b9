"""Pixel normalisation (Karras et al., arXiv:1710.10196, section 4.2)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class PixelNormalization(keras.layers.Layer):
    """Scales the channel vector of each pixel to a mean square of 1.

    Computed in float32 (or wider) whatever the compute dtype.

    Args:
        epsilon: Added to the mean square.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input and output: [N, ..., C].
    """

    def __init__(self, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, inputs: Tensor) -> Tensor:
        """Normalises `inputs` [N, ..., C]."""
        half = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
        x = ops.cast(inputs, "float32") if half else inputs
        square = ops.mean(ops.square(x), axis=-1, keepdims=True)
        return ops.cast(x * ops.rsqrt(square + self.epsilon), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["epsilon"] = self.epsilon
        return config
