"""Folders of images as data sets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.data import ImageSource, UnpairedSplits, catalog, folder
from tfgan_models.errors import UsageError

Save = Callable[[Path, int], None]


def values(source: ImageSource) -> list[int]:
    return [int(image[0, 0, 0]) for image in source.images().as_numpy_iterator()]


def load(path: Path) -> UnpairedSplits:
    return catalog.unpaired(f"folder:{path}")


def test_four_folders(tmp_path: Path, save_images: Save) -> None:
    counts = {"trainA": 3, "trainB": 4, "testA": 2, "testB": 1}
    for name, count in counts.items():
        save_images(tmp_path / name, count)
    splits = load(tmp_path)
    sources = (splits.train_a, splits.train_b, splits.test_a, splits.test_b)
    for source, (name, count) in zip(sources, counts.items(), strict=True):
        assert source.name == str(tmp_path / name)
        assert source.length == count
        assert values(source) == list(range(count))
        assert values(source) == values(source)
        for image in source.images().as_numpy_iterator():
            assert image.shape == (5, 7, 3)
            assert image.dtype == np.uint8


def test_broken_files_do_not_count(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path / "trainA", 3)
    save_images(tmp_path / "trainB", 3)
    (tmp_path / "trainA" / "001.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"001\.png \(empty file\)"):
        splits = load(tmp_path)
    assert splits.train_a.length == 2
    assert values(splits.train_a) == [0, 2]


@pytest.mark.parametrize("count", [5, 40])
def test_first_training_images_stand_in_for_missing_tests(
    tmp_path: Path, save_images: Save, count: int
) -> None:
    save_images(tmp_path / "trainA", count)
    save_images(tmp_path / "trainB", count)
    save_images(tmp_path / "testB", 1)
    splits = load(tmp_path)
    assert splits.test_a.length == min(count, folder.STAND_IN_TEST_IMAGES)
    assert values(splits.test_a) == values(splits.train_a)[: splits.test_a.length]
    assert splits.train_a.length == count
    assert splits.test_b.length == 1


def test_home_folder_is_expanded(
    tmp_path: Path, save_images: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    save_images(tmp_path / "set" / "trainA", 1)
    save_images(tmp_path / "set" / "trainB", 2)
    assert catalog.unpaired("folder:~/set").train_b.length == 2


def test_images_without_domains(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path, 3)
    (tmp_path / "trainA").mkdir()
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "Found: 3 images and folders trainA/" in message
    assert "Lay it out as trainA/ trainB/" in message
    assert "\n" not in message


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere is not a folder\. .*trainA/ trainB"):
        load(tmp_path / "nowhere")


def test_empty_domain(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path / "trainA", 3)
    (tmp_path / "trainB").mkdir()
    with pytest.raises(UsageError, match="trainB cannot be used: it has no image"):
        load(tmp_path)


def test_names_that_are_not_utf8(tmp_path: Path, save_images: Save) -> None:
    for name in ("trainA", "trainB"):
        save_images(tmp_path / name, 1)
        (tmp_path / name / "000.png").rename(tmp_path / name / "caf\udce9.png")
    assert values(load(tmp_path).train_a) == [0]
    ((both, _),) = catalog.paired(f"folder:{tmp_path}").train.pairs()
    assert both.shape == (5, 7, 3)
    captioned = tmp_path / "captioned"
    save_images(captioned, 2)
    (captioned / "001.png").rename(captioned / "caf\udce9.png")
    for name in ("000.txt", "caf\udce9.txt"):
        (captioned / name).write_text("one\n", encoding="utf-8-sig")
    assert catalog.captioned(f"folder:{captioned}").train.captions == ("one", "one")


def test_image_that_is_broken_behind_its_header_is_named(
    tmp_path: Path, save_images: Save
) -> None:
    save_images(tmp_path, 1)
    path = tmp_path / "000.png"
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 6] ^= 0xFF
    path.write_bytes(data)
    source = folder.image_source(tmp_path)
    with pytest.raises(
        tf.errors.UnknownError, match=r"FailureError: .*000\.png cannot"
    ):
        values(source)
