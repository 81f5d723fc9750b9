"""Encoding of captions, and the loss that matches texts and images.

Reed et al., "Learning Deep Representations of Fine-grained Visual Descriptions"
(arXiv:1605.05395).
"""

import numpy as np
import tensorflow as tf

from tfgan_models.networks.text_encoder import ALPHABET, SPACE

MARGIN = 1.0
"""Margin by which a matching pair must score above others."""


def characters(captions: tf.Tensor, length: int) -> tf.Tensor:
    """Encodes captions as character numbers, in any TensorFlow graph.

    Captions are stripped of white space and converted to lower case. A
    byte that is not in `networks.text_encoder.ALPHABET` becomes a space. Characters
    beyond `length` are cut off.

    Args:
        captions: string [N].
        length: L.

    Returns:
        int32 [N, L]: 0 after the end, 1 for a space, then as in the alphabet.
    """
    # Strings cannot be copied to a GPU.
    with tf.device("/CPU:0"):
        texts = tf.strings.lower(tf.strings.strip(captions))
        codes = tf.io.decode_raw(texts, tf.uint8, fixed_length=length)
        return tf.gather(_numbers(), tf.cast(codes, tf.int32))


def matching_loss(images: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
    """The structured joint embedding loss, symmetric (arXiv:1605.05395, section 3).

    The score of an image and a text is the dot product of their vectors. Each image's
    own text should score `MARGIN` more than every other text of the batch, and each
    text's own image more than every other image; the loss is the shortfall.

    Args:
        images: Vectors of images, [N, D], N 2 or more.
        texts: Vectors of their texts, [N, D]; row i is that of image i.

    Returns:
        A scalar: the mean over all pairs that do not match, `2 * MARGIN` where
        all scores are equal.
    """
    scores = _scores(images, texts)
    own = tf.linalg.diag_part(scores)
    per_image = tf.nn.relu(MARGIN - own[:, tf.newaxis] + scores)
    per_text = tf.nn.relu(MARGIN - own[tf.newaxis] + scores)
    count = tf.shape(scores)[0]
    others = 1.0 - tf.eye(count)
    pairs = tf.cast(count * (count - 1), tf.float32)
    return tf.reduce_sum((per_image + per_text) * others) / pairs


def retrieval_accuracy(images: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
    """The share of texts that score best with their own image; chance: 1/N.

    Args:
        images: Vectors of images, [N, D].
        texts: Vectors of their texts, [N, D].

    Returns:
        A scalar from 0 to 1.
    """
    best = tf.argmax(_scores(images, texts), axis=0)
    hits = tf.equal(best, tf.range(tf.shape(texts)[0], dtype=tf.int64))
    return tf.reduce_mean(tf.cast(hits, tf.float32))


def _scores(images: tf.Tensor, texts: tf.Tensor) -> tf.Tensor:
    """Dot products of all images with all texts, float32 [images, texts]."""
    images, texts = (tf.cast(x, tf.float32) for x in (images, texts))
    return tf.matmul(images, texts, transpose_b=True)


def _numbers() -> tf.Tensor:
    """The number of each byte, int32 [256]."""
    numbers = np.full(256, SPACE, np.int32)
    numbers[0] = 0  # decode_raw's padding
    for place, byte in enumerate(ALPHABET.encode("ascii")):
        numbers[byte] = SPACE + place
    return tf.constant(numbers)
