"""What `trainers.pix2pix` and `trainers.cyclegan` share."""

import dataclasses
from typing import TYPE_CHECKING, Any

from trainers.training.recipe import EpochRecipe, option, tunable

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class TranslationRecipe(EpochRecipe):
    """What the recipes of both papers have in common."""

    filters: int = option(64, "Channels of a generator's first convolution.")
    downsamplings: int = option(8, "Downsamplings of a unet: 8 for 256 px.")
    upsampling: str = option(
        "transposed",
        "Upsampling of a generator; resize avoids checkerboard artefacts.",
        ("transposed", "resize"),
    )
    norm: str = option(
        "instance",
        "Normalisation; affine_instance learns a scale and an offset.",
        ("instance", "affine_instance", "batch", "none"),
    )
    discriminator: str = option("patch", "Discriminator.", ("patch", "pixel"))
    discriminator_filters: int = option(64, "Channels of its first convolution.")
    discriminator_layers: int = option(
        3, "Strided layers of a patch discriminator: 1 to 6."
    )
    learning_rate: float = tunable(2e-4, "Adam's learning rate in the first half.")
    beta_1: float = option(0.5, "Adam's beta 1.")
    ema_decay: float = option(
        0.0, "Above 0: averaged generators are kept, sampled and exported."
    )


def adam(recipe: TranslationRecipe) -> "keras.optimizers.Optimizer":
    """Returns Adam whose rate decays to zero over the second half of `recipe.steps`."""
    import keras

    from tfgan_models.schedules import LinearDecay

    rate = LinearDecay(recipe.learning_rate, recipe.steps // 2, recipe.steps)
    return keras.optimizers.Adam(rate, beta_1=recipe.beta_1, epsilon=1e-8)


def discriminator(
    recipe: TranslationRecipe, name: str, channels: int = 3
) -> "keras.Model":
    """Returns the discriminator that a recipe names.

    Args:
        recipe: Has its kind, width, depth and norm.
        name: The network's name.
        channels: Of its input images.
    """
    from tfgan_models.networks import PatchDiscriminator, PixelDiscriminator

    options: dict[str, Any] = {
        "filters": recipe.discriminator_filters,
        "channels": channels,
        "norm": recipe.norm,
        "name": name,
    }
    if recipe.discriminator == "pixel":
        return PixelDiscriminator(**options)
    return PatchDiscriminator(layers=recipe.discriminator_layers, **options)
