"""Detects networks of pytorch-CycleGAN-and-pix2pix by tensor names and shapes."""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NoReturn

from tfgan_models.errors import UsageError
from tfgan_models.interop import junyanz_names
from tfgan_models.interop.junyanz_names import Architecture
from tfgan_models.interop.messages import listed

SUPPORTED = (
    "Supported: the resnet (reflection padding, up to 256 blocks), U-Net (5 to 12 "
    "downsamplings), basic, n_layers (1 to 6) and pixel networks of "
    "pytorch-CycleGAN-and-pix2pix with instance, affine instance, batch or no norm."
)

_STATISTICS = ("running_mean", "running_var")
_COUNTER = "num_batches_tracked"

Shapes = Mapping[str, tuple[int, ...]]


def recognise(shapes: Shapes, path: Path) -> Architecture:
    """Detects the network that tensors belong to.

    Args:
        shapes: Of each tensor, by its name without a prefix.
        path: The file, for messages.

    Returns:
        The network; all of its tensors exist with the right shapes.

    Raises:
        UsageError: It is not one of theirs, or tensors are missing, unexpected or of
            other shapes; the first are named.
    """
    if any(re.search(r"\.conv_block\.0\.weight$", name) for name in shapes) or (
        shapes.get("model.0.weight", ())[2:] == (7, 7)
    ):
        raise UsageError(
            f"{path} looks like a resnet generator with zero padding, which ours does "
            f"not support. {SUPPORTED}"
        )
    if shapes.get("model.1.weight", ())[2:] == (7, 7) or _any(shapes, ".conv_block."):
        found = _resnet(shapes, path)
    elif _any(shapes, "model.model."):
        found = _unet(shapes, path)
    elif shapes.get("net.0.weight", ())[2:] == (1, 1):
        found = _pixel(shapes, path)
    elif shapes.get("model.0.weight", ())[2:] == (4, 4):
        found = _patch(shapes, path)
    else:
        raise UsageError(
            f"{path} is not one of these networks: its first tensors are "
            f"{_listed(list(shapes), shapes)}. {SUPPORTED}"
        )
    found = dataclasses.replace(found, norm=_norm(found, shapes))
    _check(found, shapes, path)
    return found


def left_out(architecture: Architecture, names: Iterable[str]) -> tuple[str, ...]:
    """Lists the tensors of a file that the network does not use.

    Args:
        architecture: The network.
        names: Of the file's tensors.

    Returns:
        Counters of batches; running statistics of instance normalisation.
    """
    batch = dataclasses.replace(architecture, norm="batch")
    norms = {
        entry.tensor.rpartition(".")[0]
        for entry in junyanz_names.table(batch)
        if entry.weight == "moving_mean"
    }
    parts: tuple[str, ...] = ()
    if architecture.norm == "batch":
        parts = (_COUNTER,)
    elif architecture.norm != "none":
        parts = (_COUNTER, *_STATISTICS)
    droppable = {f"{norm}.{part}" for norm in norms for part in parts}
    return tuple(name for name in names if name in droppable)


def _resnet(shapes: Shapes, path: Path) -> Architecture:
    what = "a resnet generator"
    filters, channels = _kernel("model.1.weight", shapes, what, path)
    blocks = {
        name.split(".conv_block.")[0] for name in shapes if ".conv_block." in name
    }
    if len(blocks) > junyanz_names.MOST_BLOCKS:
        _refuse(path, what, f"it has {len(blocks)} blocks")
    # Dropout comes before the second convolution, whose place is 5 or 6.
    second = {
        place: sum(
            len(shapes.get(f"{b}.conv_block.{place}.weight", ())) == 4 for b in blocks
        )
        for place in (5, 6)
    }
    head = shapes.get(f"model.{len(blocks) + 17}.weight", (channels,))
    return Architecture(
        "resnet",
        filters,
        len(blocks),
        channels,
        output_channels=head[0] if head else channels,
        dropout=second[6] > second[5],
    )


def _unet(shapes: Shapes, path: Path) -> Architecture:
    what = "a U-Net generator"
    filters, channels = _kernel("model.model.0.weight", shapes, what, path)
    depth = 0
    for prefix in junyanz_names.unet_prefixes():
        if not any(name.startswith(prefix) for name in shapes):
            break
        depth += 1
    least, most = junyanz_names.LEAST_UNET_DEPTH, junyanz_names.MOST_UNET_DEPTH
    if not least <= depth <= most:
        _refuse(path, what, f"it has {depth} downsamplings")
    head = shapes.get("model.model.3.weight", ())
    outputs = head[1] if len(head) == 4 else channels
    return Architecture("unet", filters, depth, channels, outputs, dropout=True)


def _patch(shapes: Shapes, path: Path) -> Architecture:
    what = "a patch discriminator"
    filters, channels = _kernel("model.0.weight", shapes, what, path)
    convolutions = [
        name
        for name, shape in shapes.items()
        if re.fullmatch(r"model\.\d+\.weight", name) and len(shape) == 4
    ]
    layers = len(convolutions) - 2
    if not 1 <= layers <= junyanz_names.MOST_PATCH_LAYERS:
        _refuse(path, what, f"it has {len(convolutions)} convolutions, not 3 to 8")
    return Architecture("patch", filters, layers, channels)


def _pixel(shapes: Shapes, path: Path) -> Architecture:
    filters, channels = _kernel("net.0.weight", shapes, "a pixel discriminator", path)
    return Architecture("pixel", filters, 0, channels)


def _norm(architecture: Architecture, shapes: Shapes) -> str:
    """Their convolutions have biases if instance normalisation follows."""
    bare, full = (
        junyanz_names.table(dataclasses.replace(architecture, norm=norm))
        for norm in ("none", "affine_instance")
    )
    optional = set(full) - set(bare)

    # By majority, so that a single missing one is then named.
    def most(weight: str) -> bool:
        names = [entry.tensor for entry in optional if entry.weight == weight]
        return 2 * sum(name in shapes for name in names) > len(names)

    if most("bias"):
        return "affine_instance" if most("gamma") else "instance"
    return "batch" if most("gamma") else "none"


def _check(architecture: Architecture, shapes: Shapes, path: Path) -> None:
    wanted = {e.tensor: e.shape for e in junyanz_names.table(architecture)}
    known = {*wanted, *left_out(architecture, shapes)}
    missing = [name for name in wanted if name not in shapes]
    extra = [name for name in shapes if name not in known]
    wrong = [n for n in wanted if n in shapes and shapes[n] != wanted[n]]
    faults = []
    if missing:
        faults.append(f"it lacks {_listed(missing, wanted)}")
    if extra:
        faults.append(f"it has unexpected {_listed(extra, shapes)}")
    if wrong:
        expected = listed(str(list(wanted[name])) for name in wrong)
        faults.append(f"{_listed(wrong, shapes)} should be {expected}")
    if any(0 in shape for shape in wanted.values()):
        faults.append("it has empty tensors")
    if faults:
        _refuse(path, junyanz_names.words(architecture), "; ".join(faults))


def _kernel(name: str, shapes: Shapes, what: str, path: Path) -> tuple[int, int]:
    """Returns the output and input channels of a network's first kernel."""
    shape = shapes.get(name)
    if shape is None or len(shape) != 4:
        first = _listed(list(shapes), shapes)
        _refuse(
            path, what, f"it lacks the kernel {name}; its first tensors are {first}"
        )
    return shape[0], shape[1]


def _refuse(path: Path, what: str, fault: str) -> NoReturn:
    raise UsageError(f"{path} looks most like {what}, but {fault}. {SUPPORTED}")


def _any(shapes: Shapes, part: str) -> bool:
    return any(part in name for name in shapes)


def _listed(names: list[str], shapes: Shapes) -> str:
    return listed(f"{name} {list(shapes[name])}" for name in names)
