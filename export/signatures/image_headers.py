"""The size of an image file from its header, inside TensorFlow functions.

A file of a few hundred bytes can claim to hold gigabytes: nothing is decoded before its
size has been checked here.
"""

import functools
from typing import TypeVar

import tensorflow as tf

from export.signatures.image_signature import MAX_PIXELS

T = TypeVar("T")

SHORTEST_SIDE = 256
"""Sides below count as this: networks pad an image up to a valid size."""

_HEADER = 32
"""Bytes, enough for every header except JPEG's."""

_Size = tuple[tf.Tensor, tf.Tensor]
"""Width and height in pixels, int64 []."""


def checked(contents: tf.Tensor) -> tf.Tensor:
    """Fails unless a file's image is small enough to be decoded.

    Args:
        contents: A PNG, JPEG, BMP or WebP file, string [].

    Returns:
        The file. A graph fails if the header has none of these formats, is truncated,
        or claims more than `MAX_PIXELS` pixels. Decoding may still fail.
    """
    width, height = measured(contents)
    message = tf.strings.join(
        [
            "An image of ",
            tf.strings.as_string(width),
            " x ",
            tf.strings.as_string(height),
            f" pixels is larger than {MAX_PIXELS} pixels, the limit "
            f"(a side below {SHORTEST_SIDE} counts as {SHORTEST_SIDE}). "
            "Make it smaller first.",
        ]
    )
    width = tf.maximum(width, SHORTEST_SIDE)
    height = tf.maximum(height, SHORTEST_SIDE)
    # Each side too: the product of two sides of 32 bits does not fit in 64.
    small = (width <= MAX_PIXELS) & (height <= MAX_PIXELS)
    return _unless(small & (width * height <= MAX_PIXELS), message, contents)


def measured(contents: tf.Tensor) -> _Size:
    """Returns the width and height in a file's header.

    Args:
        contents: See `checked`.
    """
    start = tf.strings.substr(contents, 0, _HEADER)
    header = tf.io.decode_raw(start, tf.uint8, fixed_length=_HEADER)
    header = tf.cast(header, tf.int64)
    formats = [
        (b"\xff\xd8\xff", 0, _jpeg, contents),
        (b"\x89PNG\r\n\x1a\n", 0, _png, header),
        (b"BM", 0, _bmp, header),
        # After RIFF, what it contains and its length.
        (b"WEBP", 8, _webp, header),
    ]
    return tf.case(
        [
            (_holds(header, magic, at), functools.partial(read, source))
            for magic, at, read, source in formats
        ],
        default=_unknown,
    )


def _jpeg(contents: tf.Tensor) -> _Size:
    # The size may be anywhere in it: libjpeg finds it.
    size = tf.cast(tf.io.extract_jpeg_shape(contents), tf.int64)
    return size[1], size[0]


def _png(header: tf.Tensor) -> _Size:
    # If other chunks come first, libpng looks for it further on.
    is_first = _holds(header, b"IHDR", 12)
    header = _unless(is_first, "The PNG file does not begin with IHDR.", header)
    return _big(header, 16), _big(header, 20)


def _bmp(header: tf.Tensor) -> _Size:
    height = _little(header, 22, 4)
    # Signed 32 bits: negative if the rows run from the top.
    height = tf.where(height < 2**31, height, 2**32 - height)
    return _little(header, 18, 4), height


def _webp(header: tf.Tensor) -> _Size:
    bits = _little(header, 21, 4)
    sizes = {
        b"VP8 ": (_little(header, 26, 2) & 0x3FFF, _little(header, 28, 2) & 0x3FFF),
        b"VP8L": ((bits & 0x3FFF) + 1, (bits // 2**14 & 0x3FFF) + 1),
        b"VP8X": (_little(header, 24, 3) + 1, _little(header, 27, 3) + 1),
    }
    found = tf.stack([_holds(header, tag, 12) for tag in sizes])
    found = _unless(
        _holds(header, b"RIFF", 0) & tf.reduce_any(found),
        "The WebP file starts with none of VP8, VP8L and VP8X.",
        found,
    )
    size = tf.boolean_mask(tf.stack([tf.stack(pair) for pair in sizes.values()]), found)
    return size[0, 0], size[0, 1]


def _unknown() -> _Size:
    nothing = tf.constant(0, tf.int64)
    return _unless(
        tf.constant(False),
        "Unknown image file format. One of PNG, JPEG, BMP and WebP is required.",
        (nothing, nothing),
    )


def _unless(condition: tf.Tensor, message: str | tf.Tensor, values: T) -> T:
    """`values`; a graph fails with the message unless the condition is true.

    Whatever is computed from them is computed afterwards: no later failure comes before
    this one, whichever thread is faster.
    """
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.nest.map_structure(tf.identity, values)


def _holds(header: tf.Tensor, magic: bytes, at: int) -> tf.Tensor:
    return tf.reduce_all(header[at : at + len(magic)] == list(magic))


def _little(header: tf.Tensor, at: int, count: int) -> tf.Tensor:
    """A little-endian number."""
    return tf.reduce_sum(header[at : at + count] * [256**i for i in range(count)])


def _big(header: tf.Tensor, at: int) -> tf.Tensor:
    """A big-endian number of 4 bytes."""
    return tf.reduce_sum(header[at : at + 4] * [256**i for i in (3, 2, 1, 0)])
