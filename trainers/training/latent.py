"""What `trainers.gan`, `trainers.cgan` and `trainers.dcgan` share."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from tfgan_models.errors import UsageError
from trainers.evaluation import latent_samples
from trainers.training.recipe import LOSSES, EpochRecipe, Span, epochs, option, tunable
from trainers.training.trainer import Trainer

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf

    from tfgan_models.adversarial import GANModel
    from tfgan_models.data.pipeline import Share
    from tfgan_models.data.source import LabelledSplits

R = TypeVar("R", bound="LatentRecipe")
M = TypeVar("M", bound="GANModel")
_SHOWN = 32
"""Smaller images are shown with repeated pixels, at about this size."""
_MOST_COLUMNS = 16
_MOMENTUM, _FINAL_MOMENTUM, _LOWEST_RATE = 0.5, 0.7, 1e-6


@dataclasses.dataclass(frozen=True)
class LatentRecipe(EpochRecipe):
    """What the recipes of the three papers have in common."""

    dataset: str = option(
        "mnist",
        "A bundled name (emoji/render, digits), any TFDS name with images, or "
        "folder:PATH of images, one sub-folder per class if there are classes.",
    )
    image_size: int = option(28, "Side of the images in pixels.")
    batch_size: int = option(100, "Images per step, over all replicas.")
    grey: bool = option(True, "Train on the luminance: single-channel images.")
    mirror: bool = option(False, "Flip half of the images horizontally.")
    latent_size: int = option(100, "Size of the latent.")
    loss: str = option("minimax", "The adversarial loss.", LOSSES)
    gp_weight: float = tunable(
        10.0, "Weight of the gradient penalty, for wgan_gp only."
    )
    learning_rate: float = tunable(0.1, "The optimizers' initial learning rate.")
    beta_1: float = option(0.5, "Adam's beta 1.")
    ema_decay: float = option(
        0.0, "Above 0: an averaged generator is kept, sampled and exported."
    )


@dataclasses.dataclass(frozen=True)
class AnnealedRecipe(LatentRecipe):
    """What the recipes of GAN and CGAN have in common."""

    optimizer: str = option(
        "sgd",
        "sgd: momentum rises from 0.5 to 0.7 and the rate decays, as in the paper.",
        ("sgd", "adam"),
    )
    learning_rate_decay: float = tunable(
        1.000004, "Divisor of sgd's learning rate at every step, down to 1e-6."
    )
    momentum_steps: int = option(
        150_000, "Steps over which sgd's momentum rises: 250 passes over mnist."
    )


def trainer(
    name: str, presets: Mapping[str, R], build_model: Callable[[R], M]
) -> "Trainer[R, LabelledSplits, M]":
    """Returns the `Trainer` of a paper, of which some parts may be replaced."""
    return Trainer(
        name,
        presets,
        load_data=load_data,
        plan=plan,
        batches=batches,
        build_model=build_model,
        samples=samples,
        tasks=latent_samples.tasks,
        reals=reals,
        generate="images",
    )


def load_data(recipe: LatentRecipe, data_dir: str | None) -> "LabelledSplits":
    """Returns the splits of `recipe.dataset`."""
    from tfgan_models.data import catalog

    return catalog.labelled(recipe.dataset, data_dir)


def plan(splits: "LabelledSplits", recipe: LatentRecipe) -> list[Span]:
    """Returns the full batches in a pass over the images.

    Raises:
        UsageError: The data set has fewer images than a batch.
    """
    from tfgan_models.data import labelled

    labelled.check_length(splits.train, recipe.batch_size)
    return epochs(recipe, splits.train.images.length // recipe.batch_size)


def batches(
    splits: "LabelledSplits", recipe: LatentRecipe, start_step: int, share: "Share"
) -> "tf.data.Dataset":
    """Returns this worker's endless batches from `start_step` on."""
    from tfgan_models.data import labelled

    return labelled.train_batches(
        splits.train,
        image_size=recipe.image_size,
        resolution=recipe.image_size,
        start_image=start_step * recipe.batch_size,
        mirror=recipe.mirror,
        grey=recipe.grey,
        **share,
    )


def channels(recipe: LatentRecipe) -> int:
    """Returns the channels of the recipe's images."""
    return 1 if recipe.grey else 3


def gan_options(recipe: LatentRecipe) -> dict[str, Any]:
    """Returns the arguments of GAN, CGAN and DCGAN that a recipe determines."""
    return {
        "loss": recipe.loss,
        "gp_weight": recipe.gp_weight,
        "ema_decay": recipe.ema_decay,
        "seed": recipe.seed,
    }


def check(recipe: Any) -> None:
    """Raises UsageError for numbers that DCGAN's networks do not support."""
    size = recipe.image_size
    if size < 16 or size & (size - 1):
        raise UsageError(
            "--image_size must be a power of two and at least 16: 32, 64, 128. "
            f"Received: {size}"
        )


def convolutional(
    recipe: Any, label_size: int = 0
) -> tuple["keras.Model", "keras.Model"]:
    """Returns DCGAN's generator and discriminator.

    Args:
        recipe: Has their size, `filters`, `discriminator_filters` and `norm`.
        label_size: Classes; 0 for none.

    Raises:
        ValueError: A number is not valid.
    """
    from tfgan_models.networks import DCGANDiscriminator, DCGANGenerator

    shape = {
        "resolution": recipe.image_size,
        "channels": channels(recipe),
        "label_size": label_size,
    }
    return (
        DCGANGenerator(
            latent_size=recipe.latent_size,
            filters=recipe.filters,
            name="generator",
            **shape,
        ),
        DCGANDiscriminator(
            filters=recipe.discriminator_filters,
            norm=recipe.norm,
            name="discriminator",
            **shape,
        ),
    )


def compile_model(model: "GANModel", recipe: LatentRecipe) -> None:
    """Compiles a model with two optimizers with the recipe's numbers.

    Raises:
        UsageError: The learning rate is not above 0.
        ValueError: Another number is not valid.
    """
    if recipe.learning_rate <= 0:
        raise UsageError(
            f"--learning_rate must be above 0. Received: {recipe.learning_rate}"
        )
    if isinstance(recipe, AnnealedRecipe) and recipe.optimizer == "sgd":
        model.compile(_sgd(recipe), _sgd(recipe))
    else:
        model.compile(_adam(recipe), _adam(recipe))


def _adam(recipe: LatentRecipe) -> "keras.optimizers.Optimizer":
    import keras

    return keras.optimizers.Adam(
        recipe.learning_rate, beta_1=recipe.beta_1, epsilon=1e-8
    )


def _sgd(recipe: AnnealedRecipe) -> "keras.optimizers.Optimizer":
    from tfgan_models.annealing import ExponentialDecay, RisingMomentumSGD

    rate = ExponentialDecay(
        recipe.learning_rate, recipe.learning_rate_decay, _LOWEST_RATE
    )
    return RisingMomentumSGD(
        rate, _MOMENTUM, _FINAL_MOMENTUM, rise_steps=recipe.momentum_steps
    )


def samples(
    model: "GANModel", splits: "LabelledSplits", recipe: LatentRecipe
) -> dict[str, "np.ndarray"]:
    """Returns a grid of images of fixed latents; with classes, one column per class."""
    generator = model.exported_networks["generator"]
    columns = latent_samples.COLUMNS
    if 0 < generator.label_size <= _MOST_COLUMNS:
        columns = generator.label_size
    return {"fakes": latent_samples.fakes(generator, _shown(recipe), columns)}


def reals(splits: "LabelledSplits", recipe: LatentRecipe) -> "np.ndarray":
    """Returns a grid of training images."""
    return latent_samples.reals(splits, recipe, recipe.grey, _shown(recipe))


def _shown(recipe: LatentRecipe) -> int:
    """The side at which images are shown."""
    return recipe.image_size * max(1, _SHOWN // recipe.image_size)
