"""What every public network must do; adding one is one line in `CASES`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from tests.networks import examples
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
        return (examples.images(self.example, network.channels),)


class Stack(Case):
    """StackGenerator, whose arguments are networks."""

    def __call__(self, dtype: str | None = None, **overrides: Any) -> keras.Model:
        """Builds both stages and joins them."""
        one = networks.StageOneGenerator(**_STAGE_ONE, name="one", dtype=dtype)
        two = networks.StageTwoGenerator(**_STAGE_TWO, name="two", dtype=dtype)
        return self.network(one, two, **overrides)


_NORM = {"norm": "layer"}
_FILTERS = {"filters": 0}
_RESNET = {"filters": 4, "residual_blocks": 2}
_UNET = {"filters": 4, "downsamplings": 6}
_BAD_UNET = (
    _NORM,
    _FILTERS,
    {"downsamplings": 1},
    {"upsampling": "bicubic"},
    {"inference_norm": "batch"},
)
_BAD_RESNET = (
    _NORM,
    _FILTERS,
    {"residual_blocks": -1},
    {"upsampling": "bicubic"},
    {"inference_norm": "batch"},
)
_BAD_PATCH = (_NORM, _FILTERS, {"layers": 0}, {"layers": 7})
_RESIZE = {"upsampling": "resize", "norm": "batch", "dropout": 0.5}
_AFFINE = {"norm": "affine_instance"}
_BY_IMAGE = {"norm": "batch", "inference_norm": "image"}
_SRRESNET = {"filters": 4, "residual_blocks": 2}
_BAD_SRRESNET = (_FILTERS, {"residual_blocks": -1})
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

_MLP = {"image_size": 6, "units": 12}
_CONDITIONAL = {"image_size": 6, "label_size": 3}
_BAD_IMAGE = ({"image_size": 0}, {"channels": 0})
_BAD_RATES = ({"dropout": 1.0}, {"dropout": -0.1})
_BAD_MLP = (*_BAD_IMAGE, {"units": 0}, {"layers": 0})
_DCGAN = {"resolution": 16, "filters": 4}
_BAD_DCGAN = ({"resolution": 8}, {"resolution": 48}, {"channels": 0}, _FILTERS)

# Widths 8 and 4 from 4 to 8 px.
_STACK = {"embedding_size": 6, "condition_size": 3, "filters": 4}
_STAGE_ONE = _STACK | {"resolution": 16, "latent_size": 8}
_STAGE_TWO = _STACK | {"resolution": 32, "input_resolution": 16, "residual_blocks": 1}
_JUDGE = _STACK | {"resolution": 16}
_BAD_STACK = (
    {"resolution": 8},
    {"resolution": 48},
    {"embedding_size": 0},
    {"condition_size": 0},
    {"channels": 0},
    _FILTERS,
)
_BAD_STAGE_TWO = (
    *_BAD_STACK,
    {"resolution": 16},
    {"input_resolution": 8},
    {"residual_blocks": -1},
)

_ENCODER = {"embedding_size": 6, "filters": 8}
_BAD_ENCODER = ({"embedding_size": 0}, _FILTERS)

_DENSE = (keras.layers.Dense, layers.Maxout, layers.SpectralDense)
_EQUALIZED = (layers.AdaIN, layers.EqualizedConv2D, layers.EqualizedDense)

CASES = [
    Case(networks.ResNetGenerator, _RESNET, 16, _BAD_RESNET),
    Case(networks.ResNetGenerator, _RESNET | _RESIZE, 16, _BAD_RESNET),
    Case(networks.UNetGenerator, _UNET, 64, _BAD_UNET),
    Case(networks.UNetGenerator, _UNET | {"inference_norm": "image"}, 64, ()),
    Case(networks.UNetGenerator, _UNET | {"norm": "instance"}, 64, ()),
    Case(networks.UNetGenerator, _UNET | {"upsampling": "resize"}, 64, ()),
    Case(networks.ResNetGenerator, _RESNET | _AFFINE, 16, ()),
    Case(networks.ResNetGenerator, _RESNET | _BY_IMAGE, 16, ()),
    Case(networks.PatchDiscriminator, {"filters": 4}, 32, _BAD_PATCH),
    Case(networks.PatchDiscriminator, {"filters": 4, "norm": "batch"}, 33, ()),
    Case(networks.PixelDiscriminator, {"filters": 4}, 8, (_NORM, _FILTERS)),
    Case(networks.PixelDiscriminator, {"filters": 4, "norm": "none"}, 8, ()),
    Case(networks.SRResNet, _SRRESNET, 8, (*_BAD_SRRESNET, {"scale": 3})),
    Case(networks.SRResNet, _SRRESNET | {"scale": 8}, 5, ()),
    Case(
        networks.SRDiscriminator,
        {"image_size": 16, "filters": 4},
        examples.image_of_size,
        ({"image_size": 40}, {"image_size": 0}, _FILTERS),
    ),
    Case(
        networks.MLPGenerator,
        _MLP | {"latent_size": 8},
        examples.latent,
        (*_BAD_MLP, {"latent_size": 0}),
    ),
    Case(
        networks.MLPDiscriminator,
        _MLP,
        examples.image_of_resolution,
        (*_BAD_MLP, *_BAD_RATES, {"pieces": 0}),
    ),
    Case(
        networks.ConditionalMLPGenerator,
        _CONDITIONAL | {"latent_size": 8},
        examples.latent_and_labels,
        (*_BAD_IMAGE, *_BAD_RATES, {"latent_size": 0}, {"label_size": 0}),
    ),
    Case(
        networks.ConditionalMLPDiscriminator,
        _CONDITIONAL,
        examples.image_and_labels,
        (*_BAD_IMAGE, *_BAD_RATES, {"label_size": 0}),
    ),
    Case(
        networks.DCGANGenerator,
        _DCGAN | {"latent_size": 8},
        examples.latent,
        (*_BAD_DCGAN, *_BAD_LATENT),
    ),
    Case(
        networks.DCGANGenerator,
        _DCGAN | {"latent_size": 8, "label_size": 3},
        examples.latent_and_labels,
        (),
    ),
    Case(
        networks.DCGANDiscriminator,
        _DCGAN,
        examples.image_of_resolution,
        (*_BAD_DCGAN, *_BAD_LABELS, _NORM),
    ),
    Case(
        networks.DCGANDiscriminator,
        _DCGAN | {"label_size": 3, "norm": "spectral"},
        examples.image_and_labels,
        (),
    ),
    Case(
        networks.StageOneGenerator,
        _STAGE_ONE,
        examples.embedding_latent_noise,
        (*_BAD_STACK, {"latent_size": 0}),
    ),
    Case(
        networks.StageTwoGenerator,
        _STAGE_TWO,
        examples.image_embedding_noise,
        _BAD_STAGE_TWO,
    ),
    Case(
        networks.StageOneDiscriminator, _JUDGE, examples.image_and_embedding, _BAD_STACK
    ),
    Case(
        networks.StageTwoDiscriminator, _JUDGE, examples.image_and_embedding, _BAD_STACK
    ),
    Stack(
        networks.StackGenerator, {}, examples.embedding_latent_noises, ({"stages": 3},)
    ),
    Case(
        networks.CharacterEncoder,
        _ENCODER | {"length": 12},
        examples.captions,
        (*_BAD_ENCODER, {"length": 0}, {"length": 30}),
    ),
    Case(
        networks.ImageEncoder,
        _ENCODER | {"resolution": 16},
        examples.image_of_resolution,
        (*_BAD_ENCODER, {"channels": 0}, {"resolution": 4}, {"resolution": 24}),
    ),
    Case(networks.StyleMapping, _MAPPING, examples.latent_and_labels, _BAD_MAPPING),
    Case(
        networks.StyleSynthesis,
        _GROWING | {"w_size": 8},
        examples.ws_and_noise,
        (*_BAD_GROWN, {"w_size": 0}),
    ),
    Case(networks.StyleGenerator, _GROWING | _MAPPING, examples.everything, _BAD_STYLE),
    Case(
        networks.StyleGenerator,
        _GROWING | _MAPPING | {"norm_epsilon": 1e-5, "bias_before_blur": True},
        examples.everything,
        (),
    ),
    Case(
        networks.StyleDiscriminator,
        _GROWING | {"label_size": 3},
        examples.image_and_labels,
        _BAD_GROUPS,
    ),
    Case(
        networks.ProgressiveGenerator,
        _GROWING | {"latent_size": 8, "label_size": 3},
        examples.latent_and_labels,
        (*_BAD_GROWN, *_BAD_LATENT),
    ),
    Case(
        networks.ProgressiveDiscriminator,
        _GROWING | {"label_size": 3, "group_size": 2},
        examples.image_of_resolution,
        _BAD_GROUPS,
    ),
]
CONVOLUTIONAL = [case for case in CASES if case.convolutional]


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


def singular_vector(layer: keras.layers.Layer, side: str) -> np.ndarray:
    """Returns the "u" or "v" of a spectral layer that has seen enough training."""
    kernel = np.asarray(layer.kernel)
    v, _, u = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), full_matrices=False)
    return u[0] if side == "u" else v[:, 0]


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
            elif weight.name == "kernel" and isinstance(layer, _DENSE):
                value *= min(1.0, (1.5 / shape[0]) ** 0.5 / 0.3)
            elif weight.name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 1.5, shape)
            elif weight.name in ("u", "v"):
                value = singular_vector(layer, weight.name)
            weight.assign(value.astype("float32"))
