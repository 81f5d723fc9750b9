"""Data sets of single images, with classes if there are any, from TFDS."""

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfgan_models.data import folder, prepared
from tfgan_models.data.digits import Digits
from tfgan_models.data.emoji import Emoji
from tfgan_models.data.source import LabelledSource, LabelledSplits
from tfgan_models.errors import UsageError
from tfgan_models.folders.contents import STAND_IN_TEST_IMAGES

EMOJI = tuple(
    f"emoji/{config.name}"
    for config in Emoji.BUILDER_CONFIGS
    if "image" in config.drawings
)
"""Names of the bundled emoji images."""

BUNDLED = (*EMOJI, Digits.name)
"""Names of the data sets of single images that come with the package."""

TASK = prepared.Task(
    BUNDLED,
    "a TFDS name with an image feature image and a split train, such as cifar10, or "
    "folder:PATH with images, or one folder of images per class, in PATH or PATH/train",
)


def find(name: str, data_dir: str | None = None) -> LabelledSplits:
    """Reads the splits of a TFDS data set of single images, preparing it if necessary.

    Args:
        name: One of `BUNDLED`, or a TFDS name with an image feature `image` and a
            split `train`. If `test` and `validation` are missing, training images
            are used.
        data_dir: Where prepared data sets are; by default where TFDS puts them.

    Returns:
        Both splits.

    Raises:
        UsageError: TFDS does not know the name, or it holds no such images.
        FailureError: It could not be downloaded or prepared.
    """
    builder = prepared.prepared_builder(name, data_dir, TASK)
    features, splits = builder.info.features, builder.info.splits
    image = dict(features.items()).get("image")
    if not isinstance(image, tfds.features.Image) or "train" not in splits:
        raise UsageError(
            f"dataset={name} has no image feature image or no split train. Found: "
            f"{', '.join(features)}; {', '.join(splits) or 'no split'}. Allowed: "
            f"{', '.join(BUNDLED)}, {TASK.others}."
        )
    train = _source(builder, "train")
    for split in ("test", "validation"):
        if split in splits:
            return LabelledSplits(train, _source(builder, split))
    return LabelledSplits(train, folder.first_labelled(train, STAND_IN_TEST_IMAGES))


def _source(builder: tfds.core.DatasetBuilder, split: str) -> LabelledSource:
    """Reads the classes of `label`, or else of the only ClassLabel, in one split."""
    source = prepared.image_source(builder, split)
    names = {
        name: feature.names
        for name, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.ClassLabel)
    }
    feature = next(iter(names)) if len(names) == 1 else "label"
    if feature not in names:
        return LabelledSource(source, np.zeros(source.length, np.int32))
    examples = prepared.encoded(builder, split, feature).batch(source.length)
    labels = tf.cast(examples.get_single_element()[feature], tf.int32)
    return LabelledSource(source, labels.numpy(), tuple(names[feature]))
