"""Adaptive discriminator augmentation (ADA, arXiv:2006.06676): its transforms."""

import math

import tensorflow as tf

from tfgan_models.augmentation import color, geometry

# At least as many as one call uses of each kind.
_DRAWS = 16


class Draws:
    """Random numbers of one call, [N] float32 each, in a fixed order.

    Sample i's depend only on the key and i.

    Args:
        key: int32 [2].
        count: Number of samples.
    """

    def __init__(self, key: tf.Tensor, count: tf.Tensor) -> None:
        # Three operations generate all of them: one apiece would cost as much as the
        # transforms themselves.
        gates, uniforms, normals = (tf.random.fold_in(key, i) for i in range(3))
        shape = [count, _DRAWS]
        uniform, normal = tf.random.stateless_uniform, tf.random.stateless_normal
        self._gates = iter(tf.unstack(uniform(shape, gates), axis=1))
        self._uniforms = iter(tf.unstack(uniform(shape, uniforms), axis=1))
        self._normals = iter(tf.unstack(normal(shape, normals), axis=1))

    def gate(self, probability: tf.Tensor) -> tf.Tensor:
        """Returns 1 with this probability, else 0."""
        return tf.cast(next(self._gates) < probability, tf.float32)

    def whole(self, count: int) -> tf.Tensor:
        """Returns one of 0, 1, ... `count` - 1."""
        return tf.floor(self.uniform(0.0, float(count)))

    def uniform(self, low: float, high: float) -> tf.Tensor:
        """Returns a number in [`low`, `high`)."""
        return low + (high - low) * next(self._uniforms)

    def normal(self, deviation: float) -> tf.Tensor:
        """Returns a number of mean 0 and this standard deviation."""
        return deviation * next(self._normals)


def ada(images: tf.Tensor, probability: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Applies each of the transforms to each image with a given probability.

    Pixel blitting (flips, quarter turns, whole-pixel translation), geometry (scale,
    rotation, aspect, translation), colour (brightness, contrast, luma flip, hue,
    saturation) and cutout, in the paper's order and strengths. All of blitting and
    geometry is one bilinear sampling, reflected at the borders; the paper's wavelet
    filter against aliasing is left out.

    Args:
        images: [N, H, W, C] in [-1, 1], of any floating dtype. Colours change in the
            first three channels; images with fewer have no hue or saturation.
        probability: Scalar float32 in [0, 1]; at 0 the images come back unchanged.
        key: int32 [2], as of `GANModel.random_key`. One key, one set of transforms.

    Returns:
        [N, H, W, C] of the same dtype, not clipped: it may leave [-1, 1].
    """
    height, width, channels = images.shape[1:]
    probability = tf.convert_to_tensor(probability)
    draws = Draws(key, tf.shape(images)[0])
    result = tf.cast(images, tf.float32)
    maps = geometry_maps(draws, probability, height, width)
    result = geometry.sample(result, maps)
    result = color.apply(result, color_matrices(draws, probability, channels))
    result = _cutout(result, draws, probability)
    return tf.cast(tf.reshape(result, tf.shape(images)), images.dtype)


def geometry_maps(
    draws: Draws, probability: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    """Returns random maps [N, 3, 3] of blitting and geometry together.

    Args:
        draws: Provides the random numbers.
        probability: Scalar, of each transform.
        height: Of the images, in pixels.
        width: The same.
    """
    gate, uniform, normal = draws.gate, draws.uniform, draws.normal
    flips = gate(probability) * draws.whole(2)
    turns = gate(probability) * draws.whole(4)
    blit = gate(probability)
    blit_right = blit * tf.round(uniform(-0.125, 0.125) * width)
    blit_down = blit * tf.round(uniform(-0.125, 0.125) * height)
    scale = gate(probability) * normal(0.2)
    # Of the two rotations, before and after the change of aspect, at least one
    # happens with `probability`.
    rotated = 1.0 - tf.sqrt(1.0 - probability)
    before = gate(rotated) * uniform(-math.pi, math.pi)
    aspect = gate(probability) * normal(0.2)
    after = gate(rotated) * uniform(-math.pi, math.pi)
    move = gate(probability)
    right, down = move * normal(0.125) * width, move * normal(0.125) * height
    return geometry.compose(
        geometry.flip(flips),
        geometry.quarter_turns(turns),
        geometry.translation(blit_right, blit_down),
        geometry.scaling(scale, scale),
        geometry.rotation(before),
        geometry.scaling(aspect, -aspect),
        geometry.rotation(after),
        geometry.translation(right, down),
    )


def color_matrices(draws: Draws, probability: tf.Tensor, channels: int) -> tf.Tensor:
    """Returns random matrices [N, 4, 4] of the colour transforms together.

    Args:
        draws: Provides the random numbers.
        probability: Scalar, of each transform.
        channels: Of the images; below 3 there is neither hue nor saturation.
    """
    gate, normal = draws.gate, draws.normal
    transforms = [
        color.brightness(gate(probability) * normal(0.2)),
        color.contrast(2.0 ** (gate(probability) * normal(0.5))),
        color.luma_flip(gate(probability) * draws.whole(2)),
    ]
    if channels >= 3:
        transforms += [
            color.hue(gate(probability) * draws.uniform(-math.pi, math.pi)),
            color.saturation(2.0 ** (gate(probability) * normal(1.0))),
        ]
    return color.compose(*transforms)


def _cutout(images: tf.Tensor, draws: Draws, probability: tf.Tensor) -> tf.Tensor:
    """Cuts out a rectangle of half the sides, centred anywhere in the image."""
    height, width = images.shape[1:3]
    x, y = draws.uniform(-0.5, width - 0.5), draws.uniform(-0.5, height - 0.5)
    gate = draws.gate(probability)
    return geometry.cutout(images, (x, y), (gate * width / 2.0, gate * height / 2.0))
