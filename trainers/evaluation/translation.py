"""What image translation is evaluated on, and its baselines."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping

import keras
import numpy as np
import tensorflow as tf

from tfgan_models.data import paired, unpaired
from tfgan_models.data.source import (
    ImageSource,
    PairedSplits,
    PairSource,
    UnpairedSplits,
)
from trainers.evaluation import baselines
from trainers.evaluation.measurement import Batch, Task, limited

Translate = Callable[[np.ndarray], np.ndarray]
"""Images [N, H, W, C] in [-1, 1] to images of the same size."""

BATCH = 16
OPPOSITE = {"a2b": "b2a", "b2a": "a2b"}
_BASELINE_IMAGES = 1000


def translator(network: keras.Model) -> Translate:
    """Makes a function of arrays from a network."""
    shape = [None, *network.input_shape[1:]]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
    def call(images: tf.Tensor) -> tf.Tensor:
        return network(images, training=False)

    return lambda images: call(tf.constant(images)).numpy()


def unpaired_tasks(
    translators: Mapping[str, Translate], splits: UnpairedSplits, image_size: int
) -> list[Task]:
    """Returns a task for each direction: test images, translated and reconstructed.

    Args:
        translators: "a2b", "b2a" or both. Cycle errors need both.
        splits: The data set. If its test images are aligned, they are the truth.
        image_size: Side of the images in pixels.
    """
    a, b = (splits.train_a, splits.test_a), (splits.train_b, splits.test_b)
    sides = {"a2b": (a, b), "b2a": (b, a)}

    def task(name: str) -> Task:
        source = images(sides[name][0][1], image_size)
        train, target = (images(side, image_size) for side in sides[name][1])

        def inputs() -> Iterator[Batch]:
            if not splits.aligned:
                return ({"input": given} for given in source())
            pairs = zip(source(), target(), strict=True)
            return ({"input": given, "truth": truth} for given, truth in pairs)

        return _task(
            name,
            inputs,
            target,
            train,
            translators[name],
            translators.get(OPPOSITE[name]),
            splits.aligned,
        )

    return [task(name) for name in translators]


def paired_task(
    name: str, translate: Translate, splits: PairedSplits, image_size: int
) -> Task:
    """Returns the task of a translation network trained on pairs.

    Args:
        name: "a2b" or "b2a".
        translate: Translates a pair's input.
        splits: The data set, inputs first.
        image_size: Side of the images in pixels.
    """

    def pairs(source: PairSource) -> Iterator[Batch]:
        batches = paired.test_batches(source, image_size=image_size, batch_size=BATCH)
        for batch in batches.as_numpy_iterator():
            yield {"input": batch["real_a"], "truth": batch["real_b"]}

    return _task(
        name,
        lambda: pairs(splits.test),
        lambda: (batch["truth"] for batch in pairs(splits.test)),
        lambda: (batch["truth"] for batch in pairs(splits.train)),
        translate,
        None,
        True,
    )


def _task(
    name: str,
    inputs: Callable[[], Iterable[Batch]],
    real: Callable[[], Iterable[np.ndarray]],
    train: Callable[[], Iterable[np.ndarray]],
    translate: Translate,
    back: Translate | None,
    aligned: bool,
) -> Task:
    def batches(most: int) -> Iterator[Batch]:
        for batch in limited(inputs(), most):
            generated = translate(batch["input"])
            cycled = {"cycled": back(generated)} if back else {}
            yield {**batch, "generated": generated, **cycled}

    has = ["input"] + ["truth"] * aligned + ["cycled"] * (back is not None)
    return Task(
        name=name,
        batches=batches,
        real=lambda most: limited(real(), most),
        train=lambda most: limited(train(), most),
        inputs=lambda most: limited(inputs(), most),
        has=tuple(has),
    )


def baseline_tasks(task: Task, count: int) -> dict[str, Task]:
    """Returns the task as performed by baselines, by name.

    "untranslated", "histogram matching" and "mean colour" are what a model must beat;
    "training images", compared with the real test images, are the score to aim for.
    Without inputs there is only the last. The baselines that a task brings itself
    replace the first three.

    Args:
        task: The model's.
        count: Images that the model generated: some metrics depend on their number.
    """

    def training_images(most: int) -> Iterator[Batch]:
        return ({"generated": images} for images in task.train(min(most, count)))

    tasks = {"training images": Task(task.name, training_images, task.real, task.train)}
    if task.baselines is not None:
        own = {
            # Only the model has a latent space.
            name: dataclasses.replace(task, batches=batches, path=None)
            for name, batches in task.baselines.items()
        }
        return own | tasks
    if task.inputs is None:
        return tasks
    return {
        "untranslated": _instead(task, task.inputs, lambda given, reference: given),
        "histogram matching": _instead(task, task.inputs, baselines.histogram_matching),
        "mean colour": _instead(task, task.inputs, baselines.mean_colour),
    } | tasks


def _instead(
    task: Task,
    inputs: Callable[[int], Iterable[Batch]],
    transform: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Task:
    """The task with its images made by `transform(inputs, training images)`."""

    def batches(most: int) -> Iterator[Batch]:
        given = list(inputs(min(most, _BASELINE_IMAGES)))
        reference = np.concatenate(list(task.train(_BASELINE_IMAGES)))
        made = transform(np.concatenate([g["input"] for g in given]), reference)
        ends = np.cumsum([len(g["input"]) for g in given])[:-1]
        for batch, generated in zip(given, np.split(made, ends), strict=True):
            yield {**batch, "generated": generated}

    has = tuple(name for name in task.has if name != "cycled")
    return Task(task.name, batches, task.real, task.train, task.inputs, has)


def images(source: ImageSource, image_size: int) -> Callable[[], Iterable[np.ndarray]]:
    """Returns a function that yields a source's images in batches, in [-1, 1]."""

    def batches() -> Iterable[np.ndarray]:
        return unpaired.test_batches(
            source, image_size=image_size, batch_size=BATCH
        ).as_numpy_iterator()

    return batches
