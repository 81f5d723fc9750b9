"""TFDS data sets: found by name, prepared quietly, read in a fixed order."""

import contextlib
import difflib
import io
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import requests
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource
from tensorflow_datasets.core.utils import tqdm_utils

from tfgan_models.data import images
from tfgan_models.data.earth import Earth
from tfgan_models.data.emoji import Emoji
from tfgan_models.data.folder import STAND_IN_TEST_IMAGES, first_images
from tfgan_models.data.source import ImageSource, UnpairedSplits
from tfgan_models.errors import FailureError, UsageError

PROBE_SECONDS = 6.0
"""How long a download address has to answer before the network counts as missing."""

UNPAIRED_BUNDLED = tuple(f"earth/{config.name}" for config in Earth.BUILDER_CONFIGS)
"""Names of the unpaired data sets that come with the package."""

_BUNDLED = (Earth, Emoji)
_NAMESPACE = re.compile(r"^\w+:(?![\d*])")


def unpaired(name: str, data_dir: str | None = None) -> UnpairedSplits:
    """Reads the splits of an unpaired TFDS data set, preparing it if need be.

    Args:
        name: A TFDS name with splits trainA and trainB. Where testA or testB is
            missing, training images stand in (see `folder.STAND_IN_TEST_IMAGES`).
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
        else first_images(train, STAND_IN_TEST_IMAGES)
        for split, train in (("testA", train_a), ("testB", train_b))
    )
    return UnpairedSplits(train_a, train_b, test_a, test_b)


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
        with _quiet():
            examples = builder.as_dataset(
                split=split,
                shuffle_files=False,
                decoders={feature: tfds.decode.SkipDecoding()},
                read_config=tfds.ReadConfig(try_autocache=False),
            )
        return examples.map(select)

    name = f"{builder.info.full_name} {split}"
    length = builder.info.splits[split].num_examples
    return ImageSource(name, length, records, images.decode_tensor)


def prepared_builder(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    """Finds a data set by its TFDS name and prepares it unless that was done before.

    Args:
        name: `name`, `name/config` or `name/config:version`.
        data_dir: Where prepared data sets are; by default where TFDS puts them.

    Returns:
        The builder, ready to be read.

    Raises:
        UsageError: TFDS does not know the name.
        FailureError: It could not be downloaded or prepared.
    """
    with _quiet():
        return _prepare(name, data_dir)


def _prepare(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    builder = _find(name, data_dir)
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
        # Another worker of the same machine may have been faster.
        other = _find(name, data_dir)
        if other.is_prepared():
            return other
        raise FailureError(_unprepared(name, builder, error)) from error
    return builder


def _find(name: str, data_dir: str | None) -> tfds.core.DatasetBuilder:
    # Names with a namespace belong to registries that TFDS asks over the network.
    if _NAMESPACE.match(name):
        raise UsageError(_unknown(name))
    try:
        return tfds.builder(name, data_dir=data_dir)
    # Not found, no such config, or no such version.
    except (ValueError, AssertionError) as error:
        raise UsageError(_unknown(name)) from error


def _unknown(name: str) -> str:
    cycle_gan = tfds.builder_cls("cycle_gan").builder_configs
    known = [
        *UNPAIRED_BUNDLED,
        *(f"cycle_gan/{config}" for config in cycle_gan),
        *tfds.list_builders(with_community_datasets=False),
    ]
    close = difflib.get_close_matches(name, known, n=3)
    if name and Path(name).expanduser().is_dir():
        close.insert(0, f"folder:{name}")
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return (
        f"dataset={name} is not known.{hint} Bundled: {', '.join(UNPAIRED_BUNDLED)}. "
        "Allowed too: a TFDS name with splits trainA and trainB, such as "
        "cycle_gan/monet2photo, or folder:PATH with PATH/trainA and PATH/trainB."
    )


def _require_network(name: str, builder: tfds.core.DatasetBuilder) -> None:
    wanted = _missing_downloads(builder)
    if not wanted:
        return
    fault = _probe(wanted[0])
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


def _probe(url: str) -> str | None:
    """Asks an address for its head, and says why it does not answer."""
    faults = [f"no answer within {PROBE_SECONDS:.0f} s"]

    def ask() -> None:
        try:
            requests.head(url, timeout=PROBE_SECONDS / 2).close()
            faults.clear()
        except requests.exceptions.RequestException as error:
            faults[:] = [_reason(error)]

    # A name look-up has no time limit of its own, so it gets a thread to hang in.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS)
    return faults[0] if faults else None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    resolve = re.search(r"Failed to resolve '[^']*'", text)
    return resolve.group() if resolve else f"{type(error).__name__}: {text}"[:200]


def _unprepared(name: str, builder: tfds.core.DatasetBuilder, error: Exception) -> str:
    wanted = _missing_downloads(builder)
    source = f" from {wanted[0]}" if wanted else ""
    return (
        f"dataset={name} could not be prepared{source} in {builder.data_dir} "
        f"({_reason(error)}). Pass a directory that can be written, or one that holds "
        "it already, with --data_dir=DIR, or pass --dataset=folder:PATH."
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TFDS's announcements off standard output and its notes off the log."""
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
