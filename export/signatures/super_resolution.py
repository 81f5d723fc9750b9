"""SavedModels of networks that enlarge images."""

import keras
import tensorflow as tf

from export.signatures import image_endpoints, png, signature_doc
from tfgan_models.tasks.upscale import TILE, tiled


class SuperResolutionModule(tf.Module):
    """An enlarging network behind serving signatures; s is its scale.

    `serving_default`: `image` float32 [N, H, W, C] in [-1, 1] -> `upscaled_image`
    float32 [N, sH, sW, C], clipped to [-1, 1]. `encoded`, for 1 or 3 channels:
    `image_bytes` string [N] (PNG, JPEG, BMP or WebP files, each of its own size)
    -> `upscaled_bytes` string [N] (PNG files).

    H and W may be any from 1 up; large images are enlarged in tiles (see `tiled`).

    Args:
        network: The network.
        scale: s.
        tile: See `tiled`.

    Attributes:
        endpoints: Signature name -> tf.function, for `tf.saved_model.save`.
        untiled: As `serving_default`, but without tiles: what export.convert
            converts, for formats without loops.
        doc: Their documentation.
    """

    doc = signature_doc.Doc(
        signatures={
            "serving_default": "Enlarges images of the same size, from 1 x 1 up.",
            "encoded": "Enlarges image files of any sizes.",
        },
        values={
            "image": "Images to enlarge, in [-1, 1].",
            "upscaled_image": "The enlarged images, clipped to [-1, 1]. H and W are "
            "the scale times those of `image`.",
            "image_bytes": "PNG, JPEG, BMP or WebP files.",
            "upscaled_bytes": "The enlarged images as PNG files.",
        },
    )

    def __init__(self, network: keras.Model, scale: int, tile: int = TILE) -> None:
        super().__init__()
        # Only the variables: the SavedModel then contains no Keras objects.
        self.weights = [variable.value for variable in network.variables]
        channels = network.inputs[0].shape[-1]
        upscale = tiled(network, scale, tile)

        def upscale_at_once(image: tf.Tensor) -> tf.Tensor:
            enlarged = tf.cast(network(image, training=False), tf.float32)
            return tf.clip_by_value(enlarged, -1.0, 1.0)

        self.untiled = image_endpoints.floats(
            upscale_at_once, channels, "upscaled_image"
        )
        self.endpoints = {
            "serving_default": image_endpoints.floats(
                upscale, channels, "upscaled_image"
            )
        }
        if (
            channels in image_endpoints.DECODABLE_CHANNELS
            and network.outputs[0].shape[-1] <= png.MOST_CHANNELS
        ):
            self.endpoints["encoded"] = image_endpoints.files(
                upscale, channels, "upscaled_bytes"
            )
