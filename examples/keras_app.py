"""Translates or enlarges a photo with an exported .keras file.

    python examples/keras_app.py models/mine_a2b.keras photo.jpg translated.png
    python examples/keras_app.py models/mine_a2b.keras photo.jpg translated.png 256

The last number is what the network's heights and widths are multiples of: 4, unless it
is a U-Net; then 2 to the power of its downsamplings, 256 for Pix2Pix at 256 pixels.

Needs keras, one of its backends (KERAS_BACKEND=tensorflow, jax or torch) and Pillow.
"""

import sys

import keras
import numpy as np
from PIL import Image, ImageOps


def translate(model: keras.Model, image: np.ndarray, multiple: int) -> np.ndarray:
    """Returns the translation of an image, which is continued by mirroring meanwhile.

    Args:
        model: From images to images of the same size, or of a multiple of it.
        image: float32 [H, W, 3] in [-1, 1].
        multiple: H and W which the model takes are multiples of this.
    """
    height, width = image.shape[:2]
    missing = [(0, -height % multiple), (0, -width % multiple), (0, 0)]
    padded = np.pad(image, missing, mode="symmetric")
    translated = model.predict(padded[np.newaxis], verbose=0)[0]
    scale = translated.shape[0] // padded.shape[0]
    return translated[: scale * height, : scale * width]


def main(
    model_path: str, photo_path: str, output_path: str, multiple: str = "4"
) -> None:
    """Reads, translates, writes."""
    model = keras.models.load_model(model_path)
    with Image.open(photo_path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    image = np.asarray(upright, np.float32) / 127.5 - 1
    translated = translate(model, image, int(multiple))
    levels = np.clip((translated + 1) * 127.5, 0, 255).round().astype(np.uint8)
    Image.fromarray(levels).save(output_path)


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
