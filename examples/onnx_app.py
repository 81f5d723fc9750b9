"""Translates or enlarges a photo with ONNX Runtime.

    python -m export.convert --model=models/mine_a2b/1 --format=onnx --output=mine.onnx
    python examples/onnx_app.py mine.onnx photo.jpg translated.png

Needs onnxruntime, numpy and Pillow. Photos may have any size.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


def main(model_path: str, photo_path: str, output_path: str) -> None:
    """Reads, translates, writes."""
    session = onnxruntime.InferenceSession(
        model_path, providers=["CPUExecutionProvider"]
    )
    with Image.open(photo_path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    # float32 [1, H, W, 3] in [-1, 1], and so is the answer.
    image = np.asarray(upright, np.float32)[np.newaxis] / 127.5 - 1
    (translated,) = session.run(None, {session.get_inputs()[0].name: image})
    levels = np.clip((translated[0] + 1) * 127.5, 0, 255).round().astype(np.uint8)
    Image.fromarray(levels).save(output_path)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
