"""Blur and resampling by 2 that can be differentiated twice.

Keras's and TensorFlow's resize operations have no second derivative, which a gradient
penalty needs of everything inside a discriminator.
"""

from typing import Any

import keras
from keras import ops

_KERNEL = [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]]


@keras.saving.register_keras_serializable(package="tfgan_models")
class Blur2D(keras.layers.Layer):
    """Low-pass filter [1, 2, 1] x [1, 2, 1] / 16 on each channel, zero padded.

    As StyleGAN (arXiv:1812.04948) has it after upsampling and before downsampling.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input and output: [N, H, W, C].
    """

    def call(self, inputs: Any) -> Any:
        """Blurs `inputs` [N, H, W, C]."""
        # Not sums of shifts: the gradient of slicing takes 20 times as long on CPUs.
        kernel = ops.reshape(ops.convert_to_tensor(_KERNEL, inputs.dtype), (3, 3, 1, 1))
        kernel = ops.tile(kernel, (1, 1, inputs.shape[-1], 1))
        return ops.depthwise_conv(inputs, kernel, 1, "same", "channels_last")

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `input_shape`."""
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan_models")
class NearestUpsampling2D(keras.layers.Layer):
    """Doubles height and width by repeating each pixel.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C] with H, W and C known; output [N, 2H, 2W, C].
    """

    def call(self, inputs: Any) -> Any:
        """Doubles `inputs` [N, H, W, C]."""
        height, width, channels = inputs.shape[1:]
        x = ops.reshape(inputs, (-1, height, 1, width, 1, channels))
        x = ops.tile(x, (1, 1, 2, 1, 2, 1))
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels))

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `input_shape` with height and width doubled."""
        batch, height, width, channels = input_shape
        return (batch, 2 * height, 2 * width, channels)


@keras.saving.register_keras_serializable(package="tfgan_models")
class AverageDownsampling2D(keras.layers.Layer):
    """Halves height and width by the mean of 2x2 pixels.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C] with H and W even and known; output [N, H/2, W/2, C].
    """

    def call(self, inputs: Any) -> Any:
        """Halves `inputs` [N, H, W, C]."""
        height, width, channels = inputs.shape[1:]
        x = ops.reshape(inputs, (-1, height // 2, 2, width // 2, 2, channels))
        return ops.mean(x, axis=(2, 4))

    def compute_output_shape(
        self, input_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Returns `input_shape` with height and width halved."""
        batch, height, width, channels = input_shape
        return (batch, height // 2, width // 2, channels)
