"""The unpaired pipeline: what it yields follows from the seed and the position."""

import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tfgan_models.data import ImageSource, UnpairedSplits, unpaired
from tfgan_models.errors import UsageError

SIZE = 8
Batch = dict[str, np.ndarray]


class Numbered:
    """A source whose image i is of the value i, and that counts decodings."""

    def __init__(self, length: int) -> None:
        self.decoded: list[int] = []
        self.source = ImageSource("numbered", length, self._records, self._decode)

    def _records(self) -> tf.data.Dataset:
        names = [str(i) for i in range(self.source.length)]
        return tf.data.Dataset.from_tensor_slices(names)

    def _decode(self, record: tf.Tensor) -> tf.Tensor:
        def draw(name: bytes) -> np.ndarray:
            self.decoded.append(int(name))
            return np.full((6, 11, 3), int(name), np.uint8)

        return tf.ensure_shape(
            tf.numpy_function(draw, [record], tf.uint8), [None, None, 3]
        )


def picture_source(*pictures: np.ndarray) -> ImageSource:
    def records() -> tf.data.Dataset:
        files = [tf.io.encode_png(picture).numpy() for picture in pictures]
        return tf.data.Dataset.from_tensor_slices(files)

    return ImageSource("pictures", len(pictures), records, tf.io.decode_png)


def splits(a: ImageSource, b: ImageSource) -> UnpairedSplits:
    return UnpairedSplits(train_a=a, train_b=b, test_a=a, test_b=b)


def numbered(a: int, b: int) -> UnpairedSplits:
    return splits(Numbered(a).source, Numbered(b).source)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), np.uint8)


def take(data: UnpairedSplits, count: int, **options: int) -> list[Batch]:
    arguments = {"image_size": SIZE, "batch_size": 2, "seed": 1, **options}
    batches = unpaired.train_batches(data, **arguments).take(count)
    return list(batches.as_numpy_iterator())


def indices(batches: list[Batch], domain: str) -> list[int]:
    """Says which images of a numbered source the batches hold."""
    values = np.concatenate([batch[domain][:, 0, 0, 0] for batch in batches])
    return np.rint((values + 1) * 127.5).astype(int).tolist()


def assert_equal(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a["real_a"], b["real_a"])
        np.testing.assert_array_equal(a["real_b"], b["real_b"])


@pytest.fixture(scope="module")
def photos() -> UnpairedSplits:
    """Five and three pictures in which every crop and flip can be told apart."""
    return splits(
        picture_source(*(noise(20, 30, i) for i in range(5))),
        picture_source(*(noise(30, 20, 9 + i) for i in range(3))),
    )


def test_shape_dtype_and_range(photos: UnpairedSplits) -> None:
    data = unpaired.train_batches(photos, image_size=16, batch_size=3, seed=0)
    spec = tf.TensorSpec([3, 16, 16, 3], tf.float32)
    assert data.element_spec == {"real_a": spec, "real_b": spec}
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    batches = list(data.take(4).as_numpy_iterator())
    values = np.concatenate([b[d].ravel() for b in batches for d in b])
    assert -1.0 <= values.min() < -0.8
    assert 0.8 < values.max() <= 1.0
    steps = (values + 1) * 127.5
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-4)


def test_black_is_minus_one_and_white_is_one() -> None:
    black, white = (np.full((9, 9, 3), value, np.uint8) for value in (0, 255))
    [batch] = take(splits(picture_source(black), picture_source(white)), 1)
    assert np.all(batch["real_a"] == -1.0)
    assert np.all(batch["real_b"] == 1.0)


def test_it_is_not_to_be_sharded_again(photos: UnpairedSplits) -> None:
    data = unpaired.train_batches(photos, image_size=8, batch_size=2, seed=0)
    policy = data.options().experimental_distribute.auto_shard_policy
    assert policy == tf.data.experimental.AutoShardPolicy.OFF
    assert data.options().deterministic


def test_every_epoch_is_a_new_order_of_all_images() -> None:
    batches = take(numbered(12, 12), 18)
    seen = indices(batches, "real_a")
    epochs = [tuple(seen[i : i + 12]) for i in range(0, 36, 12)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(12))
    assert len(set(epochs)) == 3
    assert list(range(12)) not in [list(epoch) for epoch in epochs]


def test_domains_are_in_independent_orders() -> None:
    batches = take(numbered(12, 12), 6)
    assert indices(batches, "real_a") != indices(batches, "real_b")


def test_the_shorter_domain_repeats() -> None:
    batches = take(numbered(12, 5), 15)
    a, b = indices(batches, "real_a"), indices(batches, "real_b")
    assert sorted(a[:12]) == sorted(a[12:24]) == list(range(12))
    for start in range(0, 30, 5):
        assert sorted(b[start : start + 5]) == list(range(5))


def test_batch_larger_than_the_data_set() -> None:
    [batch] = take(numbered(3, 2), 1, batch_size=7)
    seen = indices([batch], "real_a")
    assert sorted(seen[:3]) == sorted(seen[3:6]) == [0, 1, 2]


def test_all_orders_are_equally_likely() -> None:
    seen = indices(take(numbered(4, 1), 60, batch_size=40), "real_a")
    epochs = Counter(tuple(seen[i : i + 4]) for i in range(0, 2400, 4))
    assert set(epochs) == set(itertools.permutations(range(4)))
    # 23 degrees of freedom: 49.7 is exceeded once in a thousand seeds.
    assert sum((count - 25) ** 2 / 25 for count in epochs.values()) < 49.7


@pytest.mark.parametrize("limit", [unpaired.MEMORY_LIMIT, 0])
def test_resuming_gives_the_uninterrupted_batches(
    photos: UnpairedSplits, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpaired, "MEMORY_LIMIT", limit)
    whole = take(photos, 33, image_size=16)
    for start in (1, 2, 3, 5, 7, 15, 29):
        rest = take(photos, 4, image_size=16, start_step=start)
        assert_equal(rest, whole[start:][:4])


# Each example builds two pipelines, which takes TensorFlow most of a second.
@settings(max_examples=12, deadline=None)
@given(
    a=st.integers(1, 7),
    b=st.integers(1, 7),
    batch_size=st.integers(1, 6),
    start=st.integers(0, 12),
    seed=st.integers(-(2**63), 2**64),
)
def test_resuming_anywhere(
    a: int, b: int, batch_size: int, start: int, seed: int
) -> None:
    data = numbered(a, b)
    whole = take(data, start + 2, batch_size=batch_size, seed=seed)
    rest = take(data, 2, batch_size=batch_size, seed=seed, start_step=start)
    assert_equal(rest, whole[start:])


def test_resuming_late_decodes_no_earlier_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unpaired, "MEMORY_LIMIT", 0)
    data = Numbered(200)
    batches = unpaired.train_batches(
        splits(data.source, Numbered(3).source),
        image_size=SIZE,
        batch_size=2,
        seed=0,
        start_step=10**9 + 90,
    )
    assert len(list(batches.take(1))) == 1
    # Only what the stages after it fetch ahead.
    assert 2 <= len(data.decoded) < 150


def test_images_are_decoded_once_when_they_fit() -> None:
    a, b = Numbered(7), Numbered(4)
    batches = take(splits(a.source, b.source), 20)
    assert len(set(indices(batches, "real_a"))) == 7
    assert sorted(a.decoded) == list(range(7))
    assert sorted(b.decoded) == list(range(4))


def test_images_are_decoded_on_use_when_they_do_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = numbered(7, 4)
    cached = take(data, 10)
    pixels = 9 * 9 * 3 * (7 + 4)
    monkeypatch.setattr(unpaired, "MEMORY_LIMIT", pixels - 1)
    large = Numbered(7)
    batches = take(splits(large.source, data.train_b), 10)
    assert len(large.decoded) >= 20
    assert_equal(batches, cached)
    monkeypatch.setattr(unpaired, "MEMORY_LIMIT", pixels)
    large.decoded.clear()
    assert_equal(take(splits(large.source, data.train_b), 10), cached)
    assert len(large.decoded) == 7


@pytest.mark.parametrize(("workers", "start"), [(2, 4), (3, 0), (6, 4)])
def test_workers_share_the_global_batch(
    photos: UnpairedSplits, workers: int, start: int
) -> None:
    options = {"image_size": 16, "batch_size": 6, "start_step": start}
    whole = take(photos, 5, **options)
    shares = [
        take(photos, 5, worker=worker, workers=workers, **options)
        for worker in range(workers)
    ]
    joined = [
        {d: np.concatenate([part[d] for part in parts]) for d in parts[0]}
        for parts in zip(*shares, strict=True)
    ]
    assert shares[0][0]["real_a"].shape[0] == 6 // workers
    assert_equal(joined, whole)


def test_same_seed_same_batches(photos: UnpairedSplits) -> None:
    first = take(photos, 12, image_size=16, seed=3)
    assert_equal(first, take(photos, 12, image_size=16, seed=3))
    other = take(photos, 12, image_size=16, seed=4)
    assert not np.array_equal(first[0]["real_a"], other[0]["real_a"])
    assert not np.array_equal(first[0]["real_b"], other[0]["real_b"])


def test_augmentation_is_a_random_crop_and_flip_of_the_resized_image() -> None:
    size, load_size = 32, 36  # 32 * 286 / 256 = 35.75
    picture = noise(50, 40)
    resized = unpaired.resize(tf.constant(picture), load_size).numpy()
    crops = {}
    for top, left, flip in itertools.product(range(5), range(5), (False, True)):
        crop = resized[top : top + size, left : left + size]
        crop = crop[:, ::-1] if flip else crop
        crops[crop.tobytes()] = (top, left, flip)
    source = picture_source(picture)
    batches = take(splits(source, source), 50, image_size=size, batch_size=10)
    drawn = {
        domain: [
            crops[np.rint((image + 1) * 127.5).astype(np.uint8).tobytes()]
            for batch in batches
            for image in batch[domain]
        ]
        for domain in ("real_a", "real_b")
    }
    assert drawn["real_a"] != drawn["real_b"]
    for draws in drawn.values():
        assert 190 < sum(flip for _, _, flip in draws) < 310
        for axis in (0, 1):
            counts = Counter(draw[axis] for draw in draws)
            assert set(counts) == set(range(5))
            assert all(60 < count < 145 for count in counts.values())


@pytest.mark.parametrize(
    ("image_size", "load_size"), [(8, 9), (64, 72), (128, 143), (256, 286), (512, 572)]
)
def test_load_size_keeps_the_papers_ratio(
    image_size: int, load_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    resize = unpaired.resize

    def record(image: tf.Tensor, size: int) -> tf.Tensor:
        sizes.append(size)
        return resize(image, size)

    monkeypatch.setattr(unpaired, "resize", record)
    take(numbered(1, 1), 1, image_size=image_size, batch_size=1)
    assert set(sizes) == {load_size}


@pytest.mark.parametrize("shape", [(40, 60), (300, 200), (36, 36), (9, 500), (1, 1)])
@pytest.mark.parametrize("size", [36, 71])
def test_resize_is_pillows_bicubic(shape: tuple[int, int], size: int) -> None:
    # Pillow also clips between its two passes, which only shows in harsh contrasts.
    picture = 64 + noise(*shape) // 2
    resized = unpaired.resize(tf.constant(picture), size).numpy()
    expected = Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC)
    assert resized.dtype == np.uint8
    difference = np.abs(resized.astype(int) - np.asarray(expected))
    assert difference.max() <= 1


@pytest.mark.parametrize(
    ("a", "b", "batch_size", "steps"),
    [(10, 4, 1, 10), (4, 10, 1, 10), (10, 4, 3, 3), (10, 4, 10, 1), (3, 2, 8, 1)],
)
def test_steps_per_epoch(a: int, b: int, batch_size: int, steps: int) -> None:
    assert unpaired.steps_per_epoch(numbered(a, b), batch_size) == steps


def test_test_batches_keep_order_and_the_last_batch() -> None:
    source = Numbered(7).source
    batches = unpaired.test_batches(source, image_size=SIZE, batch_size=3)
    assert batches.element_spec == tf.TensorSpec([None, SIZE, SIZE, 3], tf.float32)
    for _ in range(2):
        images = list(batches.as_numpy_iterator())
        assert [len(batch) for batch in images] == [3, 3, 1]
        values = (np.concatenate(images)[:, 0, 0, 0] + 1) * 127.5
        np.testing.assert_allclose(values, range(7), atol=1e-4)


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (5, 5), (7, 7), (50, 7)])
def test_test_batches_stop_at_the_limit(limit: int, count: int) -> None:
    source = Numbered(7)
    batches = unpaired.test_batches(
        source.source, image_size=SIZE, batch_size=2, limit=limit
    )
    assert sum(len(batch) for batch in batches) == count


def test_test_images_are_resized_and_nothing_else() -> None:
    pictures = [noise(50, 40, seed) for seed in range(3)]
    batches = unpaired.test_batches(
        picture_source(*pictures), image_size=16, batch_size=3
    )
    for image, picture in zip(batches.get_single_element(), pictures, strict=True):
        expected = Image.fromarray(picture).resize((16, 16), Image.Resampling.BICUBIC)
        np.testing.assert_allclose((image + 1) * 127.5, np.asarray(expected), atol=1.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 7}, "image_size=7 is too small. It must be at least 8"),
        ({"batch_size": 0}, "batch_size=0 is too small. It must be at least 1"),
        ({"batch_size": -3}, "batch_size=-3 is too small"),
        ({"batch_size": 3, "workers": 2}, "batch_size=3 cannot be shared by 2 workers"),
    ],
)
def test_wrong_sizes(options: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        take(numbered(2, 2), 1, **options)
    if "workers" not in options:
        arguments = {"image_size": SIZE, "batch_size": 2, **options}
        with pytest.raises(UsageError, match=message):
            unpaired.test_batches(Numbered(2).source, **arguments)
    if options.get("batch_size", 1) < 1:
        with pytest.raises(UsageError, match=message):
            unpaired.steps_per_epoch(numbered(2, 2), options["batch_size"])
