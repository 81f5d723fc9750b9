"""Sources of images with captions: TFDS and folders."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from tfgan_models.data import captioned, folder, images, labelled_sources, prepared
from tfgan_models.data.embeddings import Embeddings, joined
from tfgan_models.data.source import (
    CaptionedSource,
    CaptionedSplits,
    ImageSource,
    LabelledSource,
)
from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
from tfgan_models.folders.contents import STAND_IN_TEST_IMAGES

CAPTIONED = prepared.Task(
    labelled_sources.EMOJI,
    "a TFDS name with an image feature image and a text feature caption, text or name, "
    "or image/filename and --embeddings=FILE, or folder:PATH with images and, next to "
    "each, a text file of the same name with one caption per line",
)
_CAPTIONS = ("caption", "text", "name")
_NAMES = ("image/filename", "filename", "file_name")
_BOX_MARGIN = 0.75
"""Half the side of the crop around an object, relative to its longer side: as in the
code of arXiv:1612.03242."""


def prepared_captioned(
    name: str, data_dir: str | None = None, found: Embeddings | None = None
) -> CaptionedSplits:
    """Reads the splits of a TFDS data set of images with captions, or with file names.

    Args:
        name: A TFDS name with an image feature `image`, a split `train` and a text
            feature `caption`, `text` or `name`, or `image/filename`, `filename` or
            `file_name`. Images of the same class of the feature `label`, if there is
            one, form a group. If there is a feature `bbox`, images are cropped to the
            square of 1.5 times its longer side around it.
        data_dir: Where prepared data sets are; by default where TFDS puts them.
        found: Embeddings to join.

    Returns:
        Both splits; training images are used if there is no test or validation.

    Raises:
        UsageError: TFDS does not know the name, or it holds no such images, or an
            image has no embedding.
        FailureError: It could not be downloaded or prepared.
    """
    texts = _text_features(name, data_dir, found)
    builder = prepared.prepared_builder(name, data_dir, CAPTIONED)
    splits = builder.info.splits
    if "train" not in splits:
        raise UsageError(
            f"dataset={name} has no split train. Found: {', '.join(splits) or 'none'}. "
            f"Allowed: {', '.join(CAPTIONED.bundled)}, {CAPTIONED.others}."
        )
    test = next((s for s in ("test", "validation") if s in splits), None)
    train = _tfds_source(builder, "train", texts)
    if test is None:
        return _finished(train, first(train, STAND_IN_TEST_IMAGES), found)
    return _finished(train, _tfds_source(builder, test, texts), found)


def folder_captioned(path: Path, found: Embeddings | None = None) -> CaptionedSplits:
    """Reads the splits of images and text files from a folder.

    Args:
        path: A folder as `layouts.labelled` takes it; next to each image there is a
            text file of its name, with the extension .txt and one caption per line.
            Folders of images are groups of images.
        found: Embeddings to join; then there need be no text files.

    Returns:
        Both splits.

    Raises:
        UsageError: The folder is missing or has another layout, a text file
            cannot be read, or an image has no caption or embedding.
    """
    splits = folder.labelled(layouts.captioned(path))
    made = _finished(_folder_source(splits.train), _folder_source(splits.test), found)
    return dataclasses.replace(made, contents=splits.contents)


def first(source: CaptionedSource, count: int) -> CaptionedSource:
    """Takes the first images of a source and their captions.

    Args:
        source: What to choose from.
        count: How many to take at most.

    Returns:
        A source of the first `count`, or of all if there are fewer.
    """
    starts = source.starts[: count + 1]
    return CaptionedSource(
        folder.first(source.images, count),
        source.captions[: starts[-1]],
        starts,
        source.groups[:count],
        source.names[:count],
        None if source.vectors is None else source.vectors[: starts[-1]],
    )


def around(image: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Crops an image to the square around an object, as far as it is inside.

    Args:
        image: [H, W, C].
        box: The object's top, left, bottom and right, float32 [4] in 0..1.

    Returns:
        [h, w, C], h and w up to 1.5 times the longer side of the box.
    """
    size = tf.cast(tf.shape(image)[:2], tf.float32)
    low, high = box[:2] * size, box[2:] * size
    half = _BOX_MARGIN * tf.reduce_max(high - low)
    centre = (low + high) / 2.0
    begin = tf.cast(tf.maximum(centre - half, 0.0), tf.int32)
    end = tf.cast(tf.math.ceil(tf.minimum(centre + half, size)), tf.int32)
    return image[begin[0] : end[0], begin[1] : end[1]]


def _finished(
    train: CaptionedSource, test: CaptionedSource, found: Embeddings | None
) -> CaptionedSplits:
    splits = CaptionedSplits(train, test)
    if found is not None:
        return joined(splits, found)
    captioned.check_captions(train)
    captioned.check_captions(test)
    return splits


def _text_features(
    name: str, data_dir: str | None, found: Embeddings | None
) -> list[str]:
    """The features with captions or file names, without any download."""
    features = prepared.features(name, data_dir, CAPTIONED)
    texts = [
        feature
        for feature in (*_CAPTIONS, *_NAMES)
        if isinstance(features.get(feature), tfds.features.Text)
    ]
    if not isinstance(features.get("image"), tfds.features.Image) or not texts:
        raise UsageError(
            f"dataset={name} has no images with captions or file names. Found: "
            f"{', '.join(features)}. Allowed: {', '.join(CAPTIONED.bundled)}, "
            f"{CAPTIONED.others}."
        )
    if found is None and not set(texts) & set(_CAPTIONS):
        raise UsageError(
            f"dataset={name} has images without captions. Give --embeddings=FILE: "
            "captions, their embeddings and the images' file names, as an NPZ or "
            "TFRecord file (docs/embeddings.md)."
        )
    return texts


def _tfds_source(
    builder: tfds.core.DatasetBuilder, split: str, texts: list[str]
) -> CaptionedSource:
    features = dict(builder.info.features.items())
    has_classes = isinstance(features.get("label"), tfds.features.ClassLabel)
    wanted = [*texts, "label"] if has_classes else texts
    length = builder.info.splits[split].num_examples
    examples = prepared.encoded(builder, split, *wanted).batch(length)
    columns = {k: v.numpy() for k, v in examples.get_single_element().items()}
    said, named = (
        next((_texts(columns[n]) for n in names if n in texts), ())
        for names in (_CAPTIONS, _NAMES)
    )
    return captioned.make_source(
        _boxed(builder, split)
        if isinstance(features.get("bbox"), tfds.features.BBoxFeature)
        else prepared.image_source(builder, split),
        [(text,) if text.strip() else () for text in said] or [()] * length,
        named,
        columns.get("label"),
    )


def _texts(column: np.ndarray) -> tuple[str, ...]:
    return tuple(text.decode() for text in column.tolist())


def _boxed(builder: tfds.core.DatasetBuilder, split: str) -> ImageSource:
    """The images of a split, each cut out around its box."""

    def record(example: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.stack([example["image"], tf.io.serialize_tensor(example["bbox"])])

    def records() -> tf.data.Dataset:
        return prepared.encoded(builder, split, "image", "bbox").map(record)

    def decode(record: tf.Tensor) -> tf.Tensor:
        box = tf.ensure_shape(tf.io.parse_tensor(record[1], tf.float32), [4])
        return around(images.decode_tensor(record[0]), box)

    name = f"{builder.info.full_name} {split}"
    return ImageSource(name, builder.info.splits[split].num_examples, records, decode)


def _folder_source(source: LabelledSource) -> CaptionedSource:
    names = tuple(map(os.fsdecode, source.images.records().as_numpy_iterator()))
    return captioned.make_source(
        source.images,
        [_lines(Path(name).with_suffix(layouts.CAPTION_ENDING)) for name in names],
        names,
        source.labels if source.classes else None,
    )


def _lines(path: Path) -> tuple[str, ...]:
    """The captions in a text file; () if there is none."""
    if not path.is_file():
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(
            f"{path} cannot be read: {reason}. It must hold one caption per line."
        ) from error
    return tuple(line.strip() for line in lines if line.strip())
