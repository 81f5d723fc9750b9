r"""Translates or enlarges a photo with OpenVINO.

    python -m export.convert --model=models/mine_a2b/1 --format=openvino \
        --output=mine.xml
    python examples/openvino_app.py mine.xml photo.jpg translated.png

Needs openvino, numpy and Pillow. Photos may have any size.
"""

import sys

import numpy as np
import openvino
from PIL import Image, ImageOps


def main(model_path: str, photo_path: str, output_path: str) -> None:
    """Reads, translates, writes."""
    # Processors that can would else compute in bfloat16, which is less exact.
    model = openvino.Core().compile_model(
        model_path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    with Image.open(photo_path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    # float32 [1, H, W, 3] in [-1, 1], and so is the answer.
    image = np.asarray(upright, np.float32)[np.newaxis] / 127.5 - 1
    translated = model({model.input(0): image})[model.output(0)]
    levels = np.clip((translated[0] + 1) * 127.5, 0, 255).round().astype(np.uint8)
    Image.fromarray(levels).save(output_path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
