"""Data sets of single images with labels: bundled, of TFDS, and folders."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfgan_models.data import catalog, emoji, labelled
from tfgan_models.data.folder import STAND_IN_TEST_IMAGES
from tfgan_models.data.source import LabelledSource
from tfgan_models.errors import UsageError

Save = Callable[[Path, int], None]


class TinyLabelled(tfds.core.GeneratorBasedBuilder):
    """Grey images whose value is 10 times their class, shuffled by TFDS."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name=name)
        for name in ("label", "other", "several", "none", "wrong")
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        kind = tfds.features.ClassLabel(names=["zero", "one", "two"])
        classes = {
            "label": {"label": kind, "coarse": tfds.features.ClassLabel(num_classes=9)},
            "other": {"kind": kind, "text": tfds.features.Text()},
            "several": {"kind": kind, "coarse": kind},
            "none": {"label": tfds.features.Scalar(np.int64)},
            "wrong": {"label": kind},
        }[self.builder_config.name]
        picture = tfds.features.Image(shape=(4, 4, 1))
        if self.builder_config.name == "wrong":
            picture = tfds.features.Tensor(shape=(4, 4, 1), dtype=np.uint8)
        features = tfds.features.FeaturesDict({"image": picture, **classes})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator]:
        del dl_manager
        counts = {"train": 40}
        if self.builder_config.name == "label":
            counts = {"validation": 5, "train": 40}
        if self.builder_config.name == "several":
            counts = {"test": 7, "validation": 5, "train": 40}
        return {name: self._generate_examples(n) for name, n in counts.items()}

    def _generate_examples(self, count: int) -> Iterator[tuple[int, dict]]:
        for key in range(count):
            values = {"label": key % 3, "kind": key % 3, "coarse": 1, "text": "x"}
            image = np.full((4, 4, 1), 10 * (key % 3), np.uint8)
            features = {
                name: values[name] for name in self.info.features if name in values
            }
            yield key, {"image": image, **features}


def values(data: LabelledSource) -> list[int]:
    return [int(image[0, 0, 0]) for image in data.images.images().as_numpy_iterator()]


def test_bundled_names() -> None:
    assert catalog.LABELLED_BUNDLED == ("emoji/render", "emoji/flat", "digits")


@pytest.mark.parametrize(("config", "size"), [("render", 128), ("flat", 64)])
def test_emoji(config: str, size: int, data_dir: str) -> None:
    splits = catalog.labelled(f"emoji/{config}", data_dir)
    rows = emoji.read_rows()
    tiles = emoji.read_tiles(config)
    for found, places in (
        (splits.train, [i for i in range(1532) if i % 10]),
        (splits.test, range(0, 1532, 10)),
    ):
        assert found.images.length == len(places)
        assert found.classes == emoji.GROUPS
        assert found.labels.dtype == np.int32
        groups = [emoji.GROUPS[label] for label in found.labels]
        assert groups == [rows[place]["group"] for place in places]
        some = found.images.images().take(20)
        for image, place in zip(some.as_numpy_iterator(), places, strict=False):
            np.testing.assert_array_equal(image, tiles[place])
    batches = labelled.train_batches(
        splits.train, image_size=32, resolution=8, batch_size=4, seed=0
    )
    assert next(iter(batches))["real"].shape == (4, 8, 8, 3)
    assert splits.train.images.name == f"emoji/{config}/1.0.0 train"
    assert tiles.shape[1] == size


@pytest.mark.parametrize("config", ["label", "other"])
def test_classes_of_tfds(config: str, tmp_path: Path) -> None:
    builder = tfds.builder(f"tiny_labelled/{config}", data_dir=str(tmp_path))
    shards = tfds.download.DownloadConfig(num_shards=4)
    builder.download_and_prepare(download_config=shards)
    splits = catalog.labelled(f"tiny_labelled/{config}", str(tmp_path))
    train = splits.train
    assert train.classes == ("zero", "one", "two")
    assert Counter(train.labels.tolist()) == {0: 14, 1: 13, 2: 13}
    assert train.labels.tolist() != [i % 3 for i in range(40)]
    assert values(train) == (10 * train.labels).tolist()
    assert splits.test.classes == train.classes
    if config == "label":
        assert splits.test.images.length == 5
        assert sorted(splits.test.labels) == [0, 0, 1, 1, 2]
    else:
        assert values(splits.test) == values(train)[:STAND_IN_TEST_IMAGES]
        np.testing.assert_array_equal(splits.test.labels, train.labels[:16])


@pytest.mark.parametrize(
    ("config", "tests"), [("none", STAND_IN_TEST_IMAGES), ("several", 7)]
)
def test_tfds_without_a_class_label_to_choose(
    config: str, tests: int, tmp_path: Path
) -> None:
    splits = catalog.labelled(f"tiny_labelled/{config}", str(tmp_path))
    assert splits.train.classes == splits.test.classes == ()
    assert splits.train.labels.tolist() == [0] * 40
    assert splits.test.labels.tolist() == [0] * tests
    assert splits.train.labels.dtype == np.int32
    assert splits.test.images.length == tests


def test_tfds_without_single_images(tmp_path: Path, data_dir: str) -> None:
    for name, found in (
        ("tiny_labelled/wrong", "image, label; train"),
        ("earth/satellite2relief", "trainA, trainB"),
        ("emoji/line2flat", "input, "),
    ):
        place = str(tmp_path) if name.startswith("tiny") else data_dir
        with pytest.raises(UsageError) as caught:
            catalog.labelled(name, place)
        message = str(caught.value)
        assert f"dataset={name} has no image feature image or no split tr" in message
        assert found in message.split("Allowed:")[0]
        assert "emoji/render, emoji/flat, digits, a TFDS name" in message
        assert "\n" not in message


@pytest.mark.parametrize("name", ["emoji/renders", "", "folder:", "qqqq"])
def test_unknown_name_is_answered_with_the_bundled_ones(
    name: str, data_dir: str
) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.labelled(name, data_dir)
    message = str(caught.value)
    assert f"dataset={name} is not known" in message
    assert ("Did you mean emoji/render" in message) == (name == "emoji/renders")
    assert (
        "Bundled: emoji/render, emoji/flat, digits. Allowed too: a TFDS name" in message
    )
    assert "folder:PATH with images" in message
    assert "\n" not in message


@pytest.mark.parametrize("count", [5, 40])
def test_folder_of_images(tmp_path: Path, save_images: Save, count: int) -> None:
    save_images(tmp_path, count)
    splits = catalog.labelled(f"folder:{tmp_path}")
    assert splits.train.classes == ()
    assert splits.train.labels.tolist() == [0] * count
    assert values(splits.train) == list(range(count))
    tests = list(range(min(count, STAND_IN_TEST_IMAGES)))
    assert values(splits.test) == tests
    assert splits.test.labels.tolist() == [0] * len(tests)


def test_one_folder_a_class(tmp_path: Path, save_images: Save) -> None:
    for name, count in (("dogs", 2), ("cats", 3), ("birds/small", 1)):
        save_images(tmp_path / name, count)
    (tmp_path / "notes").mkdir()
    splits = catalog.labelled(f"folder:{tmp_path}")
    assert splits.train.classes == ("birds", "cats", "dogs")
    assert splits.train.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert splits.train.labels.dtype == np.int32
    assert values(splits.train) == [0, 0, 1, 2, 0, 1]
    batches = labelled.train_batches(
        splits.train, image_size=8, resolution=8, batch_size=6, seed=0
    )
    labels = next(batches.as_numpy_iterator())["label"]
    assert sorted(labels) == [0, 1, 1, 1, 2, 2]


@pytest.mark.parametrize("kinds", [("",), ("b", "c")])
def test_train_and_test_folders(
    tmp_path: Path, save_images: Save, kinds: tuple[str, ...]
) -> None:
    for kind in kinds:
        save_images(tmp_path / "train" / kind, 3)
    save_images(tmp_path / "test" / kinds[-1], 2)
    splits = catalog.labelled(f"folder:{tmp_path}")
    classes = tuple(kind for kind in kinds if kind)
    assert splits.train.classes == splits.test.classes == classes
    assert splits.train.images.name == str(tmp_path / "train")
    assert values(splits.train) == [0, 1, 2] * len(kinds)
    assert values(splits.test) == [0, 1]
    # The only tests are of the last class: the training's numbers count.
    assert splits.test.labels.tolist() == [len(kinds) - 1] * 2


def test_tests_in_folders_of_training_without_classes(
    tmp_path: Path, save_images: Save
) -> None:
    save_images(tmp_path / "train", 2)
    save_images(tmp_path / "test/a", 2)
    save_images(tmp_path / "test/b", 1)
    test = catalog.labelled(f"folder:{tmp_path}").test
    assert test.classes == ()
    assert test.labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("strange", ["test/bees", "test"])
def test_tests_of_another_class(
    tmp_path: Path, save_images: Save, strange: str
) -> None:
    save_images(tmp_path / "train/ants", 2)
    save_images(tmp_path / strange, 1)
    with pytest.raises(UsageError) as caught:
        catalog.labelled(f"folder:{tmp_path}")
    message = str(caught.value)
    assert f"{tmp_path / strange / '000.png'} is of a class that trai" in message
    assert f"Allowed in {tmp_path / 'test'}: ants/." in message
    assert "\n" not in message


def test_images_beside_folders_of_images(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path, 2)
    for i in range(10):
        save_images(tmp_path / f"class{i}", 1)
    with pytest.raises(UsageError) as caught:
        catalog.labelled(f"folder:{tmp_path}")
    message = str(caught.value)
    assert f"{tmp_path} has images, such as 000.png, next to folders" in message
    assert "class0/, class1/" in message
    assert "class7/, ..." in message
    assert "\n" not in message


def test_folder_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere is not a folder\. .*in train/"):
        catalog.labelled(f"folder:{tmp_path / 'nowhere'}")
    with pytest.raises(UsageError, match="cannot be used: it has no image"):
        catalog.labelled(f"folder:{tmp_path}")


def test_a_damaged_image_takes_its_label_along(
    tmp_path: Path, save_images: Save
) -> None:
    save_images(tmp_path / "a", 2)
    save_images(tmp_path / "b", 3)
    (tmp_path / "a/001.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"001\.png \(empty file\)"):
        train = catalog.labelled(f"folder:{tmp_path}").train
    assert train.labels.tolist() == [0, 1, 1, 1]
    assert values(train) == [0, 0, 1, 2]
