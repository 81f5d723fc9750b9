"""What each of our layers is rebuilt from: Keras's own layers and operations.

Everything computes in float32.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import ops

from tfgan_models import layers
from tfgan_models.errors import UsageError
from tfgan_models.layers.instance_norm import spatial_mean
from tfgan_models.layers.tensors import Tensor

Replacement: TypeAlias = tuple[keras.layers.Layer, list[np.ndarray]]


def _instance_normalization(layer: layers.InstanceNormalization) -> Replacement:
    plain = keras.layers.GroupNormalization(
        groups=-1,
        epsilon=layer.epsilon,
        center=layer.affine,
        scale=layer.affine,
        dtype="float32",
        name=layer.name,
    )
    return plain, layer.get_weights()


def centred(layer: keras.layers.GroupNormalization, x: Tensor) -> Tensor:
    """Returns a layer's input, adapted for precision.

    Keras subtracts the mean after both were scaled, which loses digits if an image is
    flat: where each channel has its own mean, `x` comes without it.

    Args:
        layer: Of a clone; it sets the number of groups when it is built.
        x: Its input.
    """
    channels = (layer.axis in (-1, 3), layer.groups in (-1, x.shape[-1]))
    if len(x.shape) != 4 or not all(channels):
        return x
    return x - spatial_mean(x)


def _image_batch_normalization(layer: layers.ImageBatchNormalization) -> Replacement:
    plain = keras.layers.GroupNormalization(
        groups=-1, epsilon=layer.epsilon, dtype="float32", name=layer.name
    )
    return plain, layer.get_weights()[:2]


def _equalized_conv(layer: layers.EqualizedConv2D) -> Replacement:
    transposed = layer.resample == "up"
    kind = keras.layers.Conv2DTranspose if transposed else keras.layers.Conv2D
    plain = kind(
        layer.filters,
        layer.kernel_size + (1 if layer.resample else 0),
        strides=2 if layer.resample else 1,
        padding="same",
        use_bias=layer.use_bias,
        dtype="float32",
        name=layer.name,
    )
    return plain, _scaled_weights(layer)


def _equalized_dense(layer: layers.EqualizedDense) -> Replacement:
    plain = keras.layers.Dense(
        layer.units, use_bias=layer.use_bias, dtype="float32", name=layer.name
    )
    return plain, _scaled_weights(layer)


def _spectral_conv(layer: layers.SpectralConv2D) -> Replacement:
    plain = keras.layers.Conv2D(
        layer.filters,
        layer.kernel_size,
        strides=layer.strides,
        use_bias=layer.use_bias,
        dtype="float32",
        name=layer.name,
    )
    return plain, _normalized_weights(layer)


def _spectral_dense(layer: layers.SpectralDense) -> Replacement:
    plain = keras.layers.Dense(
        layer.units, use_bias=layer.use_bias, dtype="float32", name=layer.name
    )
    return plain, _normalized_weights(layer)


def _nearest_upsampling(layer: layers.NearestUpsampling2D) -> Replacement:
    return keras.layers.UpSampling2D(2, dtype="float32", name=layer.name), []


def _average_downsampling(layer: layers.AverageDownsampling2D) -> Replacement:
    return keras.layers.AveragePooling2D(2, dtype="float32", name=layer.name), []


def _pixel_shuffle(layer: layers.PixelShuffle2D) -> Replacement:
    # Each output pixel and channel takes one input channel. Reshaping would need to
    # know height and width, and Keras before 3.14 has no depth_to_space.
    scale, channels = layer.scale, layer.depth
    plain = keras.layers.Conv2DTranspose(
        channels,
        scale,
        strides=scale,
        use_bias=False,
        dtype="float32",
        name=layer.name,
    )
    identity = np.eye(scale**2 * channels, dtype="float32")
    return plain, [identity.reshape(scale, scale, channels, scale**2 * channels)]


def _reflection_padding(layer: layers.ReflectionPadding2D, x: Tensor) -> Tensor:
    sides = [layer.padding, layer.padding]
    return ops.pad(x, [[0, 0], sides, sides, [0, 0]], mode="reflect")


def _pixel_normalization(layer: layers.PixelNormalization, x: Tensor) -> Tensor:
    square = ops.mean(ops.square(x), axis=-1, keepdims=True)
    return x * ops.rsqrt(square + layer.epsilon)


def _blur(layer: layers.Blur2D, x: Tensor) -> Tensor:
    del layer
    x = ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    x = x[:, :-1] + x[:, 1:]
    x = x[:, :-1] + x[:, 1:]
    x = x[:, :, :-1] + x[:, :, 1:]
    x = x[:, :, :-1] + x[:, :, 1:]
    return x * 0.0625


def _channel_bias(layer: layers.ChannelBias, x: Tensor) -> Tensor:
    one = (slice(0, 1),) * (len(x.shape) - 1)
    return x + _vector(layer.name, layer.bias, x[(slice(None), *one)])


def _noise_injection(layer: layers.NoiseInjection, x: Tensor, noise: Tensor) -> Tensor:
    scale = ops.convert_to_numpy(layer.strengths())
    conv = keras.layers.Conv2D(
        scale.size, 1, use_bias=False, dtype="float32", name=layer.name
    )
    scaled = conv(noise)
    conv.set_weights([scale.reshape(1, 1, 1, -1)])
    return x + scaled


def _learned_constant(layer: layers.LearnedConstant, x: Tensor) -> Tensor:
    flat = ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))
    constant = _vector(layer.name, ops.reshape(layer.constant, (-1,)), flat[:, :1])
    return ops.reshape(constant, (-1, *layer.shape))


def _minibatch_stddev(layer: layers.MinibatchStdDev, x: Tensor) -> Tensor:
    if layer.group_size > 1:
        raise UsageError(
            f"Cannot rebuild layer {layer.name!r}: it compares each {layer.group_size} "
            "images of a batch, so that an output would depend on its neighbours. Pass "
            "the result of the discriminator's functional()."
        )
    # A single image does not differ from its group: only epsilon is left.
    plane = ops.ones_like(x[..., :1]) * math.sqrt(layer.epsilon)
    return ops.concatenate([x, plane], axis=-1)


def _maxout(layer: layers.Maxout, x: Tensor) -> Tensor:
    dense = keras.layers.Dense(
        layer.units * layer.pieces, dtype="float32", name=layer.name
    )
    pieces = dense(x)
    dense.set_weights(layer.get_weights())
    shape = (-1, *x.shape[1:-1], layer.units, layer.pieces)
    return ops.max(ops.reshape(pieces, shape), axis=-1)


def _truncation(
    layer: layers.Truncation,
    w: Tensor,
    psi: float | Tensor | None = None,
    cutoff: int = 8,
) -> Tensor:
    def repeat(x: Tensor, times: int) -> Tensor:
        return ops.repeat(ops.expand_dims(x, 1), times, axis=1)

    if psi is None:
        return repeat(w, layer.layers)
    average = _vector(layer.name, layer.average, w[:, :1])
    truncated = average + ops.reshape(psi, (-1, 1)) * (w - average)
    if cutoff >= layer.layers:
        return repeat(truncated, layer.layers)
    parts = [repeat(truncated, cutoff), repeat(w, layer.layers - cutoff)]
    return ops.concatenate(parts, axis=1)


def _adain(layer: layers.AdaIN, x: Tensor, style: Tensor) -> Tensor:
    channels = x.shape[-1]
    affine = keras.layers.Dense(
        2 * channels, dtype="float32", name=f"{layer.name}_affine"
    )
    wanted = ops.reshape(affine(style), (-1, 1, 1, 2 * channels))
    affine.set_weights(_scaled_weights(layer.affine))
    centred = x - spatial_mean(x)
    variance = spatial_mean(ops.square(centred))
    scale = ops.rsqrt(variance + layer.epsilon) * (1.0 + wanted[..., :channels])
    return centred * scale + wanted[..., channels:]


def _vector(name: str, value: Tensor, like: Tensor) -> Tensor:
    """A constant as a weight: `value` [C] for each of `like` [N, ..., 1]."""
    value = ops.convert_to_numpy(value)
    dense = keras.layers.Dense(value.size, use_bias=False, dtype="float32", name=name)
    output = dense(ops.ones_like(like))
    dense.set_weights([value[np.newaxis]])
    return output


def _scaled_weights(
    layer: layers.EqualizedConv2D | layers.EqualizedDense,
) -> list[np.ndarray]:
    weights = [layer.scaled_kernel()]
    if layer.use_bias:
        weights.append(layer.scaled_bias())
    return [ops.convert_to_numpy(weight) for weight in weights]


def _normalized_weights(
    layer: layers.SpectralConv2D | layers.SpectralDense,
) -> list[np.ndarray]:
    weights = [layer.normalized_kernel()]
    if layer.use_bias:
        weights.append(layer.bias)
    return [ops.convert_to_numpy(weight) for weight in weights]


REPLACEMENTS: dict[type, Callable[[Any], Replacement]] = {
    layers.AverageDownsampling2D: _average_downsampling,
    layers.EqualizedConv2D: _equalized_conv,
    layers.EqualizedDense: _equalized_dense,
    layers.ImageBatchNormalization: _image_batch_normalization,
    layers.InstanceNormalization: _instance_normalization,
    layers.NearestUpsampling2D: _nearest_upsampling,
    layers.PixelShuffle2D: _pixel_shuffle,
    layers.SpectralConv2D: _spectral_conv,
    layers.SpectralDense: _spectral_dense,
}
"""Layers replaced by one layer: a function that returns it, and its weights."""

EXPANSIONS: dict[type, Callable[..., Tensor]] = {
    layers.AdaIN: _adain,
    layers.Blur2D: _blur,
    layers.ChannelBias: _channel_bias,
    layers.LearnedConstant: _learned_constant,
    layers.Maxout: _maxout,
    layers.MinibatchStdDev: _minibatch_stddev,
    layers.NoiseInjection: _noise_injection,
    layers.PixelNormalization: _pixel_normalization,
    layers.ReflectionPadding2D: _reflection_padding,
    layers.Truncation: _truncation,
}
"""Layers replaced by several: a function of the layer and its inputs."""
