"""Whether a generator and a discriminator go together."""

import keras


def check_networks(
    generator: keras.Model, discriminator: keras.Model, conditional: bool = False
) -> None:
    """Refuses networks that cannot be trained against each other.

    Args:
        generator: Draws images of latents; has `resolution`, `channels` and
            `label_size`.
        discriminator: Judges images; has them too.
        conditional: Whether both are to be told the label, or neither.

    Raises:
        ValueError: They are of different images or labels, or the label is missing, or
            there is no use for it.
    """
    for name in ("resolution", "channels", "label_size"):
        ours, theirs = getattr(generator, name), getattr(discriminator, name)
        if ours != theirs:
            raise ValueError(
                f"Generator and discriminator must have one {name}. Received: "
                f"{name}={ours} and {name}={theirs}"
            )
    if conditional != bool(generator.label_size):
        needed = "1 or more, the classes" if conditional else "0: labels are CGAN's"
        raise ValueError(
            f"label_size must be {needed}. Received: label_size={generator.label_size}"
        )


def check_weight(gp_weight: float) -> None:
    """Raises ValueError for a negative weight of the gradient penalty."""
    if gp_weight < 0:
        raise ValueError(
            f"gp_weight must be 0 or more. Received: gp_weight={gp_weight}"
        )
