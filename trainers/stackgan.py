"""`python -m trainers.stackgan`: images from captions, in stages (arXiv:1612.03242)."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Self

from tfgan_models.errors import UsageError
from tfgan_models.folders import layouts
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
    from tfgan_models.data.source import CaptionedSplits
    from tfgan_models.networks import StackGenerator
    from tfgan_models.stackgan import StackGAN
    from trainers.evaluation.measurement import Task

_BIRDS_EPOCH = 8855 // 64
"""Steps of a pass over the paper's training images."""


@dataclasses.dataclass(frozen=True)
class StackGANRecipe(Recipe):
    """The paper's numbers, or its published code's where the paper has none."""

    dataset: str = option(
        "caltech_birds2011",
        "A bundled name (emoji/flat), any TFDS name with images and captions or file "
        "names, or folder:PATH of images with a text file next to each.",
    )
    embeddings: str = option(
        "",
        "File of captions and their embeddings, NPZ or TFRecord (docs/embeddings.md). "
        "Without one, a text encoder is trained first, and exported too.",
    )
    image_size: int = option(256, "Side of the second stage's images, a power of two.")
    stage_one_size: int = option(64, "Side of the first stage's, a power of two.")
    batch_size: int = option(64, "Images per step, over all replicas.")
    matching_steps: int = option(
        6000, "Steps of the text encoder, without --embeddings."
    )
    first_stage_epochs: int = option(
        600, "Passes over the data in stage one, if --first_stage_steps is 0."
    )
    second_stage_epochs: int = length(
        600, "Passes over the data in stage two, if --second_stage_steps is 0."
    )
    first_stage_steps: int = option(0, "Steps of stage one.")
    second_stage_steps: int = length(0, "Steps of stage two.")
    first_stage_halvings: int = option(
        11, "Halvings of the learning rate in stage one; 11: every 50 of 600 epochs."
    )
    second_stage_halvings: int = option(5, "The same for stage two: every 100 epochs.")
    embedding_size: int = option(
        128, "Size of the text encoder's embeddings; --embeddings have their own."
    )
    caption_length: int = option(
        64, "Characters read by the text encoder, a multiple of 4."
    )
    condition_size: int = option(
        128, "Size of the condition sampled from an embedding."
    )
    latent_size: int = option(100, "Size of the latent.")
    filters: int = option(128, "Generators' channels at half the size of stage one.")
    residual_blocks: int = option(4, "Residual blocks of stage two; COCO: 2.")
    discriminator_filters: int = option(64, "Channels of their first convolution.")
    kl_weight: float = tunable(2.0, "Weight of the conditions' KL divergence.")
    matching_rate: float = tunable(7e-4, "Adam's learning rate for the text encoder.")
    learning_rate: float = tunable(
        2e-4, "Adam's learning rate at the start of each stage."
    )
    beta_1: float = option(0.5, "Adam's beta 1.")
    ema_decay: float = option(
        0.0, "Above 0: an averaged generator is kept, sampled and exported."
    )
    captions: str = option(
        "", "Texts for the sample grids, separated by ';', without --embeddings."
    )
    mirror: bool = option(True, "Flip half of the images horizontally.")
    crop: bool = option(True, "Crop images randomly from 76/64 of their size.")

    def of_steps(self, steps: int, fixed: Collection[str]) -> Self:
        """See `Recipe`; a stage in epochs is as long as with the paper's birds."""
        stages = {} if self.embeddings else {"matching_steps": self.matching_steps}
        for stage in ("first_stage", "second_stage"):
            if f"{stage}_epochs" in fixed and not getattr(self, f"{stage}_steps"):
                raise UsageError(
                    f"--{stage}_epochs cannot be combined with the length of the whole "
                    f"run in --steps or --kimg. Give --{stage}_steps."
                )
            epochs = getattr(self, f"{stage}_epochs")
            stages[f"{stage}_steps"] = (
                getattr(self, f"{stage}_steps") or epochs * _BIRDS_EPOCH
            )
        return replaced(self, shares(steps, stages, fixed))


PRESETS = {
    "paper": StackGANRecipe(),
    # An emoji fills its tile, and a flipped arrow is a different one.
    "cpu": StackGANRecipe(
        dataset="emoji/flat",
        image_size=64,
        stage_one_size=32,
        batch_size=32,
        matching_steps=1000,
        first_stage_steps=3500,
        second_stage_steps=1500,
        first_stage_halvings=1,
        second_stage_halvings=1,
        caption_length=40,
        condition_size=64,
        latent_size=32,
        filters=32,
        residual_blocks=1,
        discriminator_filters=32,
        # Each name has one image: conditions may carry more information.
        kl_weight=0.2,
        ema_decay=0.99,
        captions="red heart;blue heart;smiling cat;blue car;green book;yellow circle;"
        "angry face;woman with red hair",
        mirror=False,
        crop=False,
    ),
}


def load_data(recipe: StackGANRecipe, data_dir: str | None) -> "CaptionedSplits":
    """Returns the splits of `recipe.dataset`, with embeddings if they are given.

    Raises:
        UsageError: An image has no caption or embedding.
    """
    from tfgan_models.data import captioned, catalog

    splits = catalog.captioned(recipe.dataset, recipe.embeddings or None, data_dir)
    captioned.check(splits.train, recipe.batch_size)
    return splits


def plan(splits: "CaptionedSplits", recipe: StackGANRecipe) -> list[Span]:
    """Returns a span for each stage: matching, if it is trained, one and two."""
    full = completed(splits, recipe)
    epoch = _epoch(splits, recipe)
    spans: list[Span] = []
    for steps in _stages(full):
        before = spans[-1].end_step if spans else 0
        images = before * recipe.batch_size
        spans.append(Span(before, steps, recipe.batch_size, epoch, images))
    return spans


def completed(splits: "CaptionedSplits", recipe: StackGANRecipe) -> StackGANRecipe:
    """Returns the recipe with its stages in steps, and with the embeddings' size.

    Raises:
        UsageError: A stage would have no steps.
    """
    epoch = _epoch(splits, recipe)
    found: dict[str, int] = {}
    if splits.train.vectors is not None:
        found |= {
            "matching_steps": 0,
            "embedding_size": splits.train.vectors.shape[1],
        }
    elif recipe.matching_steps < 1:
        raise UsageError(
            "--matching_steps must be 1 or more, to train the text encoder "
            "without --embeddings. Received: "
            f"{recipe.matching_steps}"
        )
    for stage in ("first_stage", "second_stage"):
        steps = getattr(recipe, f"{stage}_steps")
        epochs = getattr(recipe, f"{stage}_epochs")
        if steps < 0 or (steps == 0 and epochs < 1):
            raise UsageError(
                f"--{stage}_epochs must be 1 or more, or --{stage}_steps above 0. "
                f"Received: {stage}_epochs={epochs}, {stage}_steps={steps}"
            )
        found[f"{stage}_steps"] = steps or epochs * epoch
    return replaced(recipe, found)


def batches(
    splits: "CaptionedSplits", recipe: StackGANRecipe, start_step: int, share: "Share"
) -> "tf.data.Dataset":
    """Returns this worker's endless batches from `start_step` on, of its stage."""
    from tfgan_models.data import captioned

    is_last = start_step >= plan(splits, recipe)[-1].first_step
    return captioned.train_batches(
        splits.train,
        image_size=recipe.image_size if is_last else recipe.stage_one_size,
        length=recipe.caption_length,
        start_image=start_step * recipe.batch_size,
        mirror=recipe.mirror,
        crop=recipe.crop,
        **share,
    )


def build_model(recipe: StackGANRecipe) -> "StackGAN":
    """Returns the compiled model; call it in `strategy.scope()`."""
    from tfgan_models.networks import ImageEncoder
    from tfgan_models.stackgan import StackGAN

    image_encoder = None
    if recipe.matching_steps:
        image_encoder = ImageEncoder(
            recipe.embedding_size, recipe.stage_one_size, name="image_encoder"
        )
    model = StackGAN(
        _generator(recipe),
        *_discriminators(recipe),
        image_encoder=image_encoder,
        matching_steps=recipe.matching_steps,
        first_stage_steps=recipe.first_stage_steps,
        kl_weight=recipe.kl_weight,
        ema_decay=recipe.ema_decay,
        seed=recipe.seed,
    )
    _compile(model, recipe)
    return model


def samples(
    model: "StackGAN", splits: "CaptionedSplits", recipe: StackGANRecipe
) -> dict[str, "np.ndarray"]:
    """Returns grids of images of fixed captions, see `captioned_images`."""
    from trainers.evaluation import captioned_images

    texts = [text.strip() for text in recipe.captions.split(";") if text.strip()]
    return captioned_images.samples(model, splits, texts, recipe.image_size)


def tasks(
    networks: Mapping[str, "keras.Model"],
    splits: "CaptionedSplits",
    recipe: StackGANRecipe,
) -> list["Task"]:
    """Returns what the generator is evaluated on: images of training captions."""
    from trainers.evaluation import captioned_images

    return [captioned_images.task(networks["generator"], splits, recipe.image_size)]


def _epoch(splits: "CaptionedSplits", recipe: StackGANRecipe) -> int:
    """Steps of a pass over the data."""
    return splits.train.images.length // recipe.batch_size


def _stages(recipe: StackGANRecipe) -> list[int]:
    steps = (recipe.matching_steps, recipe.first_stage_steps, recipe.second_stage_steps)
    return [count for count in steps if count]


def _generator(recipe: StackGANRecipe) -> "StackGenerator":
    from tfgan_models.networks import (
        CharacterEncoder,
        StackGenerator,
        StageOneGenerator,
        StageTwoGenerator,
    )

    encoder = None
    if recipe.matching_steps:
        encoder = CharacterEncoder(
            recipe.embedding_size, recipe.caption_length, name="text_encoder"
        )
    sizes = {
        "embedding_size": recipe.embedding_size,
        "condition_size": recipe.condition_size,
        "filters": recipe.filters,
    }
    return StackGenerator(
        StageOneGenerator(
            recipe.stage_one_size,
            latent_size=recipe.latent_size,
            name="stage_one",
            **sizes,
        ),
        StageTwoGenerator(
            recipe.image_size,
            recipe.stage_one_size,
            residual_blocks=recipe.residual_blocks,
            name="stage_two",
            **sizes,
        ),
        encoder,
        name="generator",
    )


def _discriminators(recipe: StackGANRecipe) -> tuple["keras.Model", "keras.Model"]:
    from tfgan_models.networks import StageOneDiscriminator, StageTwoDiscriminator

    sizes = {
        "embedding_size": recipe.embedding_size,
        "condition_size": recipe.condition_size,
        "filters": recipe.discriminator_filters,
    }
    return (
        StageOneDiscriminator(recipe.stage_one_size, name="stage_one", **sizes),
        StageTwoDiscriminator(recipe.image_size, name="stage_two", **sizes),
    )


def _compile(model: "StackGAN", recipe: StackGANRecipe) -> None:
    """Compiles with a separate rate for each stage."""
    import keras

    from tfgan_models.schedules import halving

    def halved(
        rate: float, steps: int, halvings: int
    ) -> keras.optimizers.schedules.LearningRateSchedule:
        if halvings < 0:
            raise ValueError(f"Halvings must be 0 or more. Received: {halvings}")
        return halving(rate, max(1, -(-steps // (halvings + 1))), halvings + 1)

    def adam() -> keras.optimizers.Optimizer:
        # A schedule from the start, because Keras would not accept one later.
        rate = halving(recipe.learning_rate, 1, 1)
        return keras.optimizers.Adam(rate, beta_1=recipe.beta_1, epsilon=1e-8)

    rate = recipe.learning_rate
    model.compile(
        generator_optimizer=adam(),
        discriminator_optimizer=adam(),
        learning_rates=(
            halved(recipe.matching_rate, recipe.matching_steps, 0),
            halved(rate, recipe.first_stage_steps, recipe.first_stage_halvings),
            halved(rate, recipe.second_stage_steps, recipe.second_stage_halvings),
        ),
    )


TRAINER = app.Trainer(
    name="stackgan",
    presets=PRESETS,
    load_data=load_data,
    plan=plan,
    batches=batches,
    build_model=build_model,
    samples=samples,
    tasks=tasks,
    layout=layouts.captioned,
    completed=completed,
    generate='text "a red heart"',
)

if __name__ == "__main__":
    app.run(TRAINER)
