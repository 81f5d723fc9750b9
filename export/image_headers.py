"""How large an image file's picture is, from its header, inside TensorFlow functions.

A file of a few hundred bytes can claim a picture of gigabytes: nothing is decoded that
has not been measured here first.
"""

import functools
from typing import Any, NamedTuple

import tensorflow as tf

from export.pictures import MAX_PIXELS

SHORTEST_SIDE = 256
"""Sides below count as this: networks continue an image up to a size they take."""

MOST_GIF_BLOCKS = 10_000
"""Runs of equally long blocks before the first picture of a GIF file ends."""

_HEADER = 32
"""Bytes, which every header but those of JPEG and GIF fits in."""

_RUN = 4096
"""Blocks of a GIF file that are stepped over at once."""


class _Measured(NamedTuple):
    """A file's picture; int64 scalars.

    Args:
        contents: The file, of an animated GIF the first picture alone.
        width: In pixels.
        height: In pixels.
    """

    contents: tf.Tensor
    width: tf.Tensor
    height: tf.Tensor


def checked(contents: tf.Tensor) -> tf.Tensor:
    """Fails unless a file's picture is small enough to be decoded.

    Args:
        contents: A PNG, JPEG, GIF, BMP or WebP file, string [].

    Returns:
        What to decode: the file; of an animated GIF the first picture alone, for all
        the others would be decoded too. A graph fails where the header is of none of
        these formats, is cut off, or tells of more than `MAX_PIXELS` pixels. That it
        can be decoded is not promised.
    """
    found = measured(contents)
    message = tf.strings.join(
        [
            "An image of ",
            tf.strings.as_string(found.width),
            " x ",
            tf.strings.as_string(found.height),
            f" pixels is larger than {MAX_PIXELS} pixels, the most that is decoded "
            f"(a side below {SHORTEST_SIDE} counts as {SHORTEST_SIDE}). "
            "Make it smaller first.",
        ]
    )
    width = tf.maximum(found.width, SHORTEST_SIDE)
    height = tf.maximum(found.height, SHORTEST_SIDE)
    # Each side too: the product of two sides of 32 bits does not fit in 64.
    small = (width <= MAX_PIXELS) & (height <= MAX_PIXELS)
    return _unless(small & (width * height <= MAX_PIXELS), message, found.contents)


def measured(contents: tf.Tensor) -> _Measured:
    """Returns the width and height that a file's header tells of.

    Args:
        contents: See `checked`.
    """
    start = tf.strings.substr(contents, 0, _HEADER)
    header = tf.io.decode_raw(start, tf.uint8, fixed_length=_HEADER)
    header = tf.cast(header, tf.int64)
    formats = [
        (b"\xff\xd8\xff", 0, _jpeg),
        (b"\x89PNG\r\n\x1a\n", 0, _png),
        (b"GIF8", 0, _gif),
        (b"BM", 0, _bmp),
        # Behind RIFF, what is in it and how long it is.
        (b"WEBP", 8, _webp),
    ]
    return tf.case(
        [
            (_holds(header, magic, at), functools.partial(read, contents, header))
            for magic, at, read in formats
        ],
        default=functools.partial(_unknown, contents, header),
    )


def _jpeg(contents: tf.Tensor, header: tf.Tensor) -> _Measured:
    del header
    # What tells of the size may be anywhere in it: libjpeg finds it.
    size = tf.cast(tf.io.extract_jpeg_shape(contents), tf.int64)
    return _Measured(contents, size[1], size[0])


def _png(contents: tf.Tensor, header: tf.Tensor) -> _Measured:
    # Where other chunks come first, libpng looks for it further on.
    contents, header = _unless(
        _holds(header, b"IHDR", 12),
        "The PNG file does not begin with IHDR.",
        (contents, header),
    )
    return _Measured(contents, _big(header, 16), _big(header, 20))


def _bmp(contents: tf.Tensor, header: tf.Tensor) -> _Measured:
    height = _little(header, 22, 4)
    # Of 32 bits, with a sign: below 0 where the rows run from the top.
    height = tf.where(height < 2**31, height, 2**32 - height)
    return _Measured(contents, _little(header, 18, 4), height)


def _webp(contents: tf.Tensor, header: tf.Tensor) -> _Measured:
    bits = _little(header, 21, 4)
    sizes = {
        b"VP8 ": (_little(header, 26, 2) & 0x3FFF, _little(header, 28, 2) & 0x3FFF),
        b"VP8L": ((bits & 0x3FFF) + 1, (bits // 2**14 & 0x3FFF) + 1),
        b"VP8X": (_little(header, 24, 3) + 1, _little(header, 27, 3) + 1),
    }
    found = tf.stack([_holds(header, tag, 12) for tag in sizes])
    contents, found = _unless(
        _holds(header, b"RIFF", 0) & tf.reduce_any(found),
        "The WebP file begins with none of VP8, VP8L and VP8X.",
        (contents, found),
    )
    size = tf.boolean_mask(tf.stack([tf.stack(pair) for pair in sizes.values()]), found)
    return _Measured(contents, size[0, 0], size[0, 1])


def _gif(contents: tf.Tensor, header: tf.Tensor) -> _Measured:
    # What is behind the end reads as zeros, which end every chain of blocks.
    data = tf.io.decode_raw(tf.strings.join([contents, b"\0" * _HEADER]), tf.uint8)
    start, budget = _after_extensions(data, 13 + _table(_at(data, 10)))
    data = _unless(
        (_at(data, start) == 0x2C) & (budget > 0),
        "The GIF file holds no image, or it comes after too many other blocks.",
        data,
    )
    end, budget = _after_blocks(data, start + 11 + _table(_at(data, start + 9)), budget)
    # The others, with the byte that ends the file, are left away.
    first = tf.strings.join([tf.strings.substr(contents, 0, end), b"\x3b"])
    first = _unless(budget > 0, "The GIF file is cut into too many blocks.", first)
    sizes = [
        tf.cast(_at(data, at) + 256 * _at(data, at + 1), tf.int64)
        for at in (start + 5, start + 7)
    ]
    width, height = (
        tf.maximum(screen, own)
        for screen, own in zip(
            (_little(header, 6, 2), _little(header, 8, 2)), sizes, strict=True
        )
    )
    return _Measured(first, width, height)


def _after_extensions(data: tf.Tensor, start: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the first block from `start` is that is no extension, and what is left."""

    def is_extension(at: tf.Tensor, budget: tf.Tensor) -> tf.Tensor:
        return (_at(data, at) == 0x21) & (budget > 0)

    def step(at: tf.Tensor, budget: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _after_blocks(data, at + 2, budget)

    return tf.while_loop(is_extension, step, (start, tf.constant(MOST_GIF_BLOCKS)))


def _after_blocks(
    data: tf.Tensor, start: tf.Tensor, budget: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where a chain of blocks ends: each has its length first, the last has length 0.

    Most writers make them equally long: a run of those is one step of the loop.
    """

    def goes_on(at: tf.Tensor, budget: tf.Tensor) -> tf.Tensor:
        return (_at(data, at) > 0) & (budget > 0)

    def step(at: tf.Tensor, budget: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        stride = _at(data, at) + 1
        lengths = data[at : at + _RUN * stride : stride]
        others = tf.concat([lengths != lengths[0], [True]], axis=0)
        run = tf.argmax(others, output_type=tf.int32)
        return at + run * stride, budget - 1

    at, budget = tf.while_loop(goes_on, step, (start, budget - 1))
    return at + 1, budget


def _table(flags: tf.Tensor) -> tf.Tensor:
    """The bytes of a GIF file's table of colours."""
    return tf.where(flags >= 128, 3 * tf.bitwise.left_shift(2, flags % 8), 0)


def _unknown(contents: tf.Tensor, header: tf.Tensor) -> _Measured:
    del header
    contents = _unless(
        tf.constant(False),
        "Unknown image file format. One of PNG, JPEG, GIF, BMP and WebP is required.",
        contents,
    )
    return _Measured(contents, tf.constant(0, tf.int64), tf.constant(0, tf.int64))


def _unless(condition: tf.Tensor, message: str | tf.Tensor, values: Any) -> Any:
    """`values`; a graph fails with the message unless the condition is true.

    What is computed of them is computed after it: no later failure comes before this
    one, whichever thread is faster.
    """
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.nest.map_structure(tf.identity, values)


def _at(data: tf.Tensor, index: tf.Tensor | int) -> tf.Tensor:
    """A byte as int32; the last one, which is 0, for all places behind the end."""
    return tf.cast(data[tf.minimum(index, tf.size(data) - 1)], tf.int32)


def _holds(header: tf.Tensor, magic: bytes, at: int) -> tf.Tensor:
    return tf.reduce_all(header[at : at + len(magic)] == list(magic))


def _little(header: tf.Tensor, at: int, count: int) -> tf.Tensor:
    """A number whose lowest byte comes first."""
    return tf.reduce_sum(header[at : at + count] * [256**i for i in range(count)])


def _big(header: tf.Tensor, at: int) -> tf.Tensor:
    """A number of 4 bytes, the highest first."""
    return tf.reduce_sum(header[at : at + 4] * [256**i for i in (3, 2, 1, 0)])
