"""Data sets by name, one function per kind of task."""

from pathlib import Path

from tfgan_models.data import (
    captioned_sources,
    folder,
    labelled_sources,
    prepared,
    superres_sources,
)
from tfgan_models.data import embeddings as embedding_files
from tfgan_models.data.source import (
    CaptionedSplits,
    LabelledSplits,
    PairedSplits,
    SuperResSplits,
    UnpairedSplits,
)
from tfgan_models.folders import layouts

UNPAIRED_BUNDLED = prepared.UNPAIRED_BUNDLED
"""Names of the unpaired data sets that come with the package."""

PAIRED_BUNDLED = prepared.PAIRED_BUNDLED
"""Names of the paired data sets that come with the package."""

LABELLED_BUNDLED = labelled_sources.BUNDLED
"""Names of the data sets of single images that come with the package."""

SUPERRES_BUNDLED = superres_sources.BUNDLED
"""Names of the data sets for super-resolution that come with the package."""

CAPTIONED_BUNDLED = captioned_sources.CAPTIONED.bundled
"""Names of the data sets with captions that come with the package."""


def unpaired(name: str, data_dir: str | None = None) -> UnpairedSplits:
    """Finds an unpaired data set and prepares it for reading.

    Args:
        name: One of `UNPAIRED_BUNDLED`; any other TFDS name with splits trainA and
            trainB, e.g. `cycle_gan/monet2photo`; or `folder:PATH`, where PATH holds
            trainA/ and trainB/. If testA or testB is missing, the first
            `folder.STAND_IN_TEST_IMAGES` training images are used instead.
        data_dir: Where TFDS keeps prepared data sets; by default `$TFDS_DATA_DIR`,
            else `~/tensorflow_datasets`.

    Returns:
        The four splits.

    Raises:
        UsageError: The name is not known, or is not that of an unpaired data set.
        FailureError: The data set could not be downloaded or prepared.
    """
    path = layouts.of_name(name)
    if path:
        return folder.unpaired(path)
    return prepared.unpaired(name, data_dir)


def paired(name: str, data_dir: str | None = None) -> PairedSplits:
    """Finds a data set of aligned pairs and prepares it for reading.

    Args:
        name: One of `PAIRED_BUNDLED`; any other TFDS name with the image features
            `input` and `target`; or `folder:PATH`, where PATH holds either trainA/
            and trainB/ with files of the same names, or train/ with files that show
            input and target side by side. Tests are in testA/ and testB/, or in test/
            or val/; if they are missing, the first `folder.STAND_IN_TEST_IMAGES`
            training pairs are used instead.
        data_dir: As for `unpaired`.

    Returns:
        Both splits.

    Raises:
        UsageError: The name is not known, or is not that of a paired data set.
        FailureError: The data set could not be downloaded or prepared.
    """
    path = layouts.of_name(name)
    if path:
        return folder.paired(path)
    return prepared.paired(name, data_dir)


def labelled(name: str, data_dir: str | None = None) -> LabelledSplits:
    """Finds a data set of single images and prepares it for reading.

    Args:
        name: One of `LABELLED_BUNDLED`; any other TFDS name with an image feature
            `image` and a split train, e.g. `cifar10`, whose classes are those of its
            feature `label`, or else of its only ClassLabel; or `folder:PATH`, where
            PATH, or PATH/train, holds images (no classes) or one folder of images per
            class. Tests are in the split test or validation, or in PATH/test;
            if they are missing, the first `folder.STAND_IN_TEST_IMAGES` training
            images are used instead.
        data_dir: As for `unpaired`.

    Returns:
        Both splits.

    Raises:
        UsageError: The name is not known, or is not that of a set of single images.
        FailureError: The data set could not be downloaded or prepared.
    """
    path = layouts.of_name(name)
    if path:
        return folder.labelled(layouts.labelled(path))
    return labelled_sources.find(name, data_dir)


def superres(name: str, scale: int, data_dir: str | None = None) -> SuperResSplits:
    """Finds a data set for super-resolution and prepares it for reading.

    Args:
        name: One of `SUPERRES_BUNDLED`; any other TFDS name with an image feature
            `image`, which is then reduced, or with `lr` and `hr`, the same image at
            both resolutions, e.g. `div2k/bicubic_x4`; or `folder:PATH` as for
            `labelled`. Images may be of any sizes.
        scale: How often the low resolution goes into the high one.
        data_dir: As for `unpaired`.

    Returns:
        Both splits.

    Raises:
        UsageError: The name is not known, or is not that of a set of images that go
            with the scale.
        FailureError: The data set could not be downloaded or prepared.
    """
    path = layouts.of_name(name)
    if path:
        return superres_sources.of_folder(path, scale)
    return superres_sources.find(name, scale, data_dir)


def captioned(
    name: str, embeddings: str | None = None, data_dir: str | None = None
) -> CaptionedSplits:
    """Finds a data set of images with captions and prepares it for reading.

    Args:
        name: One of `CAPTIONED_BUNDLED`; any other TFDS name with an image feature
            `image`, a split train and a text feature `caption`, `text` or `name`, or
            else `image/filename`, by which embeddings are found, e.g.
            `caltech_birds2011`; or `folder:PATH` as for `labelled`, with a text file
            of the same name next to each image, one caption per line.
        embeddings: A file of captions and their embeddings, see `embeddings.read`.
        data_dir: As for `unpaired`.

    Returns:
        Both splits.

    Raises:
        UsageError: The name is not known, or is not that of a set of images with
            captions; or an image has no caption or embedding.
        FailureError: The data set could not be downloaded or prepared.
    """
    found = None
    if embeddings:
        found = embedding_files.read(Path(embeddings).expanduser())
    path = layouts.of_name(name)
    if path:
        return captioned_sources.folder_captioned(path, found)
    return captioned_sources.prepared_captioned(name, data_dir, found)
