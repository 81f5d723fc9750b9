"""TensorFlow functions and operations that Keras 2 files hold between layers."""

import base64
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfgan_models import layers
from tfgan_models.layers.tensors import Tensor


def _pad(
    tensor: Tensor,
    paddings: Sequence[Sequence[int]],
    mode: str = "CONSTANT",
    constant_values: float = 0,
) -> Tensor:
    pads, mode = [list(pair) for pair in paddings], mode.lower()
    if not all(isinstance(size, int) for pair in pads for size in pair):
        raise ValueError(f"paddings={pads} are not whole numbers")
    if mode == "constant":
        return ops.pad(tensor, pads, constant_values=constant_values)
    sides = [0, 0], [pads[1][0]] * 2, [pads[1][0]] * 2, [0, 0]
    if mode == "reflect" and pads == list(sides):
        return layers.ReflectionPadding2D(pads[1][0], dtype="float32")(tensor)
    return ops.pad(tensor, pads, mode=mode)


def _resize(images: Tensor, size: Sequence[int], method: str = "bilinear") -> Tensor:
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"method={method!r} is not bilinear or nearest")
    return ops.image.resize(images, size, interpolation=method)


def _getitem(tensor: Tensor, slice_spec: Any) -> Tensor:
    if isinstance(slice_spec, list):
        return tensor[tuple(_slice(each) for each in slice_spec)]
    return tensor[_slice(slice_spec)]


def _slice(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.get("class_name") == "__ellipsis__":
        return Ellipsis
    return slice(value["start"], value["stop"], value["step"])


def _add_n(inputs: list[Tensor]) -> Tensor:
    for each in inputs:
        _check_depends(each)
    return functools.reduce(ops.add, inputs)


def _check_depends(values: object) -> None:
    """Refuses constant results: they would be computed now, at any size."""
    given = keras.tree.flatten(values)
    if not any(isinstance(each, keras.KerasTensor) for each in given):
        raise TypeError("none of its arguments is a tensor")


def _axes(axis: int | list[int] | None) -> int | tuple[int, ...] | None:
    return tuple(axis) if isinstance(axis, list) else axis


def _numbers(value: Tensor | list[Any]) -> Tensor:
    """Constants, which files have as lists, as arrays."""
    if not isinstance(value, list):
        return value
    array = np.asarray(value)
    return array.astype("float32") if array.dtype.kind == "f" else array


def _reduction(name: str) -> Callable[..., Tensor]:
    def reduce(
        input_tensor: Tensor,
        axis: int | list[int] | None = None,
        keepdims: bool = False,
    ) -> Tensor:
        return getattr(ops, name)(input_tensor, axis=_axes(axis), keepdims=keepdims)

    return reduce


def _binary(name: str) -> Callable[..., Tensor]:
    return lambda x, y: getattr(ops, name)(_numbers(x), _numbers(y))


def _unary(name: str) -> Callable[..., Tensor]:
    return lambda x: getattr(ops, name)(x)


_FORMATS = {"NHWC": "channels_last", "NCHW": "channels_first"}
_UNARY = "abs cos exp log negative rsqrt sigmoid sin softplus sqrt square tanh"
_BINARY = "add subtract multiply divide maximum minimum"

# The arguments have the names that TensorFlow gives them: files do.
FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "pad": _pad,
    "concat": lambda values, axis: ops.concatenate(values, axis=axis),
    "stack": lambda values, axis=0: ops.stack(values, axis=axis),
    "reshape": lambda tensor, shape: ops.reshape(tensor, shape),
    # `conjugate` is of complex numbers.
    "transpose": lambda a, perm=None, conjugate=False: ops.transpose(a, perm),
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: ops.squeeze(input, _axes(axis)),
    "cast": lambda x, dtype: ops.cast(x, "float32" if "float" in dtype else dtype),
    "identity": lambda x: x,
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.clip(
        t, clip_value_min, clip_value_max
    ),
    "image.resize": _resize,
    "nn.depth_to_space": lambda x, block_size, data_format="NHWC": ops.depth_to_space(
        x, block_size, data_format=_FORMATS[data_format]
    ),
    "nn.gelu": lambda features, approximate=False: ops.gelu(features, approximate),
    "nn.leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha),
    **{f"nn.{name}": _unary(name) for name in ("relu", "relu6", "elu")},
    "nn.softmax": lambda logits, axis=None: ops.softmax(
        logits, axis=-1 if axis is None else axis
    ),
    "__operators__.add": _binary("add"),
    "__operators__.getitem": _getitem,
    "math.add_n": _add_n,
    "math.truediv": _binary("true_divide"),
    "math.pow": _binary("power"),
    **{
        f"math.reduce_{name}": _reduction(name)
        for name in ("mean", "sum", "max", "min")
    },
    **{f"math.{name}": _binary(name) for name in _BINARY.split()},
    **{f"math.{name}": _unary(name) for name in _UNARY.split()},
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


def call(name: str, first: Any, arguments: dict[str, Any]) -> Tensor:
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


def _mirror_pad(
    attributes: dict[str, Any], x: Tensor, paddings: Sequence[Sequence[int]]
) -> Tensor:
    mode = base64.b64decode(attributes["mode"]["s"]).decode()
    return _pad(x, paddings, mode)


def _mean(attributes: dict[str, Any], x: Tensor, axis: int | list[int]) -> Tensor:
    return ops.mean(x, _axes(axis), keepdims=attributes["keep_dims"].get("b", False))


def _of_inputs(name: str) -> Callable[..., Tensor]:
    return lambda attributes, *inputs: FUNCTIONS[name](*inputs)


_PLAIN_NODES = {
    "Pad": "pad",
    "Relu": "nn.relu",
    "Tanh": "math.tanh",
    "Sigmoid": "math.sigmoid",
    "Neg": "math.negative",
    "Abs": "math.abs",
    "Square": "math.square",
    "Add": "math.add",
    "AddV2": "math.add",
    "Sub": "math.subtract",
    "Mul": "math.multiply",
    "RealDiv": "math.truediv",
}

NODES: dict[str, Callable[..., Tensor]] = {
    "MirrorPad": _mirror_pad,
    "LeakyRelu": lambda attributes, x: ops.leaky_relu(
        x, attributes.get("alpha", {}).get("f", 0.2)
    ),
    "Mean": _mean,
    "ConcatV2": lambda attributes, *x: ops.concatenate(list(x[:-1]), axis=x[-1]),
    **{node: _of_inputs(name) for node, name in _PLAIN_NODES.items()},
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


def call_node(arguments: dict[str, Any], inputs: list[Tensor]) -> Tensor:
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
