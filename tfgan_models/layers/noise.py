"""Noise injection (Karras et al., arXiv:1812.04948, section 3.2)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class NoiseInjection(keras.layers.Layer):
    """Adds a noise map, with a learned strength per channel.

    The strengths start at 0: the layer changes nothing until training makes use of
    it. The caller provides the noise, usually N(0, 1). In your own
    model:

        noise = keras.Input((32, 32, 1), name="noise")
        x = NoiseInjection()(x, noise)

    Args:
        lr_multiplier: Learning rate of the strengths relative to the optimizer's; the
            weight `scale` stores them divided by it.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Inputs [N, H, W, C] and noise [N, H, W, 1]; output [N, H, W, C].
    """

    def __init__(self, lr_multiplier: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lr_multiplier = lr_multiplier

    def build(
        self,
        inputs_shape: Shape,
        noise_shape: Shape,
    ) -> None:
        """Creates the strengths.

        Args:
            inputs_shape: (N, H, W, C); C must be known.
            noise_shape: (N, H, W, 1).

        Raises:
            ValueError: The noise does not have exactly one channel.
        """
        if noise_shape[-1] != 1:
            raise ValueError(
                "The noise must be one map per sample, [N, H, W, 1]. Received: "
                f"noise_shape={noise_shape}"
            )
        self.scale = self.add_weight(
            name="scale", shape=(inputs_shape[-1],), initializer="zeros"
        )

    def strengths(self) -> Tensor:
        """Returns the strengths: [C]."""
        return self.scale * self.lr_multiplier

    def call(self, inputs: Tensor, noise: Tensor) -> Tensor:
        """Adds `noise` [N, H, W, 1] to `inputs` [N, H, W, C]."""
        scale = ops.cast(self.strengths(), inputs.dtype)
        return inputs + ops.cast(noise, inputs.dtype) * scale

    def compute_output_shape(
        self,
        inputs_shape: Shape,
        noise_shape: Shape,
    ) -> Shape:
        """Returns `inputs_shape`."""
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["lr_multiplier"] = self.lr_multiplier
        return config
