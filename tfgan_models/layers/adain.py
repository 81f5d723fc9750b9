"""Adaptive instance normalisation (Huang & Belongie, arXiv:1703.06868)."""

from typing import Any

import keras
from keras import ops

from tfgan_models.layers.equalized import EqualizedDense
from tfgan_models.layers.instance_norm import spatial_mean
from tfgan_models.layers.tensors import Shape, Tensor


@keras.saving.register_keras_serializable(package="tfgan_models")
class AdaIN(keras.layers.Layer):
    """Gives each channel of an image the mean and deviation that a style asks for.

    As in StyleGAN (arXiv:1812.04948): each channel is normalised over height and width
    (no learned affine), then becomes `x * (1 + scale) + offset`, where scale and offset
    are an affine function of the style, with an equalised learning rate. In a model of
    your own:

        style = keras.Input((512,), name="style")
        x = AdaIN()(x, style)

    Args:
        epsilon: Added to the variance.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Inputs [N, H, W, C] and style [N, D]; output [N, H, W, C]. Statistics are computed
    in float32 (or wider) whatever the compute dtype.
    """

    def __init__(self, epsilon: float = 1e-8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(
        self,
        inputs_shape: Shape,
        style_shape: Shape,
    ) -> None:
        """Creates the affine function of the style.

        Args:
            inputs_shape: (N, H, W, C); C must be known.
            style_shape: (N, D); D must be known.

        Raises:
            ValueError: The inputs have not four dimensions, or the style not two.
        """
        if len(inputs_shape) != 4 or inputs_shape[-1] is None or len(style_shape) != 2:
            raise ValueError(
                "AdaIN needs inputs [N, H, W, C] with a known number of channels and a "
                f"style [N, D]. Received: inputs_shape={inputs_shape}, "
                f"style_shape={style_shape}"
            )
        self.affine = EqualizedDense(
            2 * inputs_shape[-1], gain=1.0, dtype=self.dtype_policy, name="affine"
        )
        self.affine.build(style_shape)

    def call(self, inputs: Tensor, style: Tensor) -> Tensor:
        """Normalises `inputs` [N, H, W, C] and applies `style` [N, D]."""
        half = keras.backend.standardize_dtype(inputs.dtype) in ("float16", "bfloat16")
        x = ops.cast(inputs, "float32") if half else inputs
        channels = inputs.shape[-1]
        wanted = ops.reshape(self.affine(style), (-1, 1, 1, 2 * channels))
        wanted = ops.cast(wanted, x.dtype)
        centred = x - spatial_mean(x)
        deviation = ops.rsqrt(spatial_mean(ops.square(centred)) + self.epsilon)
        scale = deviation * (1.0 + wanted[..., :channels])
        return ops.cast(centred * scale + wanted[..., channels:], self.compute_dtype)

    def compute_output_shape(
        self,
        inputs_shape: Shape,
        style_shape: Shape,
    ) -> Shape:
        """Returns `inputs_shape`."""
        return inputs_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["epsilon"] = self.epsilon
        return config
