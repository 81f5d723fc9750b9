"""Maintains model.json, the description of the model in training."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tfgan_models
from tfgan_models.adversarial import GANModel
from tfgan_models.errors import FailureError
from tfgan_models.runs import checkpoints, description, upgrade
from tfgan_models.runs.description import Description
from trainers.training.extras import Extras
from trainers.training.recipe import Recipe


def begun(
    model_dir: Path,
    checkpoint: Path | None,
    system: str,
    recipe: Recipe,
    data: Any,
    given: Mapping[str, Any],
) -> Description:
    """Returns the description of a run before its first step.

    Args:
        model_dir: Its folder. What is found there is kept, unless given again.
        checkpoint: The folder of the one that it resumes from; None: it is new.
        system: The paper's module name.
        recipe: The numbers.
        data: The data set's splits.
        given: By the names for `Description`'s fields: `license`, `description` and, of
            a new run, `parent`.

    Raises:
        FailureError: The description found is damaged.
    """
    found = description.of_training(model_dir) or Description({})
    if checkpoint is None:
        found = dataclasses.replace(found, metrics={}, parent="")
    elif not found.system:
        found = upgrade.of_training(model_dir, {}, checkpoint)
    return dataclasses.replace(
        found,
        system=system,
        recipe=dataclasses.asdict(recipe),
        dataset=recipe.dataset,
        classes=tuple(getattr(getattr(data, "train", None), "classes", ())),
        package=tfgan_models.__version__,
        **given,
    )


class Describer:
    """Describes a model at any step of its training.

    Args:
        said: The result of `begun`.
        images_at: Step -> images seen before it.
        extras: Writes it; None: another worker does.
    """

    def __init__(
        self,
        said: Description,
        images_at: Callable[[int], int],
        extras: Extras | None,
    ) -> None:
        self._said = said
        self._images_at = images_at
        self._extras = extras

    def at(self, step: int, model: GANModel) -> Description:
        """Returns the description of a model at a step."""
        networks = {
            name: description.of_network(network)
            for name, network in model.exported_networks.items()
        }
        # Others have no classes, whatever their data set has.
        takes = any(network.label_size for network in networks.values())
        return dataclasses.replace(
            self._said,
            networks=networks,
            classes=self._said.classes if takes else (),
            steps=step,
            images=self._images_at(step),
        )

    def begin(self, step: int, model: GANModel) -> None:
        """Writes it at the start of training.

        Raises:
            FailureError: It cannot be written.
        """
        if self._extras is None:
            return
        folder = self._extras.model_dir
        try:
            self.at(step, model).write(folder / description.FILE)
        except OSError as error:
            raise FailureError(
                f"{folder} cannot be written: {error.strerror}. Free some space, or "
                "give another --model_dir."
            ) from error

    def write(self, step: int, model: GANModel) -> None:
        """Rewrites it, in the step's checkpoint too, if there is one."""
        if self._extras is None:
            return
        said, folder = self.at(step, model), self._extras.model_dir
        self._extras.description(folder, said)
        checkpoint = checkpoints.place(checkpoints.folder(folder), step)
        if checkpoint.is_dir():
            self._extras.description(checkpoint, said)

    def measured(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Adds metrics.

        Args:
            kind: "last" or "best".
            step: The step at which they were computed.
            values: By name; those that are not finite are left out.
        """
        finite = {name: v for name, v in values.items() if math.isfinite(v)}
        metrics = {**self._said.metrics, kind: {"step": step, **finite}}
        self._said = dataclasses.replace(self._said, metrics=metrics)
