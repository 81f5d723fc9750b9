"""SavedModels of networks from image to image of the same size."""

import keras
import tensorflow as tf

from export.signatures import image_endpoints, png, signature_doc
from tfgan_models.tasks.translate import of_any_size


class TranslationModule(tf.Module):
    """An image-to-image network behind serving signatures.

    `serving_default`: `image` float32 [N, H, W, C] in [-1, 1] -> `translated_image`
    float32 [N, H, W, C']. `encoded`, for 1 or 3 channels: `image_bytes` string [N]
    (PNG, JPEG, BMP or WebP files, each of its own size) -> `translated_bytes`
    string [N] (PNG files).

    H and W may be any from 1 up: see `of_any_size`.

    Args:
        network: Image [N, H, W, C] in [-1, 1] to image of the same size.
        multiple: The network takes H and W that are multiples of this.

    Attributes:
        endpoints: Signature name -> tf.function, for `tf.saved_model.save`.
        doc: Their documentation.
    """

    doc = signature_doc.Doc(
        signatures={
            "serving_default": "Translates images of the same size, from 1 x 1 up.",
            "encoded": "Translates image files of any sizes.",
        },
        values={
            "image": "Images to translate, in [-1, 1].",
            "translated_image": "Their translations, in [-1, 1], of the same size.",
            "image_bytes": "PNG, JPEG, BMP or WebP files.",
            "translated_bytes": "The translations as PNG files, of the same size.",
        },
    )

    def __init__(self, network: keras.Model, multiple: int) -> None:
        super().__init__()
        # Only the variables: the SavedModel then contains no Keras objects.
        self.weights = [variable.value for variable in network.variables]
        channels = network.inputs[0].shape[-1]
        translate = of_any_size(network, multiple)
        self.endpoints = {
            "serving_default": image_endpoints.floats(
                translate, channels, "translated_image"
            )
        }
        if (
            channels in image_endpoints.DECODABLE_CHANNELS
            and network.outputs[0].shape[-1] <= png.MOST_CHANNELS
        ):
            self.endpoints["encoded"] = image_endpoints.files(
                translate, channels, "translated_bytes"
            )
