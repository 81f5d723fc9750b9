"""TensorFlow functions and operations that Keras 2 files hold between layers."""

import base64
import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from tfgan_models import layers


def _pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0
) -> Any:
    pads, mode = [list(pair) for pair in paddings], mode.lower()
    if not all(isinstance(size, int) for pair in pads for size in pair):
        raise ValueError(f"paddings={pads} are not whole numbers")
    if mode == "constant":
        return ops.pad(tensor, pads, constant_values=constant_values)
    sides = [0, 0], [pads[1][0]] * 2, [pads[1][0]] * 2, [0, 0]
    if mode == "reflect" and pads == list(sides):
        return layers.ReflectionPadding2D(pads[1][0], dtype="float32")(tensor)
    return ops.pad(tensor, pads, mode=mode)


def _leaky_relu(features: Any, alpha: float = 0.2) -> Any:
    return ops.leaky_relu(features, negative_slope=alpha)


def _gelu(features: Any, approximate: bool = False) -> Any:
    return ops.gelu(features, approximate=approximate)


def _softmax(logits: Any, axis: int | None = None) -> Any:
    return ops.softmax(logits, axis=-1 if axis is None else axis)


def _clip(t: Any, clip_value_min: float, clip_value_max: float) -> Any:
    return ops.clip(t, clip_value_min, clip_value_max)


def _reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return function(input_tensor, axis=_axes(axis), keepdims=keepdims)

    return reduce


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _binary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, y: function(_numbers(x), _numbers(y))


def _numbers(value: Any) -> Any:
    """Constants, which files have as lists, as arrays."""
    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    return array.astype("float32") if array.dtype.kind == "f" else array


def _unary(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: function(x)


def _concat(values: Any, axis: int) -> Any:
    return ops.concatenate(values, axis=axis)


def _stack(values: Any, axis: int = 0) -> Any:
    return ops.stack(values, axis=axis)


def _add_n(inputs: Any) -> Any:
    for each in inputs:
        _check_depends(each)
    return functools.reduce(ops.add, inputs)


def _check_depends(values: Any) -> None:
    """Refuses to compute what is the same for every input of the model.

    It would be computed here and now, of any size that the file asks for.
    """
    given = keras.tree.flatten(values)
    if not any(isinstance(each, keras.KerasTensor) for each in given):
        raise TypeError("it is of numbers alone, of no tensor")


def _reshape(tensor: Any, shape: Any) -> Any:
    return ops.reshape(tensor, shape)


def _transpose(a: Any, perm: Any = None, conjugate: bool = False) -> Any:
    del conjugate  # Of complex numbers.
    return ops.transpose(a, perm)


def _expand_dims(input: Any, axis: int) -> Any:
    return ops.expand_dims(input, axis)


def _squeeze(input: Any, axis: Any = None) -> Any:
    return ops.squeeze(input, _axes(axis))


def _cast(x: Any, dtype: str) -> Any:
    return ops.cast(x, "float32" if "float" in dtype else dtype)


def _depth_to_space(x: Any, block_size: int, data_format: str = "NHWC") -> Any:
    formats = {"NHWC": "channels_last", "NCHW": "channels_first"}
    return ops.depth_to_space(x, block_size, data_format=formats[data_format])


def _resize(images: Any, size: Any, method: str = "bilinear") -> Any:
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"method={method!r} is not bilinear or nearest")
    return ops.image.resize(images, size, interpolation=method)


def _getitem(tensor: Any, slice_spec: Any) -> Any:
    if isinstance(slice_spec, list):
        return tensor[tuple(_slice(each) for each in slice_spec)]
    return tensor[_slice(slice_spec)]


def _slice(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "__ellipsis__":
        return Ellipsis
    return slice(value["start"], value["stop"], value["step"])


_UNARY = ("abs", "cos", "exp", "log", "negative", "rsqrt", "sigmoid", "sin")
_UNARY += ("softplus", "sqrt", "square", "tanh")

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "pad": _pad,
    "concat": _concat,
    "stack": _stack,
    "reshape": _reshape,
    "transpose": _transpose,
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "cast": _cast,
    "identity": _unary(lambda x: x),
    "clip_by_value": _clip,
    "image.resize": _resize,
    "nn.depth_to_space": _depth_to_space,
    "nn.gelu": _gelu,
    "nn.leaky_relu": _leaky_relu,
    "nn.relu": _unary(ops.relu),
    "nn.relu6": _unary(ops.relu6),
    "nn.elu": _unary(ops.elu),
    "nn.softmax": _softmax,
    "__operators__.add": _binary(ops.add),
    "__operators__.getitem": _getitem,
    "math.add": _binary(ops.add),
    "math.add_n": _add_n,
    "math.subtract": _binary(ops.subtract),
    "math.multiply": _binary(ops.multiply),
    "math.truediv": _binary(ops.true_divide),
    "math.divide": _binary(ops.true_divide),
    "math.maximum": _binary(ops.maximum),
    "math.minimum": _binary(ops.minimum),
    "math.pow": _binary(ops.power),
    "math.reduce_mean": _reduction(ops.mean),
    "math.reduce_sum": _reduction(ops.sum),
    "math.reduce_max": _reduction(ops.max),
    "math.reduce_min": _reduction(ops.min),
    **{f"math.{name}": _unary(getattr(ops, name)) for name in _UNARY},
}
"""TensorFlow's name, without compat.v1 -> the same of its own arguments."""


def function_name(arguments: dict[str, Any]) -> str:
    """The TensorFlow function of a TFOpLambda or SlicingOpLambda layer.

    Args:
        arguments: Of the layer.

    Returns:
        A key of FUNCTIONS, if it is known here.
    """
    return str(arguments.get("function")).removeprefix("compat.v1.")


def call(name: str, first: Any, arguments: dict[str, Any]) -> Any:
    """Calls one of FUNCTIONS.

    Args:
        name: Its key.
        first: The first argument, a tensor mostly.
        arguments: The others, by name.

    Returns:
        What it returns.

    Raises:
        TypeError: It has no such argument here, or none of them is a tensor.
    """
    given = {key: value for key, value in arguments.items() if key != "name"}
    bound = inspect.signature(FUNCTIONS[name]).bind(first, **given)
    _check_depends(bound.arguments)
    return FUNCTIONS[name](*bound.args, **bound.kwargs)


def _of_node(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda attributes, *inputs: function(*inputs)


def _mirror_pad(attributes: dict[str, Any], x: Any, paddings: Any) -> Any:
    mode = base64.b64decode(attributes["mode"]["s"]).decode()
    return _pad(x, paddings, mode)


def _leaky_node(attributes: dict[str, Any], x: Any) -> Any:
    return _leaky_relu(x, attributes.get("alpha", {}).get("f", 0.2))


def _mean_node(attributes: dict[str, Any], x: Any, axis: Any) -> Any:
    return ops.mean(x, _axes(axis), keepdims=attributes["keep_dims"].get("b", False))


def _concat_node(attributes: dict[str, Any], *values: Any) -> Any:
    del attributes
    return ops.concatenate(list(values[:-1]), axis=values[-1])


NODES: dict[str, Callable[..., Any]] = {
    "MirrorPad": _mirror_pad,
    "LeakyRelu": _leaky_node,
    "Mean": _mean_node,
    "ConcatV2": _concat_node,
    **{
        name: _of_node(function)
        for name, function in {
            "Pad": _pad,
            "Relu": ops.relu,
            "Tanh": ops.tanh,
            "Sigmoid": ops.sigmoid,
            "Neg": ops.negative,
            "Abs": ops.abs,
            "Square": ops.square,
            "Add": _binary(ops.add),
            "AddV2": _binary(ops.add),
            "Sub": _binary(ops.subtract),
            "Mul": _binary(ops.multiply),
            "RealDiv": _binary(ops.true_divide),
        }.items()
    },
}
"""Operation of a TensorFlowOpLayer -> the same of its attributes and inputs."""


def node_name(arguments: dict[str, Any]) -> str:
    """The operation of a TensorFlowOpLayer, which TensorFlow 2.0 to 2.3 wrote.

    Args:
        arguments: Of the layer.

    Returns:
        A key of NODES, if it is known here.
    """
    node = arguments.get("node_def")
    return str(node.get("op")) if isinstance(node, dict) else "an unreadable operation"


def call_node(arguments: dict[str, Any], inputs: list[Any]) -> Any:
    """Calls one of NODES.

    Args:
        arguments: Of the TensorFlowOpLayer.
        inputs: Tensors; constants of the layer are put between them.

    Returns:
        What it returns.

    Raises:
        TypeError: None of them is a tensor.
    """
    constants = arguments.get("constants") or {}
    inputs = list(inputs)
    for index, value in sorted((int(key), value) for key, value in constants.items()):
        inputs.insert(index, value)
    node = arguments["node_def"]
    _check_depends(inputs)
    return NODES[node["op"]](node.get("attr", {}), *inputs)
