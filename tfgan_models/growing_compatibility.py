"""Checks that networks, schedule and batches of a progressive GAN fit together."""

from collections.abc import Sequence

import keras

from tfgan_models import compatibility
from tfgan_models.growth import Growth

SIZES = ("resolution", "channels", "label_size")
"""What generator and discriminator have in common."""
AUGMENTATIONS = ("none", "diffaug", "ada")


def check_networks(
    generator: keras.Model,
    discriminator: keras.Model,
    needed: Sequence[Sequence[str]],
    examples: Sequence[str],
) -> None:
    """Refuses networks without what training needs, or that do not fit together.

    Args:
        generator: Any.
        discriminator: Any.
        needed: The attributes that each must have.
        examples: A network that has them, for each.

    Raises:
        ValueError: They are not.
    """
    networks = {"generator": generator, "discriminator": discriminator}
    for (name, network), attributes, example in zip(
        networks.items(), needed, examples, strict=True
    ):
        compatibility.check_attributes(name, network, attributes, example)
    for name in SIZES:
        compatibility.check_same(
            name, getattr(generator, name), getattr(discriminator, name)
        )


def check_schedule(generator: keras.Model, schedule: Growth) -> None:
    """Raises ValueError if a schedule does not match the generator's resolutions."""
    if schedule.first_resolution < generator.smallest_resolution:
        raise ValueError(
            f"Training starts at {generator.smallest_resolution} px or above. "
            f"Received: first_resolution={schedule.first_resolution}"
        )
    if generator.resolution != schedule.resolution:
        raise ValueError(
            "Generator and schedule must have the same resolution. Received: "
            f"{generator.resolution} and {schedule.resolution}"
        )


def check_options(
    ema_half_life: float, gp_weight: float, micro_batch: int, augment: str
) -> None:
    """Raises ValueError for an invalid number or augmentation."""
    compatibility.check_not_negative(gp_weight=gp_weight, micro_batch=micro_batch)
    if ema_half_life <= 0:
        raise ValueError(
            f"ema_half_life must be above 0. Received: ema_half_life={ema_half_life}"
        )
    if augment not in AUGMENTATIONS:
        raise ValueError(
            f"augment must be one of {AUGMENTATIONS}. Received: augment={augment!r}"
        )


def check_batch(batch_size: int, replicas: int, micro_batch: int, group: int) -> None:
    """Raises ValueError for a batch that cannot be divided.

    Args:
        batch_size: Images per step, over all replicas.
        replicas: Number of replicas.
        micro_batch: Images of a replica processed at once; 0: all.
        group: Images for the minibatch standard deviation.
    """
    if batch_size % replicas:
        raise ValueError(
            f"Each batch must be a multiple of the {replicas} replicas. Received: "
            f"{batch_size}"
        )
    own = batch_size // replicas
    micro = min(micro_batch or own, own)
    group = min(group, micro)
    if own % micro or micro % group:
        raise ValueError(
            f"A replica's batch must be a multiple of micro_batch={micro}, and "
            f"that of the group of {group} for the minibatch standard deviation. "
            f"Received: a replica's batch of {own}"
        )
