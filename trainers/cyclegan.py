"""`python -m trainers.cyclegan`: unpaired image translation (arXiv:1703.10593)."""

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

    from tfgan_models.cyclegan import CycleGAN
    from tfgan_models.data.pipeline import Share
    from tfgan_models.data.source import UnpairedSplits
    from trainers.evaluation.measurement import Task

SAMPLES = 8


@dataclasses.dataclass(frozen=True)
class CycleGANRecipe(TranslationRecipe):
    """The paper's numbers (section 4 and the appendix)."""

    generator: str = option("resnet", "Generator.", ("resnet", "unet"))
    residual_blocks: int = option(
        9, "Residual blocks of a resnet; 6 in the paper for 128 px."
    )
    cycle_weight: float = tunable(10.0, "Weight of the cycle loss.")
    identity_weight: float = tunable(
        0.5, "Weight of the identity loss, relative to the cycle's."
    )
    pool_size: int = option(50, "Generated images kept for each discriminator.")


PRESETS = {
    "paper": CycleGANRecipe(),
    # Skips keep coasts sharp at 64 px, where a resnet of this size blurs them. A lower
    # cycle weight lets colours move further in 1200 steps, a higher rate all the rest
    # (KID of the relief maps 0.15 instead of 0.22); averages are steadier than any of
    # the weights.
    "cpu": CycleGANRecipe(
        image_size=64,
        batch_size=4,
        steps=1200,
        generator="unet",
        filters=32,
        downsamplings=4,
        upsampling="resize",
        discriminator_filters=32,
        discriminator_layers=2,
        cycle_weight=3.0,
        learning_rate=5e-4,
        ema_decay=0.999,
    ),
}


def check(recipe: CycleGANRecipe) -> None:
    """Raises UsageError for image sizes that the generators do not support."""
    # A resnet downsamples twice.
    check_size(recipe, recipe.downsamplings if recipe.generator == "unet" else 2)


def load_data(recipe: CycleGANRecipe, data_dir: str | None) -> "UnpairedSplits":
    """Returns the unpaired splits of `recipe.dataset`."""
    from tfgan_models.data import catalog

    return catalog.unpaired(recipe.dataset, data_dir)


def plan(splits: "UnpairedSplits", recipe: CycleGANRecipe) -> list[Span]:
    """Returns the full batches in the longer of A and B."""
    from tfgan_models.data import unpaired

    return epochs(recipe, unpaired.steps_per_epoch(splits, recipe.batch_size))


def batches(
    splits: "UnpairedSplits", recipe: CycleGANRecipe, start_step: int, share: "Share"
) -> "tf.data.Dataset":
    """Returns this worker's endless batches from `start_step` on."""
    from tfgan_models.data import unpaired

    return unpaired.train_batches(
        splits, image_size=recipe.image_size, start_step=start_step, **share
    )


def build_model(recipe: CycleGANRecipe) -> "CycleGAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.cyclegan import CycleGAN

    model = CycleGAN(
        _generator(recipe, "generator_a2b"),
        _generator(recipe, "generator_b2a"),
        translation_parts.discriminator(recipe, "discriminator_a"),
        translation_parts.discriminator(recipe, "discriminator_b"),
        image_size=recipe.image_size,
        cycle_weight=recipe.cycle_weight,
        identity_weight=recipe.identity_weight,
        pool_size=recipe.pool_size,
        ema_decay=recipe.ema_decay,
        seed=recipe.seed,
    )
    model.compile(translation_parts.adam(recipe), translation_parts.adam(recipe))
    return model


def samples(
    model: "CycleGAN", splits: "UnpairedSplits", recipe: CycleGANRecipe
) -> dict[str, "np.ndarray"]:
    """Returns two grids of fixed test images: real | translated | reconstructed."""
    from tfgan_models.data import unpaired
    from trainers.evaluation import grids

    a2b = model.exported_networks["a2b"]
    b2a = model.exported_networks["b2a"]
    drawn = {}
    for name, source, there, back in (
        ("a2b", splits.test_a, a2b, b2a),
        ("b2a", splits.test_b, b2a, a2b),
    ):
        real = next(
            iter(
                unpaired.test_batches(
                    source,
                    image_size=recipe.image_size,
                    batch_size=SAMPLES,
                    limit=SAMPLES,
                )
            )
        )
        fake = there(real, training=False)
        drawn[name] = grids.rows(real, fake, back(fake, training=False))
    return drawn


def tasks(
    networks: Mapping[str, "keras.Model"],
    splits: "UnpairedSplits",
    recipe: CycleGANRecipe,
) -> list["Task"]:
    """Returns what the generators are evaluated on: both directions, and back."""
    from trainers.evaluation import translation

    translators = {name: translation.translator(n) for name, n in networks.items()}
    return translation.unpaired_tasks(translators, splits, recipe.image_size)


def _generator(recipe: CycleGANRecipe, name: str) -> "keras.Model":
    from tfgan_models.networks import ResNetGenerator, UNetGenerator

    if recipe.generator == "unet":
        return UNetGenerator(
            downsamplings=recipe.downsamplings,
            filters=recipe.filters,
            norm=recipe.norm,
            dropout=0.0,
            upsampling=recipe.upsampling,
            name=name,
        )
    return ResNetGenerator(
        filters=recipe.filters,
        residual_blocks=recipe.residual_blocks,
        norm=recipe.norm,
        upsampling=recipe.upsampling,
        name=name,
    )


TRAINER = app.Trainer(
    name="cyclegan",
    presets=PRESETS,
    load_data=load_data,
    plan=plan,
    batches=batches,
    build_model=build_model,
    samples=samples,
    tasks=tasks,
    generate="translate photo.jpg",
    layout=layouts.unpaired,
    check=check,
)

if __name__ == "__main__":
    app.run(TRAINER)
