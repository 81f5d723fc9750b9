"""Enlarging images of any size, large ones tile by tile."""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf
from PIL import Image

from tfgan_models.runs.description import leaves
from tfgan_models.runs.opening import Opened
from tfgan_models.tasks import images

TILE = 256
"""Side of the tiles, in pixels of the input, that a large image is split into."""


class Upscaler(images.ImageModel):
    """A network that enlarges images of any size."""

    @property
    def scale(self) -> int:
        """The factor, in each direction."""
        return self.facts.scale

    def of_picture(self, picture: images.Picture) -> Image.Image:
        """Returns an enlarged image; greyscale is kept, alpha enlarged bicubically."""
        result = super().of_picture(picture)
        if picture.is_grey:
            result = result.convert("L" if picture.alpha is None else "LA")
        return result

    def in_tiles(self, side: int) -> None:
        """Sets another side of the tiles, in pixels of the image."""
        function = tiled(self.network, self.scale, side)
        self.arrays = images.compiled(function, self.network.inputs[0].shape[-1])


def opened(found: Opened, name: str) -> Upscaler:
    """Returns a network that enlarges."""
    model = Upscaler(found, name)
    if found.loaded is not None:
        model.arrays = images.signature(found.loaded, "upscaled_image")
    else:
        model.in_tiles(TILE)
    return model


def tiled(
    network: keras.Model, scale: int, tile: int = TILE
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns a function that enlarges images of any size in bounded memory.

    Large images are split into tiles, which are enlarged one at a time, each with
    enough of its surroundings that nothing further away can affect it (see `reach`):
    the result is the network's own, without seams. A tile's window never leaves the
    image, so the network pads only where the image ends.

    Args:
        network: Image [N, H, W, C] in [-1, 1] to image [N, sH, sW, C]; convolutions
            and pixelwise operations.
        scale: s.
        tile: Side of the tiles in pixels of the input. Images no larger than
            a tile's window are enlarged at once.

    Returns:
        Images [N, H, W, C] to float32 [N, sH, sW, C], clipped to [-1, 1].
    """
    margin, channels = reach(network), network.outputs[0].shape[-1]

    def upscale(image: tf.Tensor) -> tf.Tensor:
        count, height, width = tf.unstack(tf.shape(image)[:3])
        rows, columns = _cut(height, tile, margin), _cut(width, tile, margin)

        def one(place: tf.Tensor) -> tf.Tensor:
            row, column = place // columns.count % rows.count, place % columns.count
            start = [
                place // (rows.count * columns.count),
                rows.window_start(row),
                columns.window_start(column),
                0,
            ]
            window = tf.slice(image, start, [1, rows.window, columns.window, -1])
            # Keras compiles a convolution of an unknown number of channels with XLA,
            # which TensorFlow Serving has disabled.
            window = tf.ensure_shape(window, [1, None, None, image.shape[-1]])
            enlarged = tf.cast(network(window, training=False), tf.float32)[0]
            top, left = rows.start(row) - start[1], columns.start(column) - start[2]
            return tf.slice(
                enlarged,
                [scale * top, scale * left, 0],
                [scale * rows.tile, scale * columns.tile, channels],
            )

        tiles = tf.map_fn(
            one,
            tf.range(count * rows.count * columns.count),
            parallel_iterations=1,
            fn_output_signature=tf.TensorSpec([None, None, channels], tf.float32),
        )
        sides = [scale * rows.tile, scale * columns.tile]
        tiles = tf.reshape(tiles, [count, rows.count, columns.count, *sides, channels])
        tiles = tf.transpose(tiles, [0, 1, 3, 2, 4, 5])
        joined = tf.reshape(
            tiles,
            [count, rows.count * sides[0], columns.count * sides[1], channels],
        )
        joined = tf.gather(joined, rows.places(scale), axis=1)
        joined = tf.gather(joined, columns.places(scale), axis=2)
        return tf.clip_by_value(joined, -1.0, 1.0)

    return upscale


def reach(network: keras.Model) -> int:
    """Returns the radius of the receptive field, in input pixels.

    An upper bound: the sum of all kernels' radii, as if each were at the input's
    resolution.
    """
    return sum(
        max(layer.kernel_size) // 2 * max(layer.dilation_rate)
        for layer in leaves(network)
        if hasattr(layer, "kernel_size")
    )


@dataclass(frozen=True)
class _Cut:
    """The tiling of one axis, in pixels of the input; all are scalar int32 tensors.

    Args:
        size: Of the image.
        tile: Of a tile: all are equal, so the last one overlaps the previous one.
        window: Of a tile with its surroundings.
        count: Number of tiles.
    """

    size: tf.Tensor
    tile: tf.Tensor
    window: tf.Tensor
    count: tf.Tensor

    def start(self, i: tf.Tensor) -> tf.Tensor:
        """Where tile i starts."""
        return tf.minimum(i * self.tile, self.size - self.tile)

    def window_start(self, i: tf.Tensor) -> tf.Tensor:
        """Where the window of tile i starts, inside the image like all of it."""
        before = self.start(i) - (self.window - self.tile) // 2
        return tf.clip_by_value(before, 0, self.size - self.window)

    def places(self, scale: int) -> tf.Tensor:
        """The index of each pixel of the enlarged axis in the concatenated tiles."""
        pixels = tf.range(scale * self.size)
        tiles = tf.minimum(pixels // (scale * self.tile), self.count - 1)
        return pixels - scale * self.start(tiles) + scale * self.tile * tiles


def _cut(size: tf.Tensor, tile: int, margin: int) -> _Cut:
    window = tf.minimum(size, tile + 2 * margin)
    side = tf.where(window == size, size, tile)
    return _Cut(size, side, window, -(-size // side))
