"""What every public layer must do; adding one is one line in `CASES`."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfgan_models import layers


@dataclass(frozen=True)
class Case:
    """A layer with arguments that are not its defaults, and inputs to try it on.

    Attributes:
        layer: The class.
        config: Arguments.
        shapes: Of its inputs, the batch included.
        invalid: Arguments that must be refused, each set on its own.
        weights: Names of its trainable weights.
    """

    layer: type[keras.layers.Layer]
    config: dict[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, ...], ...] = ((4, 6, 5, 3),)
    invalid: tuple[dict[str, Any], ...] = ()
    weights: tuple[str, ...] = ()

    def __call__(self, **overrides: Any) -> keras.layers.Layer:
        """Makes the layer."""
        return self.layer(**(self.config | overrides))

    def __str__(self) -> str:
        """Names the case in a test's id."""
        options = [f"{k}={v}" for k, v in self.config.items() if isinstance(v, str)]
        return "-".join([self.layer.__name__, *options])

    def inputs(self, dtype: str = "float32") -> tuple[np.ndarray, ...]:
        """Returns random inputs, N(0, 1)."""
        rng = np.random.default_rng(0)
        return tuple(rng.normal(size=shape).astype(dtype) for shape in self.shapes)

    def model(self, **overrides: Any) -> keras.Model:
        """Returns the layer as a functional model, its weights random."""
        tensors = [keras.Input(shape[1:]) for shape in self.shapes]
        layer = self(**overrides)
        model = keras.Model(tensors, layer(*tensors))
        randomize(layer)
        return model


_IMAGE = (4, 6, 5, 3)
_EVEN = ((4, 6, 4, 3),)
_STYLED = (_IMAGE, (4, 7))
_NOISY = (_IMAGE, (4, 6, 5, 1))
_CONV = {"filters": 4, "kernel_size": 3, "gain": 1.3, "lr_multiplier": 0.1}
_DENSE = {"units": 4, "gain": 1.3, "lr_multiplier": 0.1}
_MAXOUT = {"units": 4, "pieces": 3}
_BAD_MAXOUT = ({"units": 0}, {"pieces": 0})
_BAD_CONV = ({"resample": "blur"}, {"kernel_size": 2})
_BAD_RESAMPLING = ({"kernel_size": 5}, {"kernel_size": 1})
_BOTH = ("kernel", "bias")
_AFFINE = ("gamma", "beta")

CASES = [
    Case(layers.AdaIN, {"epsilon": 1e-4}, _STYLED, (), _BOTH),
    Case(layers.AverageDownsampling2D, {}, _EVEN),
    Case(layers.Blur2D),
    Case(layers.ChannelBias, {}, weights=("bias",)),
    Case(layers.EqualizedConv2D, _CONV, invalid=_BAD_CONV, weights=_BOTH),
    Case(layers.EqualizedConv2D, _CONV | {"use_bias": False}, weights=("kernel",)),
    Case(
        layers.EqualizedConv2D,
        _CONV | {"resample": "up"},
        invalid=_BAD_RESAMPLING,
        weights=_BOTH,
    ),
    Case(
        layers.EqualizedConv2D,
        _CONV | {"resample": "down"},
        invalid=_BAD_RESAMPLING,
        weights=_BOTH,
    ),
    Case(layers.EqualizedDense, _DENSE, ((4, 7),), weights=_BOTH),
    Case(layers.ImageBatchNormalization, {"epsilon": 1e-4}, weights=_AFFINE),
    Case(layers.InstanceNormalization, {"epsilon": 1e-4}),
    Case(layers.InstanceNormalization, {"affine": True}, weights=_AFFINE),
    Case(layers.LearnedConstant, {"shape": (4, 4, 3)}, weights=("constant",)),
    Case(layers.Maxout, _MAXOUT, ((4, 7),), _BAD_MAXOUT, _BOTH),
    Case(layers.MinibatchStdDev, {"group_size": 2}, invalid=({"group_size": 0},)),
    Case(layers.NearestUpsampling2D),
    Case(layers.NoiseInjection, {}, _NOISY, weights=("scale",)),
    Case(layers.PixelNormalization, {"epsilon": 1e-4}),
    Case(
        layers.PixelShuffle2D,
        {"scale": 3},
        ((4, 6, 5, 18),),
        ({"scale": 0},),
    ),
    Case(layers.ReflectionPadding2D, {"padding": 2}, invalid=({"padding": -1},)),
    Case(
        layers.SpectralConv2D,
        {"filters": 4, "kernel_size": 3, "strides": 2},
        invalid=({"filters": 0}, {"kernel_size": 0}, {"strides": 0}),
        weights=_BOTH,
    ),
    Case(
        layers.SpectralDense,
        {"units": 4, "use_bias": False},
        ((4, 7),),
        ({"units": 0},),
        ("kernel",),
    ),
    Case(layers.Truncation, {"layers": 3, "decay": 0.9}, ((4, 7), (4, 1))),
]


def randomize(layer: keras.layers.Layer, seed: int = 1) -> None:
    """Gives every weight a value of its own, the same on every backend."""
    rng = np.random.default_rng(seed)
    scale = 1.0 / getattr(layer, "lr_multiplier", 1.0)
    for weight in layer.weights:
        mean = 1.0 if weight.name in ("constant", "gamma") else 0.0
        weight.assign(rng.normal(mean, 0.5 * scale, tuple(weight.shape)))
