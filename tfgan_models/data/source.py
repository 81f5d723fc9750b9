"""Data sets as the pipelines use them: images in a stable order."""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfgan_models.folders.contents import Contents


@dataclasses.dataclass(frozen=True)
class ImageSource:
    """Images of one split, in an order that never changes.

    An image is kept as a small string record (a path or an encoded file) until it
    is needed, so that a pipeline can reach any of them without decoding the others.

    Attributes:
        name: Its name in messages, e.g. `cycle_gan/monet2photo trainA`.
        length: The number of images.
        records: Returns a data set of `length` scalar strings.
        decode: Turns one record into a uint8 image, [H, W, 3].
    """

    name: str
    length: int
    records: Callable[[], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tf.Tensor]

    def images(self) -> tf.data.Dataset:
        """Yields the images, uint8 [H, W, 3], in the source's order."""
        return self.records().map(
            self.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )


@dataclasses.dataclass(frozen=True)
class UnpairedSplits:
    """Two domains, A and B, of unrelated images.

    Attributes:
        train_a: Training images of domain A.
        train_b: Training images of domain B.
        test_a: Test images of domain A.
        test_b: Test images of domain B.
        aligned: Whether test images with the same index show the same scene: the
            ground truth of a translation.
        contents: The contents of their folder, if they have one.
    """

    train_a: ImageSource
    train_b: ImageSource
    test_a: ImageSource
    test_b: ImageSource
    aligned: bool = False
    contents: Contents | None = None


@dataclasses.dataclass(frozen=True)
class PairSource:
    """Pairs of one split, in an order that never changes: an input and its target.

    The two images of a pair are aligned pixel by pixel, possibly at
    different sizes.

    Attributes:
        name: Its name in messages, e.g. `emoji/line2flat train`.
        length: The number of pairs.
        records: Returns a data set of `length` string tensors of one shape.
        decode: Turns one record into (input, target), each uint8 [H, W, 3].
    """

    name: str
    length: int
    records: Callable[[], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

    def pairs(self) -> tf.data.Dataset:
        """Yields (input, target), uint8 [H, W, 3] each, in the source's order."""
        return self.records().map(
            self.decode, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )

    def swapped(self) -> "PairSource":
        """Returns the same pairs with input and target exchanged."""

        def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            first, second = self.decode(record)
            return second, first

        return dataclasses.replace(self, decode=decode)


@dataclasses.dataclass(frozen=True)
class PairedSplits:
    """Aligned pairs for learning a translation.

    Attributes:
        train: Training pairs.
        test: Test pairs.
        contents: The contents of their folder, if they have one.
    """

    train: PairSource
    test: PairSource
    contents: Contents | None = None

    def swapped(self) -> "PairedSplits":
        """Returns the splits of the opposite direction."""
        return dataclasses.replace(
            self, train=self.train.swapped(), test=self.test.swapped()
        )


# Compared by identity: array equality is not a bool.
@dataclasses.dataclass(frozen=True, eq=False)
class SuperResSource:
    """Images of one split at high and at low resolution, in a stable order.

    Attributes:
        name: Its name in messages, e.g. `div2k/bicubic_x4 train`.
        length: The number of images.
        records: Returns a data set of `length` string tensors of one shape.
        decode: Turns one record into (low, high): low is uint8 [h, w, 3], or None where
            it is to be computed from high, uint8 [scale * h, scale * w, 3].
        scale: The factor between the two resolutions.
        sizes: Height and width of each image at high resolution, int64 [length, 2].
    """

    name: str
    length: int
    records: Callable[[], tf.data.Dataset]
    decode: Callable[[tf.Tensor], tuple[tf.Tensor | None, tf.Tensor]]
    scale: int
    sizes: np.ndarray


@dataclasses.dataclass(frozen=True)
class SuperResSplits:
    """Images for learning to enlarge.

    Attributes:
        train: Training images.
        test: Test images.
        contents: The contents of their folder, if they have one.
    """

    train: SuperResSource
    test: SuperResSource
    contents: Contents | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledSource:
    """Images of one split and their classes.

    Attributes:
        images: The images.
        labels: Each image's class, int32 [length]: its index in `classes`, 0 if
            there are no classes, or -1 if TFDS does not know it.
        classes: The names of the classes, or () if there are none.
    """

    images: ImageSource
    labels: np.ndarray
    classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class LabelledSplits:
    """Images for learning to generate.

    Attributes:
        train: Training images.
        test: Real images to compare generated ones with.
        contents: The contents of their folder, if they have one.
    """

    train: LabelledSource
    test: LabelledSource
    contents: Contents | None = None


# Compared by identity: array equality is not a bool.
@dataclasses.dataclass(frozen=True, eq=False)
class CaptionedSource:
    """Images of one split and their captions.

    Attributes:
        images: The images.
        captions: The captions of all images, image by image.
        starts: Index of each image's first caption, and the end,
            int64 [length + 1].
        groups: int64 [length]: images with the same number show the same thing, so none
            of them is a wrong image for another's caption.
        names: The names of the images' files, or () if they have none.
        vectors: Each caption's embedding, float32 [captions, D], or None.
    """

    images: ImageSource
    captions: tuple[str, ...]
    starts: np.ndarray
    groups: np.ndarray
    names: tuple[str, ...] = ()
    vectors: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class CaptionedSplits:
    """Images for learning to generate from captions.

    Attributes:
        train: Training images.
        test: Real images to compare generated ones with.
        contents: The contents of their folder, if they have one.
    """

    train: CaptionedSource
    test: CaptionedSource
    contents: Contents | None = None
