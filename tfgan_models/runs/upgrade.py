"""Descriptions of models written before there was a model.json."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tfgan_models.runs import description, run_log
from tfgan_models.runs.description import Description

_IMAGES = "images_seen/.ATTRIBUTES/VARIABLE_VALUE"
"""In the checkpoints of runs with varying batch sizes."""


def of_training(
    model_dir: Path, networks: Mapping[str, keras.Model], checkpoint: Path
) -> Description:
    """Returns what is known about a checkpoint without a description.

    Args:
        model_dir: The run's folder.
        networks: Its exported networks, by name.
        checkpoint: The checkpoint's folder.
    """
    step = int(checkpoint.name.rpartition("_")[2])
    said = description.of_training(model_dir) or _of_recipe(model_dir)
    return dataclasses.replace(
        said,
        networks={name: description.of_network(n) for name, n in networks.items()},
        steps=step,
        images=_images(checkpoint) or step * said.recipe.get("batch_size", 0),
        metrics=_metrics(model_dir, step),
    )


def _of_recipe(model_dir: Path) -> Description:
    try:
        recipe: dict[str, Any] = json.loads((model_dir / "recipe.json").read_bytes())
        return Description({}, recipe.pop("model"), recipe, recipe["dataset"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Description({})


def _images(checkpoint: Path) -> int:
    reader = tf.train.load_checkpoint(str(checkpoint / "state"))
    return int(reader.get_tensor(_IMAGES)) if reader.has_tensor(_IMAGES) else 0


def _metrics(model_dir: Path, step: int) -> dict[str, dict[str, float]]:
    """The metrics computed up to a step, and those of the best checkpoint."""
    # Losses and the like are logged without a record of how they were computed.
    measured = {
        entry.step: {"step": entry.step, **entry.values}
        for entry in run_log.read(model_dir)
        if entry.about and entry.step <= step
    }
    best = [path.name for path in (model_dir / "best").glob("step_*")]
    kept = {int(name.removeprefix("step_")) for name in best} & measured.keys()
    found = {"last": max(measured, default=None), "best": max(kept, default=None)}
    return {name: measured[at] for name, at in found.items() if at is not None}
