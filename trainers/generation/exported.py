"""SavedModels of generators (`export.signatures.generation`) as functions."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from tfgan_models.errors import UsageError
from trainers.generation import opening
from trainers.generation.models import (
    ALLOWED,
    Generator,
    Label,
    LatentModel,
    StyleModel,
    compiled,
)


def load(directory: Path) -> Generator:
    """Loads a SavedModel.

    Raises:
        UsageError: It is none of a generator from latents.
    """
    loaded = opening.saved_model(directory, str(directory), ALLOWED)
    if "latent" not in _inputs(loaded, "serving_default") or not _inputs(
        loaded, "generate"
    ):
        raise UsageError(
            f"--model={directory} holds no generator that draws from latents: its "
            f"signatures are {', '.join(loaded.signatures)}. Give {ALLOWED}."
        )
    latent = _inputs(loaded, "serving_default")["latent"]
    image = loaded.signatures["serving_default"].structured_outputs["image"]
    facts = (image.shape[1], image.shape[3], latent.shape[1], _label_size(loaded))
    if not hasattr(loaded, "noise_synthesis"):
        return LatentModel(
            *facts,
            tuple,
            draw=_of_latent(loaded, "serving_default", "image"),
            distribution=_distribution(loaded),
        )
    return _style(loaded, facts)


def _style(loaded: tf.Module, facts: tuple[int, int, int, int]) -> StyleModel:
    def synthesis(ws: tf.Tensor, noise: Sequence[tf.Tensor]) -> tf.Tensor:
        return loaded.noise_synthesis(ws, list(noise))

    count = 2 * int(math.log2(facts[0])) - 2
    sides = [2 ** (i // 2 + 2) for i in range(count)]
    return StyleModel(
        *facts,
        tuple,
        mapping=_of_latent(loaded, "mapping", "w"),
        synthesis=compiled(synthesis),
        w_avg=loaded.w_avg.numpy(),
        layers=_inputs(loaded, "synthesis")["w"].shape[1],
        noise_shapes=[(side, side, 1) for side in sides],
        kernels=lambda: [kernel.numpy() for kernel in loaded.style_kernels()],
    )


def _of_latent(
    loaded: tf.Module, signature: str, output: str
) -> Callable[..., tf.Tensor]:
    def call(latent: tf.Tensor, label: Label) -> tf.Tensor:
        inputs = {"latent": latent} if label is None else _labelled(latent, label)
        # The signature does not keep the variables alive; this function does.
        return loaded.signatures[signature](**inputs)[output]

    return compiled(call)


def _labelled(latent: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
    return {"latent": latent, "label": label}


def _distribution(loaded: tf.Module) -> str:
    # Exports of before there were uniform latents do not tell it.
    if not hasattr(loaded, "latent_distribution"):
        return "normal"
    return loaded.latent_distribution().numpy().decode()


def _inputs(loaded: tf.Module, signature: str) -> dict[str, tf.TensorSpec]:
    if signature not in loaded.signatures:
        return {}
    return loaded.signatures[signature].structured_input_signature[1]


def _label_size(loaded: tf.Module) -> int:
    """The number of classes, which only the refusal of a wrong one tells."""
    inputs = _inputs(loaded, "serving_default")
    if "label" not in inputs:
        return 0
    latent = tf.zeros([1, inputs["latent"].shape[1]])
    try:
        loaded.signatures["serving_default"](
            **_labelled(latent, tf.constant([-1], tf.int64))
        )
    except tf.errors.InvalidArgumentError as error:
        allowed = re.search(r"label must be from 0 to (\d+)", error.message)
        if allowed:
            return int(allowed[1]) + 1
    raise UsageError(
        "The SavedModel does not tell how many classes it has. Give the training's "
        "--model_dir."
    )
