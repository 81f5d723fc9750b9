"""Pixel shuffle: channels become pixels (Shi et al., arXiv:1609.05158)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor, known_channels


@keras.saving.register_keras_serializable(package="tfgan_models")
class PixelShuffle2D(keras.layers.Layer):
    """Enlarges an image by rearranging channels into pixels.

    Output pixel (scale * y + i, scale * x + j), channel c, is input pixel (y, x),
    channel (scale * i + j) * C + c: equation 4 of the paper, TensorFlow's
    depth_to_space. (PyTorch's PixelShuffle has the channels in the order c, i, j.)

    Args:
        scale: Output pixels per input pixel, in each direction.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Raises:
        ValueError: `scale` is below 1, or the input's channels are not a multiple of
            its square.

    Input [N, H, W, scale^2 C]; output [N, scale H, scale W, C].
    """

    def __init__(self, scale: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if scale < 1:
            raise ValueError(f"scale must be 1 or more. Received: scale={scale}")
        self.scale = scale

    def build(self, input_shape: Shape) -> None:
        """Checks the number of channels, which is fixed from then on."""
        channels = known_channels(self, input_shape)
        if channels % self.scale**2:
            raise ValueError(
                f"scale={self.scale} needs a multiple of {self.scale**2} channels. "
                f"Received: {channels}"
            )
        self.depth = channels // self.scale**2
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={3: channels})
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Rearranges `inputs` [N, H, W, scale^2 C]."""
        scale, depth = self.scale, self.depth
        batch, height, width, _ = ops.shape(inputs)
        # Only i and x are swapped: the other axes are in order already.
        rows = ops.reshape(inputs, (batch * height, width, scale, scale * depth))
        rows = ops.transpose(rows, (0, 2, 1, 3))
        return ops.reshape(rows, (batch, height * scale, width * scale, depth))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the shape with height and width `scale` times as large."""
        batch, height, width, _ = input_shape
        return (
            batch,
            None if height is None else height * self.scale,
            None if width is None else width * self.scale,
            known_channels(self, input_shape) // self.scale**2,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["scale"] = self.scale
        return config
