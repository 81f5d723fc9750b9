"""What every public network must do; adding one is one line in `CASES`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tfgan_models import layers, networks


@dataclass(frozen=True)
class Case:
    """A network at the smallest size that has all its parts.

    Attributes:
        network: The class.
        config: Arguments that make it tiny.
        example: Side in pixels of the smallest image that a fully convolutional
            network takes; of any other a function that returns its call's arguments.
        invalid: Arguments that must be refused, each set on its own.
        std: Standard deviation its kernels start with.
    """

    network: type[keras.Model]
    config: dict[str, Any]
    example: int | Callable[[keras.Model], tuple[Any, ...]]
    invalid: tuple[dict[str, Any], ...]
    std: float = 0.02

    def __call__(self, **overrides: Any) -> keras.Model:
        """Builds the network."""
        return self.network(**(self.config | overrides))

    def __str__(self) -> str:
        """Names the case in a test's id."""
        options = [f"{k}={v}" for k, v in self.config.items() if isinstance(v, str)]
        return "-".join([self.network.__name__, *options])

    @property
    def convolutional(self) -> bool:
        """Whether any height and width will do."""
        return isinstance(self.example, int)

    @property
    def size(self) -> int:
        """Side in pixels of the smallest image."""
        if not isinstance(self.example, int):
            raise TypeError(f"{self} takes no image of any size")
        return self.example

    def inputs(self, network: keras.Model) -> tuple[Any, ...]:
        """Returns arguments to call a network of this case with."""
        if callable(self.example):
            return self.example(network)
        return (images(self.example, network.channels),)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Returns N(0, 1)."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def one_hot(network: keras.Model, batch: int = 2) -> np.ndarray:
    """Returns the last classes, one-hot."""
    return np.eye(network.label_size, dtype="float32")[-batch:]


def noise(synthesis: keras.Model, batch: int = 2) -> list[np.ndarray]:
    """Returns a noise map for each style layer."""
    shapes = synthesis.noise_shapes()
    return [normal(batch, *shape, seed=i) for i, shape in enumerate(shapes)]


def latent_and_labels(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleMapping and ProgressiveGenerator."""
    return normal(2, network.latent_size), one_hot(network)


def ws_and_noise(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleSynthesis."""
    return normal(2, network.num_layers, network.w_size), noise(network)


def everything(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleGenerator: latent, labels, noise, psi."""
    psi = np.array([[0.7], [0.2]], "float32")
    return *latent_and_labels(network), noise(network.synthesis), psi


def image_of_resolution(network: keras.Model) -> tuple[Any, ...]:
    """Returns images of two contrasts at the discriminator's full size."""
    contrast = np.array([0.3, 1.0], "float32").reshape(-1, 1, 1, 1)
    return (images(network.resolution, network.channels) * contrast,)


def image_and_labels(network: keras.Model) -> tuple[Any, ...]:
    """Returns arguments of StyleDiscriminator with classes."""
    return *image_of_resolution(network), one_hot(network)


_NORM = {"norm": "layer"}
_FILTERS = {"filters": 0}
_RESNET = {"filters": 4, "residual_blocks": 2}
_UNET = {"filters": 4, "downsamplings": 6}
_BAD_UNET = (_NORM, _FILTERS, {"downsamplings": 1}, {"upsampling": "bicubic"})
_BAD_RESNET = (_NORM, _FILTERS, {"residual_blocks": -1}, {"upsampling": "bicubic"})
_BAD_PATCH = (_NORM, _FILTERS, {"layers": 0}, {"layers": 7})
_RESIZE = {"upsampling": "resize", "norm": "batch", "dropout": 0.5}
_MAPPING = {"latent_size": 8, "w_size": 8, "label_size": 3}
# Widths 8, 8, 4 from 4 to 16 px.
_GROWING = {"resolution": 16, "fmap_base": 32, "fmap_max": 8}
_BAD_GROWING = (
    {"resolution": 12},
    {"resolution": 4},
    {"channels": 0},
    {"fmap_base": 4},
    {"fmap_max": 0},
)
_BAD_GROWN = (*_BAD_GROWING, {"grown": 12})
_BAD_LABELS = ({"label_size": -1},)
_BAD_LATENT = (*_BAD_LABELS, {"latent_size": 0})
_BAD_MAPPING = (*_BAD_LATENT, {"w_size": 0}, {"layers": 0})
_BAD_STYLE = (*_BAD_GROWN, *_BAD_LATENT, {"w_size": 0})
_BAD_GROUPS = (*_BAD_GROWING, *_BAD_LABELS, {"group_size": 0})

_EQUALIZED = (layers.AdaIN, layers.EqualizedConv2D, layers.EqualizedDense)

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
    Case(networks.StyleMapping, _MAPPING, latent_and_labels, _BAD_MAPPING),
    Case(
        networks.StyleSynthesis,
        _GROWING | {"w_size": 8},
        ws_and_noise,
        (*_BAD_GROWN, {"w_size": 0}),
    ),
    Case(networks.StyleGenerator, _GROWING | _MAPPING, everything, _BAD_STYLE),
    Case(
        networks.StyleDiscriminator,
        _GROWING | {"label_size": 3},
        image_and_labels,
        _BAD_GROUPS,
    ),
    Case(
        networks.ProgressiveGenerator,
        _GROWING | {"latent_size": 8, "label_size": 3},
        latent_and_labels,
        (*_BAD_GROWN, *_BAD_LATENT),
    ),
    Case(
        networks.ProgressiveDiscriminator,
        _GROWING | {"label_size": 3, "group_size": 2},
        image_of_resolution,
        _BAD_GROUPS,
    ),
]
CONVOLUTIONAL = [case for case in CASES if case.convolutional]


def images(size: int, channels: int = 3, batch: int = 2, seed: int = 0) -> np.ndarray:
    """Returns random images [batch, size, size, channels] in [-1, 1]."""
    shape = (batch, size, size, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a network and of the networks in it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def arrays(outputs: Any) -> list[np.ndarray]:
    """Returns a network's output or outputs as NumPy arrays."""
    return [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(outputs)]


def randomize(network: keras.Model, seed: int = 0) -> None:
    """Gives every weight a non-trivial value, as after some training.

    Kernels are scaled to keep the size of activations, so that a mistake anywhere
    shows in the output; biases and offsets are not zero, variances are positive.
    """
    rng = np.random.default_rng(seed)
    for layer in leaves(network):
        for weight in layer.weights:
            shape = tuple(weight.shape)
            value = rng.normal(0, 0.3, shape)
            if isinstance(layer, _EQUALIZED):
                # What is undone when the weight is used.
                deviation = 1.0 if weight.name == "kernel" else 0.3
                scale = 1.0 / getattr(layer, "lr_multiplier", 1.0)
                value = rng.normal(0, deviation * scale, shape)
            elif weight.name == "kernel" and len(shape) == 4:
                transposed = isinstance(layer, keras.layers.Conv2DTranspose)
                inputs = shape[3] if transposed else shape[2]
                taps = shape[0] * shape[1] / (4 if transposed else 1)
                value = rng.normal(0, (1.5 / (inputs * taps)) ** 0.5, shape)
            elif weight.name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 1.5, shape)
            weight.assign(value.astype("float32"))
