"""`python -m trainers.progan`: progressive growing of GANs (arXiv:1710.10196)."""

import dataclasses
from typing import TYPE_CHECKING

from trainers.training import app, growing
from trainers.training.growing import GrowingRecipe
from trainers.training.recipe import LOSSES, length, option, tunable

if TYPE_CHECKING:
    from tfgan_models.progan import ProGAN


@dataclasses.dataclass(frozen=True)
class ProGANRecipe(GrowingRecipe):
    """The paper's numbers (appendix A), and those of its published code."""

    smallest = 4
    kimg: float = length(12000.0, "Total images in thousands.")
    loss: str = option("wgan_gp", "The adversarial loss.", LOSSES)
    drift_weight: float = tunable(
        0.001, "Weight of the mean squared score of reals, with wgan_gp."
    )
    label_weight: float = tunable(1.0, "Weight of the classes' cross entropy.")


PRESETS = {
    "paper": ProGANRecipe(),
    "cpu": ProGANRecipe(
        image_size=32,
        batch_size=16,
        batch_sizes="",
        kimg=120.0,
        kimg_per_phase=8.0,
        learning_rate=0.002,
        learning_rates="",
        ema_kimg=3.0,
        latent_size=64,
        fmap_base=1024,
        fmap_max=64,
    ),
}


def build_model(recipe: ProGANRecipe) -> "ProGAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.networks import ProgressiveDiscriminator, ProgressiveGenerator
    from tfgan_models.progan import ProGAN

    shape = {
        "resolution": recipe.image_size,
        "label_size": recipe.classes,
        "fmap_base": recipe.fmap_base,
        "fmap_max": recipe.fmap_max,
    }
    schedule = growing.schedule(recipe)
    model = ProGAN(
        ProgressiveGenerator(latent_size=recipe.latent_size, name="generator", **shape),
        ProgressiveDiscriminator(name="discriminator", **shape),
        schedule,
        drift_weight=recipe.drift_weight,
        label_weight=recipe.label_weight,
        loss=recipe.loss,
        **growing.gan_options(recipe),
    )
    model.compile(growing.optimizer(recipe), growing.optimizer(recipe))
    return model


TRAINER = growing.trainer("progan", PRESETS, build_model)

if __name__ == "__main__":
    app.run(TRAINER)
