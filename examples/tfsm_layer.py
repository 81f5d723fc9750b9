"""Translates or enlarges a photo with a SavedModel that is a layer of a Keras model.

    python examples/tfsm_layer.py models/mine_a2b/1 photo.jpg translated.png

Needs tensorflow and Pillow. The model built here takes and gives levels from 0 to 255;
the SavedModel takes images of any size.
"""

import sys

import keras
import numpy as np
from PIL import Image, ImageOps


def build(saved_model: str) -> keras.Model:
    """Returns a model from uint8 images [N, H, W, 3] to uint8 images."""
    levels = keras.Input((None, None, 3), dtype="uint8", name="levels")
    image = keras.layers.Rescaling(1 / 127.5, offset=-1)(levels)
    network = keras.layers.TFSMLayer(saved_model, call_endpoint="serving_default")
    # A signature has named outputs; this one has one.
    (translated,) = network(image).values()
    answer = keras.ops.clip((translated + 1) * 127.5, 0, 255)
    answer = keras.ops.cast(keras.ops.round(answer), "uint8")
    return keras.Model(levels, answer)


def main(model_path: str, photo_path: str, output_path: str) -> None:
    """Reads, translates, writes."""
    model = build(model_path)
    with Image.open(photo_path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    translated = model.predict(np.asarray(upright)[np.newaxis], verbose=0)[0]
    Image.fromarray(translated).save(output_path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
