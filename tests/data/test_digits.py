"""The digits of scikit-learn: levels, splits and classes."""

import numpy as np
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits

from tfgan_models.data import catalog, digits, labelled
from tfgan_models.data.prepared import prepared_builder


def test_every_image_is_scikit_learns_in_256_levels(data_dir: str) -> None:
    builder = prepared_builder("digits", data_dir)
    assert builder.info.features["image"].shape == (8, 8, 1)
    stock = load_digits()
    places = np.arange(len(stock.target))
    chosen = {"train": places[places % 10 != 0], "test": places[::10]}
    assert {name: len(which) for name, which in chosen.items()} == {
        "train": 1617,
        "test": 180,
    }
    for split, which in chosen.items():
        examples = list(tfds.as_numpy(builder.as_dataset(split=split)))
        found = np.stack([example["image"] for example in examples])
        assert found.dtype == np.uint8 and found.shape == (len(which), 8, 8, 1)
        # To the nearest of 256 levels.
        exact = stock.images[which] / 16 * 255
        assert np.abs(found[..., 0] - exact).max() <= 0.5
        labels = [example["label"] for example in examples]
        np.testing.assert_array_equal(labels, stock.target[which])


def test_the_background_is_black_and_ink_is_white() -> None:
    images, labels = digits.read()
    assert (images.min(), images.max()) == (0, 255)
    assert np.median(images[:, 0, 0]) == np.median(images[:, 7, 0]) == 0
    assert np.bincount(labels).min() >= 174


def test_grey_images_of_tfds_have_three_equal_channels(data_dir: str) -> None:
    splits = catalog.labelled("digits", data_dir)
    assert splits.train.classes == tuple("0123456789")
    assert splits.test.labels.dtype == np.int32
    images, labels = digits.read()
    np.testing.assert_array_equal(splits.test.labels, labels[::10])
    found = np.stack(list(splits.test.images.images().as_numpy_iterator()))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.repeat(images[::10, ..., None], 3, axis=3))


def test_training_at_their_own_size(data_dir: str) -> None:
    splits = catalog.labelled("digits", data_dir)
    options = {"image_size": 8, "batch_size": 180, "grey": True}
    [batch] = labelled.test_batches(splits.test, **options)
    expected = digits.read()[0][::10, ..., None]
    np.testing.assert_allclose((batch + 1) * 127.5, expected, atol=1e-4)
    batches = labelled.train_batches(splits.train, resolution=8, seed=0, **options)
    assert next(iter(batches))["real"].shape == (180, 8, 8, 1)
