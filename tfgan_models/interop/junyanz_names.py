"""The names of pytorch-CycleGAN-and-pix2pix's tensors, with those of our layers.

One table per architecture, generated from its numbers; files are read and written with
the same table.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import keras

from tfgan_models.networks import (
    PatchDiscriminator,
    PixelDiscriminator,
    ResNetGenerator,
    UNetGenerator,
)

DROPOUT = 0.5
LEAST_UNET_DEPTH = 5
MOST_UNET_DEPTH = 12
MOST_PATCH_LAYERS = 6
MOST_BLOCKS = 256
"""More than anybody trains; thousands would take hours to build."""

_BIASED = ("instance", "affine_instance")
_AFFINE = ("affine_instance", "batch")
_NORM_LAYERS = {
    "instance": "InstanceNorm2d(affine=False)",
    "affine_instance": "InstanceNorm2d(affine=True)",
    "batch": "BatchNorm2d",
    "none": "Identity",
}


@dataclasses.dataclass(frozen=True)
class Architecture:
    """One of their networks, as far as its weights show.

    Attributes:
        kind: "resnet", "unet", "patch" or "pixel".
        filters: Channels of the first convolution: their ngf or ndf.
        depth: Residual blocks of a ResNet, downsamplings of a U-Net, strided layers of
            a patch discriminator; 0 for the pixel one.
        channels: Of the input.
        output_channels: Of the output.
        norm: As in `tfgan_models.networks`.
        dropout: Whether there is any. Only a ResNet's weights show it, by their names.
    """

    kind: str
    filters: int
    depth: int
    channels: int
    output_channels: int = 1
    norm: str = "instance"
    dropout: bool = False

    @property
    def generator(self) -> bool:
        """Whether it is a generator."""
        return self.kind in ("resnet", "unet")


class Entry(NamedTuple):
    """A tensor of theirs and the corresponding weight of ours.

    Attributes:
        tensor: Its name in a state dict.
        layer: The name of our layer.
        weight: "kernel", "bias", "gamma", "beta", "moving_mean" or "moving_variance".
        shape: In their layout: a kernel is [out, in, H, W], a transposed one [in, out,
            H, W].
    """

    tensor: str
    layer: str
    weight: str
    shape: tuple[int, ...]


def table(architecture: Architecture) -> tuple[Entry, ...]:
    """Lists a network's tensors.

    Args:
        architecture: Which network.

    Returns:
        One entry per tensor, in their order. Our convolutions without normalisation
        have a bias that theirs lack: these have no entry, and are zero.
    """
    return tuple(_TABLES[architecture.kind](architecture))


def build(architecture: Architecture, inference_norm: str) -> keras.Model:
    """Builds our network of an architecture, with random weights.

    Args:
        architecture: Which network.
        inference_norm: For a generator: see `UNetGenerator`.

    Returns:
        A network named "generator" or "discriminator".
    """
    a = architecture
    common: dict[str, Any] = {
        "filters": a.filters,
        "channels": a.channels,
        "norm": a.norm,
        "name": "generator" if a.generator else "discriminator",
    }
    if a.kind == "pixel":
        return PixelDiscriminator(**common)
    if a.kind == "patch":
        return PatchDiscriminator(layers=a.depth, **common)
    common["dropout"] = DROPOUT if a.dropout else 0.0
    common["output_channels"] = a.output_channels
    common["inference_norm"] = inference_norm
    if a.kind == "resnet":
        return ResNetGenerator(residual_blocks=a.depth, **common)
    return UNetGenerator(downsamplings=a.depth, **common)


def words(architecture: Architecture) -> str:
    """Describes the network in their terms."""
    a = architecture
    norm = f"{a.norm.replace('_', ' ')} norm" if a.norm != "none" else "no norm"
    if a.generator:
        sizes = f"ngf={a.filters}, {a.channels} to {a.output_channels} channels, {norm}"
        if a.kind == "unet":
            return f"a U-Net generator (num_downs={a.depth}, {sizes})"
        dropout = "with dropout" if a.dropout else "no dropout"
        return f"a resnet generator (n_blocks={a.depth}, {sizes}, {dropout})"
    sizes = f"ndf={a.filters}, {a.channels} channels, {norm}"
    if a.kind == "pixel":
        return f"a pixel discriminator ({sizes})"
    return f"a patch discriminator (n_layers={a.depth}, {sizes})"


def arguments(architecture: Architecture) -> dict[str, str]:
    """Returns their class and constructor arguments, as text."""
    a = architecture
    values: dict[str, Any] = {"input_nc": a.channels}
    if a.generator:
        values |= {"output_nc": a.output_channels, "ngf": a.filters}
        values |= {"use_dropout": a.dropout}
    else:
        values |= {"ndf": a.filters}
    depth = {"resnet": "n_blocks", "unet": "num_downs", "patch": "n_layers"}
    if a.kind in depth:
        values[depth[a.kind]] = a.depth
    values["norm_layer"] = _NORM_LAYERS[a.norm]
    classes = {
        "resnet": "ResnetGenerator",
        "unet": "UnetGenerator",
        "patch": "NLayerDiscriminator",
        "pixel": "PixelDiscriminator",
    }
    return {"class": classes[a.kind]} | {k: str(v) for k, v in values.items()}


def _resnet(a: Architecture) -> Iterator[Entry]:
    f, bias = a.filters, a.norm in _BIASED
    yield from _conv("model.1", "stem_conv", (f, a.channels, 7, 7), bias)
    yield from _norm("model.2", "stem_norm", f, a.norm)
    for i, width in enumerate((2 * f, 4 * f), start=1):
        shape = (width, width // 2, 3, 3)
        yield from _conv(f"model.{3 * i + 1}", f"down{i}_conv", shape, bias)
        yield from _norm(f"model.{3 * i + 2}", f"down{i}_norm", width, a.norm)
    second = 6 if a.dropout else 5
    for i in range(1, a.depth + 1):
        theirs, ours, width = f"model.{9 + i}.conv_block", f"block{i}", 4 * f
        for place, part in ((1, "1"), (second, "2")):
            shape = (width, width, 3, 3)
            yield from _conv(f"{theirs}.{place}", f"{ours}_{part}_conv", shape, bias)
            name = f"{theirs}.{place + 1}"
            yield from _norm(name, f"{ours}_{part}_norm", width, a.norm)
    for i, width in enumerate((2 * f, f), start=1):
        place = a.depth + 7 + 3 * i
        # Transposed: [in, out, H, W].
        shape = (2 * width, width, 3, 3)
        yield from _conv(f"model.{place}", f"up{i}_conv", shape, bias, width)
        yield from _norm(f"model.{place + 1}", f"up{i}_norm", width, a.norm)
    shape = (a.output_channels, f, 7, 7)
    yield from _conv(f"model.{a.depth + 17}", "head_conv", shape, True)


def _unet(a: Architecture) -> Iterator[Entry]:
    """Level by level, outermost first: each contains the next one."""
    bias = a.norm in _BIASED
    widths = [a.filters * min(2**i, 8) for i in range(a.depth)]
    for level, prefix in zip(range(1, a.depth + 1), unet_prefixes(), strict=False):
        outermost, innermost = level == 1, level == a.depth
        outer = a.channels if outermost else widths[level - 2]
        inner = widths[level - 1]
        down = 0 if outermost else 1
        up = 3 if outermost or innermost else 5
        shape = (inner, outer, 4, 4)
        yield from _conv(f"{prefix}{down}", f"down{level}_conv", shape, bias)
        if not outermost and not innermost:
            yield from _norm(f"{prefix}2", f"down{level}_norm", inner, a.norm)
        after = a.output_channels if outermost else outer
        shape = (inner if innermost else 2 * inner, after, 4, 4)
        biased = bias or outermost
        yield from _conv(f"{prefix}{up}", f"up{level}_conv", shape, biased, after)
        if not outermost:
            yield from _norm(f"{prefix}{up + 1}", f"up{level}_norm", after, a.norm)


def unet_prefixes() -> Iterator[str]:
    """Yields prefixes of a U-Net's names, level by level, without end."""
    prefix = "model.model."
    yield prefix
    prefix += "1.model."
    while True:
        yield prefix
        prefix += "3.model."


def _patch(a: Architecture) -> Iterator[Entry]:
    widths = [a.filters * min(2**i, 8) for i in range(a.depth + 1)]
    yield from _conv("model.0", "conv1_conv", (a.filters, a.channels, 4, 4), True)
    for i in range(1, a.depth + 1):
        shape = (widths[i], widths[i - 1], 4, 4)
        theirs, ours = f"model.{3 * i - 1}", f"conv{i + 1}"
        yield from _conv(theirs, f"{ours}_conv", shape, a.norm in _BIASED)
        yield from _norm(f"model.{3 * i}", f"{ours}_norm", widths[i], a.norm)
    shape = (a.output_channels, widths[-1], 4, 4)
    yield from _conv(f"model.{3 * a.depth + 2}", "head_conv", shape, True)


def _pixel(a: Architecture) -> Iterator[Entry]:
    f, bias = a.filters, a.norm in _BIASED
    yield from _conv("net.0", "conv1_conv", (f, a.channels, 1, 1), True)
    yield from _conv("net.2", "conv2_conv", (2 * f, f, 1, 1), bias)
    yield from _norm("net.3", "conv2_norm", 2 * f, a.norm)
    yield from _conv("net.5", "head_conv", (a.output_channels, 2 * f, 1, 1), bias)


def _conv(
    tensor: str, layer: str, shape: tuple[int, ...], bias: bool, after: int = 0
) -> Iterator[Entry]:
    """A convolution; for a transposed one `after` are the output channels."""
    yield Entry(f"{tensor}.weight", layer, "kernel", shape)
    if bias:
        yield Entry(f"{tensor}.bias", layer, "bias", (after or shape[0],))


def _norm(tensor: str, layer: str, channels: int, norm: str) -> Iterator[Entry]:
    if norm in _AFFINE:
        yield Entry(f"{tensor}.weight", layer, "gamma", (channels,))
        yield Entry(f"{tensor}.bias", layer, "beta", (channels,))
    if norm == "batch":
        yield Entry(f"{tensor}.running_mean", layer, "moving_mean", (channels,))
        yield Entry(f"{tensor}.running_var", layer, "moving_variance", (channels,))


_TABLES: dict[str, Callable[[Architecture], Iterator[Entry]]] = {
    "resnet": _resnet,
    "unet": _unet,
    "patch": _patch,
    "pixel": _pixel,
}
