"""`python -m trainers.gan`: the first GAN, two dense networks (arXiv:1406.2661)."""

import dataclasses
from typing import TYPE_CHECKING

from trainers.training import app, latent
from trainers.training.latent import AnnealedRecipe
from trainers.training.recipe import length, option

if TYPE_CHECKING:
    from tfgan_models.gan import GAN


@dataclasses.dataclass(frozen=True)
class GANRecipe(AnnealedRecipe):
    """The numbers of the paper's MNIST experiment, from its published code."""

    epochs: int = length(250, "Passes over the data, if --steps is 0.")
    units: int = option(1200, "Units of each of the generator's layers.")
    discriminator_units: int = option(240, "Maxout units of each of its layers.")
    pieces: int = option(5, "Linear pieces of a maxout unit.")
    layers: int = option(2, "Hidden layers of each network.")
    dropout: float = option(0.5, "Rate of the discriminator's dropout.")


PRESETS = {
    "paper": GANRecipe(),
    # 1617 digits are few: a small discriminator with dropout is kept from
    # memorising them.
    "cpu": GANRecipe(
        dataset="digits",
        image_size=8,
        steps=20_000,
        latent_size=32,
        units=256,
        discriminator_units=64,
        dropout=0.3,
        loss="non_saturating",
        optimizer="adam",
        learning_rate=2e-4,
        ema_decay=0.995,
    ),
}


def build_model(recipe: GANRecipe) -> "GAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.gan import GAN
    from tfgan_models.networks import MLPDiscriminator, MLPGenerator

    shape = {
        "image_size": recipe.image_size,
        "channels": latent.channels(recipe),
        "layers": recipe.layers,
    }
    model = GAN(
        MLPGenerator(
            latent_size=recipe.latent_size,
            units=recipe.units,
            name="generator",
            **shape,
        ),
        MLPDiscriminator(
            units=recipe.discriminator_units,
            pieces=recipe.pieces,
            dropout=recipe.dropout,
            name="discriminator",
            **shape,
        ),
        **latent.gan_options(recipe),
    )
    latent.compile_model(model, recipe)
    return model


TRAINER = latent.trainer("gan", PRESETS, build_model)

if __name__ == "__main__":
    app.run(TRAINER)
