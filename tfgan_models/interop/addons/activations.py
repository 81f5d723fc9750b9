"""Activations of Keras 2 and tensorflow-addons by the names that files have."""

from collections.abc import Callable

from keras import ops

from tfgan_models.layers.tensors import Tensor


def hard_sigmoid(x: Tensor) -> Tensor:
    """Keras 2's, whose slope Keras 3 changed."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def tanh_gelu(x: Tensor) -> Tensor:
    """tensorflow-addons' default."""
    return ops.gelu(x, approximate=True)


def lisht(x: Tensor) -> Tensor:
    """Returns x tanh(x)."""
    return x * ops.tanh(x)


def rrelu(x: Tensor) -> Tensor:
    """At inference the mean of its random slopes, 1/8 to 1/3."""
    return ops.leaky_relu(x, negative_slope=(0.125 + 1 / 3) / 2)


def snake(x: Tensor) -> Tensor:
    """Returns x + (1 - cos 2x) / 2."""
    return x + (1.0 - ops.cos(2.0 * x)) / 2.0


_SAME = "elu exponential gelu leaky_relu linear mish relu relu6 selu sigmoid silu"
_SAME += " softmax softplus softsign tanh"

KERAS: dict[str, str] = {
    **{name: name for name in _SAME.split()},
    "softmax_v2": "softmax",
    "swish": "silu",
    "Addons>hardshrink": "hard_shrink",
    "Addons>mish": "mish",
    "Addons>softshrink": "soft_shrink",
    "Addons>tanhshrink": "tanh_shrink",
}
"""Name -> Keras 3's activation that is the same."""

OWN: dict[str, Callable[[Tensor], Tensor]] = {
    "hard_sigmoid": hard_sigmoid,
    "Addons>gelu": tanh_gelu,
    "Addons>lisht": lisht,
    "Addons>rrelu": rrelu,
    "Addons>snake": snake,
}
"""Name -> what is applied after a layer without activation."""


def name_of(value: object) -> str:
    """The name by which a file names an activation.

    Args:
        value: None, a name, or a dictionary with one.

    Returns:
        A name, which may be unknown here.
    """
    if value is None:
        return "linear"
    if isinstance(value, dict):
        value = value["config"] if value.get("class_name") == "function" else value
    if isinstance(value, dict):
        value = value.get("registered_name") or value.get("class_name")
    return str(value)
