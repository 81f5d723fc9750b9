"""What every public network must do; adding one is one line in `CASES`."""

from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from tfgan_models import networks


@dataclass(frozen=True)
class Case:
    """A network at the smallest size that has all its parts.

    Attributes:
        network: The class.
        config: Arguments that make it tiny.
        size: Side in pixels of the smallest image it takes.
        invalid: Arguments that must be refused, each set on its own.
        std: Standard deviation its kernels start with.
    """

    network: type[keras.Model]
    config: dict[str, Any]
    size: int
    invalid: tuple[dict[str, Any], ...]
    std: float = field(default=0.02)

    def __call__(self, **overrides: Any) -> keras.Model:
        """Builds the network."""
        return self.network(**(self.config | overrides))

    def __str__(self) -> str:
        """Names the case in a test's id."""
        options = [f"{k}={v}" for k, v in self.config.items() if isinstance(v, str)]
        return "-".join([self.network.__name__, *options])


_NORM = {"norm": "layer"}
_FILTERS = {"filters": 0}
_RESNET = {"filters": 4, "residual_blocks": 2}
_UNET = {"filters": 4, "downsamplings": 6}
_BAD_UNET = (_NORM, _FILTERS, {"downsamplings": 1}, {"upsampling": "bicubic"})
_BAD_RESNET = (_NORM, _FILTERS, {"residual_blocks": -1}, {"upsampling": "bicubic"})
_BAD_PATCH = (_NORM, _FILTERS, {"layers": 0}, {"layers": 7})
_RESIZE = {"upsampling": "resize", "norm": "batch", "dropout": 0.5}

CASES = [
    Case(networks.ResNetGenerator, _RESNET, 16, _BAD_RESNET),
    Case(networks.ResNetGenerator, _RESNET | _RESIZE, 16, _BAD_RESNET),
    Case(networks.UNetGenerator, _UNET, 64, _BAD_UNET),
    Case(networks.UNetGenerator, _UNET | {"norm": "instance"}, 64, ()),
    Case(networks.UNetGenerator, _UNET | {"upsampling": "resize"}, 64, ()),
    Case(networks.PatchDiscriminator, {"filters": 4}, 32, _BAD_PATCH),
    Case(networks.PatchDiscriminator, {"filters": 4, "norm": "batch"}, 33, ()),
    Case(networks.PixelDiscriminator, {"filters": 4}, 8, (_NORM, _FILTERS)),
    Case(networks.PixelDiscriminator, {"filters": 4, "norm": "none"}, 8, ()),
]


def images(size: int, channels: int = 3, batch: int = 2, seed: int = 0) -> np.ndarray:
    """Returns random images [batch, size, size, channels] in [-1, 1]."""
    shape = (batch, size, size, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def randomize(network: keras.Model, seed: int = 0) -> None:
    """Gives every weight a non-trivial value, as after some training.

    Kernels are scaled to keep the size of activations, so that a mistake anywhere
    shows in the output; biases and offsets are not zero, variances are positive.
    """
    rng = np.random.default_rng(seed)
    for layer in network.layers:
        for weight in layer.weights:
            shape = tuple(weight.shape)
            value = rng.normal(0, 0.3, shape)
            if weight.name == "kernel":
                transposed = isinstance(layer, keras.layers.Conv2DTranspose)
                inputs = shape[3] if transposed else shape[2]
                taps = shape[0] * shape[1] / (4 if transposed else 1)
                value = rng.normal(0, (1.5 / (inputs * taps)) ** 0.5, shape)
            elif weight.name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 1.5, shape)
            weight.assign(value.astype("float32"))
