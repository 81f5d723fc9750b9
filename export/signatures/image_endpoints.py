"""The signatures of image-to-image functions: arrays, and files."""

from collections.abc import Callable
from typing import TypeAlias

import tensorflow as tf

from export.signatures import image_headers, png

DECODABLE_CHANNELS = (1, 3)
"""Numbers of channels to which tf.io.decode_image can decode every format."""

Function: TypeAlias = Callable[[tf.Tensor], tf.Tensor]
"""Images float32 [N, H, W, C] in [-1, 1] to images float32."""


def floats(
    function: Function, channels: int, output: str
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the signature `image` [N, H, W, channels] -> `output`."""
    shape = [None, None, None, channels]

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.float32, "image")], autograph=False
    )
    def serving_default(image: tf.Tensor) -> dict[str, tf.Tensor]:
        # A wrong rank in the first convolution would abort the whole process.
        image = tf.ensure_shape(image, shape)
        return {output: function(_not_empty(image))}

    return serving_default


def files(
    function: Function, channels: int, output: str
) -> tf.types.experimental.PolymorphicFunction:
    """Returns the signature `image_bytes` string [N] -> `output`, PNG files [N].

    Args:
        function: Applied to each image.
        channels: Number of channels of decoded files, one of `DECODABLE_CHANNELS`.
        output: The name of the output.
    """

    def of_file(contents: tf.Tensor) -> tf.Tensor:
        contents = image_headers.checked(contents)
        pixels = tf.io.decode_image(contents, channels, expand_animations=False)
        pixels = tf.ensure_shape(pixels, [None, None, channels])
        image = tf.cast(pixels, tf.float32) / 127.5 - 1.0
        with tf.device(None):
            made = function(_not_empty(image[tf.newaxis]))[0]
        return png.encode(made)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")],
        autograph=False,
    )
    def encoded(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        image_bytes = tf.ensure_shape(image_bytes, [None])
        # Strings cannot be copied to a GPU, where the loop would otherwise run. One
        # image at a time, so that memory does not grow with the batch.
        with tf.device("/CPU:0"):
            made = tf.map_fn(
                of_file,
                image_bytes,
                parallel_iterations=1,
                fn_output_signature=tf.TensorSpec([], tf.string),
            )
        return {output: made}

    return encoded


def _not_empty(image: tf.Tensor) -> tf.Tensor:
    check = tf.debugging.assert_positive(
        tf.size(image), "There is no image: N, H or W is 0"
    )
    with tf.control_dependencies([check]):
        return tf.identity(image)
