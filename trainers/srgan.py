"""`python -m trainers.srgan`: super-resolution in two stages (arXiv:1609.04802)."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Self

from tfgan_models.errors import UsageError
from trainers.training import app
from trainers.training.recipe import (
    Recipe,
    Span,
    length,
    option,
    replaced,
    shares,
    tunable,
)

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tfgan_models.data.pipeline import Share
    from tfgan_models.data.source import SuperResSplits
    from tfgan_models.srgan import SRGAN
    from trainers.evaluation.measurement import Task

SAMPLES = 8


@dataclasses.dataclass(frozen=True)
class SRGANRecipe(Recipe):
    """The paper's numbers (section 3.2)."""

    dataset: str = option(
        "div2k/bicubic_x4",
        "A bundled name (earth/satellite, emoji/render), any TFDS name with images, or "
        "folder:PATH of images.",
    )
    image_size: int = option(
        96, "Side of the crops at high resolution, a multiple of 16."
    )
    batch_size: int = option(16, "Crops per step, over all replicas.")
    scale: int = option(4, "Enlargement in each direction: 2 or 4.")
    mse_steps: int = option(
        1_000_000, "Steps of the first stage, which trains srresnet; 0: none."
    )
    adversarial_steps: int = length(
        200_000, "Steps of the second stage, which trains srgan; 0: none."
    )
    filters: int = option(64, "Channels of the generator.")
    residual_blocks: int = option(16, "Residual blocks of the generator.")
    discriminator_filters: int = option(64, "Channels of its first convolution.")
    perceptual: str = option(
        "vgg54",
        "Features for the second stage's perceptual loss: VGG19's, downloaded, or "
        "those of EfficientNet-Lite0 from the extra metrics.",
        ("vgg54", "lite0"),
    )
    adversarial_weight: float = tunable(
        1e-3, "Weight of the adversarial loss relative to the perceptual loss."
    )
    pixel_weight: float = tunable(
        0.0, "Weight of the pixels' squared error relative to the perceptual loss."
    )
    learning_rate: float = tunable(1e-4, "Adam's learning rate in the first stage.")
    adversarial_rate: float = tunable(
        1e-4,
        "Adam's learning rate in the second stage; a tenth of it in the second half.",
    )
    beta_1: float = option(0.9, "Adam's beta 1.")
    ema_decay: float = option(
        0.0, "Above 0: averaged generators are kept, sampled and exported."
    )

    def of_steps(self, steps: int, fixed: Collection[str]) -> Self:
        """See `Recipe`."""
        stages = {
            "mse_steps": self.mse_steps,
            "adversarial_steps": self.adversarial_steps,
        }
        return replaced(self, shares(steps, stages, fixed))


PRESETS = {
    "paper": SRGANRecipe(),
    # Batch normalisation's averages lag behind fast-moving weights: the averaged
    # generators move slowly enough for them.
    "cpu": SRGANRecipe(
        dataset="emoji/render",
        image_size=48,
        batch_size=8,
        mse_steps=4000,
        adversarial_steps=1000,
        filters=32,
        residual_blocks=4,
        discriminator_filters=16,
        perceptual="lite0",
        # Lite0's features do not constrain colours: without it PSNR falls by 5 dB.
        pixel_weight=1.0,
        learning_rate=5e-4,
        ema_decay=0.99,
    ),
}


def check(recipe: SRGANRecipe) -> None:
    """Raises UsageError for an invalid scale or number of steps."""
    if recipe.scale not in (2, 4):
        raise UsageError(f"--scale must be 2 or 4. Received: {recipe.scale}")
    steps = recipe.mse_steps, recipe.adversarial_steps
    if min(steps) < 0 or not any(steps):
        raise UsageError(
            "--mse_steps and --adversarial_steps must be 0 or more, and one of them "
            f"above 0. Received: mse_steps={steps[0]}, adversarial_steps={steps[1]}"
        )


def load_data(recipe: SRGANRecipe, data_dir: str | None) -> "SuperResSplits":
    """Returns the images of `recipe.dataset`, large enough for the crops.

    Raises:
        UsageError: They are not.
    """
    from tfgan_models.data import catalog, superres

    splits = catalog.superres(recipe.dataset, recipe.scale, data_dir)
    superres.check_crop(splits.train, recipe.image_size)
    return splits


def plan(splits: "SuperResSplits", recipe: SRGANRecipe) -> list[Span]:
    """Returns the steps of both stages."""
    from tfgan_models.data import superres

    size = recipe.batch_size
    epoch = superres.steps_per_epoch(splits.train, size)
    first, second = recipe.mse_steps, recipe.adversarial_steps
    spans = [
        Span(0, first, size, epoch),
        Span(first, second, size, epoch, first_image=first * size),
    ]
    return [span for span in spans if span.steps]


def batches(
    splits: "SuperResSplits", recipe: SRGANRecipe, start_step: int, share: "Share"
) -> "tf.data.Dataset":
    """Returns this worker's endless batches from `start_step` on."""
    from tfgan_models.data import superres

    return superres.train_batches(
        splits.train, image_size=recipe.image_size, start_step=start_step, **share
    )


def build_model(recipe: SRGANRecipe) -> "SRGAN":
    """Returns the compiled model; call it in `strategy.scope()`.

    Raises:
        UsageError: The weights of the features are not available.
        FailureError: These weights could not be downloaded.
    """
    import keras

    from tfgan_models.networks import SRDiscriminator, SRResNet
    from tfgan_models.srgan import SRGAN

    second = recipe.adversarial_steps
    decay = keras.optimizers.schedules.PiecewiseConstantDecay

    def adam(
        rate: float | keras.optimizers.schedules.LearningRateSchedule,
    ) -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(rate, beta_1=recipe.beta_1, epsilon=1e-8)

    def falling() -> keras.optimizers.schedules.LearningRateSchedule:
        rates = [recipe.adversarial_rate, recipe.adversarial_rate / 10]
        return decay([max(1, second // 2)], rates)

    model = SRGAN(
        SRResNet(
            scale=recipe.scale,
            filters=recipe.filters,
            residual_blocks=recipe.residual_blocks,
            name="srresnet",
        ),
        SRDiscriminator(
            image_size=recipe.image_size,
            filters=recipe.discriminator_filters,
            name="discriminator",
        ),
        features=recipe.perceptual if second else None,
        first_stage_steps=recipe.mse_steps,
        adversarial_weight=recipe.adversarial_weight,
        pixel_weight=recipe.pixel_weight,
        ema_decay=recipe.ema_decay,
        seed=recipe.seed,
    )
    model.compile(
        generator_optimizer=adam(falling()),
        discriminator_optimizer=adam(falling()),
        first_stage_optimizer=adam(recipe.learning_rate),
    )
    return model


def samples(
    model: "SRGAN", splits: "SuperResSplits", recipe: SRGANRecipe
) -> dict[str, "np.ndarray"]:
    """Returns a grid of centre crops of test images.

    Low resolution | bicubic | srresnet | srgan, once there is one | truth.
    """
    import tensorflow as tf

    from tfgan_models.data import superres
    from trainers.evaluation import grids

    tests = superres.test_batches(
        splits.test, batch_size=SAMPLES, limit=SAMPLES, crop=2 * recipe.image_size
    )
    batch = next(iter(tests))
    low = batch["low"]
    networks = model.exported_networks.values()
    return {
        f"x{recipe.scale}": grids.rows(
            tf.repeat(tf.repeat(low, recipe.scale, 1), recipe.scale, 2),
            superres.enlarge(low, recipe.scale),
            *(network(low, training=False) for network in networks),
            batch["high"],
        )
    }


def tasks(
    networks: Mapping[str, "keras.Model"], splits: "SuperResSplits", recipe: SRGANRecipe
) -> list["Task"]:
    """Returns what each network is evaluated on: whole test images."""
    from tfgan_models.tasks import images, upscale
    from trainers.evaluation import super_resolution_task

    return [
        super_resolution_task.task(
            name,
            images.compiled(upscale.tiled(network, network.scale), network.channels),
            splits,
        )
        for name, network in networks.items()
    ]


TRAINER = app.Trainer(
    name="srgan",
    presets=PRESETS,
    load_data=load_data,
    plan=plan,
    batches=batches,
    build_model=build_model,
    samples=samples,
    tasks=tasks,
    check=check,
    generate="upscale --image=photo.jpg",
)

if __name__ == "__main__":
    app.run(TRAINER)
