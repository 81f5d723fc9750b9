"""Instance normalisation (Ulyanov et al., arXiv:1607.08022)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class InstanceNormalization(keras.layers.Layer):
    """Normalises each channel of each image over its height and width.

    Statistics are those of the image itself, in training and inference alike, and
    are computed in float32 (or wider) whatever the compute dtype. The biased
    variance is used, as in the paper and in PyTorch.

    Args:
        epsilon: Added to the variance.
        affine: Whether to learn a scale (starting at 1) and an offset (starting at
            0) for each channel.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input and output: [N, H, W, C], any H and W. At 1x1 the output is zero (or the
    offset): do not normalise there.
    """

    def __init__(
        self, epsilon: float = 1e-5, affine: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon
        self.affine = affine

    def build(self, input_shape: Shape) -> None:
        """Creates the scale and offset, if there are any.

        Args:
            input_shape: (N, H, W, C); C must be known.

        Raises:
            ValueError: The input does not have four dimensions, or its channels are
                unknown.
        """
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "InstanceNormalization needs a 4D input [N, H, W, C] with a known "
                f"number of channels. Received: input_shape={input_shape}"
            )
        if self.affine:
            channels = (input_shape[-1],)
            self.gamma = self.add_weight(
                name="gamma", shape=channels, initializer="ones"
            )
            self.beta = self.add_weight(
                name="beta", shape=channels, initializer="zeros"
            )

    def call(self, inputs: Tensor) -> Tensor:
        """Normalises `inputs` [N, H, W, C]."""
        affine = (self.gamma, self.beta) if self.affine else ()
        return ops.cast(normalize(inputs, self.epsilon, *affine), self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape`."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update({"epsilon": self.epsilon, "affine": self.affine})
        return config


def normalize(
    inputs: Tensor,
    epsilon: float,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Normalises each channel of each image, in float32 or wider.

    Args:
        inputs: [N, H, W, C].
        epsilon: Added to the variance.
        gamma: Scale of each channel, [C]; None: none, and no offset.
        beta: Its offset.

    Returns:
        The same shape.
    """
    half = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
    x = ops.cast(inputs, "float32") if half else inputs
    centred = x - spatial_mean(x)
    scale = ops.rsqrt(spatial_mean(ops.square(centred)) + epsilon)
    if gamma is None:
        return centred * scale
    return centred * (scale * ops.cast(gamma, x.dtype)) + ops.cast(beta, x.dtype)


def spatial_mean(x: Tensor) -> Tensor:
    """Means over height and width, [N, 1, 1, C]; axis by axis, faster on CPUs."""
    return ops.mean(ops.mean(x, axis=2, keepdims=True), axis=1, keepdims=True)
