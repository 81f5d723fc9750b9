"""Colour transforms as matrices that act on (red, green, blue, 1).

Each takes one float32 parameter per sample, [N], and returns [N, 4, 4]: exactly the
identity if the parameter is neutral. Luma is the mean of the three channels;
its axis is the one around which hue rotates.
"""

import numpy as np
import tensorflow as tf

from tfgan_models.augmentation.affine import product

_RGB = np.diag([1, 1, 1, 0]).astype(np.float32)
_ONE = np.diag([0, 0, 0, 1]).astype(np.float32)
_OFFSET = np.outer([1, 1, 1, 0], [0, 0, 0, 1]).astype(np.float32)
_LUMA = (np.outer([1, 1, 1, 0], [1, 1, 1, 0]) / 3).astype(np.float32)
# The cross product with the luma axis, a rotation's sine part.
_CROSS = np.array(
    [[0, -1, 1, 0], [1, 0, -1, 0], [-1, 1, 0, 0], [0, 0, 0, 0]], np.float32
) / np.sqrt(3).astype(np.float32)


def brightness(offset: tf.Tensor) -> tf.Tensor:
    """Adds `offset` to all channels; 0 changes nothing."""
    return _RGB + _ONE + _each(offset) * _OFFSET


def contrast(factor: tf.Tensor) -> tf.Tensor:
    """Multiplies all channels by `factor`, which leaves mid-grey; 1 changes nothing."""
    return _each(factor) * _RGB + _ONE


def luma_flip(flipped: tf.Tensor) -> tf.Tensor:
    """Negates luma and keeps chroma where `flipped` is 1; 0 changes nothing."""
    return _RGB + _ONE - 2.0 * _each(flipped) * _LUMA


def hue(angle: tf.Tensor) -> tf.Tensor:
    """Rotates by `angle`, radians, around the luma axis; 0 changes nothing."""
    cosine, sine = _each(tf.cos(angle)), _each(tf.sin(angle))
    return cosine * _RGB + (1.0 - cosine) * _LUMA + sine * _CROSS + _ONE


def saturation(factor: tf.Tensor) -> tf.Tensor:
    """Multiplies chroma by `factor` and keeps luma; 1 changes nothing."""
    factor = _each(factor)
    return factor * _RGB + (1.0 - factor) * _LUMA + _ONE


def compose(*transforms: tf.Tensor) -> tf.Tensor:
    """Returns the matrices [N, 4, 4] of transforms applied in the order given."""
    return product(*reversed(transforms))


def apply(images: tf.Tensor, transforms: tf.Tensor) -> tf.Tensor:
    """Transforms the colour of every pixel.

    Args:
        images: float32 [N, H, W, C]. Channels after the third are unchanged; with
            fewer than three, each is treated as a greyscale image.
        transforms: [N, 4, 4], of `compose`.

    Returns:
        [N, H, W, C], not clipped.
    """
    transforms = transforms[:, tf.newaxis, tf.newaxis]
    if images.shape[-1] < 3:
        factor = tf.reduce_sum(transforms[..., 0, :3], axis=-1, keepdims=True)
        return images * factor + transforms[..., 0, 3:]
    rgb, rest = images[..., tf.newaxis, :3], images[..., 3:]
    # Not tf.matmul: with TensorFloat-32, pixels would keep only ten bits.
    rgb = tf.reduce_sum(rgb * transforms[..., :3, :3], axis=-1)
    return tf.concat([rgb + transforms[..., :3, 3], rest], axis=-1)


def _each(parameter: tf.Tensor) -> tf.Tensor:
    return parameter[:, tf.newaxis, tf.newaxis]
