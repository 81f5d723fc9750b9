"""TFDS data sets: found by name, prepared quietly, read in a fixed order."""

import contextlib
import dataclasses
import difflib
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource
from tensorflow_datasets.core.utils import tqdm_utils

from tfgan_models import connectivity
from tfgan_models.data import images
from tfgan_models.data.digits import Digits
from tfgan_models.data.earth import Earth, EarthImages, EarthPairs
from tfgan_models.data.emoji import Emoji
from tfgan_models.data.folder import first
from tfgan_models.data.source import (
    ImageSource,
    PairedSplits,
    PairSource,
    UnpairedSplits,
)
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.folders.contents import STAND_IN_TEST_IMAGES

UNPAIRED_BUNDLED = tuple(f"earth/{config.name}" for config in Earth.BUILDER_CONFIGS)
"""Names of the unpaired data sets that come with the package."""

PAIRED_BUNDLED = (
    *UNPAIRED_BUNDLED,
    *(
        f"emoji/{config.name}"
        for config in Emoji.BUILDER_CONFIGS
        if "target" in config.drawings
    ),
)
"""Names of the paired data sets that come with the package."""


@dataclasses.dataclass(frozen=True)
class Task:
    """Allowed data sets of a kind of task, for messages.

    Attributes:
        bundled: Names of data sets that come with the package.
        others: What else is allowed.
        family: A TFDS name whose configurations are of this kind, or "".
    """

    bundled: tuple[str, ...]
    others: str
    family: str = ""


UNPAIRED = Task(
    UNPAIRED_BUNDLED,
    "a TFDS name with splits trainA and trainB, such as cycle_gan/monet2photo, or "
    "folder:PATH with PATH/trainA and PATH/trainB",
    family="cycle_gan",
)
PAIRED = Task(
    PAIRED_BUNDLED,
    "a TFDS name with the image features input and target, or folder:PATH with pairs "
    "side by side in PATH/train or with the same names in PATH/trainA and PATH/trainB",
)

_BUNDLED = (Digits, Earth, EarthImages, EarthPairs, Emoji)
_NAMESPACE = re.compile(r"^\w+:(?![\d*])")


def unpaired(name: str, data_dir: str | None = None) -> UnpairedSplits:
    """Reads the splits of an unpaired TFDS data set, preparing it if necessary.

    Args:
        name: A TFDS name with splits trainA and trainB. If testA or testB is
            missing, training images are used (see `folder.STAND_IN_TEST_IMAGES`).
        data_dir: Where prepared data sets are; by default where TFDS puts them.

    Returns:
        The four splits.

    Raises:
        UsageError: TFDS does not know the name, or it has no trainA and trainB.
        FailureError: It could not be downloaded or prepared.
    """
    builder = prepared_builder(name, data_dir)
    splits = builder.info.splits
    if "trainA" not in splits or "trainB" not in splits:
        raise UsageError(
            f"dataset={name} has no splits trainA and trainB, which unpaired training "
            f"needs. Found: {', '.join(splits) or 'none'}. Allowed: "
            f"{', '.join(UNPAIRED_BUNDLED)}, a TFDS name such as "
            "cycle_gan/monet2photo, or folder:PATH."
        )
    train_a, train_b = (image_source(builder, s) for s in ("trainA", "trainB"))
    test_a, test_b = (
        image_source(builder, split)
        if split in splits
        else first(train, STAND_IN_TEST_IMAGES)
        for split, train in (("testA", train_a), ("testB", train_b))
    )
    return UnpairedSplits(
        train_a, train_b, test_a, test_b, aligned=isinstance(builder, Earth)
    )


def paired(name: str, data_dir: str | None = None) -> PairedSplits:
    """Reads the splits of a paired TFDS data set, preparing it if necessary.

    Args:
        name: One of `PAIRED_BUNDLED`, or a TFDS name with the image features `input`
            and `target` and a split `train`. If there is no split `test`, training
            pairs are used (see `folder.STAND_IN_TEST_IMAGES`).
        data_dir: Where prepared data sets are; by default where TFDS puts them.

    Returns:
        Both splits.

    Raises:
        UsageError: TFDS does not know the name, or it holds no pairs.
        FailureError: It could not be downloaded or prepared.
    """
    found = name
    if name.partition(":")[0] in UNPAIRED_BUNDLED:
        # The same windows, but also aligned in training: a separate data set.
        found = f"{EarthPairs.name}{name.removeprefix(Earth.name)}"
    builder = prepared_builder(found, data_dir, PAIRED)
    features, splits = builder.info.features, builder.info.splits
    if not {"input", "target"} <= set(features) or "train" not in splits:
        raise UsageError(
            f"dataset={name} has no pairs: paired training needs the features input "
            f"and target and a split train. Found: {', '.join(features)}; "
            f"{', '.join(splits) or 'no split'}. Allowed: {', '.join(PAIRED_BUNDLED)}, "
            f"{PAIRED.others}."
        )
    train = pair_source(builder, "train")
    if "test" in splits:
        return PairedSplits(train, pair_source(builder, "test"))
    return PairedSplits(train, first(train, STAND_IN_TEST_IMAGES))


def pair_source(
    builder: tfds.core.DatasetBuilder,
    split: str,
    features: tuple[str, str] = ("input", "target"),
) -> PairSource:
    """Makes a source of one split's pairs.

    Args:
        builder: A prepared data set.
        split: The split.
        features: Which of its features hold the images of a pair.

    Returns:
        The source, in the order on disk.
    """

    def select(example: dict[str, tf.Tensor]) -> tf.Tensor:
        return tf.stack([example[feature] for feature in features])

    def records() -> tf.data.Dataset:
        return encoded(builder, split, *features).map(select)

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return images.decode_tensor(record[0]), images.decode_tensor(record[1])

    name = f"{builder.info.full_name} {split}"
    return PairSource(name, builder.info.splits[split].num_examples, records, decode)


def image_source(
    builder: tfds.core.DatasetBuilder, split: str, feature: str = "image"
) -> ImageSource:
    """Makes a source of one split's images.

    Args:
        builder: A prepared data set.
        split: The split.
        feature: Which of its features holds the images.

    Returns:
        The source, in the order on disk.
    """

    def select(example: dict[str, tf.Tensor]) -> tf.Tensor:
        return example[feature]

    def records() -> tf.data.Dataset:
        return encoded(builder, split, feature).map(select)

    name = f"{builder.info.full_name} {split}"
    length = builder.info.splits[split].num_examples
    return ImageSource(name, length, records, images.decode_tensor)


def encoded(
    builder: tfds.core.DatasetBuilder, split: str, *features: str
) -> tf.data.Dataset:
    """Reads a split in the order on disk, only these features, undecoded."""
    wanted = dict.fromkeys(features, True)
    skip = dict.fromkeys(features, tfds.decode.SkipDecoding())
    with _quiet():
        return builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(wanted, skip),
            read_config=tfds.ReadConfig(try_autocache=False),
        )


def prepared_builder(
    name: str, data_dir: str | None, task: Task = UNPAIRED
) -> tfds.core.DatasetBuilder:
    """Finds a data set by its TFDS name and prepares it unless it is prepared.

    Args:
        name: `name`, `name/config` or `name/config:version`.
        data_dir: Where prepared data sets are; by default where TFDS puts them.
        task: What is allowed instead, if it is not known.

    Returns:
        The builder, ready to be read.

    Raises:
        UsageError: TFDS does not know the name.
        FailureError: It could not be downloaded or prepared.
    """
    with _quiet():
        return _prepare(name, data_dir, task)


def features(
    name: str, data_dir: str | None, task: Task
) -> dict[str, tfds.features.FeatureConnector]:
    """Returns the features of a data set's examples, by name, without preparing it.

    Raises:
        UsageError: TFDS does not know the name.
    """
    with _quiet():
        return dict(_find(name, data_dir, task).info.features.items())


def _prepare(name: str, data_dir: str | None, task: Task) -> tfds.core.DatasetBuilder:
    builder = _find(name, data_dir, task)
    if builder.is_prepared():
        return builder
    bundled = isinstance(builder, _BUNDLED)
    if not bundled:
        _require_network(name, builder)
    try:
        with _progress_bar(shown=not bundled):
            builder.download_and_prepare()
    # TFDS lets through whatever its downloader, extractor or file system raises.
    except Exception as error:
        # Another worker on the same machine may have been faster.
        other = _find(name, data_dir, task)
        if other.is_prepared():
            return other
        raise FailureError(_unprepared(name, builder, error)) from error
    return builder


def _find(name: str, data_dir: str | None, task: Task) -> tfds.core.DatasetBuilder:
    # Names with a namespace belong to registries that TFDS queries over the network.
    if _NAMESPACE.match(name):
        raise UsageError(_unknown(name, task))
    try:
        return tfds.builder(name, data_dir=data_dir)
    # Not found, no such config, or no such version.
    except (ValueError, AssertionError) as error:
        raise UsageError(_unknown(name, task)) from error


def _unknown(name: str, task: Task) -> str:
    family = tfds.builder_cls(task.family).builder_configs if task.family else ()
    known = [
        *task.bundled,
        *(f"{task.family}/{config}" for config in family),
        *tfds.list_builders(with_community_datasets=False),
    ]
    close = difflib.get_close_matches(name, known, n=3)
    if name and Path(name).expanduser().is_dir():
        close.insert(0, f"folder:{name}")
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"dataset={name} is not known.{hint} Bundled: {', '.join(task.bundled)}. "
        f"Allowed too: {task.others}."
    )


def _require_network(name: str, builder: tfds.core.DatasetBuilder) -> None:
    wanted = _missing_downloads(builder)
    if not wanted:
        return
    fault = connectivity.fault(wanted[0])
    if fault:
        raise FailureError(
            f"dataset={name} is not in {builder.data_dir} and its address "
            f"{wanted[0]} cannot be reached ({fault}). Prepare it where there is a "
            "network and pass that directory with --data_dir=DIR, or unpack the "
            "images and pass --dataset=folder:PATH."
        )


def _missing_downloads(builder: tfds.core.DatasetBuilder) -> list[str]:
    """Lists the http addresses that TFDS would fetch, without those it has cached."""
    config = builder.builder_config.name if builder.builder_config else ""
    infos = builder.url_infos or {}
    # One file lists the addresses of all configs.
    urls = [url for url in infos if config and config in url] or list(infos)
    folder = Path(builder.data_dir).parents[len(Path(builder.info.full_name).parts) - 1]
    cache = folder / "downloads" / builder.name
    return [
        url
        for url in urls
        if url.startswith("http")
        and not (cache / resource.get_dl_fname(url, infos[url].checksum)).exists()
    ]


def _unprepared(name: str, builder: tfds.core.DatasetBuilder, error: Exception) -> str:
    wanted = _missing_downloads(builder)
    source = f" from {wanted[0]}" if wanted else ""
    return (
        f"dataset={name} could not be prepared{source} in {builder.data_dir} "
        f"({connectivity.reason(error)}). Pass a writable directory, or one "
        "that holds it already, with --data_dir=DIR, or pass --dataset=folder:PATH."
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TFDS's announcements off stdout and its notes out of the log."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _progress_bar(shown: bool) -> Iterator[None]:
    before = tqdm_utils._active
    tfds.display_progress_bar(before and shown)
    try:
        yield
    finally:
        tfds.display_progress_bar(before)
