r"""Translates or enlarges a photo with LiteRT, which runs on phones and boards too.

    python -m export.convert --model=models/mine_a2b/1 --format=litert \
        --image_size=256 --output=mine.tflite
    python examples/litert_app.py mine.tflite photo.jpg translated.png

Needs ai-edge-litert, numpy and Pillow. The model takes one size: the photo's middle, a
square, is scaled to it.
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps


def main(model_path: str, photo_path: str, output_path: str) -> None:
    """Reads, translates, writes."""
    interpreter = Interpreter(model_path)
    translate = interpreter.get_signature_runner("serving_default")
    ((name, details),) = translate.get_input_details().items()
    height, width = details["shape"][1:3]
    with Image.open(photo_path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    fitted = ImageOps.fit(upright, (int(width), int(height)))
    # float32 [1, H, W, 3] in [-1, 1], and so is the answer.
    image = np.asarray(fitted, np.float32)[np.newaxis] / 127.5 - 1
    (translated,) = translate(**{name: image}).values()
    levels = np.clip((translated[0] + 1) * 127.5, 0, 255).round().astype(np.uint8)
    Image.fromarray(levels).save(output_path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
