"""Keras 2's own layers: their arguments in Keras 3, and their weights' shapes."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tfgan_models.interop.addons.upsampling import upsampling

Shape = tuple[int | None, ...]
Shapes = dict[str, Shape]
Arguments = dict[str, Any]

# The smallest that TensorFlow's fused kernel, which Keras 2 used, computes with.
_FUSED_EPSILON = 1.001e-5


def _no_weights(arguments: Arguments, shape: Shape) -> Shapes:
    del arguments, shape
    return {}


@dataclasses.dataclass(frozen=True)
class Kind:
    """How one class of layers is rebuilt.

    Attributes:
        arguments: Of Keras 2 that Keras 3 has by the same name.
        make: The layer or function, from the input's shape and the arguments; None:
            Keras's class of that name.
        weights: Names of the weights that are trained; the rest comes after.
        statistics: Names of those that are not.
        shapes: Their shapes, from the arguments and the input's shape. Held against
            the file's before anything is built.
        renamed: Keras 2's name of an argument -> Keras 3's.
        ignored: Arguments that change nothing at inference.
    """

    arguments: tuple[str, ...] = ()
    make: Callable[..., Any] | None = None
    shapes: Callable[[Arguments, Shape], Shapes] = _no_weights
    weights: Callable[[Arguments], list[str]] = lambda arguments: []
    statistics: tuple[str, ...] = ()
    renamed: dict[str, str] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def channels(arguments: Arguments, shape: Shape) -> int | None:
    """How many channels an input has."""
    first = arguments.get("data_format") == "channels_first"
    return shape[1] if first else shape[-1]


def _kernel_size(arguments: Arguments) -> tuple[int, ...]:
    size = arguments["kernel_size"]
    return tuple(size) if isinstance(size, list) else (size,)


def _with_bias(*names: str) -> Callable[[Arguments], list[str]]:
    def weights(arguments: Arguments) -> list[str]:
        return [*names, "bias"] if arguments.get("use_bias", True) else list(names)

    return weights


def _affine(arguments: Arguments) -> list[str]:
    flags = {"gamma": "scale", "beta": "center"}
    return [name for name, flag in flags.items() if arguments.get(flag, True)]


def _conv(arguments: Arguments, shape: Shape) -> Shapes:
    depth = channels(arguments, shape)
    depth = depth and depth // arguments.get("groups", 1)
    filters = arguments["filters"]
    return {
        "kernel": (*_kernel_size(arguments), depth, filters),
        "bias": (filters,),
    }


def _conv_transpose(arguments: Arguments, shape: Shape) -> Shapes:
    filters, depth = arguments["filters"], channels(arguments, shape)
    return {
        "kernel": (*_kernel_size(arguments), filters, depth),
        "bias": (filters,),
    }


def _separable(arguments: Arguments, shape: Shape) -> Shapes:
    depth, filters = channels(arguments, shape), arguments["filters"]
    size, times = _kernel_size(arguments), arguments.get("depth_multiplier", 1)
    return {
        "depthwise_kernel": (*size, depth, times),
        "pointwise_kernel": (*(1 for _ in size), depth and depth * times, filters),
        "bias": (filters,),
    }


def _depthwise(arguments: Arguments, shape: Shape) -> Shapes:
    depth, times = channels(arguments, shape), arguments.get("depth_multiplier", 1)
    return {
        "depthwise_kernel": (*_kernel_size(arguments), depth, times),
        "bias": (depth and depth * times,),
    }


def _dense(arguments: Arguments, shape: Shape) -> Shapes:
    units = arguments["units"]
    return {"kernel": (shape[-1], units), "bias": (units,)}


def _embedding(arguments: Arguments, shape: Shape) -> Shapes:
    del shape
    return {"embeddings": (arguments["input_dim"], arguments["output_dim"])}


def _prelu(arguments: Arguments, shape: Shape) -> Shapes:
    shared = arguments.get("shared_axes") or []
    sizes = [1 if i in shared else size for i, size in enumerate(shape)]
    return {"alpha": tuple(sizes[1:])}


def axis_norm(arguments: Arguments, shape: Shape) -> Shapes:
    """Of a normalisation with weights along `axis`."""
    axis = arguments.get("axis", -1)
    axes = axis if isinstance(axis, list) else [axis]
    sizes = tuple(shape[i] for i in axes)
    return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), sizes)


def _batch_norm(
    shape: Shape, axis: Any = -1, epsilon: float = 1e-3, **rest: Any
) -> Any:
    axis = one_axis(axis)
    if len(shape) == 4 and axis in (-1, 1, 3):
        epsilon = max(epsilon, _FUSED_EPSILON)
    return keras.layers.BatchNormalization(axis=axis, epsilon=epsilon, **rest)


def one_axis(axis: Any) -> Any:
    """The axis of a list of one, which Keras 2 writes once a layer is built."""
    return axis[0] if isinstance(axis, list) and len(axis) == 1 else axis


def _along_axis(layer: type) -> Callable[..., Any]:
    def make(shape: Shape, axis: Any = -1, **rest: Any) -> Any:
        del shape
        return layer(axis=one_axis(axis), **rest)

    return make


def _thresholded(shape: Shape, theta: float = 1.0, **rest: Any) -> Any:
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
    kernel, grouped = _with_bias("kernel"), (*_CONV, "groups")
    transposed = Kind(
        (*_CONV, "output_padding"), None, _conv_transpose, kernel, ignored=("groups",)
    )
    separable = _with_bias("depthwise_kernel", "pointwise_kernel")
    depthwise = _with_bias("depthwise_kernel")
    batch_norm = Kind(
        ("momentum", *_NORM),
        _batch_norm,
        axis_norm,
        _affine,
        ("moving_mean", "moving_variance"),
        ignored=("synchronized",),
    )
    layer_norm = _along_axis(keras.layers.LayerNormalization)
    return {
        **{name: Kind(grouped, None, _conv, kernel) for name in ("Conv1D", "Conv2D")},
        **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), transposed),
        "SeparableConv2D": Kind(
            (*_CONV, "depth_multiplier"),
            None,
            _separable,
            separable,
            ignored=("groups",),
        ),
        "DepthwiseConv2D": Kind(
            (*_CONV[1:], "depth_multiplier"),
            None,
            _depthwise,
            depthwise,
            ignored=("groups",),
        ),
        "Dense": Kind(("units", "use_bias", "activation"), None, _dense, kernel),
        "Embedding": Kind(
            ("input_dim", "output_dim"),
            None,
            _embedding,
            lambda arguments: ["embeddings"],
            ignored=("input_length", "mask_zero"),
        ),
        "PReLU": Kind(("shared_axes",), None, _prelu, lambda arguments: ["alpha"]),
        "BatchNormalization": batch_norm,
        "SyncBatchNormalization": batch_norm,
        "LayerNormalization": Kind(_NORM, layer_norm, axis_norm, _affine),
        "GroupNormalization": Kind(("groups", *_NORM), None, axis_norm, _affine),
    }


KINDS = _kinds()
"""Class -> how it is rebuilt. Another class is refused."""
