"""The paired pipeline: pairs stay pairs, and follow from the seed and the position."""

import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tfgan_models.data import catalog, earth, paired, pipeline
from tfgan_models.data.folder import STAND_IN_TEST_IMAGES
from tfgan_models.data.source import PairedSplits, PairSource
from tfgan_models.errors import UsageError

SIZE = 32
Batch = dict[str, np.ndarray]
Save = Callable[[Path, int], None]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), np.uint8)


def related(image: np.ndarray) -> np.ndarray:
    """The target of a known function: the negative, its channels rotated."""
    return np.roll(255 - image, 1, axis=-1)


def source(*pairs: tuple[np.ndarray, np.ndarray]) -> PairSource:
    files = [[tf.io.encode_png(image).numpy() for image in pair] for pair in pairs]

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(files)

    def decode(record: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tuple(tf.io.decode_png(record[i], channels=3) for i in range(2))

    return PairSource("pairs", len(pairs), records, decode)


def splits(*pairs: tuple[np.ndarray, np.ndarray]) -> PairedSplits:
    return PairedSplits(source(*pairs), source(*pairs))


def take(data: PairedSplits, count: int, **options: int) -> list[Batch]:
    arguments = {"image_size": SIZE, "batch_size": 2, "seed": 1, **options}
    batches = paired.train_batches(data, **arguments).take(count)
    return list(batches.as_numpy_iterator())


def to_uint8(images: np.ndarray) -> np.ndarray:
    return np.rint((images + 1) * 127.5).astype(np.uint8)


def assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a["real_a"], b["real_a"])
        np.testing.assert_array_equal(a["real_b"], b["real_b"])


@pytest.fixture(scope="module")
def photos() -> PairedSplits:
    """Five pictures in which every crop and flip can be told apart, and negatives."""
    pictures = [noise(50, 40, seed) for seed in range(5)]
    return splits(*((picture, related(picture)) for picture in pictures))


def test_shape_dtype_and_options(photos: PairedSplits) -> None:
    data = paired.train_batches(photos, image_size=16, batch_size=3, seed=0)
    spec = tf.TensorSpec([3, 16, 16, 3], tf.float32)
    assert data.element_spec == {"real_a": spec, "real_b": spec}
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    policy = data.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF


@pytest.mark.parametrize("limit", [paired.MEMORY_LIMIT, 0])
def test_pairs_stay_aligned(
    photos: PairedSplits, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target is the input's negative in every pixel of every batch."""
    monkeypatch.setattr(paired, "MEMORY_LIMIT", limit)
    for batch in take(photos, 20):
        inputs, targets = to_uint8(batch["real_a"]), to_uint8(batch["real_b"])
        assert inputs.std() > 40
        # Rounding up a negative is rounding down.
        difference = np.abs(related(inputs).astype(int) - targets)
        assert difference.max() <= 1


def test_augmentation_is_the_papers_jitter_of_both(photos: PairedSplits) -> None:
    load_size = 36  # 32 * 286 / 256 = 35.75
    picture = noise(50, 40)
    twin = noise(50, 40, seed=7)

    def crops(image: np.ndarray) -> dict[bytes, tuple[int, int, bool]]:
        resized = pipeline.resize(tf.constant(image), load_size).numpy()
        found = {}
        for top, left, flip in itertools.product(range(5), range(5), (False, True)):
            crop = resized[top : top + SIZE, left : left + SIZE]
            found[(crop[:, ::-1] if flip else crop).tobytes()] = (top, left, flip)
        return found

    first, second = crops(picture), crops(twin)
    batches = take(splits((picture, twin)), 40, batch_size=10)
    draws = []
    for batch in batches:
        pairs = zip(to_uint8(batch["real_a"]), to_uint8(batch["real_b"]), strict=True)
        for image, target in pairs:
            draws.append(first[image.tobytes()])
            assert second[target.tobytes()] == draws[-1]
    assert 150 < sum(flip for _, _, flip in draws) < 250
    for axis in (0, 1):
        counts = Counter(draw[axis] for draw in draws)
        assert set(counts) == set(range(5))
        assert all(45 < count < 120 for count in counts.values())


def test_every_epoch_is_a_new_order_of_all_pairs() -> None:
    flat = [np.full((9, 9, 3), value, np.uint8) for value in range(12)]
    batches = take(splits(*((image, related(image)) for image in flat)), 18)
    seen = [int(v) for b in batches for v in to_uint8(b["real_a"])[:, 0, 0, 0]]
    epochs = [tuple(seen[i : i + 12]) for i in range(0, 36, 12)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert len({tuple(range(12)), *epochs}) == 4


@pytest.mark.parametrize("start", [1, 2, 7, 29])
@pytest.mark.parametrize("limit", [paired.MEMORY_LIMIT, 0])
def test_resuming_gives_the_uninterrupted_batches(
    photos: PairedSplits, start: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired, "MEMORY_LIMIT", limit)
    whole = take(photos, 33)
    assert_equal(take(photos, 4, start_step=start), whole[start:][:4])


def test_the_seed_decides(photos: PairedSplits) -> None:
    first = take(photos, 6, seed=3)
    assert_equal(first, take(photos, 6, seed=3))
    other = take(photos, 6, seed=4)
    assert not np.array_equal(first[0]["real_a"], other[0]["real_a"])


@pytest.mark.parametrize("start", [0, 4])
def test_workers_share_the_global_batch(photos: PairedSplits, start: int) -> None:
    options = {"batch_size": 6, "start_step": start}
    whole = take(photos, 3, **options)
    shares = [take(photos, 3, worker=w, workers=3, **options) for w in range(3)]
    joined = [
        {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        for parts in zip(*shares, strict=True)
    ]
    assert shares[0][0]["real_a"].shape[0] == 2
    assert_equal(joined, whole)


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 5), (2, 2), (5, 1), (8, 1)])
def test_steps_per_epoch(photos: PairedSplits, batch_size: int, steps: int) -> None:
    assert paired.steps_per_epoch(photos, batch_size) == steps


def test_test_batches_are_resized_in_order(photos: PairedSplits) -> None:
    batches = list(
        paired.test_batches(
            photos.test, image_size=16, batch_size=2, limit=3
        ).as_numpy_iterator()
    )
    assert [len(batch["real_a"]) for batch in batches] == [2, 1]
    images = np.concatenate([to_uint8(batch["real_a"]) for batch in batches])
    targets = np.concatenate([to_uint8(batch["real_b"]) for batch in batches])
    for seed, (image, target) in enumerate(zip(images, targets, strict=True)):
        pillow = Image.fromarray(noise(50, 40, seed))
        expected = np.asarray(pillow.resize((16, 16), Image.Resampling.BICUBIC))
        assert np.abs(image.astype(int) - expected).max() <= 1
        assert np.abs(related(image).astype(int) - target).max() <= 1


def test_swapped_is_the_opposite_direction(photos: PairedSplits) -> None:
    there, back = take(photos, 3), take(photos.swapped(), 3)
    for one, other in zip(there, back, strict=True):
        np.testing.assert_array_equal(one["real_a"], other["real_b"])
        np.testing.assert_array_equal(one["real_b"], other["real_a"])
        assert not np.array_equal(one["real_a"], one["real_b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 7}, "image_size=7 is too small. It must be at least 8"),
        ({"batch_size": 0}, "batch_size=0 is too small. It must be at least 1"),
        ({"batch_size": 3, "workers": 2}, "batch_size=3 cannot be shared by 2 workers"),
    ],
)
def test_wrong_sizes(
    photos: PairedSplits, options: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        take(photos, 1, **options)
    if "workers" not in options:
        with pytest.raises(UsageError, match=message):
            arguments = {"image_size": SIZE, "batch_size": 2, **options}
            paired.test_batches(photos.test, **arguments)


def test_earth_pairs_show_the_same_windows(data_dir: str) -> None:
    found = catalog.paired("earth/satellite2relief", data_dir)
    assert (found.train.length, found.test.length) == (1000, 64)
    assert found.train.name == "earth_pairs/satellite2relief/1.0.0 train"
    satellite, relief = earth.read_map("satellite"), earth.read_map("relief")
    places = {
        "train": earth.land_windows(earth.TRAIN_COLUMNS, 2000)[:1000],
        "test": earth.land_windows(earth.TEST_COLUMNS, 64),
    }
    for name, windows in places.items():
        source = getattr(found, name)
        some = source.records().shard(9, 3).map(source.decode).as_numpy_iterator()
        for (image, target), (row, left) in zip(some, windows[3::9], strict=True):
            window = slice(row, row + 128), slice(left, left + 128)
            np.testing.assert_array_equal(image, satellite[window])
            np.testing.assert_array_equal(target, relief[window])


def test_earth_tests_are_those_of_the_unpaired_set(data_dir: str) -> None:
    pairs = catalog.paired("earth/satellite2relief:1.0.0", data_dir).test
    unpaired = catalog.unpaired("earth/satellite2relief", data_dir)
    rows = zip(
        pairs.pairs(), unpaired.test_a.images(), unpaired.test_b.images(), strict=True
    )
    for (image, target), a, b in rows:
        np.testing.assert_array_equal(image, a)
        np.testing.assert_array_equal(target, b)


def test_emoji_pairs(data_dir: str) -> None:
    found = catalog.paired("emoji/flat2render", data_dir)
    assert (found.train.length, found.test.length) == (1378, 154)
    stock = tfds.load("emoji/flat2render", split="test", data_dir=data_dir)
    for (image, target), example in zip(found.test.pairs(), stock, strict=True):
        assert (image.shape, target.shape) == ((64, 64, 3), (128, 128, 3))
        np.testing.assert_array_equal(image, example["input"])
        np.testing.assert_array_equal(target, example["target"])
    batch = next(iter(paired.test_batches(found.test, image_size=32, batch_size=2)))
    assert batch["real_a"].shape == batch["real_b"].shape == (2, 32, 32, 3)


def test_bundled_names() -> None:
    assert catalog.PAIRED_BUNDLED == (
        "earth/satellite2relief",
        "earth/day2night",
        "earth/satellite2antique",
        "emoji/line2flat",
        "emoji/flat2render",
    )
    for name in catalog.PAIRED_BUNDLED:
        family = name.split("/")[0].replace("earth", "earth_pairs")
        assert name.split("/")[1] in tfds.builder_cls(family).builder_configs


def test_unknown_name_is_answered_with_close_ones(data_dir: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.paired("emoji/line2flats", data_dir)
    message = str(caught.value)
    assert (
        "dataset=emoji/line2flats is not known. Did you mean emoji/line2fl" in message
    )
    assert "PATH/train or" in message
    assert "cycle_gan" not in message
    assert "\n" not in message


def test_data_set_of_another_task(data_dir: str) -> None:
    with pytest.raises(UsageError, match="dataset=emoji/flat has no pairs") as caught:
        catalog.paired("emoji/flat", data_dir)
    assert "emoji/line2flat" in str(caught.value)
    assert "\n" not in str(caught.value)


def values(pairs: PairSource) -> list[tuple[int, int]]:
    return [
        (int(image[0, 0, 0]), int(target[0, 0, 0]))
        for image, target in pairs.pairs().as_numpy_iterator()
    ]


def save_pairs(folder: Path, count: int) -> None:
    """Saves images of 14 x 5 px: left half of value i, right half of 100 + i."""
    folder.mkdir(parents=True)
    for i in range(count):
        both = np.concatenate(
            [np.full((5, 7, 3), v, np.uint8) for v in (i, 100 + i)], 1
        )
        Image.fromarray(both).save(folder / f"{i:03}.png")


@pytest.mark.parametrize("test", ["test", "val"])
def test_folder_of_pairs_side_by_side(tmp_path: Path, test: str) -> None:
    save_pairs(tmp_path / "train", 4)
    save_pairs(tmp_path / test, 2)
    found = catalog.paired(f"folder:{tmp_path}")
    assert values(found.train) == [(0, 100), (1, 101), (2, 102), (3, 103)]
    assert values(found.test) == [(0, 100), (1, 101)]
    for image, target in found.train.pairs():
        assert image.shape == target.shape == (5, 7, 3)
        assert len(np.unique(image)) == len(np.unique(target)) == 1
    batch = take(found, 1)[0]
    difference = to_uint8(batch["real_b"]).astype(int) - to_uint8(batch["real_a"])
    assert (difference == 100).all()


def test_folders_of_the_same_names(tmp_path: Path, save_images: Save) -> None:
    for name in ("trainA", "trainB", "testA", "testB"):
        save_images(tmp_path / name, 4 if name.startswith("train") else 2)
    # The names count, and neither their endings nor the order of the files.
    (tmp_path / "trainB/001.png").unlink()
    Image.new("RGB", (4, 4), (77, 0, 0)).save(tmp_path / "trainB/001.bmp")
    found = catalog.paired(f"folder:{tmp_path}")
    assert values(found.train) == [(0, 0), (1, 77), (2, 2), (3, 3)]
    assert values(found.test) == [(0, 0), (1, 1)]
    assert len(take(found, 1)[0]["real_a"]) == 2


@pytest.mark.parametrize("count", [5, 40])
def test_first_training_pairs_stand_in_for_missing_tests(
    tmp_path: Path, count: int
) -> None:
    save_pairs(tmp_path / "train", count)
    found = catalog.paired(f"folder:{tmp_path}")
    expected = values(found.train)[: min(count, STAND_IN_TEST_IMAGES)]
    assert values(found.test) == expected
    assert found.test.length == len(expected)


@pytest.mark.parametrize(
    ("missing", "left"), [("trainA", "trainB"), ("trainB", "trainA")]
)
def test_the_first_file_without_a_partner_is_named(
    tmp_path: Path, save_images: Save, missing: str, left: str
) -> None:
    save_images(tmp_path / "trainA", 5)
    save_images(tmp_path / "trainB", 5)
    for name in ("002.png", "004.png"):
        (tmp_path / missing / name).unlink()
    with pytest.raises(UsageError) as caught:
        catalog.paired(f"folder:{tmp_path}")
    message = str(caught.value)
    assert f"{tmp_path / left / '002.png'} has no partner" in message
    assert f"there is no {tmp_path / missing / '002'} with" in message
    assert "\n" not in message


def test_a_pair_that_cannot_be_read_does_not_count(
    tmp_path: Path, save_images: Save
) -> None:
    save_images(tmp_path / "trainA", 3)
    save_images(tmp_path / "trainB", 3)
    (tmp_path / "trainB/001.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"001\.png \(empty file\)"):
        found = catalog.paired(f"folder:{tmp_path}")
    assert values(found.train) == [(0, 0), (2, 2)]


def test_no_pair_that_can_be_read(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path / "trainA", 2)
    save_images(tmp_path / "trainB", 2)
    (tmp_path / "trainA/000.png").write_bytes(b"")
    (tmp_path / "trainB/001.png").write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="empty file"),
        pytest.raises(UsageError, match="in each pair an image cannot be read"),
    ):
        catalog.paired(f"folder:{tmp_path}")


def test_two_files_of_one_name(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path / "trainA", 2)
    save_images(tmp_path / "trainB", 2)
    Image.new("RGB", (4, 4)).save(tmp_path / "trainA/001.bmp")
    with pytest.raises(UsageError, match=r"001\.bmp and .*001\.png have the same name"):
        catalog.paired(f"folder:{tmp_path}")


def test_an_odd_width_is_not_side_by_side(tmp_path: Path, save_images: Save) -> None:
    save_images(tmp_path / "train", 2)
    with pytest.raises(UsageError, match=r"000\.png does not show .* Received: 7 px"):
        catalog.paired(f"folder:{tmp_path}")


@pytest.mark.parametrize("images", [0, 3])
def test_another_layout(tmp_path: Path, save_images: Save, images: int) -> None:
    save_images(tmp_path, images)
    (tmp_path / "trainA").mkdir()
    with pytest.raises(UsageError) as caught:
        catalog.paired(f"folder:{tmp_path}")
    message = str(caught.value)
    assert f"Found: {images} images and folders trainA/" in message
    assert "Lay it out as trainA/ trainB/ with images of the same names" in message
    assert "\n" not in message


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere is not a folder\. .*side by side"):
        catalog.paired(f"folder:{tmp_path / 'nowhere'}")
