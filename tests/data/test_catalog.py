"""Names of data sets, TFDS ones above all, with and without a network."""

import io
import json
import logging
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource
from tensorflow_datasets.core.utils import tqdm_utils

from tfgan_models.data import catalog, images
from tfgan_models.data.folder import STAND_IN_TEST_IMAGES
from tfgan_models.data.prepared import image_source, prepared_builder
from tfgan_models.errors import FailureError, UsageError


class TinyUnpaired(tfds.core.GeneratorBasedBuilder):
    """Twenty grey images in each domain, and no tests."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        features = {"image": tfds.features.Image(shape=(4, 4, 1))}
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator]:
        del dl_manager
        return {
            "trainA": self._generate_examples(),
            "trainB": self._generate_examples(),
        }

    def _generate_examples(self) -> Iterator[tuple[int, dict]]:
        for value in range(20):
            yield value, {"image": np.full((4, 4, 1), value, np.uint8)}


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes every look-up of a host fail at once."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


def test_bundled_names(data_dir: str) -> None:
    assert catalog.UNPAIRED_BUNDLED == (
        "earth/satellite2relief",
        "earth/day2night",
        "earth/satellite2antique",
    )
    splits = catalog.unpaired("earth/satellite2relief", data_dir)
    lengths = [
        s.length for s in (splits.train_a, splits.train_b, splits.test_a, splits.test_b)
    ]
    assert lengths == [1000, 1000, 64, 64]
    for source in (splits.train_a, splits.test_b):
        assert source.name.startswith("earth/satellite2relief")
        decoded = list(source.images().as_numpy_iterator())
        assert len(decoded) == source.length
        assert all(i.shape == (128, 128, 3) and i.dtype == np.uint8 for i in decoded)
        again = source.images().take(64).as_numpy_iterator()
        assert all(np.array_equal(i, j) for i, j in zip(decoded, again, strict=False))


def test_images_are_those_that_tfds_gives(data_dir: str) -> None:
    splits = catalog.unpaired("earth/satellite2relief", data_dir)
    stock = tfds.load("earth/satellite2relief", split="testB", data_dir=data_dir)
    for image, example in zip(splits.test_b.images(), stock, strict=True):
        np.testing.assert_array_equal(image, example["image"])


def test_preparing_and_reading_print_nothing(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "absl")
    builder = prepared_builder("emoji/flat", str(tmp_path))
    image_source(builder, "test").images()
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    # The caller's own settings are back.
    assert tqdm_utils._active
    assert logging.getLogger("absl").level == logging.INFO


def test_training_images_stand_in_for_missing_tests(tmp_path: Path) -> None:
    splits = catalog.unpaired("tiny_unpaired", str(tmp_path))
    assert splits.train_a.length == splits.train_b.length == 20
    assert splits.test_a.length == splits.test_b.length == STAND_IN_TEST_IMAGES
    train = list(splits.train_a.images().as_numpy_iterator())
    test = list(splits.test_a.images().as_numpy_iterator())
    np.testing.assert_array_equal(test, train[:STAND_IN_TEST_IMAGES])
    assert test[0].shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("monet2photo", "cycle_gan/monet2photo"),
        ("cycle_gan/monet2photos", "cycle_gan/monet2photo"),
        ("cycle_gan/monet2photo:9.9.9", "cycle_gan/monet2photo"),
        ("earth/satelite2relief", "earth/satellite2relief"),
        ("day2night", "earth/day2night"),
        ("cyclegan/horse2zebra", "cycle_gan/horse2zebra"),
    ],
)
def test_unknown_name_is_answered_with_close_ones(
    name: str, close: str, data_dir: str
) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.unpaired(name, data_dir)
    message = str(caught.value)
    assert f"dataset={name} is not known" in message
    assert close in message.split("Bundled:")[0]
    for bundled in catalog.UNPAIRED_BUNDLED:
        assert bundled in message.split("Bundled:")[1]
    assert "TFDS name" in message
    assert "folder:PATH" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["", "folder:", "qqqq", "huggingface:x", "a b", "x:y"])
def test_hopeless_names_fail_at_once(name: str, data_dir: str) -> None:
    start = time.monotonic()
    with pytest.raises(UsageError, match=f"dataset={name} is not known"):
        catalog.unpaired(name, data_dir)
    assert time.monotonic() - start < 10


def test_a_path_is_answered_with_the_folder_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"Did you mean folder:{tmp_path}"):
        catalog.unpaired(str(tmp_path))


def test_data_set_of_another_task(data_dir: str) -> None:
    with pytest.raises(UsageError, match=r"no splits trainA and trainB.*train, test"):
        catalog.unpaired("emoji/line2flat", data_dir)


@pytest.mark.usefixtures("no_network")
def test_missing_network_fails_fast_and_says_what_to_do(tmp_path: Path) -> None:
    start = time.monotonic()
    with pytest.raises(FailureError) as caught:
        catalog.unpaired("cycle_gan/monet2photo", str(tmp_path))
    assert time.monotonic() - start < 10
    message = str(caught.value)
    for part in (
        "dataset=cycle_gan/monet2photo",
        "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/monet2photo.zip",
        "--data_dir=",
        "--dataset=folder:PATH",
        str(tmp_path),
    ):
        assert part in message
    assert "\n" not in message


def test_network_that_never_answers_fails_within_ten_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hang(*_: object, **__: object) -> None:
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    with pytest.raises(FailureError, match="no response within 6 s"):
        catalog.unpaired("cycle_gan/maps", str(tmp_path))
    assert time.monotonic() - start < 10
    over.set()


def save_cycle_gan_zip(data_dir: Path, name: str) -> None:
    """Puts a small zip where TFDS keeps what it has downloaded."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for split, count in (("trainA", 3), ("trainB", 2), ("testA", 1), ("testB", 1)):
            for i in range(count):
                pixels = np.full((6, 8, 3), 10 * i, np.uint8)
                archive.writestr(f"{name}/{split}/{i}.png", images.encode_png(pixels))
    infos = tfds.builder(f"cycle_gan/{name}", data_dir=data_dir).url_infos
    [url] = [url for url in infos if url.endswith(f"/{name}.zip")]
    folder = data_dir / "downloads" / "cycle_gan"
    folder.mkdir(parents=True)
    path = folder / resource.get_dl_fname(url, infos[url].checksum)
    path.write_bytes(file.getvalue())
    Path(f"{path}.INFO").write_text(json.dumps({"urls": [url]}))


@pytest.mark.usefixtures("no_network")
def test_tfds_name_whose_download_is_there_needs_no_network(tmp_path: Path) -> None:
    save_cycle_gan_zip(tmp_path, "facades")
    for _ in range(2):
        splits = catalog.unpaired("cycle_gan/facades", str(tmp_path))
        assert (splits.train_a.length, splits.train_b.length) == (3, 2)
        values = sorted(int(i[0, 0, 0]) for i in splits.train_a.images())
        assert values == [0, 10, 20]


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailureError) as caught:
        catalog.unpaired("tiny_unpaired", str(tmp_path / "file"))
    message = str(caught.value)
    assert "dataset=tiny_unpaired could not be prepared" in message
    assert "--data_dir=DIR" in message
    assert "\n" not in message


def test_another_process_may_prepare_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = TinyUnpaired.download_and_prepare

    def lose_the_race(builder: TinyUnpaired) -> None:
        prepare(TinyUnpaired(data_dir=str(tmp_path)))
        raise FileExistsError(builder.data_dir)

    monkeypatch.setattr(TinyUnpaired, "download_and_prepare", lose_the_race)
    assert catalog.unpaired("tiny_unpaired", str(tmp_path)).train_a.length == 20
