"""SavedModels of networks: the functions that a server offers."""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from export.signatures import signature_doc
from export.signatures.captions import CaptionModule
from export.signatures.generation import LatentModule, StyleModule, draws_from_latents
from export.signatures.generic import GenericModule
from export.signatures.super_resolution import SuperResolutionModule
from export.signatures.translation import TranslationModule
from tfgan_models.networks import SRResNet, StackGenerator, StyleGenerator


def write_saved_model(network: keras.Model, directory: Path) -> int | None:
    """Writes a network's SavedModel, and its signatures' documentation.

    Args:
        network: A generator with latents; `SRResNet`; image to image of the
            same size, with an attribute `size_multiple`; or any other functional model.
        directory: Created; must not exist.

    Returns:
        A valid side of images, if an example needs one; None: see
        `export.signatures.examples`.

    Raises:
        UsageError: The network is none of these, or does not take images
            of a common size.
    """
    module = _module(network)
    tf.saved_model.save(module, str(directory), signatures=dict(module.endpoints))
    signature_doc.write(module, network, directory)
    return module.side if isinstance(module, GenericModule) else None


def _module(network: keras.Model) -> Any:
    if isinstance(network, StyleGenerator):
        return StyleModule(network)
    if isinstance(network, StackGenerator):
        return CaptionModule(network)
    if draws_from_latents(network):
        return LatentModule(network)
    if isinstance(network, SRResNet):
        return SuperResolutionModule(network)
    if hasattr(network, "size_multiple"):
        return TranslationModule(network, network.size_multiple)
    return GenericModule(network)
