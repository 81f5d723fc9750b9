"""Geometric transforms: affine maps of pixel coordinates, and sampling by them.

A map is a float32 matrix [N, 3, 3] that takes the coordinates (x to the right, y down,
1), in pixels from the image's centre, of an output pixel to those of the input point
shown there: the inverse of how the content moves. Each function takes parameters with
one value per sample, [N], and returns exactly the identity if they are neutral.
"""

import tensorflow as tf

from tfgan_models.augmentation.affine import product

# Cosine and sine of 0 to 3 quarter turns: tf.cos(pi / 2) is not quite 0.
_QUARTERS = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))


def flip(flipped: tf.Tensor) -> tf.Tensor:
    """Flips horizontally where `flipped` is 1; 0 changes nothing."""
    zero, one = tf.zeros_like(flipped), tf.ones_like(flipped)
    return _map(1.0 - 2.0 * flipped, zero, zero, zero, one, zero)


def quarter_turns(turns: tf.Tensor) -> tf.Tensor:
    """Rotates counter-clockwise by `turns`, 0 to 3, times 90 degrees."""
    cosine, sine = tf.unstack(tf.gather(_QUARTERS, tf.cast(turns, tf.int32)), axis=1)
    return _rotation(cosine, sine)


def rotation(angle: tf.Tensor) -> tf.Tensor:
    """Rotates counter-clockwise by `angle`, radians; 0 changes nothing."""
    return _rotation(tf.cos(angle), tf.sin(angle))


def scaling(horizontal: tf.Tensor, vertical: tf.Tensor) -> tf.Tensor:
    """Enlarges by 2 to the power of these along each axis; 0 changes nothing."""
    # Powers, not factors: compiled, 1.0 / factor may be approximate, and not 1 for 1.
    zero = tf.zeros_like(horizontal)
    return _map(2.0**-horizontal, zero, zero, zero, 2.0**-vertical, zero)


def translation(right: tf.Tensor, down: tf.Tensor) -> tf.Tensor:
    """Moves the content by pixels to the right and down; 0 changes nothing."""
    zero, one = tf.zeros_like(right), tf.ones_like(right)
    return _map(one, zero, -right, zero, one, -down)


def compose(*maps: tf.Tensor) -> tf.Tensor:
    """Returns the map [N, 3, 3] of transforms applied in the order given."""
    return product(*maps)


def sample(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Samples images by maps, bilinearly, with reflection at the borders.

    Reflection does not repeat the border's pixels. The gradients with respect to
    `images`, of any order, are exact.

    Args:
        images: float32 [N, H, W, C], H and W at least 2.
        maps: [N, 3, 3], of `compose`.

    Returns:
        [N, H, W, C].
    """
    height, width, channels = images.shape[1:]
    x, y = _sources(maps, height, width)
    left, top = tf.floor(x), tf.floor(y)
    x_weight, y_weight = x - left, y - top
    columns = [_reflect(tf.cast(left, tf.int32) + i, width) for i in (0, 1)]
    rows = [_reflect(tf.cast(top, tf.int32) + i, height) for i in (0, 1)]
    corners = tf.concat([r * width + c for r in rows for c in columns], axis=1)
    weights = tf.stack(
        [
            vertical * horizontal
            for vertical in (1.0 - y_weight, y_weight)
            for horizontal in (1.0 - x_weight, x_weight)
        ],
        axis=1,
    )
    pixels = tf.reshape(images, [-1, height * width, channels])
    pixels = tf.gather(pixels, corners, batch_dims=1)
    pixels = tf.reshape(pixels, [-1, 4, height * width, channels])
    sampled = tf.reduce_sum(pixels * weights[..., tf.newaxis], axis=1)
    return tf.reshape(sampled, [-1, height, width, channels])


def shift(images: tf.Tensor, right: tf.Tensor, down: tf.Tensor) -> tf.Tensor:
    """Moves the content by whole pixels and fills with zeros.

    Args:
        images: float32 [N, H, W, C].
        right: Pixels to the right, int32 [N].
        down: Pixels down, int32 [N].

    Returns:
        [N, H, W, C].
    """
    height, width, channels = images.shape[1:]
    columns = (tf.range(width) - right[:, tf.newaxis])[:, tf.newaxis, :]
    rows = (tf.range(height) - down[:, tf.newaxis])[:, :, tf.newaxis]
    shown = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    columns = tf.clip_by_value(columns, 0, width - 1)
    rows = tf.clip_by_value(rows, 0, height - 1)
    sources = tf.reshape(rows * width + columns, [-1, height * width])
    pixels = tf.reshape(images, [-1, height * width, channels])
    shifted = tf.gather(pixels, sources, batch_dims=1)
    shifted = tf.reshape(shifted, [-1, height, width, channels])
    return shifted * tf.cast(shown, images.dtype)[..., tf.newaxis]


def cutout(
    images: tf.Tensor,
    centers: tuple[tf.Tensor, tf.Tensor],
    sides: tuple[tf.Tensor, tf.Tensor],
) -> tf.Tensor:
    """Sets a rectangle, or what of it lies inside the image, to zero.

    Args:
        images: float32 [N, H, W, C].
        centers: The rectangles' centres x and y, [N] each, in pixels; the centre of
            the first pixel is 0.
        sides: Their widths and heights, [N] each, in pixels; 0 changes nothing.

    Returns:
        [N, H, W, C].
    """
    height, width = images.shape[1:3]
    hidden_columns, hidden_rows = (
        tf.abs(tf.range(size, dtype=tf.float32) - center[:, tf.newaxis])
        < side[:, tf.newaxis] / 2.0
        for size, center, side in zip((width, height), centers, sides, strict=True)
    )
    hidden = hidden_rows[:, :, tf.newaxis] & hidden_columns[:, tf.newaxis, :]
    return images * (1.0 - tf.cast(hidden, images.dtype))[..., tf.newaxis]


def _rotation(cosine: tf.Tensor, sine: tf.Tensor) -> tf.Tensor:
    zero = tf.zeros_like(cosine)
    return _map(cosine, -sine, zero, sine, cosine, zero)


def _map(*entries: tf.Tensor) -> tf.Tensor:
    """Stacks the first two rows of the matrices, entry by entry."""
    zero, one = tf.zeros_like(entries[0]), tf.ones_like(entries[0])
    stacked = tf.stack([*entries, zero, zero, one], axis=1)
    return tf.reshape(stacked, [-1, 3, 3])


def _sources(maps: tf.Tensor, height: int, width: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns column and row [N, H*W] of the input point each output pixel shows."""
    x_center, y_center = (width - 1) / 2.0, (height - 1) / 2.0
    x, y = tf.meshgrid(
        tf.range(width, dtype=tf.float32) - x_center,
        tf.range(height, dtype=tf.float32) - y_center,
    )
    x, y = tf.reshape(x, [1, -1]), tf.reshape(y, [1, -1])
    (a, b, c), (d, e, f) = (
        tf.unstack(maps[:, row, :, tf.newaxis], axis=1) for row in (0, 1)
    )
    return a * x + b * y + c + x_center, d * x + e * y + f + y_center


def _reflect(index: tf.Tensor, size: int) -> tf.Tensor:
    """Reflects any index into [0, size), as 2 1 | 0 1 2 | 1 0 for three pixels."""
    last = size - 1
    return last - tf.abs(tf.math.floormod(index, 2 * last) - last)
