"""`python -m trainers.pix2pix`: translation learnt from pairs (arXiv:1611.07004)."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tfgan_models.folders import layouts
from trainers.training import app, translation_parts
from trainers.training.recipe import Span, check_size, epochs, option, tunable
from trainers.training.translation_parts import TranslationRecipe

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tfgan_models.data.pipeline import Share
    from tfgan_models.data.source import PairedSplits
    from tfgan_models.pix2pix import Pix2Pix
    from trainers.evaluation.measurement import Task

SAMPLES = 8


@dataclasses.dataclass(frozen=True)
class Pix2PixRecipe(TranslationRecipe):
    """The paper's numbers (section 3 and the appendix)."""

    direction: str = option(
        "a2b", "a2b, or b2a: swaps input and target.", ("a2b", "b2a")
    )
    norm: str = option(
        "batch",
        "Normalisation; affine_instance learns a scale and an offset.",
        ("instance", "affine_instance", "batch", "none"),
    )
    inference_norm: str = option(
        "image",
        "Statistics of batch norm at inference: image, each image's own, which matches "
        "training with batches of 1; or averages, the moving averages, for larger "
        "ones.",
        ("image", "averages"),
    )
    dropout: float = option(
        0.5, "Dropout rate of the generator, used from 5 downsamplings up."
    )
    l1_weight: float = tunable(100.0, "Weight of the distance to the target.")


PRESETS = {
    "paper": Pix2PixRecipe(),
    # With batches of 4, instance norm makes better textures than batch norm. The
    # average reaches back a hundred steps: none of the initial weights is left in it.
    "cpu": Pix2PixRecipe(
        image_size=64,
        batch_size=4,
        steps=6000,
        filters=32,
        downsamplings=4,
        upsampling="resize",
        norm="instance",
        discriminator_filters=32,
        discriminator_layers=2,
        ema_decay=0.99,
    ),
}


def check(recipe: Pix2PixRecipe) -> None:
    """Raises UsageError for image sizes that the generator does not support."""
    check_size(recipe, recipe.downsamplings)


def load_data(recipe: Pix2PixRecipe, data_dir: str | None) -> "PairedSplits":
    """Returns the pairs of `recipe.dataset` in the recipe's direction."""
    from tfgan_models.data import catalog

    splits = catalog.paired(recipe.dataset, data_dir)
    return splits.swapped() if recipe.direction == "b2a" else splits


def plan(splits: "PairedSplits", recipe: Pix2PixRecipe) -> list[Span]:
    """Returns the full batches in a pass over the pairs."""
    from tfgan_models.data import paired

    return epochs(recipe, paired.steps_per_epoch(splits, recipe.batch_size))


def batches(
    splits: "PairedSplits", recipe: Pix2PixRecipe, start_step: int, share: "Share"
) -> "tf.data.Dataset":
    """Returns this worker's endless batches from `start_step` on."""
    from tfgan_models.data import paired

    return paired.train_batches(
        splits, image_size=recipe.image_size, start_step=start_step, **share
    )


def build_model(recipe: Pix2PixRecipe) -> "Pix2Pix":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.networks import UNetGenerator
    from tfgan_models.pix2pix import Pix2Pix

    generator = UNetGenerator(
        downsamplings=recipe.downsamplings,
        filters=recipe.filters,
        norm=recipe.norm,
        inference_norm=recipe.inference_norm,
        dropout=recipe.dropout,
        upsampling=recipe.upsampling,
        name="generator",
    )
    model = Pix2Pix(
        generator,
        # It gets the input and the image to classify.
        translation_parts.discriminator(recipe, "discriminator", channels=3 + 3),
        l1_weight=recipe.l1_weight,
        ema_decay=recipe.ema_decay,
        seed=recipe.seed,
    )
    model.compile(translation_parts.adam(recipe), translation_parts.adam(recipe))
    return model


def samples(
    model: "Pix2Pix", splits: "PairedSplits", recipe: Pix2PixRecipe
) -> dict[str, "np.ndarray"]:
    """Returns a grid of fixed test pairs: input | generated | true target."""
    from tfgan_models.data import paired
    from trainers.evaluation import grids

    tests = paired.test_batches(
        splits.test, image_size=recipe.image_size, batch_size=SAMPLES, limit=SAMPLES
    )
    pair = next(iter(tests))
    generated = model.exported_networks["generator"](pair["real_a"], training=False)
    return {recipe.direction: grids.rows(pair["real_a"], generated, pair["real_b"])}


def tasks(
    networks: Mapping[str, "keras.Model"], splits: "PairedSplits", recipe: Pix2PixRecipe
) -> list["Task"]:
    """Returns what the generator is evaluated on: the test pairs."""
    from trainers.evaluation import translation

    (network,) = networks.values()
    return [
        translation.paired_task(
            recipe.direction,
            translation.translator(network),
            splits,
            recipe.image_size,
        )
    ]


TRAINER = app.Trainer(
    name="pix2pix",
    presets=PRESETS,
    load_data=load_data,
    plan=plan,
    batches=batches,
    build_model=build_model,
    samples=samples,
    tasks=tasks,
    generate="translate photo.jpg",
    layout=layouts.paired,
    check=check,
)

if __name__ == "__main__":
    app.run(TRAINER)
