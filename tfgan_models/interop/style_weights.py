"""What the readers of other projects' StyleGANs share: names, shapes and widths."""

import math
import re
from collections.abc import Mapping

import keras
import numpy as np
import numpy.typing as npt

from tfgan_models.errors import UsageError
from tfgan_models.interop.messages import listed

_FMAP_BASE = 8192

_MOST_BLOCKS = 11
"""Up to 4096 px. A block can be a few numbers, and its images any size."""


def check(
    arrays: Mapping[str, np.ndarray],
    expected: Mapping[str, tuple[int, ...]],
    what: str,
) -> None:
    """Checks that a file holds exactly the tensors of a network.

    Args:
        arrays: The file's tensors by name.
        expected: The shape of each tensor of the network.
        what: What the file was taken for, as "FILE, its generator of 64 px".

    Raises:
        UsageError: Tensors are missing, unexpected, of another shape or not floating
            point; the first of each kind are named.
    """
    missing = [f"{n} {_shape(s)}" for n, s in expected.items() if n not in arrays]
    shared = [name for name in expected if name in arrays]
    other = [
        f"{name} {_shape(arrays[name].shape)} instead of {_shape(expected[name])}"
        for name in shared
        if arrays[name].shape != tuple(expected[name])
    ]
    kinds = [
        f"{name} ({arrays[name].dtype})"
        for name in shared
        if arrays[name].dtype.kind != "f"
    ]
    left = [f"{n} {_shape(a.shape)}" for n, a in arrays.items() if n not in expected]
    problems = {
        "missing": missing,
        "wrong shape:": other,
        "not floating point:": kinds,
        "unexpected": left,
    }
    found = [f"{kind} {listed(names)}" for kind, names in problems.items() if names]
    if found:
        raise UsageError(
            f"{what} does not match: {'; '.join(found)}. Only the original "
            "architecture can be converted."
        )


def check_blocks(count: int, what: str) -> None:
    """Refuses networks of implausibly large images.

    Args:
        count: Blocks, the first of which is 4 px.
        what: See `check`.

    Raises:
        UsageError: There are too many.
    """
    if count > _MOST_BLOCKS:
        raise UsageError(
            f"{what} has {count} blocks, of {4 << min(count - 1, 60)} px. Allowed: up "
            f"to {_MOST_BLOCKS}, of {4 << (_MOST_BLOCKS - 1)} px."
        )


def size(arrays: Mapping[str, np.ndarray], name: str, axis: int, what: str) -> int:
    """Returns one side of a tensor, from which a network's size is recognised.

    Args:
        arrays: The file's tensors by name.
        name: The tensor.
        axis: Which of its sides; -1 is the last.
        what: See `check`.

    Raises:
        UsageError: There is no such tensor or side, or it is empty.
    """
    shape = arrays[name].shape if name in arrays else ()
    place = axis if axis >= 0 else len(shape) + axis
    if not 0 <= place < len(shape) or not shape[place]:
        found = f"has it as {_shape(shape)}" if name in arrays else "lacks it"
        raise UsageError(
            f"{what} cannot be recognised: its size is read from the tensor {name}, "
            f"and the file {found}. Only the original architecture can be converted."
        )
    return shape[place]


def numbers(arrays: Mapping[str, np.ndarray], pattern: str) -> list[int]:
    """Returns the numbers that a pattern's group has in tensors' names, in order."""
    found = (re.match(pattern, name) for name in arrays)
    # More digits than any network has would take long to read.
    return sorted({int(match[1][:9]) for match in found if match})


def channel_options(
    widths: Mapping[int, int], fmap_base: object, what: str
) -> dict[str, int]:
    """Returns the `fmap_base` and `fmap_max` that explain a network's widths.

    Args:
        widths: Side of a block in pixels -> its channels; the discriminator's first
            dense layer counts as 2 pixels.
        fmap_base: What the file says that it is, taken if it fits; else 8192 if that
            does, or the smallest that does.
        what: See `check`.

    Raises:
        UsageError: No such numbers explain these widths.
    """
    most = max(widths.values())
    lowest = max(width * side // 2 for side, width in widths.items())
    tops = [(w + 1) * side // 2 - 1 for side, w in widths.items() if w < most]
    highest = min(tops, default=math.inf)
    if lowest > highest:
        raise UsageError(
            f"{what} has channels that no fmap_base and fmap_max explain: "
            f"{', '.join(f'{w} at {side} px' for side, w in widths.items())}. Allowed: "
            "min(fmap_max, 2 * fmap_base / R) at R px."
        )
    wished = (b for b in (fmap_base, _FMAP_BASE) if isinstance(b, int))
    fitting = (base for base in wished if lowest <= base <= highest)
    return {"fmap_base": next(fitting, lowest), "fmap_max": most}


def put(weight: keras.Variable, array: npt.ArrayLike) -> None:
    """Assigns a Keras weight its values, in its own dtype."""
    weight.assign(np.ascontiguousarray(array, dtype=np.float32))


def arguments(options: Mapping[str, object]) -> str:
    """Returns a constructor's arguments as text: "resolution=64, channels=3"."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


def _shape(shape: tuple[int, ...]) -> str:
    return str(list(shape))
