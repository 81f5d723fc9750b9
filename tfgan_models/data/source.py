"""What a data set is to the pipelines: images in a stable order."""

import dataclasses
from collections.abc import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Images of one split, in an order that never changes.

    An image is kept as a small string record (a path or an encoded file) until it
    is needed, so that a pipeline can reach any of them without decoding the others.

    Attributes:
        name: What to call it in messages, e.g. `cycle_gan/monet2photo trainA`.
        length: The number of images.
        records: Gives a data set of `length` scalar strings.
        decode: Turns one record into a uint8 image, [H, W, 3].
    """

    name: str
    length: int
    records: Callable[[], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor]

    def images(self) -> tf.data.Dataset:
        """Gives the images, uint8 [H, W, 3], in the source's order."""
        return self.records().map(
            self.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )


@dataclasses.dataclass(frozen=True)
class UnpairedSplits:
    """Two domains, A and B, whose images have nothing to do with each other.

    Attributes:
        train_a: Training images of domain A.
        train_b: Training images of domain B.
        test_a: Test images of domain A.
        test_b: Test images of domain B.
    """

    train_a: ImageSource
    train_b: ImageSource
    test_a: ImageSource
    test_b: ImageSource
