"""What super-resolution is evaluated on, and its baseline."""

import functools
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from tfgan_models.data import superres
from tfgan_models.data.source import SuperResSource, SuperResSplits
from trainers.evaluation.measurement import Batch, Task, limited

Enlarge = Callable[[np.ndarray], np.ndarray]
"""Images [N, h, w, C] in [-1, 1] to images [N, scale h, scale w, C]."""

_BATCH = 16


def task(name: str, upscale: Enlarge, splits: SuperResSplits) -> Task:
    """Returns a network's task: whole test images, downscaled and enlarged again.

    "input" is the low resolution enlarged with the bicubic filter, which is also the
    baseline.

    Args:
        name: The network's name.
        upscale: The network.
        splits: The data set.
    """

    def inputs(most: int) -> Iterator[Batch]:
        for batch in limited(_pairs(splits.test), most):
            yield {"input": _bicubic(batch, splits), "truth": batch["high"]}

    def made(by: Callable[[Batch], np.ndarray], most: int) -> Iterator[Batch]:
        for batch in limited(_pairs(splits.test), most):
            bicubic = _bicubic(batch, splits)
            yield {"input": bicubic, "truth": batch["high"], "generated": by(batch)}

    return Task(
        name=name,
        batches=functools.partial(made, lambda batch: upscale(batch["low"])),
        real=lambda most: limited(_high(splits.test), most),
        train=lambda most: limited(_high(splits.train), most),
        inputs=inputs,
        has=("input", "truth"),
        border=splits.test.scale,
        baselines={
            "bicubic": functools.partial(made, lambda batch: _bicubic(batch, splits))
        },
    )


def _pairs(source: SuperResSource) -> Iterator[Batch]:
    batches = superres.test_batches(source, batch_size=_BATCH)
    return iter(batches.as_numpy_iterator())


def _high(source: SuperResSource) -> Iterator[np.ndarray]:
    return (batch["high"] for batch in _pairs(source))


def _bicubic(batch: Batch, splits: SuperResSplits) -> np.ndarray:
    return superres.enlarge(tf.constant(batch["low"]), splits.test.scale).numpy()
