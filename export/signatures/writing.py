"""SavedModels of networks: the functions that a server offers."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from export.signatures import signature_doc
from export.signatures.captions import CaptionModule
from export.signatures.generation import LatentModule, StyleModule
from export.signatures.generic import GenericModule
from export.signatures.super_resolution import SuperResolutionModule
from export.signatures.translation import TranslationModule
from tfgan_models.networks import StyleGenerator
from tfgan_models.runs import description as descriptions
from tfgan_models.runs.description import Description


def write_saved_model(
    network: keras.Model, directory: Path, description: Description | None = None
) -> int | None:
    """Writes a network's SavedModel, its description and the signatures' documentation.

    Args:
        network: A generator with latents; `SRResNet`; image to image of the
            same size, with an attribute `size_multiple`; or any other functional model.
        directory: Created; must not exist.
        description: What is known of it; None: what its attributes tell.

    Returns:
        A valid side of images, if an example needs one; None: see
        `export.signatures.examples`.

    Raises:
        UsageError: The network is none of these, or does not take images
            of a common size.
    """
    if description is None:
        description = Description({"network": descriptions.of_network(network)})
    facts = description.network
    module = MODULES.get(facts.task, _generic)(network, facts)
    tf.saved_model.save(module, str(directory), signatures=dict(module.endpoints))
    description = dataclasses.replace(
        description,
        signatures=signature_doc.signatures(module),
        notes=(*description.notes, *signature_doc.behaviour(network)),
    )
    signature_doc.write(description, directory)
    description.write(directory / descriptions.IN_SAVED_MODEL)
    return module.side if isinstance(module, GenericModule) else None


def _generator(
    network: keras.Model, facts: descriptions.Network
) -> signature_doc.Documented:
    is_style = isinstance(network, StyleGenerator)
    return StyleModule(network) if is_style else LatentModule(network)


def _generic(
    network: keras.Model, facts: descriptions.Network
) -> signature_doc.Documented:
    return GenericModule(network)


MODULES: dict[
    str, Callable[[keras.Model, descriptions.Network], signature_doc.Documented]
] = {
    "generate": _generator,
    "translate": lambda network, facts: TranslationModule(network, facts.size_multiple),
    "upscale": lambda network, facts: SuperResolutionModule(network, facts.scale),
    "caption": lambda network, facts: CaptionModule(network),
}
"""What is served of a network, by its task."""
