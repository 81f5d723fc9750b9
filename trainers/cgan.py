"""`python -m trainers.cgan`: a GAN conditioned on the class (arXiv:1411.1784)."""

import dataclasses
from typing import TYPE_CHECKING, Any

from tfgan_models.errors import UsageError
from trainers.training import app, latent
from trainers.training.latent import AnnealedRecipe
from trainers.training.recipe import length, option, tunable

if TYPE_CHECKING:
    import keras

    from tfgan_models.cgan import CGAN
    from tfgan_models.data.source import LabelledSplits


@dataclasses.dataclass(frozen=True)
class CGANRecipe(AnnealedRecipe):
    """The numbers of the paper's MNIST experiment (section 4.1)."""

    epochs: int = length(250, "Passes over the data, if --steps is 0.")
    learning_rate_decay: float = tunable(
        1.00004, "Divisor of sgd's learning rate at every step, down to 1e-6."
    )
    classes: int = option(0, "Number of classes; 0: that of the data set.")
    network: str = option(
        "mlp", "mlp as in the paper, or conv: convolutions.", ("mlp", "conv")
    )
    dropout: float = option(0.5, "Rate of the dropout in both networks (mlp).")
    filters: int = option(
        128, "Channels of the generator's last hidden convolution (conv)."
    )
    discriminator_filters: int = option(
        64, "Channels of the discriminator's first convolution (conv)."
    )
    norm: str = option(
        "batch", "The discriminator's normalisation (conv).", ("batch", "spectral")
    )


PRESETS = {
    "paper": CGANRecipe(),
    "cpu": CGANRecipe(
        dataset="emoji/flat",
        image_size=32,
        batch_size=32,
        steps=6000,
        grey=False,
        mirror=True,
        latent_size=64,
        loss="non_saturating",
        optimizer="adam",
        learning_rate=2e-4,
        network="conv",
        filters=32,
        discriminator_filters=32,
        ema_decay=0.995,
    ),
}


def check(recipe: CGANRecipe) -> None:
    """Raises UsageError for image sizes that DCGAN's networks do not support."""
    if recipe.network == "conv":
        latent.check(recipe)


def load_data(recipe: CGANRecipe, data_dir: str | None) -> "LabelledSplits":
    """Returns the splits of `recipe.dataset`, with a class for every image.

    Raises:
        UsageError: Labels are missing, or do not match the recipe's classes.
    """
    splits = latent.load_data(recipe, data_dir)
    known, labels = splits.train.classes, splits.train.labels
    instead = (
        "Give a data set with classes: emoji/flat, mnist, or folder:PATH with one "
        "folder of images per class."
    )
    if not known:
        raise UsageError(
            f"CGAN needs labels, and dataset={recipe.dataset} has none. {instead}"
        )
    unknown = int((labels < 0).sum())
    if unknown:
        raise UsageError(
            f"CGAN needs labels, and {unknown} of the {len(labels)} images of "
            f"dataset={recipe.dataset} have an unknown one (-1). {instead}"
        )
    if recipe.classes not in (0, len(known)):
        raise UsageError(
            f"--classes={recipe.classes} is not the number of classes of "
            f"{recipe.dataset}, which has {len(known)} ({', '.join(known[:8])}). "
            "Omit it."
        )
    return splits


def completed(splits: "LabelledSplits", recipe: CGANRecipe) -> CGANRecipe:
    """Returns the recipe with the data set's number of classes."""
    return dataclasses.replace(recipe, classes=len(splits.train.classes))


def build_model(recipe: CGANRecipe) -> "CGAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.cgan import CGAN

    networks = latent.convolutional if recipe.network == "conv" else _dense
    model = CGAN(*networks(recipe, recipe.classes), **latent.gan_options(recipe))
    latent.compile_model(model, recipe)
    return model


def _dense(recipe: CGANRecipe, label_size: int) -> tuple["keras.Model", "keras.Model"]:
    """The paper's generator and discriminator."""
    from tfgan_models.networks import (
        ConditionalMLPDiscriminator,
        ConditionalMLPGenerator,
    )

    shape: dict[str, Any] = {
        "image_size": recipe.image_size,
        "channels": latent.channels(recipe),
        "label_size": label_size,
        "dropout": recipe.dropout,
    }
    return (
        ConditionalMLPGenerator(
            latent_size=recipe.latent_size, name="generator", **shape
        ),
        ConditionalMLPDiscriminator(name="discriminator", **shape),
    )


TRAINER = dataclasses.replace(
    latent.trainer("cgan", PRESETS, build_model),
    load_data=load_data,
    check=check,
    completed=completed,
)

if __name__ == "__main__":
    app.run(TRAINER)
