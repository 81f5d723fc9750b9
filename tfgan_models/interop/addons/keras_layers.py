"""Keras 2's own layers: their arguments in Keras 3, and their weights' names."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
from keras import ops

from tfgan_models.interop.addons.upsampling import upsampling
from tfgan_models.layers.tensors import Shape, Tensor

Arguments: TypeAlias = dict[str, Any]

# The smallest that TensorFlow's fused kernel, which Keras 2 used, computes with.
_FUSED_EPSILON = 1.001e-5


def _none(arguments: Arguments) -> list[str]:
    del arguments
    return []


@dataclasses.dataclass(frozen=True)
class Kind:
    """How one class of layers is rebuilt.

    Attributes:
        arguments: Of Keras 2 that Keras 3 has by the same name.
        make: The layer or function, from the input's shape and the arguments; None:
            Keras's class of that name.
        weights: Names of the weights that are trained; the rest comes after.
        statistics: Names of those that are not.
        renamed: Keras 2's name of an argument -> Keras 3's.
        ignored: Arguments that change nothing at inference.
    """

    arguments: tuple[str, ...] = ()
    make: Callable[..., Callable[[Tensor], Tensor]] | None = None
    weights: Callable[[Arguments], list[str]] = _none
    statistics: tuple[str, ...] = ()
    renamed: dict[str, str] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def _with_bias(*names: str) -> Callable[[Arguments], list[str]]:
    def weights(arguments: Arguments) -> list[str]:
        return [*names, "bias"] if arguments.get("use_bias", True) else list(names)

    return weights


def affine(arguments: Arguments) -> list[str]:
    """The weights of a normalisation."""
    flags = {"gamma": "scale", "beta": "center"}
    return [name for name, flag in flags.items() if arguments.get(flag, True)]


def _batch_norm(
    shape: Shape, axis: int | list[int] = -1, epsilon: float = 1e-3, **rest: Any
) -> keras.Layer:
    axis = one_axis(axis)
    if len(shape) == 4 and axis in (-1, 1, 3):
        epsilon = max(epsilon, _FUSED_EPSILON)
    return keras.layers.BatchNormalization(axis=axis, epsilon=epsilon, **rest)


def one_axis(axis: int | list[int]) -> int | list[int]:
    """The axis of a list of one, which Keras 2 writes once a layer is built."""
    return axis[0] if isinstance(axis, list) and len(axis) == 1 else axis


def _along_axis(layer: type[keras.Layer]) -> Callable[..., keras.Layer]:
    def make(shape: Shape, axis: int | list[int] = -1, **rest: Any) -> keras.Layer:
        del shape
        return layer(axis=one_axis(axis), **rest)

    return make


def _thresholded(
    shape: Shape, theta: float = 1.0, **rest: Any
) -> Callable[[Tensor], Tensor]:
    del shape, rest
    return lambda x: ops.where(x > theta, x, ops.zeros_like(x))


_PLACED = ("strides", "padding", "data_format")
_CONV = ("filters", "kernel_size", "use_bias", "dilation_rate", "activation", *_PLACED)
_NORM = ("axis", "epsilon", "center", "scale")
_POOL = ("pool_size", *_PLACED)
_RANDOM = ("noise_shape", "seed")


def _kinds() -> dict[str, Kind]:
    layers = keras.layers
    plain = {
        "Activation": Kind(("activation",)),
        "ReLU": Kind(("max_value", "negative_slope", "threshold")),
        "LeakyReLU": Kind(renamed={"alpha": "negative_slope"}),
        "ELU": Kind(("alpha",)),
        "Softmax": Kind(("axis",), _along_axis(layers.Softmax)),
        "ThresholdedReLU": Kind(("theta",), _thresholded),
        "Flatten": Kind(("data_format",)),
        "Reshape": Kind(("target_shape",)),
        "Permute": Kind(("dims",)),
        "RepeatVector": Kind(("n",)),
        "Rescaling": Kind(("scale", "offset")),
        "UnitNormalization": Kind(("axis",), _along_axis(layers.UnitNormalization)),
        "UpSampling2D": Kind(("size", "data_format", "interpolation"), upsampling),
        "ZeroPadding2D": Kind(("padding", "data_format")),
        "Cropping2D": Kind(("cropping", "data_format")),
        "Dropout": Kind(("rate",), ignored=_RANDOM),
        "SpatialDropout2D": Kind(("rate",), ignored=("data_format", *_RANDOM)),
        "AlphaDropout": Kind(("rate",), ignored=_RANDOM),
        "GaussianDropout": Kind(("rate",), ignored=_RANDOM),
        "GaussianNoise": Kind(("stddev",), ignored=_RANDOM),
        "ActivityRegularization": Kind(("l1", "l2")),
        "Concatenate": Kind(("axis",)),
        "Dot": Kind(("axes", "normalize")),
        "MaxPooling2D": Kind(_POOL),
        "AveragePooling2D": Kind(_POOL),
    }
    for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"):
        plain[name] = Kind()
    for name in ("GlobalAveragePooling2D", "GlobalMaxPooling2D"):
        plain[name] = Kind(("data_format", "keepdims"))
    return {**plain, **_weighted_kinds()}


def _weighted_kinds() -> dict[str, Kind]:
    kernel, depthwise = _with_bias("kernel"), _with_bias("depthwise_kernel")
    separable = _with_bias("depthwise_kernel", "pointwise_kernel")
    multiplied, groups = (*_CONV[1:], "depth_multiplier"), ("groups",)
    conv = Kind((*_CONV, *groups), weights=kernel)
    transposed = Kind((*_CONV, "output_padding"), weights=kernel, ignored=groups)
    batch_norm = Kind(
        ("momentum", *_NORM),
        _batch_norm,
        affine,
        ("moving_mean", "moving_variance"),
        ignored=("synchronized",),
    )
    return {
        **dict.fromkeys(("Conv1D", "Conv2D"), conv),
        **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), transposed),
        **dict.fromkeys(("BatchNormalization", "SyncBatchNormalization"), batch_norm),
        "SeparableConv2D": Kind(
            ("filters", *multiplied), weights=separable, ignored=groups
        ),
        "DepthwiseConv2D": Kind(multiplied, weights=depthwise, ignored=groups),
        "Dense": Kind(("units", "use_bias", "activation"), weights=kernel),
        "Embedding": Kind(
            ("input_dim", "output_dim"),
            weights=lambda arguments: ["embeddings"],
            ignored=("input_length", "mask_zero"),
        ),
        "PReLU": Kind(("shared_axes",), weights=lambda arguments: ["alpha"]),
        "LayerNormalization": Kind(
            _NORM, _along_axis(keras.layers.LayerNormalization), affine
        ),
        "GroupNormalization": Kind(("groups", *_NORM), weights=affine),
    }


KINDS = _kinds()
"""Class -> how it is rebuilt. Another class is refused."""
