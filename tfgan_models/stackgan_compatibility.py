"""Checks whether StackGAN's networks and numbers fit together."""

import keras

from tfgan_models import compatibility
from tfgan_models.networks import StackGenerator


def check_networks(
    generator: keras.Model,
    stage_one: keras.Model,
    stage_two: keras.Model | None,
    image_encoder: keras.Model | None,
) -> None:
    """Refuses networks without what training needs, or that do not fit together.

    Args:
        generator: A `StackGenerator`, or a network with its parts.
        stage_one: The discriminator of stage one's images.
        stage_two: That of stage two's, if there is one.
        image_encoder: Of the matching stage, likewise.

    Raises:
        ValueError: They are not.
    """
    parts = "stage_one stage_two text_encoder stages latent_size condition_size"
    sizes = "resolution embedding_size channels"
    for name, network, needed, example in (
        ("generator", generator, f"{parts} {sizes}", "StackGenerator"),
        ("stage_one_discriminator", stage_one, sizes, "StageOneDiscriminator"),
        ("stage_two_discriminator", stage_two, sizes, "StageTwoDiscriminator"),
        ("image_encoder", image_encoder, "resolution", "ImageEncoder"),
    ):
        if network is not None:
            compatibility.check_attributes(name, network, needed.split(), example)
    _check_pair("one", generator.stage_one, stage_one)
    _check_pair("two", generator.stage_two, stage_two)


def check_numbers(
    matching_steps: int, first_stage_steps: int, kl_weight: float
) -> None:
    """Raises ValueError for numbers out of range."""
    if matching_steps < 0 or first_stage_steps < 1 or kl_weight < 0:
        raise ValueError(
            "matching_steps and kl_weight must be 0 or more and first_stage_steps 1 or "
            f"more. Received: matching_steps={matching_steps}, "
            f"first_stage_steps={first_stage_steps}, kl_weight={kl_weight}"
        )


def check_encoders(
    generator: StackGenerator, image_encoder: keras.Model | None, matching_steps: int
) -> None:
    """Raises ValueError unless matching has what it needs, and nothing is unused."""
    missing = generator.text_encoder is None or image_encoder is None
    if matching_steps and missing:
        raise ValueError(
            "Matching needs a generator with a text encoder, and an image encoder. "
            f"Received: matching_steps={matching_steps}, "
            f"text_encoder={generator.text_encoder}, image_encoder={image_encoder}"
        )
    if image_encoder is not None and not matching_steps:
        raise ValueError(
            "An image encoder is only for matching, of 1 step or more. Received: "
            "matching_steps=0"
        )


def _check_pair(
    stage: str, generator: keras.Model | None, discriminator: keras.Model | None
) -> None:
    """Raises ValueError unless both networks of a stage fit together."""
    names = ("resolution", "embedding_size", "channels")
    sizes = [
        n and {name: getattr(n, name) for name in names}
        for n in (generator, discriminator)
    ]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"Generator and discriminator of stage {stage} do not match. "
            f"Received: {sizes[0]} and {sizes[1]}"
        )
