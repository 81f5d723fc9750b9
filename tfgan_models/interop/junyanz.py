"""Networks of pytorch-CycleGAN-and-pix2pix (arXiv:1703.10593, arXiv:1611.07004).

Converts its generators and discriminators to ours, and ours to theirs. Neither needs
PyTorch.
"""

import os
from pathlib import Path
from types import ModuleType

import keras
import numpy as np

from tfgan_models import extras
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.interop import junyanz_names, junyanz_shapes, torch_file
from tfgan_models.interop.converted import Converted, in_lines
from tfgan_models.interop.junyanz_names import Architecture, Entry
from tfgan_models.layers import InstanceNormalization
from tfgan_models.networks.blocks import INFERENCE_NORMS

_SUFFIX = ".safetensors"
_SHOWN = 4

_UNTOLD = ("name", "dtype", "upsampling")
"""Arguments of ours that their files do not determine."""

_ENDS = {
    "resnet": ("stem_conv", "head_conv"),
    "unet": ("down1_conv", "up1_conv"),
    "patch": ("conv1_conv", "head_conv"),
    "pixel": ("conv1_conv", "head_conv"),
}
"""The first and the last convolution of each of our networks."""

_NORMALISED = {
    "averages": "Batch normalisation uses the running averages, as in their test.py "
    "with --eval.",
    "image": "Batch normalisation uses each image's own statistics, as in their "
    "test.py without --eval; dropout is off.",
}

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)

_PROBES = {"resnet": "stem", "unet": "down2", "patch": "conv2", "pixel": "conv2"}
"""Prefixes of the names of a convolution and the normalisation after it."""

_COUNTED = {"resnet": "block{}_1_conv", "unet": "down{}_conv", "patch": "conv{}_conv"}
"""Layers whose number is the depth; a patch discriminator has one more."""


@in_lines
def load(path: str | Path, inference_norm: str = "averages") -> Converted:
    """Converts a file of theirs to our network.

    The architecture is detected from the tensors' names and shapes, which do not show
    what has no weights: replication padding is assumed to be reflection, and a
    discriminator's last sigmoid, which early versions had, is dropped. U-Nets of some
    related projects concatenate skip connections in the other order, under the same
    names and shapes: look at the images.

    Args:
        path: A state dict, such as `latest_net_G_A.pth`, in either of PyTorch's formats
            or as .safetensors; with or without DataParallel's prefix.
        inference_norm: Statistics of a generator's batch normalisation at inference:
            the running "averages", as in their test.py with --eval, or each "image"'s
            own statistics, as without it.

    Returns:
        One network, "generator" or "discriminator". Numbers of other precisions
        become float32.

    Raises:
        UsageError: The file cannot be read, or is none of these networks;
            inference_norm="image" for a discriminator with batch normalisation.
        FailureError: safetensors is not installed and is needed.
    """
    if inference_norm not in INFERENCE_NORMS:
        raise UsageError(
            f"inference_norm={inference_norm} is not known. Allowed: "
            f"{', '.join(INFERENCE_NORMS)}."
        )
    path = Path(path)
    tensors, prefix_note = _without_prefix(_read(path))
    shapes = {name: value.shape for name, value in tensors.items()}
    architecture = junyanz_shapes.recognise(shapes, path)
    discriminates = not architecture.generator and architecture.norm == "batch"
    if inference_norm == "image" and discriminates:
        raise UsageError(
            f"inference_norm=image is for generators. Received: {path}, "
            f"{junyanz_names.words(architecture)}, whose batch normalisation uses the "
            "running averages. Omit it."
        )
    entries = junyanz_names.table(architecture)
    values = {e: _numbers(e.tensor, tensors[e.tensor], path) for e in entries}
    network = junyanz_names.build(architecture, inference_norm)
    for entry, value in values.items():
        _weights(network.get_layer(entry.layer))[entry.weight].assign(
            value.transpose(2, 3, 1, 0) if entry.weight == "kernel" else value
        )
    _hold_biases(network, entries)
    dropped = junyanz_shapes.left_out(architecture, tensors)
    notes = _notes(architecture, network, dropped, inference_norm)
    return Converted({network.name: network}, (*notes, *prefix_note))


def save(network: keras.Model, path: Path) -> None:
    """Converts a network of ours to a file of theirs.

    Load it there with `net.load_state_dict(safetensors.torch.load_file(path))`. The
    file's metadata names the class and the constructor's arguments.

    Args:
        network: `ResNetGenerator`, `UNetGenerator` (of 5 or more downsamplings),
            `PatchDiscriminator` or `PixelDiscriminator`, or one of these loaded from
            its exported `.keras`.
        path: The output file, ending in .safetensors; an existing file is replaced.

    Raises:
        UsageError: Another ending, or a network that has no counterpart there.
        FailureError: safetensors is not installed, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != _SUFFIX:
        raise UsageError(
            f"{path} cannot be written: weights are saved to a file that ends in "
            f"{_SUFFIX}."
        )
    architecture = _architecture(network)
    entries = junyanz_names.table(architecture)
    _check_nothing_is_lost(network, entries)
    layers = {layer.name: layer for layer in network.layers}
    tensors = {}
    for entry in entries:
        tensors[entry.tensor] = _theirs(layers, entry)
        if entry.weight == "moving_variance":
            module = entry.tensor.rpartition(".")[0]
            # Loading requires it; with a momentum nothing is computed from it.
            tensors[f"{module}.num_batches_tracked"] = np.zeros((), np.int64)
    metadata = {"format": "pt"} | junyanz_names.arguments(architecture)
    _write(path, tensors, metadata)


def _read(path: Path) -> dict[str, np.ndarray]:
    if path.suffix != _SUFFIX:
        return torch_file.read(path)
    if not path.is_file():
        raise UsageError(f"{path} is not a file. Pass a state dict of weights.")
    safetensors = _safetensors()
    try:
        return safetensors.numpy.load_file(path)
    # Dtypes and shapes unknown to NumPy raise Python's own errors.
    except (
        *(safetensors.SafetensorError, OSError, TypeError, AttributeError),
        *(ValueError, MemoryError),
    ) as error:
        raise UsageError(
            f"{path} cannot be read as safetensors: it is truncated, damaged or of "
            f"another kind ({type(error).__name__}: {error}). Download or save it "
            "again."
        ) from error


def _safetensors() -> ModuleType:
    # It registers bfloat16, which files may use, with NumPy.
    import ml_dtypes  # noqa: F401

    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise FailureError(
            extras.missing(f"A {_SUFFIX} file", error.name, "interop")
        ) from error
    return safetensors


def _without_prefix(
    tensors: dict[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Strips DataParallel's prefix while all names have it; with a note."""
    bare = torch_file.without_prefix(tensors)
    if bare is tensors:
        return tensors, ()
    return bare, ("DataParallel's prefix 'module.' was stripped from all names.",)


def _hold_biases(network: keras.Model, entries: tuple[Entry, ...]) -> None:
    """Freezes the biases that their network lacks: they stay zero."""
    placed = {(entry.layer, entry.weight) for entry in entries}
    for layer in network.layers:
        bias = _weights(layer).get("bias")
        if bias is not None and (layer.name, "bias") not in placed:
            bias.trainable = False


def _numbers(name: str, value: np.ndarray, path: Path) -> np.ndarray:
    if value.dtype.kind != "f" and value.dtype.name != "bfloat16":
        raise UsageError(
            f"{path} holds {name} as {value.dtype}. Allowed: float16, bfloat16, "
            "float32 or float64."
        )
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if not np.isfinite(value).all():
        raise UsageError(
            f"{path} has infinities or NaN in {name}: training has diverged. Use an "
            "earlier checkpoint."
        )
    return value


def _notes(
    architecture: Architecture,
    network: keras.Model,
    dropped: tuple[str, ...],
    inference_norm: str,
) -> tuple[str, ...]:
    config = {k: v for k, v in network.get_config().items() if k not in _UNTOLD}
    ours = ", ".join(f"{name}={value!r}" for name, value in config.items())
    notes = [
        f"Recognised {junyanz_names.words(architecture)}: "
        f"{type(network).__name__}({ours})."
    ]
    counters = sum(name.endswith(".num_batches_tracked") for name in dropped)
    if len(dropped) > counters:
        notes.append(
            f"{len(dropped) - counters} running statistics of instance normalisation "
            "were dropped: it uses each image's own."
        )
        if architecture.norm == "affine_instance":
            notes.append(
                "The convolutions have biases, so it is not batch normalisation, "
                "which does without."
            )
    held = sum(w.name == "bias" and not w.trainable for w in network.weights)
    if held:
        notes.append(
            f"{held} convolutions have biases here that theirs lack: they are zero "
            "and frozen, so that the network can be converted back."
        )
    if counters:
        notes.append(f"{counters} batch counters were dropped: nothing uses them.")
    if architecture.generator and architecture.norm == "batch":
        notes.append(_NORMALISED[inference_norm])
    if architecture.kind == "unet":
        notes.append(
            "Weights do not show a U-Net's dropout: 0.5 is assumed, which matters in "
            "training only."
        )
    return tuple(notes)


def _architecture(network: keras.Model) -> Architecture:
    """Detects which of our networks it is, by the names of its layers."""
    layers = {layer.name: layer for layer in network.layers}
    kind = _kind(network, layers)
    if any(name in layers for name in ("up1_resize", "up2_resize")):
        raise UsageError(
            "upsampling=resize has no counterpart in pytorch-CycleGAN-and-pix2pix. "
            "Only networks with upsampling=transposed can be converted."
        )
    depth = 0
    while _COUNTED.get(kind, "").format(depth + 1) in layers:
        depth += 1
    if kind == "unet" and depth < junyanz_names.LEAST_UNET_DEPTH:
        raise UsageError(
            f"downsamplings={depth} has no counterpart in "
            "pytorch-CycleGAN-and-pix2pix, whose U-Nets have 5 or more."
        )
    first, last = (layers[name] for name in _ENDS[kind])
    probe = _PROBES[kind]
    return Architecture(
        kind=kind,
        filters=first.filters,
        depth=depth - 1 if kind == "patch" else depth,
        channels=first.kernel.shape[2],
        output_channels=last.filters,
        norm=_norm(layers[f"{probe}_norm"], layers[f"{probe}_conv"].use_bias),
        dropout=any(name.endswith("_dropout") for name in layers),
    )


def _kind(network: keras.Model, layers: dict[str, keras.Layer]) -> str:
    for kind, ends in _ENDS.items():
        probe = _PROBES[kind]
        wanted = (*ends, f"{probe}_conv")
        found = [x for x in map(layers.get, wanted) if isinstance(x, _CONVOLUTIONS)]
        if len(found) == len(wanted) and f"{probe}_norm" in layers:
            return "pixel" if found[0].kernel_size == (1, 1) else kind
    names = ", ".join(list(layers)[:_SHOWN])
    raise UsageError(
        "Only ResNetGenerator, UNetGenerator, PatchDiscriminator and "
        "PixelDiscriminator have counterparts in pytorch-CycleGAN-and-pix2pix. "
        f"Received: {type(network).__name__} {network.name!r} with the layers {names}"
    )


def _norm(layer: keras.Layer, biased: bool) -> str:
    if isinstance(layer, keras.layers.BatchNormalization):
        return "batch"
    if isinstance(layer, InstanceNormalization):
        return "affine_instance" if layer.affine else "instance"
    if isinstance(layer, keras.layers.GroupNormalization):
        if not biased:
            return "batch"
        return "affine_instance" if layer.scale else "instance"
    return "none"


def _check_nothing_is_lost(network: keras.Model, entries: tuple[Entry, ...]) -> None:
    """Refuses weights of ours without a counterpart in their network, unless zero."""
    placed = {(entry.layer, entry.weight) for entry in entries}
    for layer in network.layers:
        for name, weight in _weights(layer).items():
            value = keras.ops.convert_to_numpy(weight)
            if (layer.name, name) not in placed and (name != "bias" or value.any()):
                raise UsageError(
                    f"{layer.name}'s {name} has no counterpart in "
                    "pytorch-CycleGAN-and-pix2pix's network of this kind. Only "
                    "networks in which it is zero can be converted."
                )


def _theirs(layers: dict[str, keras.Layer], entry: Entry) -> np.ndarray:
    weights = _weights(layers[entry.layer]) if entry.layer in layers else {}
    if entry.weight not in weights:
        raise UsageError(
            f"The network has no {entry.weight} in {entry.layer} for "
            f"pytorch-CycleGAN-and-pix2pix's {entry.tensor}. A .keras file exported "
            "with inference_norm=image lacks the running averages: pass the folder of "
            "the training run."
        )
    value = keras.ops.convert_to_numpy(weights[entry.weight]).astype(np.float32)
    if entry.weight == "kernel":
        value = value.transpose(3, 2, 0, 1)
    if value.shape != entry.shape:
        raise UsageError(
            f"{entry.layer}'s {entry.weight} has the shape {list(value.shape)}; "
            f"pytorch-CycleGAN-and-pix2pix's {entry.tensor} has {list(entry.shape)}."
        )
    return np.ascontiguousarray(value)


def _weights(layer: keras.Layer) -> dict[str, keras.Variable]:
    return {weight.name: weight for weight in layer.weights}


def _write(
    path: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    safetensors = _safetensors()
    unfinished = path.with_name(f".unfinished_{path.name}")
    try:
        safetensors.numpy.save_file(tensors, unfinished, metadata)
        os.replace(unfinished, path)
    except (safetensors.SafetensorError, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise FailureError(f"{path} could not be written: {error}") from error
