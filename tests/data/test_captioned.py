"""Images with captions: where they come from, and the batches made of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from tfgan_models import text_matching
from tfgan_models.data import captioned, captioned_sources, catalog, emoji
from tfgan_models.data.source import CaptionedSource, ImageSource
from tfgan_models.errors import UsageError

SIZE, LENGTH = 8, 4
Batch = dict[str, np.ndarray]


def flat(value: int) -> np.ndarray:
    return np.full((9, 9, 3), value, np.uint8)


def source(
    count: int = 10,
    pictures: list[np.ndarray] | None = None,
    captions: int = 1,
    labels: np.ndarray | None = None,
    vectors: np.ndarray | None = None,
) -> CaptionedSource:
    """Image i is of the value i; its captions are i times 10, and 1, 2, ... more."""
    files = [
        tf.io.encode_png(p).numpy() for p in pictures or [flat(i) for i in range(count)]
    ]
    images = ImageSource(
        "pictures",
        len(files),
        lambda: tf.data.Dataset.from_tensor_slices(files),
        lambda record: tf.io.decode_png(record, channels=3),
    )
    texts = [tuple(f"{10 * i + j:03}" for j in range(captions)) for i in range(count)]
    made = captioned.make_source(images, texts, labels=labels)
    if vectors is None:
        return made
    return CaptionedSource(
        made.images, made.captions, made.starts, made.groups, vectors=vectors
    )


def take(data: CaptionedSource, count: int, **options: Any) -> list[Batch]:
    arguments = {
        "image_size": SIZE,
        "batch_size": 4,
        "seed": 1,
        "length": LENGTH,
        "mirror": False,
        "crop": False,
        **options,
    }
    batches = captioned.train_batches(data, **arguments).take(count)
    return list(batches.as_numpy_iterator())


def joined(batches: list[Batch]) -> Batch:
    return {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}


def shown(images: np.ndarray) -> np.ndarray:
    """The value of each image."""
    return np.rint((images[:, 0, 0, 0].astype(np.float64) + 1) * 127.5).astype(int)


def assert_equal(first: Batch, second: Batch) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert len(value)
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def test_shapes_and_types() -> None:
    images = tf.TensorSpec([3, 8, 8, 3], tf.float32)
    data = captioned.train_batches(
        source(), image_size=8, batch_size=6, seed=0, length=12, workers=2
    )
    assert data.element_spec == {
        "real": images,
        "wrong": images,
        "caption": tf.TensorSpec([3, 12], tf.int32),
    }
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    embedded = source(vectors=np.zeros((10, 5), np.float32))
    data = captioned.train_batches(embedded, image_size=8, batch_size=6, seed=0)
    assert data.element_spec["embedding"] == tf.TensorSpec([6, 5], tf.float32)
    assert "caption" not in data.element_spec


@pytest.mark.parametrize("limit", [captioned.MEMORY_LIMIT, 0])
def test_captions_are_those_of_the_real_image_and_wrong_ones_are_others(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captioned, "MEMORY_LIMIT", limit)
    batch = joined(take(source(), 100))
    real, wrong = shown(batch["real"]), shown(batch["wrong"])
    texts = [f"{10 * value:03}" for value in real]
    np.testing.assert_array_equal(
        batch["caption"], text_matching.characters(texts, LENGTH)
    )
    assert not np.any(real == wrong)
    # Each pass shows every image once; any other is a wrong one as often: 400 / 90.
    assert all(sorted(real[i : i + 10]) == list(range(10)) for i in range(0, 400, 10))
    pairs = np.zeros((10, 10), int)
    np.add.at(pairs, (real, wrong), 1)
    assert np.all(pairs[~np.eye(10, dtype=bool)] <= 15)
    assert np.count_nonzero(pairs) >= 85


def test_wrong_images_are_of_another_class_where_there_are_classes() -> None:
    labels = np.array([2, 0, 2, 1, 0, 2, 2, 1, 0, 2])
    batch = joined(take(source(labels=labels), 200))
    real, wrong = shown(batch["real"]), shown(batch["wrong"])
    assert not np.any(labels[real] == labels[wrong])
    # Images that are not of class 2 are equally likely beside one that is.
    counts = np.bincount(wrong[labels[real] == 2], minlength=10)
    assert set(np.flatnonzero(counts)) == set(np.flatnonzero(labels != 2))
    assert counts.max() < 2 * counts[counts > 0].min()


def test_images_of_the_same_caption_are_of_one_group() -> None:
    texts = [("a",), ("b",), ("a",), ("a", "b"), (), ()]
    images = source(6).images
    groups = captioned.make_source(images, texts).groups
    assert len(np.unique(groups)) == 5
    assert groups[0] == groups[2]


def test_one_of_several_captions_is_shown() -> None:
    batch = joined(take(source(captions=3), 60))
    seen = {}
    for value, caption in zip(shown(batch["real"]), batch["caption"], strict=True):
        seen.setdefault(value, set()).add(tuple(caption))
    for value, captions in seen.items():
        texts = [f"{10 * value + j:03}" for j in range(3)]
        expected = text_matching.characters(texts, LENGTH).numpy()
        assert captions == {tuple(row) for row in expected}


@pytest.mark.parametrize("captions", [1, 3, 6])
def test_embeddings_are_means_of_up_to_four(captions: int) -> None:
    # Bit j of the mean times the count tells that caption j is in it.
    vectors = np.array(
        [[i, float(2**j)] for i in range(10) for j in range(captions)], np.float32
    )
    batch = joined(take(source(captions=captions, vectors=vectors), 50, length=None))
    count = min(captions, 4)
    owners, sums = batch["embedding"].T
    np.testing.assert_allclose(owners, shown(batch["real"]))
    chosen = {int(total) for total in np.rint(sums * count)}
    assert {bits.bit_count() for bits in chosen} == {count}
    assert len(chosen) == (15 if captions == 6 else 1)


def test_crops_and_mirrors_of_both_images() -> None:
    random = np.random.default_rng(0)
    side = captioned.load_size(16)
    assert side == 19
    assert captioned.load_size(64) == 76
    assert captioned.load_size(256) == 304
    pictures = [random.integers(0, 256, (side, side, 3), np.uint8) for _ in range(2)]
    data = source(2, pictures)
    batch = joined(take(data, 100, image_size=16, mirror=True, crop=True, batch_size=2))
    places = set()
    for name in ("real", "wrong"):
        pixels = np.rint((batch[name] + 1) * 127.5).astype(int)
        for image in pixels:
            found = [
                (p, top, left, turned)
                for p in (0, 1)
                for top in range(4)
                for left in range(4)
                for turned in (False, True)
                if np.array_equal(
                    image[:, ::-1] if turned else image,
                    pictures[p][top : top + 16, left : left + 16],
                )
            ]
            assert len(found) == 1
            places.add((name, *found[0]))
    # 100 draws of each of 128 kinds: nearly all occur.
    assert len(places) > 95
    assert {turned for *_, turned in places} == {False, True}
    [plain] = take(source(2), 1, image_size=16, batch_size=2)
    np.testing.assert_array_equal(plain["real"], plain["real"][:, :, ::-1])


@pytest.mark.parametrize("start", [1, 6, 40])
def test_resuming_at_any_image(start: int) -> None:
    options = {"mirror": True, "crop": True, "batch_size": 2}
    data = source(captions=2)
    whole = joined(take(data, 25, **options))
    rest = joined(take(data, 3, start_image=start, **options))
    assert_equal(rest, {key: value[start:][:6] for key, value in whole.items()})


def test_workers_share_the_global_batch_and_the_seed_decides() -> None:
    data = source(captions=2)
    whole = joined(take(data, 3, batch_size=6, mirror=True))
    shares = [
        take(data, 3, batch_size=6, mirror=True, worker=w, workers=3) for w in range(3)
    ]
    parts = [part for parts in zip(*shares, strict=True) for part in parts]
    assert_equal(joined(parts), whole)
    other = joined(take(data, 3, batch_size=6, mirror=True, seed=2))
    assert not np.array_equal(other["real"], whole["real"])
    assert not np.array_equal(other["wrong"], whole["wrong"])


def test_data_sets_that_make_no_batch() -> None:
    one = source(labels=np.zeros(10, int))
    bare = captioned.make_source(source(3).images, [("a",), (), (" b",)])
    for data, batch_size, message in (
        (source(3), 4, r"pictures has fewer images \(3\) than a batch: batch_size=4"),
        (one, 4, "pictures has images of one class or caption only"),
        (bare, 2, "1 of the 3 images of pictures have no caption. The first is number"),
    ):
        with pytest.raises(UsageError, match=message):
            take(data, 1, batch_size=batch_size)
    with pytest.raises(UsageError, match="image_size=7 is too small"):
        take(source(), 1, image_size=7)
    with pytest.raises(ValueError, match="Captions need a length"):
        take(source(), 1, length=None)


@pytest.mark.parametrize("config", ["flat", "render"])
def test_emoji_are_captioned_by_their_names(config: str, data_dir: str) -> None:
    splits = catalog.captioned(f"emoji/{config}", data_dir=data_dir)
    names = [row["name"] for row in emoji.read_rows()]
    train, test = splits.train, splits.test
    assert train.captions == tuple(n for i, n in enumerate(names) if i % 10)
    assert test.captions == tuple(names[::10])
    assert train.starts.tolist() == list(range(1379))
    assert len(np.unique(train.groups)) == 1378
    assert train.names == ()
    tile = next(iter(test.images.images())).numpy()
    np.testing.assert_array_equal(tile, emoji.read_tiles(config)[0])


def test_emoji_with_embeddings_of_their_names(data_dir: str, tmp_path: Path) -> None:
    names = np.array([row["name"] for row in emoji.read_rows()])
    vectors = np.arange(1532 * 2, dtype=np.float32).reshape(1532, 2)
    np.savez(tmp_path / "names.npz", caption=names[::-1], vector=vectors[::-1])
    path = str(tmp_path / "names.npz")
    splits = catalog.captioned("emoji/flat", path, data_dir)
    np.testing.assert_array_equal(splits.test.vectors, vectors[::10])
    np.savez(tmp_path / "names.npz", caption=names[:-3], vector=vectors[:-3])
    with pytest.raises(UsageError, match="captions without embeddings: 2 of the 1378"):
        catalog.captioned("emoji/flat", path, data_dir)


class TinyBirds(tfds.core.GeneratorBasedBuilder):
    """Images with file names, classes and boxes, and captions if the config says so."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=n) for n in ("named", "captioned")]

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "image/filename": tfds.features.Text(),
            "label": tfds.features.ClassLabel(num_classes=2),
        }
        if self.builder_config.name == "captioned":
            features["caption"] = tfds.features.Text()
        else:
            features["bbox"] = tfds.features.BBoxFeature()
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features)
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator]:
        del dl_manager
        return {"train": self._generate_examples(6)}

    def _generate_examples(self, count: int) -> Iterator[tuple[int, dict]]:
        for key in range(count):
            image = np.zeros((20, 40, 3), np.uint8)
            image[5:15, 10:20] = 10 * key
            yield (
                key,
                {
                    "image": image,
                    "image/filename": f"00{key % 2}.Bird/Bird_{key}.jpg",
                    "label": key % 2,
                }
                | (
                    {"caption": f"bird {key}"}
                    if self.builder_config.name == "captioned"
                    else {"bbox": tfds.features.BBox(0.25, 0.25, 0.75, 0.5)}
                ),
            )


def test_tfds_with_file_names_needs_embeddings(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        catalog.captioned("tiny_birds/named", data_dir=str(tmp_path))
    assert "has images without captions. Give --embeddings=FILE" in str(caught.value)
    # Said before anything is downloaded.
    assert not any(tmp_path.iterdir())

    images = [f"x/Bird_{i}.png" for i in (0, 0, 1, 2, 3, 4, 5)]
    vectors = np.array([[9, 0], [0, 0], [0, 1], [0, 2], [0, 3], [0, 4], [0, 5]], "f4")
    captions = np.array([f"caption {i}" for i in range(7)])
    path = tmp_path / "birds.npz"
    np.savez(path, caption=captions, vector=vectors, image=np.array(images))
    splits = catalog.captioned("tiny_birds/named", str(path), str(tmp_path / "data"))
    train, test = splits.train, splits.test
    keys = [int(name[-5]) for name in train.names]
    assert sorted(keys) == list(range(6))
    assert np.diff(train.starts).tolist() == [2 if key == 0 else 1 for key in keys]
    means = [
        train.vectors[a:b, 1].mean()
        for a, b in zip(train.starts[:-1], train.starts[1:], strict=True)
    ]
    assert means == keys
    assert train.groups.tolist() == [key % 2 for key in keys]
    # The box is 10 px wide and high: 15 px are cut out around it.
    shapes = {image.shape for image in train.images.images().as_numpy_iterator()}
    assert shapes == {(15, 15, 3)} or shapes == {(16, 16, 3)}
    centres = [int(image[7, 7, 0]) for image in train.images.images()]
    np.testing.assert_allclose(centres, [10 * key for key in keys], atol=12)
    assert test.images.length == 6
    np.testing.assert_array_equal(test.vectors, train.vectors)


def test_tfds_with_captions(tmp_path: Path) -> None:
    splits = catalog.captioned("tiny_birds/captioned", data_dir=str(tmp_path))
    keys = [int(name[-5]) for name in splits.train.names]
    assert splits.train.captions == tuple(f"bird {key}" for key in keys)
    assert splits.train.groups.tolist() == [key % 2 for key in keys]


def test_data_sets_without_captions() -> None:
    for name in ("mnist", "earth/satellite2relief"):
        with pytest.raises(UsageError, match="no images with captions or file names"):
            catalog.captioned(name)
    with pytest.raises(UsageError, match="dataset=emoji/flt is not known"):
        catalog.captioned("emoji/flt")


@pytest.mark.parametrize(
    ("box", "window"),
    [
        ((0.25, 0.25, 0.75, 0.5), np.s_[2:18, 7:23]),
        ((0.0, 0.0, 0.5, 0.25), np.s_[0:13, 0:13]),
        ((0.5, 0.5, 1.0, 1.0), np.s_[0:20, 15:40]),
        ((0.0, 0.0, 1.0, 1.0), np.s_[:, :]),
    ],
)
def test_around_a_box(box: tuple[float, ...], window: tuple[slice, slice]) -> None:
    image = np.arange(20 * 40 * 3).reshape(20, 40, 3)
    found = captioned_sources.around(tf.constant(image), tf.constant(box))
    np.testing.assert_array_equal(found, image[window])


def test_folder(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(flat(i)).save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.txt").write_text(f"caption {i}\n\n  más {i} \n", "utf-8")
    splits = catalog.captioned(f"folder:{tmp_path}")
    texts = tuple(text for i in range(3) for text in (f"caption {i}", f"más {i}"))
    assert splits.train.captions == splits.test.captions == texts
    assert splits.train.starts.tolist() == [0, 2, 4, 6]
    assert splits.train.names == tuple(str(tmp_path / f"{i}.png") for i in range(3))
    assert len(np.unique(splits.train.groups)) == 3

    (tmp_path / "1.txt").write_text("\n")
    with pytest.raises(UsageError, match=r"1 of the 3 images .* is .*1\.png\. Add"):
        catalog.captioned(f"folder:{tmp_path}")
    (tmp_path / "1.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match=r"1\.txt cannot be read: it is not UTF-8"):
        catalog.captioned(f"folder:{tmp_path}")


def test_folder_of_classes(tmp_path: Path) -> None:
    for name in ("train/cat", "train/dog", "test/dog"):
        (tmp_path / name).mkdir(parents=True)
        Image.fromarray(flat(1)).save(tmp_path / name / "a.png")
        (tmp_path / name / "a.txt").write_text("an animal")
    splits = catalog.captioned(f"folder:{tmp_path}")
    assert splits.train.groups.tolist() == [0, 1]
    assert splits.test.groups.tolist() == [1]
