"""Files of captions and their embeddings, and joining them with images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.data import captioned, embeddings
from tfgan_models.data.embeddings import Embeddings
from tfgan_models.data.source import CaptionedSource, CaptionedSplits, ImageSource
from tfgan_models.errors import UsageError

CAPTIONS = ("a red bird", "a blue bird", "ein grüner Vogel")
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) / 7
IMAGES = ("a/1.jpg", "a/1.jpg", "b/2")


def npz(path: Path, **arrays: object) -> Path:
    given = {"caption": np.array(CAPTIONS), "vector": VECTORS} | arrays
    np.savez(path, **{k: v for k, v in given.items() if v is not None})
    return path


def records(
    path: Path,
    captions: Sequence[str | bytes] = CAPTIONS,
    vectors: Sequence[Sequence[float]] = VECTORS,
    images: Sequence[str] = (),
) -> Path:
    def feature(value: str | bytes) -> tf.train.Feature:
        data = value if isinstance(value, bytes) else value.encode()
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))

    with tf.io.TFRecordWriter(str(path)) as writer:
        for i, (caption, vector) in enumerate(zip(captions, vectors, strict=True)):
            floats = tf.train.FloatList(value=vector)
            features = {
                "caption": feature(caption),
                "vector": tf.train.Feature(float_list=floats),
            }
            if i < len(images) and images[i]:
                features["image"] = feature(images[i])
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return path


def source(
    captions: list[tuple[str, ...]], names: tuple[str, ...] = ()
) -> CaptionedSource:
    images = ImageSource("pictures", len(captions), lambda: None, lambda x: x)
    return captioned.make_source(images, captions, names)


def joined(data: CaptionedSource, found: Embeddings) -> CaptionedSource:
    both = embeddings.joined(CaptionedSplits(data, data), found)
    np.testing.assert_array_equal(both.train.vectors, both.test.vectors)
    return both.train


@pytest.mark.parametrize("images", [None, IMAGES])
@pytest.mark.parametrize("ending", embeddings.ENDINGS)
def test_both_formats_hold_the_same(
    ending: str, images: tuple[str, ...] | None, tmp_path: Path
) -> None:
    path = tmp_path / f"birds{ending}"
    if ending == ".npz":
        npz(path, image=None if images is None else np.array(images))
    else:
        records(path, images=images or ())
    found = embeddings.read(path)
    assert found.captions == CAPTIONS
    assert found.images == images
    assert found.vectors.dtype == np.float32
    np.testing.assert_array_equal(found.vectors, VECTORS)


def test_other_floats_and_many_records(tmp_path: Path) -> None:
    doubles = embeddings.read(npz(tmp_path / "d.npz", vector=VECTORS.astype("float64")))
    assert doubles.vectors.dtype == np.float32
    vectors = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    captions = [f"number {i}" for i in range(600)]
    found = embeddings.read(records(tmp_path / "many.tfrecord", captions, vectors))
    np.testing.assert_array_equal(found.vectors, vectors)
    assert found.captions == tuple(captions)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 no more")
    (tmp_path / "damaged.tfrecord").write_bytes(b"x" * 50)
    (tmp_path / "text.txt").write_text("a bird")
    nan = VECTORS.copy()
    nan[1, 2] = np.nan
    objects = np.array(CAPTIONS, object)
    cases = {
        tmp_path / "none.npz": "none.npz is not a file",
        tmp_path / "text.txt": "text.txt must end in .npz or .tfrecord or .tfrecords",
        tmp_path / "damaged.npz": "damaged.npz cannot be read",
        tmp_path / "damaged.tfrecord": "damaged.tfrecord cannot be read",
        npz(tmp_path / "objects.npz", caption=objects): "objects.npz cannot be read",
        npz(tmp_path / "lacks.npz", vector=None): "lacks.npz has the arrays caption.",
        npz(tmp_path / "whole.npz", vector=VECTORS.astype(int)): "vector int64[3, 4]",
        npz(tmp_path / "flat.npz", vector=VECTORS[0]): "vector float32[4]",
        npz(tmp_path / "bytes.npz", caption=np.array([b"a"] * 3)): "caption |S1[3]",
        npz(tmp_path / "short.npz", image=np.array(["a"])): "image <U1[1]",
        npz(tmp_path / "nan.npz", vector=nan): "1 of 3 vectors have NaN or infin"
        "ite values, the first that of 'a blue bird'",
        npz(tmp_path / "blank.npz", caption=np.array(["a", " ", ""])): "2 of 3 captions"
        " are empty, the first at 1",
        npz(
            tmp_path / "empty.npz",
            caption=np.zeros(0, "U1"),
            vector=np.zeros((0, 4), "float32"),
        ): "empty.npz is empty: vector is [0, 4]",
        records(tmp_path / "ragged.tfrecord", CAPTIONS, [[1, 2], [1], [1, 2]]): "all "
        "vectors must have the same size. Received: 1 and 2",
        records(tmp_path / "zero.tfrecord", (), ()): "Received: none",
        records(tmp_path / "some.tfrecord", images=("a", "", "b")): "1 of 3 captions "
        "name no image",
        records(tmp_path / "latin.tfrecord", [b"\xe9"], [[1.0]]): "cannot be read",
    }
    for path, message in cases.items():
        with pytest.raises(UsageError) as caught:
            embeddings.read(path)
        text = str(caught.value)
        assert message in text, text
        assert text.startswith(f"embeddings={path}")
        assert "\n" not in text


def test_joining_by_captions_keeps_the_images_order() -> None:
    data = source([("ein grüner Vogel",), ("a red bird", "a blue bird")])
    found = joined(data, Embeddings("file", CAPTIONS, VECTORS))
    assert found.captions == ("ein grüner Vogel", "a red bird", "a blue bird")
    assert found.starts.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(found.vectors, VECTORS[[2, 0, 1]])


def test_joining_by_names_takes_the_files_captions() -> None:
    data = source([(), ("of no use",)], ("images/2.JPG", "images/1.png"))
    found = joined(data, Embeddings("file", CAPTIONS, VECTORS, IMAGES))
    assert found.captions == ("ein grüner Vogel", "a red bird", "a blue bird")
    assert found.starts.tolist() == [0, 1, 3]
    np.testing.assert_array_equal(found.vectors, VECTORS[[2, 0, 1]])
    assert found.groups[0] != found.groups[1]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("001.Albatross/Bird_0001.jpg", "Bird_0001"),
        ("001.Albatross/Bird_0001", "Bird_0001"),
        ("v1.2", "v1.2"),
        ("v1.2.PNG", "v1.2"),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert embeddings.stem(name) == stem


def test_images_without_embeddings_are_counted_and_the_first_is_named() -> None:
    named = Embeddings("file.npz", CAPTIONS, VECTORS, IMAGES)
    data = source([()] * 4, ("2.jpg", "3.jpg", "1.jpg", "4.jpg"))
    with pytest.raises(UsageError) as caught:
        joined(data, named)
    assert str(caught.value) == (
        "captions without embeddings: 2 of the 4 images of pictures have none in "
        "file.npz, which was searched for their image names. The first: 3.jpg. Add "
        "them to the file."
    )
    plain = Embeddings("file.npz", CAPTIONS, VECTORS)
    with pytest.raises(UsageError, match=r"captions\. The first: no caption\."):
        joined(source([()]), plain)
    with pytest.raises(UsageError, match=r"1 of the 2 images .* The first: a cat\."):
        joined(source([("a cat",), ("a red bird",)]), plain)


def test_names_that_cannot_be_told_apart() -> None:
    named = Embeddings("file.npz", CAPTIONS, VECTORS, IMAGES)
    with pytest.raises(UsageError, match=r"two images called 1: x/1\.jpg and y/1\.png"):
        joined(source([()] * 2, ("x/1.jpg", "y/1.png")), named)
    with pytest.raises(UsageError, match="does not provide its images' file names"):
        joined(source([()] * 2), named)


def test_a_byte_order_mark_is_no_part_of_a_caption(tmp_path: Path) -> None:
    captions = np.array(["\ufeffa red bird", *CAPTIONS[1:]])
    found = embeddings.read(npz(tmp_path / "found.npz", caption=captions))
    assert found.captions == CAPTIONS
