"""DiffAugment (arXiv:2006.10738): colour, translation and cutout on every image."""

import tensorflow as tf

from tfgan_models.augmentation import geometry


def diffaugment(images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Changes colour and position of every image and cuts out a square.

    Per sample: brightness by up to 0.5 up or down; saturation by a factor in [0, 2];
    contrast, around the image's mean, by a factor in [0.5, 1.5]; a translation of up
    to an eighth of each side, filled with zeros; a square of half the side, centred
    anywhere, set to zero.

    Args:
        images: [N, H, W, C] in [-1, 1], of any floating dtype. Colours change in the
            first three channels; images with fewer have no saturation.
        key: int32 [2], as of `GANModel.random_key`. One key, one set of transforms.

    Returns:
        [N, H, W, C] of the same dtype, not clipped: it may leave [-1, 1].
    """
    height, width = images.shape[1:3]
    count = tf.shape(images)[0]
    draws = tf.random.stateless_uniform([count, 7], key)
    brightness, saturation, contrast, right, down, x, y = tf.unstack(draws, axis=1)
    result = _recolor(
        tf.cast(images, tf.float32),
        brightness=_pixelwise(brightness - 0.5),
        saturation=_pixelwise(saturation * 2.0),
        contrast=_pixelwise(contrast + 0.5),
    )
    result = geometry.shift(result, _offset(right, width), _offset(down, height))
    (x, columns), (y, rows) = _square(x, width), _square(y, height)
    return tf.cast(geometry.cutout(result, (x, y), (columns, rows)), images.dtype)


def _recolor(
    images: tf.Tensor,
    brightness: tf.Tensor,
    saturation: tf.Tensor,
    contrast: tf.Tensor,
) -> tf.Tensor:
    color, rest = images[..., :3], images[..., 3:]
    color += brightness
    if color.shape[-1] == 3:
        grey = tf.reduce_mean(color, axis=-1, keepdims=True)
        color = (color - grey) * saturation + grey
    mean = tf.reduce_mean(color, axis=[1, 2, 3], keepdims=True)
    color = (color - mean) * contrast + mean
    return tf.concat([color, rest], axis=-1)


def _pixelwise(values: tf.Tensor) -> tf.Tensor:
    return values[:, tf.newaxis, tf.newaxis, tf.newaxis]


def _offset(draw: tf.Tensor, size: int) -> tf.Tensor:
    """Maps [0, 1) to whole pixels, at most an eighth of the side either way."""
    limit = int(size / 8 + 0.5)
    return tf.cast(tf.floor(draw * (2 * limit + 1)), tf.int32) - limit


def _square(draw: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Maps [0, 1) to the centre of a cutout along one axis; also returns its side."""
    side = int(size / 2 + 0.5)
    # An even side is centred between two pixels, with one more position than pixels.
    even = 1 - side % 2
    center = tf.floor(draw * (size + even)) - 0.5 * even
    return center, tf.fill(tf.shape(draw), float(side))
