"""`python -m trainers.stylegan`: a style-based generator (arXiv:1812.04948)."""

import dataclasses
from typing import TYPE_CHECKING, Any

from trainers.training import app, growing
from trainers.training.growing import GrowingRecipe
from trainers.training.recipe import LOSSES, option, tunable

if TYPE_CHECKING:
    from tfgan_models.stylegan import StyleGAN


@dataclasses.dataclass(frozen=True)
class StyleGANRecipe(GrowingRecipe):
    """The paper's numbers (appendix C), and those of its published code."""

    smallest = 8
    loss: str = option("non_saturating", "The adversarial loss.", LOSSES)
    w_size: int = option(512, "Size of w.")
    mapping_layers: int = option(8, "Dense layers of the mapping network.")
    noise_lr_multiplier: float = option(
        1.0, "Learning rate of the noise strengths relative to the rest."
    )
    r1_gamma: float = tunable(10.0, "Weight of the R1 penalty at the full resolution.")
    mixing_probability: float = option(0.9, "Probability of a step with style mixing.")


PRESETS = {
    "paper": StyleGANRecipe(),
    # In so few steps noise takes the place of what is not learnt yet, unless its
    # strengths learn much more slowly than the rest (KID 0.096 against 0.167).
    "cpu": StyleGANRecipe(
        image_size=32,
        batch_size=8,
        batch_sizes="",
        kimg=120.0,
        kimg_per_phase=8.0,
        learning_rate=0.003,
        learning_rates="",
        ema_kimg=3.0,
        latent_size=64,
        fmap_base=1024,
        fmap_max=64,
        w_size=64,
        noise_lr_multiplier=0.01,
        r1_gamma=0.5,
    ),
}


def build_model(recipe: StyleGANRecipe) -> "StyleGAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.networks import StyleDiscriminator, StyleGenerator
    from tfgan_models.stylegan import StyleGAN

    shape: dict[str, Any] = {
        "resolution": recipe.image_size,
        "label_size": recipe.classes,
        "fmap_base": recipe.fmap_base,
        "fmap_max": recipe.fmap_max,
    }
    schedule = growing.schedule(recipe)
    model = StyleGAN(
        StyleGenerator(
            latent_size=recipe.latent_size,
            w_size=recipe.w_size,
            mapping_layers=recipe.mapping_layers,
            noise_lr_multiplier=recipe.noise_lr_multiplier,
            name="generator",
            **shape,
        ),
        StyleDiscriminator(name="discriminator", **shape),
        schedule,
        r1_gamma=recipe.r1_gamma,
        mixing_probability=recipe.mixing_probability,
        loss=recipe.loss,
        **growing.gan_options(recipe),
    )
    model.compile(growing.optimizer(recipe), growing.optimizer(recipe))
    return model


TRAINER = growing.trainer("stylegan", PRESETS, build_model)

if __name__ == "__main__":
    app.run(TRAINER)
