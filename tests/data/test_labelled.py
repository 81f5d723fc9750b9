"""The pipeline of single images with labels: what it yields follows from positions."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfgan_models.data import labelled, pipeline
from tfgan_models.data.source import ImageSource, LabelledSource
from tfgan_models.errors import UsageError

SIZE = 16
Batch = dict[str, np.ndarray]


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), np.uint8)


def source(*pictures: np.ndarray, classes: int = 3) -> LabelledSource:
    files = [tf.io.encode_png(picture).numpy() for picture in pictures]

    def records() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(files)

    def decode(record: tf.Tensor) -> tf.Tensor:
        return tf.io.decode_png(record, channels=3)

    images = ImageSource("pictures", len(pictures), records, decode)
    labels = np.arange(len(pictures), dtype=np.int32) % classes
    return LabelledSource(images, labels, tuple("abcdefgh"[:classes]))


def numbered(length: int) -> LabelledSource:
    """Image i is of the value i, and its label is i."""
    flat = [np.full((9, 9, 3), value, np.uint8) for value in range(length)]
    return source(*flat, classes=length)


def take(data: LabelledSource, count: int, **options: Any) -> list[Batch]:
    arguments = {
        "image_size": SIZE,
        "resolution": SIZE,
        "batch_size": 4,
        "seed": 1,
        **options,
    }
    batches = labelled.train_batches(data, **arguments).take(count)
    return list(batches.as_numpy_iterator())


def joined(batches: list[Batch]) -> Batch:
    return {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}


def to_pixels(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.float64) + 1) * 127.5


def assert_equal(first: Batch, second: Batch) -> None:
    assert len(first["label"]) > 0
    np.testing.assert_array_equal(first["real"], second["real"])
    np.testing.assert_array_equal(first["label"], second["label"])


@pytest.fixture(scope="module")
def photos() -> LabelledSource:
    """Five pictures in which a mirrored one can be told from the original."""
    return source(*(noise(SIZE, SIZE, seed) for seed in range(5)))


def test_shape_dtype_and_options(photos: LabelledSource) -> None:
    data = labelled.train_batches(
        photos, image_size=16, resolution=8, batch_size=6, seed=0, workers=2
    )
    assert data.element_spec == {
        "real": tf.TensorSpec([3, 8, 8, 3], tf.float32),
        "label": tf.TensorSpec([3], tf.int32),
    }
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    policy = data.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF
    assert data.options().deterministic


def test_black_is_minus_one_and_white_is_one() -> None:
    black, white = (np.full((9, 9, 3), value, np.uint8) for value in (0, 255))
    batch = joined(take(source(black, white), 2, resolution=4))
    assert np.all(batch["real"][batch["label"] == 0] == -1.0)
    assert np.all(batch["real"][batch["label"] == 1] == 1.0)


@pytest.mark.parametrize("limit", [labelled.MEMORY_LIMIT, 0])
def test_images_come_with_their_labels_in_a_new_order_each_pass(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "MEMORY_LIMIT", limit)
    batch = joined(take(numbered(12), 9))
    seen = np.rint(to_pixels(batch["real"])[:, 0, 0, 0]).astype(int)
    np.testing.assert_array_equal(batch["label"], seen)
    epochs = {tuple(seen[i : i + 12]) for i in range(0, 36, 12)}
    assert len(epochs | {tuple(range(12))}) == 4
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((16, 41), np.s_[:, 12:28]),
        ((47, 16), np.s_[15:31, :]),
        ((16, 16), np.s_[:, :]),
        ((16, 17), np.s_[:, :16]),
    ],
)
def test_the_square_in_the_centre_is_cut_out(
    shape: tuple[int, int], window: tuple[slice, slice]
) -> None:
    picture = noise(*shape)
    [batch] = take(source(picture), 1, mirror=False)
    expected = picture[window]
    assert expected.shape == (16, 16, 3)
    for image in to_pixels(batch["real"]):
        np.testing.assert_allclose(image, expected, atol=1e-4)
    [tests] = labelled.test_batches(source(picture), image_size=16, batch_size=4)
    np.testing.assert_allclose(to_pixels(tests.numpy())[0], expected, atol=1e-4)


def test_the_square_is_resized_once_like_pillow() -> None:
    picture = 64 + noise(50, 80) // 2
    square = Image.fromarray(picture[:, 15:65])
    expected = np.asarray(square.resize((16, 16), Image.Resampling.BICUBIC))
    [batch] = take(source(picture), 1, mirror=False)
    assert np.abs(to_pixels(batch["real"])[0] - expected).max() < 1.01


@pytest.mark.parametrize("resolution", [16, 8, 4, 2])
def test_resolutions_are_repeated_means_of_2x2(
    photos: LabelledSource, resolution: int
) -> None:
    options = {"batch_size": 10}
    [full] = take(photos, 1, **options)
    [reduced] = take(photos, 1, resolution=resolution, **options)
    expected = full["real"].astype(np.float64)
    while expected.shape[1] > resolution:
        rows = (expected[:, ::2] + expected[:, 1::2]) / 2
        expected = (rows[:, :, ::2] + rows[:, :, 1::2]) / 2
    assert reduced["real"].shape == (10, resolution, resolution, 3)
    np.testing.assert_allclose(reduced["real"], expected, atol=1e-6)
    np.testing.assert_array_equal(reduced["label"], full["label"])


def test_grey_is_the_luminance_of_the_same_images(photos: LabelledSource) -> None:
    options = {"batch_size": 10, "resolution": 8}
    [colour] = take(photos, 1, **options)
    [grey] = take(photos, 1, grey=True, **options)
    assert grey["real"].shape == (10, 8, 8, 1)
    np.testing.assert_array_equal(grey["label"], colour["label"])
    # ITU-R BT.601, as in JPEG.
    luminance = colour["real"] @ np.array([[0.299], [0.587], [0.114]])
    np.testing.assert_allclose(grey["real"], luminance, atol=1e-6)
    assert np.std(colour["real"] - grey["real"]) > 0.1


def test_grey_test_images(photos: LabelledSource) -> None:
    options = {"image_size": SIZE, "batch_size": 3}
    colour = list(labelled.test_batches(photos, **options))
    grey = labelled.test_batches(photos, grey=True, **options)
    assert grey.element_spec == tf.TensorSpec([None, SIZE, SIZE, 1], tf.float32)
    found = np.concatenate(list(grey))
    luminance = np.concatenate(colour) @ np.array([[0.299], [0.587], [0.114]])
    np.testing.assert_allclose(found, luminance, atol=1e-6)


def test_grey_pictures_stay_as_they_are() -> None:
    data = numbered(6)
    for value, image in enumerate(
        labelled.test_batches(data, image_size=8, batch_size=6, grey=True).unbatch()
    ):
        np.testing.assert_allclose(to_pixels(image.numpy()), value, atol=1e-4)


def test_block_mean_by_hand() -> None:
    rows = [[0, 4, 8, 8], [2, 2, 8, 8], [9, 9, 1, 3], [9, 9, 5, 100]]
    tile = np.kron(np.array(rows, np.uint8), np.ones((4, 4), np.uint8))
    picture = np.repeat(tile[..., None], 3, axis=-1)
    [batch] = take(source(picture), 1, resolution=2, mirror=False)
    expected = [[2, 8], [9, 27.25]]
    np.testing.assert_allclose(to_pixels(batch["real"])[0, ..., 0], expected, atol=1e-4)


def test_half_of_the_images_are_mirrored_each_on_its_own() -> None:
    picture = noise(SIZE, SIZE)
    batch = joined(take(source(picture), 40, batch_size=50, seed=2))
    pixels = np.rint(to_pixels(batch["real"])).astype(int)
    plain = (pixels == picture).all((1, 2, 3))
    mirrored = (pixels == picture[:, ::-1]).all((1, 2, 3))
    assert np.all(plain ^ mirrored)
    # 2000 draws: 3.6 standard deviations either way.
    assert 920 < mirrored.sum() < 1080
    # Independent draws repeat or alternate equally often.
    assert 920 < np.sum(mirrored[1:] == mirrored[:-1]) < 1080


def test_mirroring_can_be_left_out_and_changes_no_order(photos: LabelledSource) -> None:
    plain, both = (joined(take(photos, 10, mirror=m)) for m in (False, True))
    np.testing.assert_array_equal(plain["label"], both["label"])
    mirrored = plain["real"][:, :, ::-1]
    same = (plain["real"] == both["real"]).all((1, 2, 3))
    assert np.all(same ^ (mirrored == both["real"]).all((1, 2, 3)))
    assert 5 < same.sum() < 35
    for image, label in zip(plain["real"], plain["label"], strict=True):
        candidates = [s for s in range(5) if s % 3 == label]
        assert any(
            np.allclose(to_pixels(image), noise(SIZE, SIZE, s), atol=1e-4)
            for s in candidates
        )


def test_phases_of_different_batches_continue_each_other(
    photos: LabelledSource,
) -> None:
    whole = joined(take(photos, 32, batch_size=1))
    first = take(photos, 2, batch_size=8)
    second = take(photos, 4, batch_size=4, start_image=16)
    assert_equal(joined(first + second), whole)


@pytest.mark.parametrize("start", [1, 5, 7, 30])
@pytest.mark.parametrize("limit", [labelled.MEMORY_LIMIT, 0])
def test_resuming_at_any_image(
    photos: LabelledSource, start: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled, "MEMORY_LIMIT", limit)
    options = {"batch_size": 3, "resolution": 8}
    whole = joined(take(photos, 13, **options))
    rest = joined(take(photos, 2, start_image=start, **options))
    assert_equal(rest, {key: all_[start:][:6] for key, all_ in whole.items()})


def test_the_seed_decides(photos: LabelledSource) -> None:
    first, again, other = (joined(take(photos, 6, seed=s)) for s in (3, 3, 4))
    assert_equal(first, again)
    assert not np.array_equal(first["real"], other["real"])
    assert not np.array_equal(first["label"], other["label"])


@pytest.mark.parametrize("start", [0, 10])
def test_workers_share_the_global_batch(photos: LabelledSource, start: int) -> None:
    options = {"batch_size": 6, "start_image": start}
    whole = joined(take(photos, 3, **options))
    shares = [take(photos, 3, worker=w, workers=3, **options) for w in range(3)]
    assert shares[0][0]["real"].shape[0] == 2
    parts = [part for parts in zip(*shares, strict=True) for part in parts]
    assert_equal(joined(parts), whole)


def test_test_batches_keep_order_and_are_not_mirrored() -> None:
    pictures = [noise(SIZE, SIZE + 4, seed) for seed in range(7)]
    batches = labelled.test_batches(source(*pictures), image_size=SIZE, batch_size=3)
    assert batches.element_spec == tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32)
    found = list(batches.as_numpy_iterator())
    assert [len(batch) for batch in found] == [3, 3, 1]
    expected = [picture[:, 2:-2] for picture in pictures]
    np.testing.assert_allclose(to_pixels(np.concatenate(found)), expected, atol=1e-4)
    limited = labelled.test_batches(
        source(*pictures), image_size=SIZE, batch_size=3, limit=4
    )
    assert [len(batch) for batch in limited] == [3, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 7}, "image_size=7 is too small. It must be at least 8"),
        ({"batch_size": 0}, "batch_size=0 is too small. It must be at least 1"),
        ({"batch_size": 3, "workers": 2}, "batch_size=3 cannot be shared by 2 workers"),
    ],
)
def test_wrong_sizes(
    photos: LabelledSource, options: dict[str, int], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        take(photos, 1, **options)
    if "workers" not in options:
        with pytest.raises(UsageError, match=message):
            arguments = {"image_size": SIZE, "batch_size": 2, **options}
            labelled.test_batches(photos, **arguments)


@pytest.mark.parametrize(
    ("image_size", "resolution"), [(16, 32), (16, 5), (24, 8), (16, 0), (16, -4)]
)
def test_resolution_is_the_image_size_halved(
    photos: LabelledSource, image_size: int, resolution: int
) -> None:
    message = f"resolution={resolution} is not image_size={image_size} halved"
    with pytest.raises(ValueError, match=message) as caught:
        take(photos, 1, image_size=image_size, resolution=resolution)
    assert not isinstance(caught.value, UsageError)


def test_length_is_at_least_a_batch(photos: LabelledSource) -> None:
    labelled.check_length(photos, 5)
    with pytest.raises(UsageError) as caught:
        labelled.check_length(photos, 6)
    assert str(caught.value) == (
        "pictures has fewer images (5) than a batch: batch_size=6. It must be at most "
        "5. Lower it, or add images."
    )


def test_images_are_decoded_once_when_they_fit(
    photos: LabelledSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    resized = []
    resize = pipeline.resize

    def record(image: tf.Tensor, size: int) -> tf.Tensor:
        tf.py_function(lambda: resized.append(size), [], [])
        return resize(image, size)

    monkeypatch.setattr(pipeline, "resize", record)
    pixels = SIZE * SIZE * 3 * 5
    monkeypatch.setattr(labelled, "MEMORY_LIMIT", pixels)
    cached = joined(take(photos, 10))
    assert resized == [SIZE] * 5
    monkeypatch.setattr(labelled, "MEMORY_LIMIT", pixels - 1)
    assert_equal(joined(take(photos, 10)), cached)
    assert len(resized) >= 5 + 40
