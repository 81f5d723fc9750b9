"""Checks whether networks fit together, and fit a GAN."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras

Shape: TypeAlias = tuple[int | None, ...]


def shapes(name: str, network: keras.Model) -> tuple[list[Shape], list[Shape]]:
    """Returns the shapes of a network's inputs and of its outputs.

    Args:
        name: Its role in the model, for the error.
        network: Functional or sequential.

    Raises:
        ValueError: Its shapes are not known.
    """
    try:
        ends = network.inputs, network.outputs
    except AttributeError:
        ends = None
    if ends is None or None in ends:
        raise ValueError(
            f"{name} must be a functional or sequential keras.Model whose inputs are "
            f"known: start it with keras.Input. Received: {network!r}"
        )
    inputs, outputs = ([tuple(tensor.shape) for tensor in end] for end in ends)
    return inputs, outputs


def check_translator(name: str, network: keras.Model) -> tuple[int, int]:
    """Returns the channels of an image-to-image network's inputs and outputs.

    Raises:
        ValueError: It is not an image-to-image network.
    """
    inputs, outputs = shapes(name, network)
    taken, made = _channels(inputs), _channels(outputs)
    if taken is None or made is None:
        raise ValueError(
            f"{name} must map images to images [N, H, W, channels]. Received: "
            f"inputs {inputs}, outputs {outputs}"
        )
    return taken, made


def check_side(name: str, network: keras.Model, side: int) -> None:
    """Raises ValueError unless a network keeps the size of images.

    Args:
        name: Its role in the model.
        network: Image to image; its `size_multiple`, if it has one, is trusted.
        side: Height and width in pixels.
    """
    multiple = getattr(network, "size_multiple", None)
    if multiple is not None:
        if side % multiple:
            raise ValueError(
                f"image_size={side} is not a multiple of {multiple}, which {name} "
                f"needs. Received: image_size={side}"
            )
        return
    shape = (1, side, side, network.inputs[0].shape[-1])
    try:
        made = tuple(network.compute_output_shape(shape)[1:3])
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{name} cannot take images of image_size={side} px: {reason}"
        ) from error
    if made != (side, side):
        raise ValueError(
            f"{name} must keep the size of images. Received: "
            f"image_size={side}, which becomes {made[0]} x {made[1]}"
        )


def check_judge(name: str, network: keras.Model, channels: int) -> Shape:
    """Returns the shape [H, W, channels] of a discriminator's images.

    Raises:
        ValueError: It takes other images, or more than images.
    """
    inputs, outputs = shapes(name, network)
    if _channels(inputs) != channels or len(outputs) != 1:
        raise ValueError(
            f"{name} must map images [N, H, W, {channels}] to logits. Received: "
            f"inputs {inputs}, outputs {outputs}"
        )
    return inputs[0][1:]


def check_networks(
    generator: keras.Model, discriminator: keras.Model, conditional: bool = False
) -> tuple[int, int]:
    """Refuses networks that cannot be trained against each other.

    Args:
        generator: Latents [N, size] to images; labelled: lists of latents and one-hot
            labels.
        discriminator: Images to logits; labelled: lists of images and the same labels.
        conditional: Whether both take labels, or neither.

    Returns:
        The sizes of a latent and of a label, 0 if there is none.

    Raises:
        ValueError: Their images or labels differ, or the label is missing, or
            not used.
    """
    inputs, drawn = shapes("generator", generator)
    judged, logits = shapes("discriminator", discriminator)
    latent_size = inputs[0][-1] if len(inputs[0]) == 2 else None
    are_networks = (
        _channels(drawn) is not None
        and _channels(judged[:1]) is not None
        and len(logits) == 1
        and max(len(inputs), len(judged)) < 3
    )
    if latent_size is None or not are_networks:
        raise ValueError(
            "The generator must map latents [N, size] to images [N, H, W, channels], "
            "and the discriminator such images to logits; a second input of each "
            f"is labels. Received: a generator from {inputs} to {drawn}, a "
            f"discriminator of {judged} to {logits}"
        )
    ours, theirs = _judged([*drawn, *inputs[1:]]), _judged(judged)
    for name, size in ours.items():
        check_same(name, size, theirs[name])
    label_size = ours["label_size"]
    if conditional != bool(label_size):
        needed = "the number of classes" if conditional else "0: there are no labels"
        raise ValueError(
            f"label_size must be {needed}. Received: label_size={label_size}"
        )
    return latent_size, label_size


def check_same(name: str, ours: Any, theirs: Any) -> None:
    """Raises ValueError unless generator and discriminator agree on a value."""
    if ours != theirs:
        raise ValueError(
            f"Generator and discriminator must have the same {name}. Received: "
            f"{name}={ours} and {name}={theirs}"
        )


def latent_distribution(generator: keras.Model) -> str:
    """Returns the distribution of latents that a generator declares, or "normal"."""
    return getattr(generator, "latent_distribution", "normal")


def check_attributes(
    name: str, network: keras.Model, needed: Sequence[str], example: str
) -> None:
    """Raises ValueError unless a network has all attributes that training needs.

    Args:
        name: Its role in the model.
        network: Any network.
        needed: Names of attributes.
        example: A network that has them.
    """
    missing = [attribute for attribute in needed if not hasattr(network, attribute)]
    if missing:
        raise ValueError(
            f"{name} must be a {example}, or have its attributes. Received: "
            f"{network!r} without {', '.join(missing)}"
        )


def check_not_negative(**numbers: float) -> None:
    """Raises ValueError for one below 0."""
    for name, value in numbers.items():
        if value < 0:
            raise ValueError(f"{name} must be 0 or more. Received: {name}={value}")


def _channels(ends: Sequence[Shape]) -> int | None:
    """Of the images that are all there is; None: there is something else."""
    return ends[0][-1] if len(ends) == 1 and len(ends[0]) == 4 else None


def _judged(ends: Sequence[Shape]) -> dict[str, Any]:
    """A discriminator's inputs, by the shapes of its images and labels."""
    (_, height, width, channels), *labels = ends
    return {
        "resolution": height if height == width else (height, width),
        "channels": channels,
        "label_size": labels[0][-1] if labels else 0,
    }
