"""Descriptions of models that were written before there was a model.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from tfgan_models.runs.description import Description, of_network


def of_training(
    model_dir: Path, networks: Mapping[str, keras.Model], checkpoint: Path
) -> Description:
    """Returns what is known of a training.

    Args:
        model_dir: Its folder.
        networks: What it exports, by name.
        checkpoint: The folder of the checkpoint whose weights they have.
    """
    recipe = _recipe(model_dir)
    return Description(
        {name: of_network(network) for name, network in networks.items()},
        system=recipe.pop("model", ""),
        recipe=recipe,
        dataset=recipe.get("dataset", ""),
        steps=int(checkpoint.name.rpartition("_")[2]),
    )


def _recipe(model_dir: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((model_dir / "recipe.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
