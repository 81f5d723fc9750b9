"""Translating images of any size."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tfgan_models.runs.opening import Opened
from tfgan_models.tasks import images


class Translator(images.ImageModel):
    """A network from images to images of the same size, which may be any."""


def opened(found: Opened, name: str) -> Translator:
    """Returns a network that translates."""
    model = Translator(found, name)
    if found.loaded is not None:
        model.arrays = images.signature(found.loaded, "translated_image")
    else:
        function = of_any_size(model.network, model.facts.size_multiple)
        model.arrays = images.compiled(function, model.network.inputs[0].shape[-1])
    return model


def of_any_size(
    network: keras.Model, multiple: int
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that translates images of any size from 1 x 1 up.

    An image is padded on the right and at the bottom, by repeated symmetric mirroring,
    up to the next size that the network takes; the output is cropped back.

    Args:
        network: Image [N, H, W, C] in [-1, 1] to image of the same size.
        multiple: The network takes H and W that are multiples of this.

    Returns:
        Images [N, H, W, C] to float32 [N, H, W, C'].
    """
    smallest = _smallest_side(network, multiple, network.inputs[0].shape[-1])

    def translate(image: tf.Tensor) -> tf.Tensor:
        height, width = tf.shape(image)[1], tf.shape(image)[2]
        padded = _continue_axis(image, 1, height, multiple, smallest)
        padded = _continue_axis(padded, 2, width, multiple, smallest)
        translated = tf.cast(network(padded, training=False), tf.float32)
        return translated[:, :height, :width, :]

    return translate


def _continue_axis(
    image: tf.Tensor, axis: int, size: tf.Tensor, multiple: int, smallest: int
) -> tf.Tensor:
    """Mirrors `image` beyond its end, up to the next size that the network takes.

    Indices instead of tf.pad, which mirrors only once: a 1 px image can need 255.
    """
    target = tf.maximum(-(-size // multiple) * multiple, smallest)
    index = tf.range(target) % (2 * size)
    return tf.gather(image, tf.minimum(index, 2 * size - 1 - index), axis=axis)


def _smallest_side(network: keras.Model, multiple: int, channels: int) -> int:
    """The smallest valid H = W.

    Reflection padding inside needs more pixels than it adds, so one multiple may
    be too few: the network is tried.
    """
    try:
        network(tf.zeros([1, multiple, multiple, channels]), training=False)
    except tf.errors.InvalidArgumentError:
        return 2 * multiple
    return multiple
