"""Super-resolution's data: pairs of a crop and its reduced version."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tfgan_models.data import catalog, earth, pipeline, superres, superres_sources
from tfgan_models.data.images import encode_png
from tfgan_models.data.source import PairSource, SuperResSource
from tfgan_models.errors import UsageError


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture without fine detail, every place of it another."""
    coarse = np.random.default_rng(seed).integers(30, 220, (4, 4, 3), np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.BICUBIC))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training images of different sizes and two tests."""
    root = tmp_path_factory.mktemp("photos")
    for split, sizes in (
        ("train", [(40, 52), (33, 70), (64, 64)]),
        ("test", [(37, 45), (50, 34)]),
    ):
        (root / split).mkdir()
        for i, size in enumerate(sizes):
            Image.fromarray(smooth(*size, seed=i)).save(root / split / f"{i}.png")
    return root


def take(source: SuperResSource, count: int, **options: int) -> list[dict]:
    chosen = {"image_size": 16, "batch_size": 2, "seed": 5} | options
    batches = superres.train_batches(source, **chosen)
    return list(batches.take(count).as_numpy_iterator())


def to_uint8(images: np.ndarray) -> np.ndarray:
    return np.round((images + 1) * 127.5).astype(np.uint8)


def assert_equal(first: list[dict], second: list[dict]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys() == {"low", "high"}
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])


def places(crop: np.ndarray, image: np.ndarray) -> list[tuple[int, int, bool]]:
    """Where in an image a crop, or its mirror image, is."""
    size = len(crop)
    windows = np.lib.stride_tricks.sliding_window_view(image, (size, size, 3))[:, :, 0]
    found = []
    for mirrored in (False, True):
        wanted = crop[:, ::-1] if mirrored else crop
        found += [
            (int(y), int(x), mirrored)
            for y, x in np.argwhere((windows == wanted).all((2, 3, 4)))
        ]
    return found


@pytest.mark.parametrize("scale", [2, 4])
def test_low_is_the_crop_reduced_and_rounded(photos: Path, scale: int) -> None:
    train = catalog.superres(f"folder:{photos}", scale).train
    for batch in take(train, 3):
        assert batch["high"].shape == (2, 16, 16, 3)
        assert batch["low"].shape == (2, 16 // scale, 16 // scale, 3)
        for low, high in zip(batch["low"], batch["high"], strict=True):
            pixels = to_uint8(high)
            np.testing.assert_allclose(high, pixels / 127.5 - 1, atol=1e-6)
            expected = np.asarray(
                Image.fromarray(pixels).resize((16 // scale,) * 2, Image.BICUBIC)
            )
            # Pillow computes in whole numbers.
            difference = np.abs(to_uint8(low).astype(int) - expected)
            assert difference.max() <= 1
            np.testing.assert_allclose(low, to_uint8(low) / 127.5 - 1, atol=1e-6)


def test_crops_are_everywhere_and_half_are_mirrored(photos: Path) -> None:
    train = catalog.superres(f"folder:{photos}", 2).train
    images = [smooth(40, 52, 0), smooth(33, 70, 1), smooth(64, 64, 2)]
    found = []
    for batch in take(train, 60, batch_size=3):
        for crop in to_uint8(batch["high"]):
            matches = [
                (i, *place) for i, x in enumerate(images) for place in places(crop, x)
            ]
            assert len(matches) == 1
            found += matches
    # Each image once a pass.
    assert [sum(f[0] == i for f in found) for i in range(3)] == [60, 60, 60]
    tops, lefts = zip(*[f[1:3] for f in found if f[0] == 2], strict=True)
    for values in (tops, lefts):
        assert min(values) < 6
        assert max(values) > 42
    assert 60 < sum(f[3] for f in found) < 120


def test_nothing_has_a_state(photos: Path) -> None:
    train = catalog.superres(f"folder:{photos}", 4).train
    whole = take(train, 6)
    assert_equal(whole, take(train, 6))
    assert_equal(whole[4:], take(train, 2, start_step=4))
    assert not np.array_equal(whole[0]["high"], take(train, 1, seed=6)[0]["high"])


def test_two_workers_share_a_batch(photos: Path) -> None:
    train = catalog.superres(f"folder:{photos}", 4).train
    shares = [take(train, 3, workers=2, worker=worker) for worker in (0, 1)]
    joined = [
        {key: np.concatenate([a[key], b[key]]) for key in a}
        for a, b in zip(*shares, strict=True)
    ]
    assert_equal(take(train, 3), joined)
    with pytest.raises(UsageError, match=r"batch_size=3 cannot be shared by 2"):
        take(train, 1, batch_size=3, workers=2)


def test_in_memory_or_decoded_anew(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = catalog.superres(f"folder:{photos}", 2).train
    expected = take(train, 3)
    monkeypatch.setattr(superres, "MEMORY_LIMIT", 0)
    assert_equal(expected, take(train, 3))


def test_whole_test_images_come_one_by_one_where_sizes_differ(photos: Path) -> None:
    test = catalog.superres(f"folder:{photos}", 4).test
    batches = list(superres.test_batches(test, batch_size=8).as_numpy_iterator())
    assert [b["high"].shape for b in batches] == [(1, 36, 44, 3), (1, 48, 32, 3)]
    assert [b["low"].shape for b in batches] == [(1, 9, 11, 3), (1, 12, 8, 3)]
    np.testing.assert_array_equal(
        to_uint8(batches[0]["high"][0]), smooth(37, 45)[:36, :44]
    )
    first = superres.test_batches(test, batch_size=8, limit=1)
    assert len(list(first)) == 1


def test_crops_of_test_images_are_their_middle(photos: Path) -> None:
    test = catalog.superres(f"folder:{photos}", 4).test
    (batch,) = superres.test_batches(test, batch_size=8, crop=19).as_numpy_iterator()
    assert batch["high"].shape == (2, 16, 16, 3)
    assert batch["low"].shape == (2, 4, 4, 3)
    assert places(to_uint8(batch["high"][0]), smooth(37, 45)) == [(11, 15, False)]
    # No larger than the smallest of the images.
    (batch,) = superres.test_batches(test, batch_size=8, crop=99).as_numpy_iterator()
    assert batch["high"].shape == (2, 32, 32, 3)


def test_enlarging_what_was_reduced_gives_it_back_about() -> None:
    image = smooth(32, 32)
    low = pipeline.to_float(pipeline.resize_to(tf.constant(image), [8, 8]))
    enlarged = superres.enlarge(low[tf.newaxis], 4)[0].numpy()
    assert enlarged.shape == (32, 32, 3)
    assert np.abs(to_uint8(enlarged).astype(int) - image).mean() < 4
    assert (
        superres.enlarge(tf.constant([[[[1.0], [-1.0], [1.0]]]]), 4).numpy().min() >= -1
    )


def pair_source(pairs: list[tuple[np.ndarray, np.ndarray]]) -> PairSource:
    files = [[encode_png(low), encode_png(high)] for low, high in pairs]

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        low, high = (tf.io.decode_png(record[i], 3) for i in (0, 1))
        return low, high

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(files)

    return PairSource("pairs train", len(pairs), records, decode)


def coordinates(height: int, width: int, factor: int) -> np.ndarray:
    """An image of which each pixel tells row and column of a low resolution."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows], -1).astype(np.uint8) // factor


def test_given_low_resolution_is_cut_where_the_high_one_is() -> None:
    pairs = [(coordinates(12, 20, 1), coordinates(48, 80, 4))]
    source = superres_sources.of_pairs(pair_source(pairs), 4)
    np.testing.assert_array_equal(source.sizes, [[48, 80]])
    tops, mirrored = set(), 0
    for batch in take(source, 40):
        low, high = to_uint8(batch["low"]), to_uint8(batch["high"])
        np.testing.assert_array_equal(low.repeat(4, 1).repeat(4, 2), high)
        tops |= set(low[:, 0, 0, 0])
        mirrored += (low[:, 0, 0, 1] > low[:, 0, 1, 1]).sum()
    assert tops == set(range(9))
    assert 20 < mirrored < 60
    (batch,) = superres.test_batches(source, batch_size=1).as_numpy_iterator()
    np.testing.assert_array_equal(to_uint8(batch["low"][0]), pairs[0][0])
    np.testing.assert_array_equal(to_uint8(batch["high"][0]), pairs[0][1])


def test_pairs_of_different_sizes_are_named() -> None:
    good = (np.zeros((12, 20, 3), np.uint8), np.zeros((48, 80, 3), np.uint8))
    bad = (np.zeros((12, 20, 3), np.uint8), np.zeros((48, 84, 3), np.uint8))
    with pytest.raises(UsageError) as caught:
        superres_sources.of_pairs(pair_source([good, bad]), 4)
    assert str(caught.value) == (
        "pairs train has pairs of different sizes: image 1 is 20 x 12 px at low and "
        "84 x 48 px at high resolution. With scale=4 they must be 1 to 4. Give the "
        "scale that the data set was made for, or another data set."
    )


class Div(tfds.core.GeneratorBasedBuilder):
    """Three pairs as DIV2K has them."""

    name = "tiny_div"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(None, None, 3))
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"lr": image, "hr": image}),
        )

    def _split_generators(self, dl_manager: object) -> dict:
        return {
            "train": self._generate_examples(3),
            "validation": self._generate_examples(1),
        }

    def _generate_examples(self, count: int) -> object:
        for i in range(count):
            yield i, {"lr": smooth(8 + i, 9), "hr": smooth(16 + 2 * i, 18)}


def test_tfds_sets_with_lr_and_hr(data_dir: str) -> None:
    found = catalog.superres("tiny_div", 2, data_dir)
    assert (found.train.length, found.test.length) == (3, 1)
    assert found.test.name == "tiny_div/1.0.0 validation"
    assert sorted(found.train.sizes.tolist()) == [[16, 18], [18, 18], [20, 18]]
    (batch,) = superres.test_batches(found.test, batch_size=1).as_numpy_iterator()
    np.testing.assert_array_equal(to_uint8(batch["low"][0]), smooth(8, 9))
    with pytest.raises(UsageError, match=r"9 x \d+ px at low and 18 x .* scale=4"):
        catalog.superres("tiny_div", 4, data_dir)


def test_earth_shows_one_map_and_keeps_its_tests_apart(data_dir: str) -> None:
    found = catalog.superres("earth/satellite", 4, data_dir)
    assert (found.train.length, found.test.length) == (1000, 64)
    assert found.train.name == "earth_images/satellite/1.0.0 train"
    assert (found.train.sizes == 128).all()
    builder = tfds.builder("earth_images/satellite", data_dir=data_dir)
    atlas = earth.read_map("satellite")
    for split, first, end in (("train", 0, 2100), ("test", 2100, 2700)):
        examples = list(tfds.as_numpy(builder.as_dataset(split=split)))
        windows = np.array([example["window"] for example in examples])
        assert windows[:, 1].min() >= first
        assert windows[:, 1].max() + 128 <= end
        for example in examples[:50]:
            row, column = example["window"]
            np.testing.assert_array_equal(
                example["image"], atlas[row : row + 128, column : column + 128]
            )


def test_bundled_single_images_serve_too(data_dir: str) -> None:
    names = ("earth/satellite", "emoji/render", "emoji/flat")
    assert names == catalog.SUPERRES_BUNDLED
    found = catalog.superres("emoji/render", 2, data_dir)
    batch = take(found.train, 1, image_size=48)[0]
    assert batch["low"].shape == (2, 24, 24, 3)


@pytest.mark.parametrize(
    ("scale", "size", "message"),
    [
        (4, 18, r"image_size=18 is not a multiple of scale=4: .* Give 16 or another"),
        (4, 40, r"train has images smaller than image_size=40: one is 70 x 33 px"),
        (4, 4, r"image_size=4 is too small"),
    ],
)
def test_crops_that_cannot_be(
    photos: Path, scale: int, size: int, message: str
) -> None:
    train = catalog.superres(f"folder:{photos}", scale).train
    with pytest.raises(UsageError, match=message) as caught:
        take(train, 1, image_size=size)
    assert "\n" not in str(caught.value)


def test_scales_that_cannot_be(
    photos: Path, save_images: Callable[[Path, int], None], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="scale=1 enlarges nothing"):
        catalog.superres(f"folder:{photos}", 1)
    save_images(tmp_path, 2)
    with pytest.raises(UsageError, match=r"image of 7 x 5 px, too small for scale=8"):
        catalog.superres(f"folder:{tmp_path}", 8)


def test_sets_without_images_are_refused(data_dir: str) -> None:
    with pytest.raises(UsageError, match=r"dataset=nothing is not known\. .*div2k/bic"):
        catalog.superres("nothing", 4, data_dir)
    with pytest.raises(UsageError, match=r"no image features lr and hr, nor image"):
        catalog.superres("emoji/line2flat", 4, data_dir)
