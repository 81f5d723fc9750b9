"""What the trainers of image translation have in common, built from a recipe."""

from typing import Any

import keras

from tfgan_models.networks import PatchDiscriminator, PixelDiscriminator
from tfgan_models.schedules import LinearDecay


def adam(recipe: Any, total_steps: int) -> keras.optimizers.Optimizer:
    """Returns Adam whose rate decays to zero over the second half of training."""
    rate = LinearDecay(recipe.learning_rate, total_steps // 2, total_steps)
    return keras.optimizers.Adam(rate, beta_1=recipe.beta_1, epsilon=1e-8)


def discriminator(recipe: Any, name: str, channels: int = 3) -> keras.Model:
    """Returns the discriminator that a recipe names.

    Args:
        recipe: Has its kind, width, depth and norm.
        name: The network's name.
        channels: Of its input images.
    """
    if recipe.discriminator == "pixel":
        return PixelDiscriminator(
            filters=recipe.discriminator_filters,
            channels=channels,
            norm=recipe.norm,
            name=name,
        )
    return PatchDiscriminator(
        filters=recipe.discriminator_filters,
        layers=recipe.discriminator_layers,
        channels=channels,
        norm=recipe.norm,
        name=name,
    )
