"""Blur and resampling by 2, twice differentiable.

Keras's and TensorFlow's resize operations have no second derivative, which a gradient
penalty needs inside a discriminator.
"""

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor

_KERNEL = [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]]


@keras.saving.register_keras_serializable(package="tfgan_models")
class Blur2D(keras.layers.Layer):
    """Low-pass filter [1, 2, 1] x [1, 2, 1] / 16 on each channel, zero padded.

    Used by StyleGAN (arXiv:1812.04948) after upsampling and before downsampling.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input and output: [N, H, W, C].
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Blurs `inputs` [N, H, W, C]."""
        # Not sums of shifts: the gradient of slicing takes 20 times as long on CPUs.
        kernel = ops.reshape(ops.convert_to_tensor(_KERNEL, inputs.dtype), (3, 3, 1, 1))
        kernel = ops.tile(kernel, (1, 1, inputs.shape[-1], 1))
        return ops.depthwise_conv(inputs, kernel, 1, "same", "channels_last")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape`."""
        return input_shape


@keras.saving.register_keras_serializable(package="tfgan_models")
class NearestUpsampling2D(keras.layers.Layer):
    """Doubles height and width by repeating each pixel.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C] with H, W and C known; output [N, 2H, 2W, C].
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Doubles `inputs` [N, H, W, C]."""
        height, width = _sides(self, inputs.shape)
        channels = inputs.shape[-1]
        x = ops.reshape(inputs, (-1, height, 1, width, 1, channels))
        x = ops.tile(x, (1, 1, 2, 1, 2, 1))
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape` with height and width doubled."""
        height, width = _sides(self, input_shape)
        return (input_shape[0], 2 * height, 2 * width, input_shape[-1])


@keras.saving.register_keras_serializable(package="tfgan_models")
class AverageDownsampling2D(keras.layers.Layer):
    """Halves height and width by averaging 2x2 pixels.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C] with H and W even and known; output [N, H/2, W/2, C].
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Halves `inputs` [N, H, W, C]."""
        height, width = _sides(self, inputs.shape)
        channels = inputs.shape[-1]
        x = ops.reshape(inputs, (-1, height // 2, 2, width // 2, 2, channels))
        return ops.mean(x, axis=(2, 4))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape` with height and width halved."""
        height, width = _sides(self, input_shape)
        return (input_shape[0], height // 2, width // 2, input_shape[-1])


def _sides(layer: keras.Layer, shape: Shape) -> tuple[int, int]:
    """Returns height and width, which the layer must know."""
    _, height, width, _ = shape
    if height is None or width is None:
        raise ValueError(
            f"{type(layer).__name__} needs a known height and width. Received: "
            f"input_shape={shape}"
        )
    return height, width
