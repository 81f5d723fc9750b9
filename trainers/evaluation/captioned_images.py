"""Images from captions during training: sample grids, and what is evaluated."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw

from tfgan_models import text_matching
from tfgan_models.data import labelled
from tfgan_models.data.captioned import MOST_EMBEDDINGS
from tfgan_models.data.source import (
    CaptionedSource,
    CaptionedSplits,
    LabelledSource,
    LabelledSplits,
)
from tfgan_models.tasks.caption import embed, images_of
from trainers.evaluation import grids, latent_samples

if TYPE_CHECKING:
    from tfgan_models.adversarial import GANModel
    from tfgan_models.networks import StackGenerator
    from trainers.evaluation.measurement import Task

CAPTIONS = 8
SEEDS = 4
"""Images from captions, of each stage."""

RETRIEVED = 100
"""Test images among which a caption is to retrieve its own."""

_LINE = 14
_MARGIN = 2


def drawn(
    network: "StackGenerator",
    embedding: tf.Tensor,
    captions: Sequence[str],
    size: int,
    real: tf.Tensor | None = None,
) -> np.ndarray:
    """Returns a grid of images: a row for each caption, with the text below it.

    A row shows the real image, if there is one, then the images of `SEEDS` seeds from
    stage one, then the same from stage two, if training has reached it.

    Args:
        network: The generator.
        embedding: [N, D].
        captions: N texts.
        size: Side in pixels at which images are shown.
        real: [N, size, size, C] in [-1, 1].
    """
    count = len(captions)
    columns = [] if real is None else [real]
    reached = network.stages
    try:
        for stage in range(1, reached + 1):
            network.stages = stage
            seeds = tf.repeat(tf.range(SEEDS, dtype=tf.int64), count)
            every = tf.tile(embedding, [SEEDS, 1])
            images = images_of(network, every, seeds)
            factor = size // images.shape[1]
            images = tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)
            columns += tf.split(images, SEEDS)
    finally:
        network.stages = reached
    return with_captions(grids.rows(*columns), captions)


def with_captions(grid: np.ndarray, captions: Sequence[str]) -> np.ndarray:
    """Writes a line of text below each row of a grid.

    Args:
        grid: uint8 [rows (H + GAP) + GAP, W, 3], see `grids.rows`.
        captions: A text for each row; what does not fit into W is cut off.

    Returns:
        uint8 [rows (H + GAP + 14) + GAP, W, 3].
    """
    step = (len(grid) - grids.GAP) // len(captions)
    width = grid.shape[1]
    strips = []
    for row, caption in enumerate(captions):
        strip = Image.new("RGB", (width, step + _LINE), "white")
        strip.paste(Image.fromarray(grid[row * step : (row + 1) * step]))
        # The font that comes with Pillow has no other characters.
        text = caption.encode("ascii", "replace").decode()
        ImageDraw.Draw(strip).text((_MARGIN, step), text, fill="black")
        strips.append(np.asarray(strip))
    return np.concatenate([*strips, grid[-grids.GAP :]])


def samples(
    model: "GANModel", splits: CaptionedSplits, captions: Sequence[str], size: int
) -> dict[str, np.ndarray]:
    """Returns sample grids of the current state.

    While the encoders learn to match: "matching", the test images that test captions
    retrieve. Then "train" and "test", images from training captions and from others,
    after the real image; and "text", those of `captions`.

    Args:
        model: The model being trained.
        splits: Its data set.
        captions: Free text, where there is a text encoder.
        size: Side in pixels at which images are shown.
    """
    network = model.exported_networks["generator"]
    if model.stage == 0:
        return {"matching": _matches(model, splits.test, size)}
    found = {}
    for name, source in (("train", splits.train), ("test", splits.test)):
        places = _places(source, CAPTIONS)
        real = tf.gather(_images(source, size, places[-1] + 1), places)
        embedding = embeddings(network, source, places)
        found[name] = drawn(network, embedding, _first(source, places), size, real)
    if captions and network.text_encoder is not None:
        embedding = embed(network, tf.constant(list(captions)))
        found["text"] = drawn(network, embedding, captions, size)
    return found


def embeddings(
    network: "StackGenerator",
    source: CaptionedSource,
    places: np.ndarray | Sequence[int],
) -> tf.Tensor:
    """Returns the embeddings of images' captions for the generator, float32 [N, D].

    Args:
        network: The generator.
        source: The data set.
        places: Indices of the images, N of them.
    """
    if source.vectors is None:
        return embed(network, tf.constant(_first(source, places)))
    ranges = [source.starts[place : place + 2] for place in places]
    return tf.stack(
        [
            source.vectors[start : min(end, start + MOST_EMBEDDINGS)].mean(axis=0)
            for start, end in ranges
        ]
    )


def task(network: "StackGenerator", splits: CaptionedSplits, size: int) -> "Task":
    """Returns the task of generating images like a data set's from its captions.

    Args:
        network: The generator.
        splits: The data set.
        size: The side at which images are compared.
    """
    draw: Callable[..., tf.Tensor] = tf.function(
        lambda embedding, seeds: images_of(network, embedding, seeds),
        autograph=False,
    )

    def drawn_for(seeds: np.ndarray, places: np.ndarray) -> np.ndarray:
        embedding = embeddings(network, splits.train, places)
        return draw(embedding, tf.constant(seeds)).numpy()

    return task_of_places(drawn_for, splits, size)


def task_of_captions(
    draw: Callable[[Sequence[str], np.ndarray], np.ndarray],
    splits: CaptionedSplits,
    size: int,
) -> "Task":
    """Returns the task of a generator with text input.

    Args:
        draw: N texts and seeds, int64 [N], to images [N, R, R, C] in [-1, 1].
        splits: The data set; it has captions.
        size: The side at which images are compared, a multiple of R.
    """

    def drawn_for(seeds: np.ndarray, places: np.ndarray) -> np.ndarray:
        return draw(_first(splits.train, places), seeds)

    return task_of_places(drawn_for, splits, size)


def task_of_places(
    drawn_for: Callable[..., np.ndarray], splits: CaptionedSplits, size: int
) -> "Task":
    """Returns the task of generating images given by their indices.

    Args:
        drawn_for: Seeds and indices of training images, int64 [N], to images
            [N, R, R, C] in [-1, 1].
        splits: The data set.
        size: The side at which images are compared, a multiple of R.
    """
    # Each image uses its own caption: each is its own class.
    numbered = LabelledSplits(_numbered(splits.train), _numbered(splits.test))
    return latent_samples.image_task(drawn_for, numbered, size)


def _matches(model: "GANModel", source: CaptionedSource, size: int) -> np.ndarray:
    """The images that captions retrieve, best first, after their own."""
    most = min(RETRIEVED, source.images.length)
    encoder = model.image_encoder
    images = _images(source, size, most)
    small = _images(source, encoder.resolution, most)
    vectors = encoder(small, training=False)
    # Not the averaged one, which would lag behind.
    texts = embeddings(model.generator, source, range(most))
    accuracy = float(text_matching.retrieval_accuracy(vectors, texts))
    print(
        f"Captions that retrieve their own among {most} test images: {accuracy:.0%} "
        f"(chance: {1 / most:.0%})",
        flush=True,
    )
    places = _places(source, min(CAPTIONS, most), most)
    scores = tf.matmul(tf.gather(texts, places), vectors, transpose_b=True)
    best = tf.math.top_k(scores, min(SEEDS, most)).indices
    columns = [tf.gather(images, best[:, i]) for i in range(best.shape[1])]
    grid = grids.rows(tf.gather(images, places), *columns)
    return with_captions(grid, _first(source, places))


def _places(source: CaptionedSource, count: int, most: int | None = None) -> list[int]:
    """Indices of images spread over a source, or over its first ones."""
    length = min(most or source.images.length, source.images.length)
    return [i * length // count for i in range(min(count, length))]


def _first(source: CaptionedSource, places: np.ndarray | Sequence[int]) -> list[str]:
    """The first caption of each image."""
    return [source.captions[source.starts[place]] for place in places]


def _images(source: CaptionedSource, size: int, count: int) -> tf.Tensor:
    """The first images of a source, [count, size, size, 3]."""
    batches = labelled.test_batches(
        _numbered(source), image_size=size, batch_size=count, limit=count
    )
    return next(iter(batches))


def _numbered(source: CaptionedSource) -> LabelledSource:
    """The same images, each its own class."""
    return LabelledSource(source.images, np.arange(source.images.length))
