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
    """Writes the SavedModel of a network, and what its signatures are, in words.

    Args:
        network: A generator that draws from latents; `SRResNet`; image to image of the
            same size, with an attribute `size_multiple`; or any other functional model.
        directory: Created; must not exist.

    Returns:
        The side of images that the network takes, where that is to be known for an
        example; None: see `export.signatures.examples`.

    Raises:
        UsageError: The network is neither of these nor functional, or takes no images
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
