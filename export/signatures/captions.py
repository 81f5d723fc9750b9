"""SavedModels that generate images from captions: StackGAN (arXiv:1612.03242).

A caption's image never depends on the others of its request.
"""

import tensorflow as tf

from export.signatures import signature_doc
from export.signatures.generation import (
    Argument,
    Tensors,
    make_endpoint,
    with_files,
)
from tfgan_models.networks import StackGenerator
from tfgan_models.tasks.caption import embed, images_of

SEED = 0
"""Seed of `serving_default`: the same caption always gives the same image."""

_CAPTION = Argument("caption", tf.string)
_SEED = Argument("seed", tf.int64)
_DRAWS = "Generates an image from each {}, with seed 0."
_DRAWS_SEEDS = "Generates an image from each {} and seed."
_IMAGES = {
    "seed": "Any number; the same one gives the same image on every machine.",
    "embedding": "A text's embedding, from the encoder used in training.",
    "image": "Images, [-1, 1].",
    "image_bytes": "The images as PNG files.",
}


class CaptionModule(tf.Module):
    """StackGAN's generator behind serving signatures.

    Images are float32 [N, R, R, C] in [-1, 1]; `image_bytes` string [N] are PNG files
    of them, for up to 4 channels. With a text encoder:

    - `serving_default`: `caption` string [N] -> `image`, `image_bytes`, with seed 0.
    - `generate`: `caption` and `seed` int64 [N] -> `image`, `image_bytes`.
    - `embedding`: `embedding` float32 [N, D] and `seed` -> `image`, `image_bytes`.

    Without one, `serving_default` takes `embedding` only and there is no `generate`.

    A caption without any letter or digit is refused. What exceeds the
    text encoder's length is cut off.

    Args:
        network: The generator.

    Attributes:
        endpoints: Signature name -> function, for `tf.saved_model.save`.
        doc: Their documentation.
    """

    def __init__(self, network: StackGenerator) -> None:
        super().__init__()
        # Only the variables: the SavedModel then contains no Keras objects.
        self.weights = [variable.value for variable in network.variables]
        embedding = Argument("embedding", tf.float32, (network.embedding_size,))

        def draw(embedding: tf.Tensor, seed: tf.Tensor | None = None) -> Tensors:
            if seed is None:
                seed = tf.fill([tf.shape(embedding)[0]], tf.constant(SEED, tf.int64))
            return with_files({"image": images_of(network, embedding, seed)})

        def draw_caption(caption: tf.Tensor, seed: tf.Tensor | None = None) -> Tensors:
            return draw(embed(network, caption), seed)

        seeded = make_endpoint([embedding, _SEED], draw)
        if network.text_encoder is None:
            kind, values = "embedding", _IMAGES
            default = make_endpoint([embedding], draw)
            self.endpoints = {"serving_default": default, "embedding": seeded}
        else:
            kind = "caption"
            length = network.text_encoder.length
            words = f"A text with a letter or digit; its first {length} bytes are used."
            values = _IMAGES | {"caption": words}
            self.endpoints = {
                "serving_default": make_endpoint([_CAPTION], draw_caption),
                "generate": make_endpoint([_CAPTION, _SEED], draw_caption),
                "embedding": seeded,
            }
        told = {
            "serving_default": _DRAWS.format(kind),
            "generate": _DRAWS_SEEDS.format(kind),
            "embedding": _DRAWS_SEEDS.format("embedding"),
        }
        told = {name: words for name, words in told.items() if name in self.endpoints}
        self.doc = signature_doc.Doc(told, values)
