"""SavedModels of image-to-image networks: the functions that a server offers."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from export import png
from export.generation import LatentModule, StyleModule
from tfgan_models.networks import ProgressiveGenerator, StyleGenerator

# What tf.io.decode_image can decode every format to.
_DECODABLE_CHANNELS = (1, 3)


class TranslationModule(tf.Module):
    """An image-to-image network behind serving signatures.

    `serving_default`: `image` float32 [N, H, W, C] in [-1, 1] -> `translated_image`
    float32 [N, H, W, C']. `encoded`, for 1 or 3 channels: `image_bytes` string [N]
    (PNG, JPEG, GIF, BMP or WebP files, each of its own size) -> `translated_bytes`
    string [N] (PNG files).

    H and W may be any from 1 up. An image is continued to the right and downwards by
    mirroring, border pixel repeated and as often as needed, up to the next size that
    the network takes; the output is cropped back.

    Args:
        network: Image [N, H, W, C] in [-1, 1] to image of the same size.
        multiple: H and W which the network takes are multiples of this.

    Attributes:
        endpoints: Signature name -> tf.function, for `tf.saved_model.save`.
    """

    def __init__(self, network: keras.Model, multiple: int) -> None:
        super().__init__()
        # The variables alone: the SavedModel then holds nothing of Keras.
        self.weights = [variable.value for variable in network.variables]
        channels = network.inputs[0].shape[-1]
        smallest = _smallest_side(network, multiple, channels)

        def translate(image: tf.Tensor) -> tf.Tensor:
            image = _not_empty(image)
            height, width = tf.shape(image)[1], tf.shape(image)[2]
            padded = _continue_axis(image, 1, height, multiple, smallest)
            padded = _continue_axis(padded, 2, width, multiple, smallest)
            translated = tf.cast(network(padded, training=False), tf.float32)
            return translated[:, :height, :width, :]

        self.endpoints = {"serving_default": _float_signature(translate, channels)}
        output_channels = network.outputs[0].shape[-1]
        if channels in _DECODABLE_CHANNELS and output_channels <= png.MOST_CHANNELS:
            self.endpoints["encoded"] = _encoded_signature(translate, channels)


def write_saved_model(network: keras.Model, directory: Path) -> None:
    """Writes the SavedModel of a network.

    Args:
        network: StyleGAN's or ProGAN's generator; or image to image, with an attribute
            `size_multiple`.
        directory: Created; must not exist.
    """
    if isinstance(network, StyleGenerator):
        module = StyleModule(network)
    elif isinstance(network, ProgressiveGenerator):
        module = LatentModule(network)
    else:
        module = TranslationModule(network, network.size_multiple)
    tf.saved_model.save(module, str(directory), signatures=dict(module.endpoints))


def _float_signature(translate: Any, channels: int) -> Any:
    shape = [None, None, None, channels]

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.float32, "image")], autograph=False
    )
    def serving_default(image: tf.Tensor) -> dict[str, tf.Tensor]:
        # A wrong rank in the first convolution would abort the whole process.
        image = tf.ensure_shape(image, shape)
        return {"translated_image": translate(image)}

    return serving_default


def _encoded_signature(translate: Any, channels: int) -> Any:
    def translate_file(contents: tf.Tensor) -> tf.Tensor:
        pixels = tf.io.decode_image(contents, channels, expand_animations=False)
        pixels = tf.ensure_shape(pixels, [None, None, channels])
        image = tf.cast(pixels, tf.float32) / 127.5 - 1.0
        with tf.device(None):
            translated = translate(image[tf.newaxis])[0]
        return png.encode(translated)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")],
        autograph=False,
    )
    def encoded(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        image_bytes = tf.ensure_shape(image_bytes, [None])
        # Strings cannot be copied to a GPU, where the loop would else be placed. One
        # image at a time, so that memory does not grow with the batch.
        with tf.device("/CPU:0"):
            translated = tf.map_fn(
                translate_file,
                image_bytes,
                parallel_iterations=1,
                fn_output_signature=tf.TensorSpec([], tf.string),
            )
        return {"translated_bytes": translated}

    return encoded


def _not_empty(image: tf.Tensor) -> tf.Tensor:
    check = tf.debugging.assert_positive(
        tf.size(image), "There is no image: N, H or W is 0"
    )
    with tf.control_dependencies([check]):
        return tf.identity(image)


def _continue_axis(
    image: tf.Tensor, axis: int, size: tf.Tensor, multiple: int, smallest: int
) -> tf.Tensor:
    """Mirrors `image` beyond its end, up to the next size that the network takes.

    Indices instead of tf.pad, which mirrors at most once: a 1 px image can need 255.
    """
    target = tf.maximum(-(-size // multiple) * multiple, smallest)
    index = tf.range(target) % (2 * size)
    return tf.gather(image, tf.minimum(index, 2 * size - 1 - index), axis=axis)


def _smallest_side(network: keras.Model, multiple: int, channels: int) -> int:
    """The smallest H = W that the network takes.

    Reflection padding inside needs more pixels than it adds, so that one multiple may
    be too few: the network is tried.
    """
    try:
        network(tf.zeros([1, multiple, multiple, channels]), training=False)
    except tf.errors.InvalidArgumentError:
        return 2 * multiple
    return multiple
