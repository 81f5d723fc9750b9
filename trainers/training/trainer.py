"""What a paper's trainer says of itself, for `app` and `loop` to train by."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from tfgan_models.folders import layouts
from tfgan_models.folders.contents import Contents
from trainers.training.recipe import Recipe, Span

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tfgan_models.adversarial import GANModel
    from tfgan_models.data.pipeline import Share
    from trainers.evaluation.measurement import Task


class Splits(Protocol):
    """A data set, of whatever kind."""

    @property
    def contents(self) -> Contents | None:
        """What was found in its folder, where it is of one."""


R = TypeVar("R", bound=Recipe)
S = TypeVar("S", bound=Splits)
M = TypeVar("M", bound="GANModel")


@dataclasses.dataclass(frozen=True)
class Trainer(Generic[R, S, M]):
    """What differs between papers.

    Args:
        name: The paper's module name, such as "cyclegan".
        presets: "paper", the recipe as published, and "cpu", one that a laptop
            finishes in minutes.
        load_data: (recipe, data_dir) -> the data set's splits.
        plan: (splits, recipe) -> the run's steps, as `recipe.Span`s in order.
        batches: (splits, recipe, start_step, share) -> endless `tf.data.Dataset` of
            this worker's share of each global batch.
        build_model: (recipe) -> the compiled GANModel. A length in epochs is given in
            steps; a ValueError becomes a UsageError.
        samples: (model, splits, recipe) -> sample grids, uint8 [H, W, 3] by name.
        tasks: (exported networks, splits, recipe) -> what to evaluate them on, as
            `measurement.Task`s.
        reals: (splits, recipe) -> a grid of real images, uint8 [H, W, 3], written once.
        layout: Reads the data set's folder, if it is one, without TensorFlow, as
            `load_data` does: a function of `layouts`.
        check: (recipe) raises UsageError for inconsistent numbers, as far
            as can be checked without TensorFlow and the data.
        completed: (splits, recipe) -> the recipe for `build_model`, with what only the
            data set knows, such as the number of classes.
        generate: The command of `trainers.generate` for a first look, or None.
    """

    name: str
    presets: Mapping[str, R]
    load_data: Callable[[R, str | None], S]
    plan: Callable[[S, R], list[Span]]
    batches: Callable[[S, R, int, "Share"], "tf.data.Dataset"]
    build_model: Callable[[R], M]
    samples: Callable[[M, S, R], Mapping[str, "np.ndarray"]]
    tasks: Callable[[Mapping[str, "keras.Model"], S, R], list["Task"]]
    layout: Callable[[Path], Contents] = layouts.labelled
    check: Callable[[R], object] | None = None
    reals: Callable[[S, R], "np.ndarray"] | None = None
    completed: Callable[[S, R], R] | None = None
    generate: str | None = None
