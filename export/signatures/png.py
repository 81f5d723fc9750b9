"""Images as PNG files, inside TensorFlow functions."""

import tensorflow as tf

MOST_CHANNELS = 4
"""Maximum number of channels of a PNG file."""


def encode(images: tf.Tensor) -> tf.Tensor:
    """Encodes each image as a PNG file.

    Args:
        images: float32 [..., H, W, C], C up to 4, in [-1, 1]; values outside are
            clipped.

    Returns:
        string [...].
    """
    levels = tf.clip_by_value((images + 1.0) * 127.5, 0.0, 255.0)
    # Strings cannot be copied to a GPU.
    with tf.device("/CPU:0"):
        return tf.io.encode_png(tf.cast(tf.round(levels), tf.uint8))
