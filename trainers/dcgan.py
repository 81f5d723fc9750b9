"""`python -m trainers.dcgan`: convolutional GANs that train (arXiv:1511.06434)."""

import dataclasses
from typing import TYPE_CHECKING

from trainers.training import app, latent
from trainers.training.latent import LatentRecipe
from trainers.training.recipe import LOSSES, length, option, tunable

if TYPE_CHECKING:
    from tfgan_models.dcgan import DCGAN


@dataclasses.dataclass(frozen=True)
class DCGANRecipe(LatentRecipe):
    """The paper's numbers (sections 3 and 4)."""

    dataset: str = option(
        "lsun/bedroom",
        "A bundled name (emoji/render), any TFDS name with images, or folder:PATH of "
        "images. The paper's bedrooms are a download of 43 GB.",
    )
    image_size: int = option(64, "Image size in pixels, such as 32, 64 or 128.")
    batch_size: int = option(128, "Images per step, over all replicas.")
    epochs: int = length(5, "Passes over the data, if --steps is 0.")
    grey: bool = option(False, "Train on the luminance: single-channel images.")
    loss: str = option("non_saturating", "The adversarial loss.", LOSSES)
    learning_rate: float = tunable(2e-4, "Adam's rate.")
    filters: int = option(128, "Channels of the generator's last hidden convolution.")
    discriminator_filters: int = option(
        64, "Channels of the discriminator's first convolution."
    )
    norm: str = option(
        "batch",
        "The discriminator's normalisation. With --loss=wgan_gp use spectral: the "
        "penalty is per image.",
        ("batch", "spectral"),
    )


PRESETS = {
    "paper": DCGANRecipe(),
    "cpu": DCGANRecipe(
        dataset="emoji/render",
        image_size=32,
        batch_size=32,
        steps=6000,
        mirror=True,
        latent_size=64,
        filters=32,
        discriminator_filters=32,
        ema_decay=0.995,
    ),
}


def build_model(recipe: DCGANRecipe) -> "DCGAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.dcgan import DCGAN

    model = DCGAN(*latent.convolutional(recipe), **latent.gan_options(recipe))
    latent.compile_model(model, recipe)
    return model


TRAINER = dataclasses.replace(
    latent.trainer("dcgan", PRESETS, build_model), check=latent.check
)

if __name__ == "__main__":
    app.run(TRAINER)
