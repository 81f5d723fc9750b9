"""Convolution and dense layer with an equalised learning rate (arXiv:1710.10196)."""

import math
from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import Shape, Tensor, known_channels

RESAMPLINGS = (None, "up", "down")


@keras.saving.register_keras_serializable(package="tfgan_models")
class EqualizedConv2D(keras.layers.Layer):
    """A convolution whose kernel is scaled when it is used, not when it is drawn.

    The kernel starts at N(0, 1 / lr_multiplier) and is multiplied by
    `gain / sqrt(fan_in) * lr_multiplier` in every call, so that Adam changes all layers
    of a network at the same relative rate. Zero padding, stride 1.

    Resampling is merged into the convolution, with the result of the two one after the
    other at less than half of the operations: a kernel of 3 becomes one of 4 with
    stride 2, the sum (for "down" the mean) of its four shifts.

    Args:
        filters: Output channels.
        kernel_size: Side of the kernel in pixels, odd; 3 where there is resampling.
        gain: The standard deviation kept from input to output is `gain`; sqrt(2) before
            a leaky ReLU, 1 for a linear output.
        lr_multiplier: Learning rate relative to the optimizer's.
        use_bias: Whether to add a bias for each channel.
        resample: None; "up": the input is doubled in height and width (nearest
            neighbour) before the convolution; "down": 2x2 pixels are averaged after it.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C]; output [N, H, W, filters], [N, 2H, 2W, filters] or
    [N, H/2, W/2, filters].

    Raises:
        ValueError: An unknown `resample`, or an even `kernel_size`, or one that is not
            3 with resampling.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        gain: float = math.sqrt(2.0),
        lr_multiplier: float = 1.0,
        use_bias: bool = True,
        resample: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if resample not in RESAMPLINGS:
            raise ValueError(
                f"resample must be one of {RESAMPLINGS}. Received: "
                f"resample={resample!r}"
            )
        if kernel_size % 2 == 0 or (resample and kernel_size != 3):
            raise ValueError(
                "kernel_size must be odd, and 3 with resampling. Received: "
                f"kernel_size={kernel_size}, resample={resample!r}"
            )
        self.filters = filters
        self.kernel_size = kernel_size
        self.gain = gain
        self.lr_multiplier = lr_multiplier
        self.use_bias = use_bias
        self.resample = resample

    def build(self, input_shape: Shape) -> None:
        """Creates kernel and bias.

        Args:
            input_shape: (N, H, W, C); C must be known.
        """
        sides = (self.kernel_size, self.kernel_size)
        channels = known_channels(self, input_shape)
        self.kernel, self.bias = _weights(self, (*sides, channels, self.filters))

    def scaled_kernel(self) -> Tensor:
        """Returns what is convolved with: [k, k, C, filters].

        k is 4 with resampling. For "up" it is the kernel of a transposed convolution
        with stride 2, [4, 4, filters, C], as Keras and TensorFlow order it.
        """
        kernel = self.kernel * _runtime_scale(self)
        if self.resample is None:
            return kernel
        ends = [[0, 0], [0, 0]]
        shifts = [
            ops.pad(kernel, [[top, 1 - top], [left, 1 - left], *ends])
            for top in (0, 1)
            for left in (0, 1)
        ]
        merged = shifts[0] + shifts[1] + shifts[2] + shifts[3]
        if self.resample == "down":
            return merged * 0.25
        # A transposed convolution runs its kernel backwards.
        return ops.transpose(ops.flip(merged, (0, 1)), (0, 1, 3, 2))

    def scaled_bias(self) -> Tensor | None:
        """Returns what is added: [filters]; None without a bias."""
        return None if self.bias is None else self.bias * self.lr_multiplier

    def call(self, inputs: Tensor) -> Tensor:
        """Convolves `inputs` [N, H, W, C]."""
        kernel = ops.cast(self.scaled_kernel(), self.compute_dtype)
        if self.resample == "up":
            x = ops.conv_transpose(
                inputs, kernel, 2, "same", data_format="channels_last"
            )
        else:
            strides = 2 if self.resample else 1
            x = ops.conv(inputs, kernel, strides, "same", "channels_last")
        if self.use_bias:
            x = x + ops.cast(self.scaled_bias(), x.dtype)
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the shape of the output."""
        batch, *sides, _ = input_shape
        if self.resample == "up":
            sides = [None if side is None else 2 * side for side in sides]
        elif self.resample == "down":
            sides = [None if side is None else -(-side // 2) for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update(
            {
                "filters": self.filters,
                "kernel_size": self.kernel_size,
                "gain": self.gain,
                "lr_multiplier": self.lr_multiplier,
                "use_bias": self.use_bias,
                "resample": self.resample,
            }
        )
        return config


@keras.saving.register_keras_serializable(package="tfgan_models")
class EqualizedDense(keras.layers.Layer):
    """A dense layer whose kernel is scaled when it is used, not when it is drawn.

    See `EqualizedConv2D`.

    Args:
        units: Output size.
        gain: See `EqualizedConv2D`.
        lr_multiplier: Learning rate relative to the optimizer's; 0.01 in StyleGAN's
            mapping network.
        use_bias: Whether to add a bias.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, ..., D]; output [N, ..., units].
    """

    def __init__(
        self,
        units: int,
        gain: float = math.sqrt(2.0),
        lr_multiplier: float = 1.0,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.gain = gain
        self.lr_multiplier = lr_multiplier
        self.use_bias = use_bias

    def build(self, input_shape: Shape) -> None:
        """Creates kernel and bias.

        Args:
            input_shape: (N, ..., D); D must be known.
        """
        inputs = known_channels(self, input_shape)
        self.kernel, self.bias = _weights(self, (inputs, self.units))

    def scaled_kernel(self) -> Tensor:
        """Returns what is multiplied with: [D, units]."""
        return self.kernel * _runtime_scale(self)

    def scaled_bias(self) -> Tensor | None:
        """Returns what is added: [units]; None without a bias."""
        return None if self.bias is None else self.bias * self.lr_multiplier

    def call(self, inputs: Tensor) -> Tensor:
        """Multiplies `inputs` [N, ..., D]."""
        x = ops.matmul(inputs, ops.cast(self.scaled_kernel(), self.compute_dtype))
        if self.use_bias:
            x = x + ops.cast(self.scaled_bias(), x.dtype)
        return x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the shape of the output."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update(
            {
                "units": self.units,
                "gain": self.gain,
                "lr_multiplier": self.lr_multiplier,
                "use_bias": self.use_bias,
            }
        )
        return config


@keras.saving.register_keras_serializable(package="tfgan_models")
class ChannelBias(keras.layers.Layer):
    """Adds a learned offset, starting at 0, to each channel.

    Args:
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input and output: [N, ..., C].
    """

    def build(self, input_shape: Shape) -> None:
        """Creates the offset.

        Args:
            input_shape: (N, ..., C); C must be known.
        """
        self.bias = self.add_weight(
            name="bias",
            shape=(known_channels(self, input_shape),),
            initializer="zeros",
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Offsets `inputs` [N, ..., C]."""
        return inputs + ops.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns `input_shape`."""
        return input_shape


def _weights(
    layer: EqualizedConv2D | EqualizedDense, shape: tuple[int, ...]
) -> tuple[keras.Variable, keras.Variable | None]:
    deviation = 1.0 / layer.lr_multiplier
    kernel = layer.add_weight(
        name="kernel",
        shape=shape,
        initializer=keras.initializers.RandomNormal(0.0, deviation),
        autocast=False,  # to scale before it is rounded to the compute dtype
    )
    if not layer.use_bias:
        return kernel, None
    bias = layer.add_weight(
        name="bias", shape=shape[-1:], initializer="zeros", autocast=False
    )
    return kernel, bias


def _runtime_scale(layer: EqualizedConv2D | EqualizedDense) -> float:
    fan_in = math.prod(layer.kernel.shape[:-1])
    return layer.gain / math.sqrt(fan_in) * layer.lr_multiplier
