"""Convolution and dense layer with spectral normalisation (arXiv:1802.05957)."""

import math
from typing import Any

import keras
from keras import ops

from tfgan_models.layers.tensors import (
    Dtype,
    Initializer,
    Shape,
    Tensor,
    known_channels,
)

_EPSILON = 1e-12


class _SpectralLayer(keras.layers.Layer):
    """A layer whose kernel is divided by an estimate of its largest singular value.

    The kernel, reshaped to W [inputs, outputs] where the inputs of a convolution are
    its k*k*C in the kernel's own order, is never overwritten; the layer
    uses W / sigma, sigma = v^T W u. Each call in training mode does one
    step of the power iteration, v = W u / |W u|, u = W^T v / |W^T v|, before that, on
    the weights u [outputs] and v [inputs], which are not trained. At inference both
    are unchanged. The gradient passes through sigma, with u and v as constants.

    Args:
        use_bias: Whether to add a bias, starting at 0, to each output.
        kernel_initializer: Of the kernel.
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.
    """

    def __init__(
        self, use_bias: bool, kernel_initializer: Initializer, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def _add_weights(self, shape: tuple[int, ...]) -> None:
        """Creates kernel, bias, u and v for a kernel's shape."""
        # autocast=False: the power iteration is done in the weights' own precision.
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=self.kernel_initializer,
            autocast=False,
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias", shape=shape[-1:], initializer="zeros"
            )
        self.u = self.add_weight(
            name="u",
            shape=shape[-1:],
            initializer=_random_direction,
            trainable=False,
            autocast=False,
        )
        self.v = self.add_weight(
            name="v",
            shape=(math.prod(shape[:-1]),),
            # A random v would make sigma an arbitrary small number of either sign
            # until the first training step.
            initializer=lambda shape, dtype: _unit(ops.matmul(self._matrix(), self.u)),
            trainable=False,
            autocast=False,
        )

    def _matrix(self) -> Tensor:
        return ops.reshape(self.kernel, (-1, self.kernel.shape[-1]))

    def normalized_kernel(self, training: bool = False) -> Tensor:
        """Returns the normalised kernel, in the kernel's shape and precision.

        Args:
            training: Whether to improve the estimate of sigma first.
        """
        matrix = self._matrix()
        u, v = ops.convert_to_tensor(self.u), ops.convert_to_tensor(self.v)
        if training:
            constant = ops.stop_gradient(matrix)
            v = _unit(ops.matmul(constant, u))
            u = _unit(ops.matmul(v, constant))
            self.u.assign(u)
            self.v.assign(v)
        sigma = ops.sum(v * ops.matmul(matrix, u))
        return self.kernel / sigma

    def _finish(self, x: Tensor) -> Tensor:
        return x if self.bias is None else x + self.bias

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update(
            {
                "use_bias": self.use_bias,
                "kernel_initializer": keras.initializers.serialize(
                    self.kernel_initializer
                ),
            }
        )
        return config


@keras.saving.register_keras_serializable(package="tfgan_models")
class SpectralConv2D(_SpectralLayer):
    """A convolution without padding whose kernel has spectral norm 1.

    That is the norm of the kernel as [k*k*C, filters], as in the paper's experiments.
    The kernel itself is never overwritten. Each call in training mode does one step of
    power iteration on the non-trainable weights u [filters] and v [k*k*C]; sigma =
    v^T W u passes the gradient, with u and v as constants.

    Args:
        filters: Output channels.
        kernel_size: Side of the kernel in pixels.
        strides: Stride in pixels.
        use_bias: Whether to add a bias for each channel.
        kernel_initializer: Of the kernel, [k, k, C, filters].
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, H, W, C]; output [N, h, w, filters], h = (H - k) // strides + 1.

    Raises:
        ValueError: `filters`, `kernel_size` or `strides` is less than 1.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(use_bias, kernel_initializer, **kwargs)
        _check(filters=filters, kernel_size=kernel_size, strides=strides)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides

    def build(self, input_shape: Shape) -> None:
        """Creates the weights.

        Args:
            input_shape: (N, H, W, C); C must be known.
        """
        sides = (self.kernel_size, self.kernel_size)
        self._add_weights((*sides, known_channels(self, input_shape), self.filters))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Convolves `inputs` [N, H, W, C]."""
        kernel = ops.cast(self.normalized_kernel(training), self.compute_dtype)
        x = ops.conv(inputs, kernel, self.strides, "valid", "channels_last")
        return self._finish(x)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the shape of the output."""
        batch, *sides, _ = input_shape
        sides = [
            None if side is None else (side - self.kernel_size) // self.strides + 1
            for side in sides
        ]
        return (batch, *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.update(
            {
                "filters": self.filters,
                "kernel_size": self.kernel_size,
                "strides": self.strides,
            }
        )
        return config


@keras.saving.register_keras_serializable(package="tfgan_models")
class SpectralDense(_SpectralLayer):
    """A dense layer whose kernel has spectral norm 1; see `SpectralConv2D`.

    Args:
        units: Output size.
        use_bias: Whether to add a bias.
        kernel_initializer: Of the kernel, [D, units].
        **kwargs: `name`, `dtype` and the like of `keras.layers.Layer`.

    Input [N, ..., D]; output [N, ..., units].

    Raises:
        ValueError: `units` is less than 1.
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(use_bias, kernel_initializer, **kwargs)
        _check(units=units)
        self.units = units

    def build(self, input_shape: Shape) -> None:
        """Creates the weights.

        Args:
            input_shape: (N, ..., D); D must be known.
        """
        self._add_weights((known_channels(self, input_shape), self.units))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Multiplies `inputs` [N, ..., D]."""
        kernel = ops.cast(self.normalized_kernel(training), self.compute_dtype)
        return self._finish(ops.matmul(inputs, kernel))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the shape of the output."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        config = super().get_config()
        config["units"] = self.units
        return config


def _unit(x: Tensor) -> Tensor:
    """Returns `x` scaled to length 1."""
    return x / ops.maximum(ops.sqrt(ops.sum(ops.square(x))), _EPSILON)


def _random_direction(shape: tuple[int, ...], dtype: Dtype = None) -> Tensor:
    """Returns a random vector of length 1, uniform over directions."""
    return _unit(keras.initializers.RandomNormal(0.0, 1.0)(shape, dtype))


def _check(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} must be 1 or more. Received: {name}={size}")
