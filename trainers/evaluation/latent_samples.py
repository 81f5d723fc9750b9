"""Images of a generator during training: sample grids, and what is evaluated.

For every generator with latents, progressive or of fixed size.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tfgan_models.errors import UsageError

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tfgan_models.data.source import LabelledSplits
    from tfgan_models.growing_gan import GrowingGAN
    from trainers.evaluation.measurement import LatentPath, Task
    from trainers.training.recipe import Recipe

COLUMNS = 8
_ROWS = 6
_BATCH = 32
GENERATED = 50_000
"""Images generated at most for a metric whose name has no count."""
_MEAN_IMAGES = 1000
"""Copies of the mean image at most: more of them change no metric."""


def samples(
    model: "GrowingGAN", splits: "LabelledSplits", recipe: "Recipe"
) -> dict[str, "np.ndarray"]:
    """Returns grids of the averaged generator's images of fixed latents.

    "fakes": at the current resolution and alpha; "resolutions": one row for each up
    to it.
    """
    import tensorflow as tf

    from tfgan_models.networks.growing import resolutions

    generator = model.exported_networks["generator"]
    now, alpha = model.phase.resolution, model.alpha()
    seeds, labels = _fixed(generator, COLUMNS)
    images = draw(generator, seeds, labels, now, alpha)
    drawn = {"fakes": _grid(images, recipe.image_size)}
    sides = [r for r in resolutions(now) if r >= model.schedule.first_resolution]
    if len(sides) > 1:
        row = None if labels is None else labels[:COLUMNS]
        rows = [
            _enlarged(
                draw(generator, seeds[:COLUMNS], row, r, alpha if r == now else 1.0),
                recipe.image_size,
            )
            for r in sides
        ]
        drawn["resolutions"] = _grid(tf.concat(rows, axis=0), recipe.image_size)
    return drawn


def fakes(generator: "keras.Model", size: int, columns: int = COLUMNS) -> "np.ndarray":
    """Returns a grid of images of fixed latents.

    Args:
        generator: A generator with latents. With classes, each column has its own.
        size: The side at which images are shown, a multiple of theirs.
        columns: Images per row.
    """
    seeds, labels = _fixed(generator, columns)
    return _grid(draw(generator, seeds, labels), size, columns)


def reals(
    splits: "LabelledSplits",
    recipe: "Recipe",
    grey: bool = False,
    size: int | None = None,
) -> "np.ndarray":
    """Returns a grid of training images.

    Args:
        splits: The data set.
        recipe: Has their size.
        grey: Whether to show the luminance only.
        size: The side at which they are shown, a multiple of theirs; None: theirs.
    """
    from tfgan_models.data import labelled

    count = COLUMNS * _ROWS
    images = labelled.test_batches(
        splits.train,
        image_size=recipe.image_size,
        batch_size=count,
        limit=count,
        grey=grey,
    )
    return _grid(next(iter(images)), size or recipe.image_size)


def draw(
    generator: "keras.Model",
    seeds: "tf.Tensor",
    labels: "tf.Tensor | None" = None,
    resolution: int | None = None,
    alpha: "float | tf.Tensor" = 1.0,
) -> "tf.Tensor":
    """Generates the images of seeds, without truncation, with noise of their own.

    Args:
        generator: A generator with latents.
        seeds: int64 [N].
        labels: One-hot [N, label_size], if there are classes.
        resolution: Of a growing generator, see its `call`; None: as far as it has
            grown.
        alpha: The fade-in of that resolution.

    Returns:
        float32 [N, R, R, C], about [-1, 1].
    """
    from tfgan_models import sampling

    distribution = getattr(generator, "latent_distribution", "normal")
    latents = sampling.latents(seeds, generator.latent_size, distribution)
    options: dict[str, Any] = {"labels": labels}
    if resolution is not None:
        options |= {"resolution": resolution, "alpha": alpha}
    if hasattr(generator, "synthesis"):
        shapes = generator.synthesis.noise_shapes(resolution)
        options["noise"] = sampling.noise(seeds, shapes)
    return generator(latents, **options)


def tasks(
    networks: Mapping[str, "keras.Model"], splits: "LabelledSplits", recipe: "Recipe"
) -> list["Task"]:
    """Returns what a generator is evaluated on: images of seeds, without truncation.

    Raises:
        UsageError: The data set has other classes than the generator, or the recipe's
            size is not a multiple of the generator's.
    """
    import numpy as np
    import tensorflow as tf

    generator = networks["generator"]
    known = len(splits.train.classes)
    if generator.label_size not in (0, known):
        raise UsageError(
            f"The generator has {generator.label_size} classes and the data set "
            f"{recipe.dataset} {known}. Give the data set that it was trained on."
        )
    if recipe.image_size % generator.grown:
        raise UsageError(
            f"The generator's images have {generator.grown} px, and --image_size must "
            f"be a multiple of that. Received: {recipe.image_size}"
        )

    @tf.function(autograph=False)
    def drawn(seeds: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        size = generator.label_size
        return draw(generator, seeds, tf.one_hot(classes, size) if size else None)

    def images_of(seeds: np.ndarray, classes: np.ndarray) -> np.ndarray:
        return drawn(tf.constant(seeds), tf.constant(classes)).numpy()

    grey = generator.channels == 1
    path = _path(generator)
    return [image_task(images_of, splits, recipe.image_size, path, grey)]


def image_task(
    images_of: Callable[..., "np.ndarray"],
    splits: "LabelledSplits",
    image_size: int,
    path: "LatentPath | None" = None,
    grey: bool = False,
) -> "Task":
    """Returns the task of generating images like those of a data set.

    Its baseline is "mean image": the mean of all training images, every time.

    Args:
        images_of: Seeds and classes, int64 [N], to images [N, R, R, C] in [-1, 1]. The
            classes are distributed as in the training images.
        splits: The data set.
        image_size: The side at which images are compared, a multiple of R.
        path: See `measurement.Task`.
        grey: Whether to compare with the luminance of the training images.
    """
    import numpy as np

    from tfgan_models.data import labelled
    from trainers.evaluation import measurement

    classes = splits.train.labels.astype(np.int64)

    def generated(most: int) -> Iterator[dict[str, np.ndarray]]:
        most = min(most, GENERATED)
        for start in range(0, most, _BATCH):
            seeds = np.arange(start, start + _BATCH, dtype=np.int64)
            images = images_of(seeds, classes[seeds % len(classes)])[: most - start]
            yield {"generated": np.clip(_enlarged(images, image_size), -1.0, 1.0)}

    def real(most: int) -> Iterator[np.ndarray]:
        # A generator should match its training images, not the held-out ones.
        return labelled.test_batches(
            splits.train,
            image_size=image_size,
            batch_size=_BATCH,
            limit=most,
            grey=grey,
        ).as_numpy_iterator()

    def mean_images(most: int) -> Iterator[dict[str, np.ndarray]]:
        count = splits.train.images.length
        mean = sum(batch.sum(axis=0, dtype=np.float64) for batch in real(count)) / count
        most = min(most, _MEAN_IMAGES)
        for start in range(0, most, _BATCH):
            copies = np.repeat(mean[None], min(_BATCH, most - start), axis=0)
            yield {"generated": copies.astype(np.float32)}

    return measurement.Task(
        "images",
        generated,
        real,
        real,
        path=path,
        baselines={"mean image": mean_images},
    )


def _path(generator: "keras.Model") -> "LatentPath | None":
    """The latent space for path lengths, with the same noise everywhere."""
    import numpy as np
    import tensorflow as tf

    from tfgan_models import sampling
    from trainers.evaluation import measurement

    if not hasattr(generator, "mapping") or generator.label_size:
        return None

    def synthesis(w: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        del random
        ws = generator.truncation(tf.constant(w, tf.float32))
        seeds = tf.fill([len(w)], tf.constant(sampling.FIXED_NOISE, tf.int64))
        noise = sampling.noise(seeds, generator.synthesis.noise_shapes())
        return np.asarray(generator.synthesis(ws, noise=noise))

    return measurement.LatentPath(
        latents=lambda count, random: random.standard_normal(
            (count, generator.latent_size)
        ),
        mapping=lambda z: np.asarray(generator.mapping(tf.constant(z, tf.float32))),
        synthesis=synthesis,
    )


def _fixed(
    generator: "keras.Model", columns: int
) -> tuple["tf.Tensor", "tf.Tensor | None"]:
    """Seeds for a grid, and the labels of its columns if there are classes."""
    import tensorflow as tf

    count, classes = columns * _ROWS, generator.label_size
    seeds = tf.range(count, dtype=tf.int64)
    if not classes:
        return seeds, None
    return seeds, tf.one_hot([i % columns % classes for i in range(count)], classes)


def _enlarged(images: "tf.Tensor", size: int) -> "tf.Tensor":
    """Repeats pixels up to a side of `size`."""
    import tensorflow as tf

    factor = size // images.shape[1]
    return tf.repeat(tf.repeat(images, factor, axis=1), factor, axis=2)


def _grid(images: "tf.Tensor", size: int, columns: int = COLUMNS) -> "np.ndarray":
    """Lays out images in rows of `columns`."""
    import tensorflow as tf

    from trainers.evaluation import grids

    large = _enlarged(images, size)
    # White, if a small data set does not fill the last row.
    missing = -len(large) % columns
    large = tf.pad(large, [[0, missing], [0, 0], [0, 0], [0, 0]], constant_values=1.0)
    return grids.rows(*(large[i::columns] for i in range(columns)))
