"""Reflection padding."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads height and width by reflection, without repeating the border pixel.

    Args:
        padding: Pixels added on each of the four sides; H and W must be larger.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Raises:
        ValueError: `padding` is negative.

    Input [N, H, W, C]; output [N, H + 2 padding, W + 2 padding, C].
    """

    def __init__(self, padding: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if padding < 0:
            raise ValueError(f"padding must be 0 or more. Received: padding={padding}")
        self.padding = padding

    def call(self, inputs: Tensor) -> Tensor:
        """Pads `inputs` [N, H, W, C]."""
        sides = [self.padding, self.padding]
        return ops.pad(inputs, [[0, 0], sides, sides, [0, 0]], mode="reflect")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape` with height and width grown by 2 padding."""
        batch, height, width, channels = input_shape
        grow = 2 * self.padding
        return (
            batch,
            None if height is None else height + grow,
            None if width is None else width + grow,
            channels,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["padding"] = self.padding
        return config
