"""Files of captions and their embeddings, from any text encoder (docs/embeddings.md).

NPZ: arrays `caption` (text [M]), `vector` (float [M, D]) and optionally `image` (text
[M]: file names). TFRecord: one `tf.train.Example` per caption, with the features
`caption`, `vector` and optionally `image`.
"""

import dataclasses
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfgan_models.data.images import SUFFIXES
from tfgan_models.data.source import CaptionedSource, CaptionedSplits
from tfgan_models.errors import UsageError

ENDINGS = (".npz", ".tfrecord", ".tfrecords")
"""Extensions of such files."""

_ALLOWED = (
    "Give an NPZ file with the arrays caption (text [M]), vector (float [M, D]) and "
    "optionally image (text [M]), or a TFRecord file of tf.train.Examples with these "
    "features"
)
_BATCH = 256


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """The contents of a file.

    Attributes:
        name: Its name in messages.
        captions: M captions.
        vectors: Their embeddings, float32 [M, D].
        images: The image of each, or None if captions identify
            themselves.
    """

    name: str
    captions: tuple[str, ...]
    vectors: np.ndarray
    images: tuple[str, ...] | None = None


def read(path: Path) -> Embeddings:
    """Reads a file of captions and embeddings.

    Args:
        path: Ends in one of `ENDINGS`.

    Returns:
        What is in it.

    Raises:
        UsageError: There is no such file, it is not of that kind, or captions are
            empty, or embeddings have different sizes or contain NaN or infinity.
    """
    if not path.is_file():
        raise UsageError(f"embeddings={path} is not a file. {_ALLOWED}.")
    if path.suffix not in ENDINGS:
        raise UsageError(
            f"embeddings={path} must end in {' or '.join(ENDINGS)}. {_ALLOWED}."
        )
    found = _npz(path) if path.suffix == ".npz" else _records(path)
    # The first caption of a text file may start with a byte order mark.
    captions = tuple(caption.removeprefix("\ufeff") for caption in found.captions)
    found = dataclasses.replace(found, captions=captions)
    _check(path, found)
    return found


def joined(splits: CaptionedSplits, found: Embeddings) -> CaptionedSplits:
    """Returns splits with the captions and vectors of a file.

    Args:
        splits: The images, with captions of their own if the file names none.
        found: The file's content. If it names images, an image has the captions of
            its name: that of its file, without folders and extension. Otherwise it has
            the vectors of its own captions.

    Raises:
        UsageError: An image has none.
    """
    return CaptionedSplits(
        _joined(splits.train, found),
        _joined(splits.test, found),
    )


def stem(name: str) -> str:
    """Returns a file's name without folders and extension, the key of images."""
    last = name.rpartition("/")[2]
    # Names without an extension are common, and may have a dot.
    ending = next((e for e in SUFFIXES if last.lower().endswith(e)), "")
    return last[: len(last) - len(ending)]


def _joined(source: CaptionedSource, found: Embeddings) -> CaptionedSource:
    """Joins one split by the names of its images, or by their captions."""
    length = source.images.length
    if found.images is None:
        rows = _rows(found.captions)
        own = [
            source.captions[source.starts[i] : source.starts[i + 1]]
            for i in range(length)
        ]
        keys = own
        shown = [" | ".join(captions) or "no caption" for captions in own]
    else:
        names = _image_names(source)
        rows = _rows(tuple(stem(name) for name in found.images))
        keys = [(stem(name),) for name in names]
        shown = list(names)
    of_image = [[row for key in each for row in rows.get(key, ())] for each in keys]
    missing = [name for name, some in zip(shown, of_image, strict=True) if not some]
    if missing:
        by = "captions" if found.images is None else "image names"
        raise UsageError(
            f"captions without embeddings: {len(missing)} of the {length} images of "
            f"{source.images.name} have none in {found.name}, which was searched for "
            f"their {by}. The first: {missing[0]}. Add them to the file."
        )
    order = np.concatenate(of_image)
    return dataclasses.replace(
        source,
        captions=tuple(found.captions[row] for row in order),
        starts=np.cumsum([0, *map(len, of_image)], dtype=np.int64),
        vectors=found.vectors[order],
    )


def _image_names(source: CaptionedSource) -> tuple[str, ...]:
    """The names of a split's images, which must be distinct."""
    names = source.names
    if not names:
        raise UsageError(
            f"{source.images.name} does not provide its images' file names, by which "
            "the embeddings are given. Omit the array image: then they are found by "
            "the captions."
        )
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(stem(name), name)
        if other != name:
            raise UsageError(
                f"{source.images.name} has two images called {stem(name)}: {other} and "
                f"{name}. Embeddings are found by that name. Rename one."
            )
    return names


def _rows(keys: Sequence[str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return rows


def _npz(path: Path) -> Embeddings:
    try:
        # Opened here: NumPy leaves a damaged file open.
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = list(file)
            arrays = {n: file[n] for n in ("caption", "vector", "image") if n in names}
    # A damaged file makes the reader raise almost anything.
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(
            f"embeddings={path} cannot be read: {_line(error)}. {_ALLOWED}, text as "
            "NumPy's unicode and not as objects."
        ) from error
    if not {"caption", "vector"} <= arrays.keys():
        raise UsageError(
            f"embeddings={path} has the arrays {', '.join(names) or 'none'}. "
            f"{_ALLOWED}."
        )
    vector, texts = arrays.pop("vector"), arrays
    shapes = ", ".join(
        f"{name} {array.dtype}{list(array.shape)}"
        for name, array in (texts | {"vector": vector}).items()
    )
    if (
        vector.ndim != 2
        or vector.dtype.kind != "f"
        or any(
            a.dtype.kind != "U" or a.shape != vector.shape[:1] for a in texts.values()
        )
    ):
        raise UsageError(f"embeddings={path} has the arrays {shapes}. {_ALLOWED}.")
    images = texts.get("image")
    return Embeddings(
        str(path),
        tuple(texts["caption"].tolist()),
        vector.astype(np.float32),
        None if images is None else tuple(images.tolist()),
    )


def _records(path: Path) -> Embeddings:
    features = {
        "caption": tf.io.FixedLenFeature([], tf.string),
        "vector": tf.io.RaggedFeature(tf.float32),
        "image": tf.io.FixedLenFeature([], tf.string, default_value=""),
    }
    captions, vectors, images = [], [], []
    try:
        for batch in tf.data.TFRecordDataset(str(path)).batch(_BATCH):
            read = tf.io.parse_example(batch, features)
            captions += [text.decode() for text in read["caption"].numpy()]
            images += [text.decode() for text in read["image"].numpy()]
            vectors += np.split(
                read["vector"].values.numpy(), read["vector"].row_splits.numpy()[1:-1]
            )
    except (tf.errors.OpError, UnicodeDecodeError) as error:
        raise UsageError(
            f"embeddings={path} cannot be read: {_line(error)}. {_ALLOWED}."
        ) from error
    sizes = sorted({len(vector) for vector in vectors})
    if len(sizes) != 1:
        found = " and ".join(map(str, sizes[:3])) or "none"
        raise UsageError(
            f"embeddings={path}: all vectors must have the same size. Received: "
            f"{found}."
        )
    named = [bool(name) for name in images]
    if any(named) and not all(named):
        raise UsageError(
            f"embeddings={path}: {named.count(False)} of {len(named)} captions name no "
            "image. Name it in all, or in none."
        )
    stacked = np.stack(vectors).astype(np.float32)
    return Embeddings(
        str(path), tuple(captions), stacked, tuple(images) if any(named) else None
    )


def _check(path: Path, found: Embeddings) -> None:
    if found.vectors.size == 0:
        raise UsageError(
            f"embeddings={path} is empty: vector is {list(found.vectors.shape)}. "
            f"{_ALLOWED}."
        )
    empty = [i for i, caption in enumerate(found.captions) if not caption.strip()]
    if empty:
        raise UsageError(
            f"embeddings={path}: {len(empty)} of {len(found.captions)} captions are "
            f"empty, the first at {empty[0]}. Fill them, or omit them."
        )
    bad = np.flatnonzero(~np.isfinite(found.vectors).all(axis=1))
    if len(bad):
        raise UsageError(
            f"embeddings={path}: {len(bad)} of {len(found.vectors)} vectors have NaN "
            f"or infinite values, the first that of {found.captions[bad[0]]!r}. Fix "
            "them, or omit them."
        )


def _line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
