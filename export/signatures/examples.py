"""Small valid inputs for the signatures that this package exports.

Models are warmed up, checked and benchmarked with them.
"""

import io
from collections.abc import Mapping, Sequence

import numpy as np

SIDE = 64
"""Side of an example image if any is allowed, in pixels."""

_PSI = 0.7
_CAPTION = b"a red heart"


def examples(
    inputs: Mapping[str, str],
    shapes: Mapping[str, Sequence[int | None] | None],
    n: int = 1,
    side: int | None = None,
) -> dict[str, np.ndarray]:
    """Returns an example of each input of a signature.

    Args:
        inputs: Name -> dtype, by TensorFlow's names.
        shapes: Name -> shape; None for an unknown size, or an unknown shape.
        n: Number of samples.
        side: Value of unknown sizes; None: 64 for images, 1 for others.
    """
    return {
        name: example(name, dtype, shapes[name], n, side)
        for name, dtype in inputs.items()
    }


def example(
    name: str,
    dtype: str,
    shape: Sequence[int | None] | None,
    n: int = 1,
    side: int | None = None,
) -> np.ndarray:
    """Returns an example of one input.

    Args:
        name: `image`: a smooth image in [-1, 1], of 64 px if any size is allowed.
            `image_bytes`: a PNG file of it. `latent`, `w`, `embedding`: evenly spaced
            from -1 to 1. `truncation_psi`: 0.7. `caption`: a text. Any other: zeros,
            with unknown sizes 1, and empty strings.
        dtype: By TensorFlow's name, such as `float32`; `string`: bytes objects.
        shape: With the samples' axis, if it has one; None: [n].
        n: Number of samples, if the first axis may be any.
        side: Value of unknown sizes, including those of images.
    """
    sizes: list[int | None] = [None] if shape is None else list(shape)
    if sizes and sizes[0] is None:
        sizes[0] = n
    if side is not None:
        sizes = [side if size is None else size for size in sizes]
    if dtype == "string":
        return _strings(name, [size or 1 for size in sizes])
    return _numbers(name, sizes).astype(_numpy_dtype(dtype))


def _numbers(name: str, sizes: list[int | None]) -> np.ndarray:
    known = [1 if size is None else size for size in sizes]
    if name == "image" and len(sizes) == 4:
        _, height, width, channels = sizes
        image = _gradient(height or SIDE, width or SIDE, channels or 3)
        return np.repeat(image[np.newaxis], known[0], axis=0)
    if name in ("latent", "w", "embedding"):
        one = np.linspace(-1, 1, int(np.prod(known[1:])))
        return np.repeat(one[np.newaxis], known[0], axis=0).reshape(known)
    return np.full(known, _PSI if name == "truncation_psi" else 0)


def _strings(name: str, sizes: list[int]) -> np.ndarray:
    if name == "image_bytes":
        value = png_file()
    else:
        value = _CAPTION if name == "caption" else b""
    strings = np.empty(sizes, object)
    strings.fill(value)
    return strings


def png_file(height: int = SIDE, width: int = SIDE) -> bytes:
    """Returns the example image as a PNG file, RGB."""
    from PIL import Image

    levels = np.round((_gradient(height, width, 3) + 1) * 127.5).astype(np.uint8)
    contents = io.BytesIO()
    Image.fromarray(levels).save(contents, "PNG")
    return contents.getvalue()


def _gradient(height: int, width: int, channels: int) -> np.ndarray:
    """An image [H, W, C] in [-1, 1] with a different gradient in each channel."""
    rows = np.linspace(-1, 1, height)[:, np.newaxis]
    columns = np.linspace(-1, 1, width)[np.newaxis]
    turns = np.pi * np.arange(channels) / max(channels, 2)
    return np.stack(
        [(np.cos(t) * rows + np.sin(t) * columns) / np.sqrt(2) for t in turns], axis=-1
    )


def _numpy_dtype(dtype: str) -> np.dtype:
    import tensorflow as tf

    return np.dtype(tf.as_dtype(dtype).as_numpy_dtype)
