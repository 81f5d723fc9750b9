"""Image files that are cut short, damaged, or larger than they look."""

import base64
import io
import json
import random
import struct
import zlib
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image
from tensorflow_serving.apis import predict_pb2

from tests.export.serving.fuzz import Attack, Grpc, Http
from tests.export.serving.fuzz_http import request

PREDICT = "/tensorflow.serving.PredictionService/Predict"
SIDES = (8192, 20_000, 30_000, 65_535)
"""Of square images that nobody should decode."""


def file_of(kind: str, size: int = 16) -> bytes:
    """Returns a good file of smooth colours.

    Args:
        kind: "PNG", "JPEG", "BMP" or "WEBP".
        size: Of its sides, in pixels.
    """
    ramp = np.linspace(0, 255, size)
    levels = np.stack(np.broadcast_arrays(ramp[:, None], ramp, ramp[::-1]), -1)
    file = io.BytesIO()
    Image.fromarray(levels.astype("uint8")).save(file, kind, lossless=True)
    return file.getvalue()


PNG = file_of("PNG")
FILES = {kind: file_of(kind) for kind in ("PNG", "JPEG", "BMP", "WEBP")}


def damaged(rng: random.Random) -> Attack:
    """A file cut short, or with some bytes changed."""
    contents = bytearray(FILES[rng.choice(list(FILES))])
    if rng.random() < 0.5:
        del contents[rng.randrange(len(contents)) :]
    else:
        for _ in range(rng.randint(1, 8)):
            contents[rng.randrange(len(contents))] = rng.randrange(256)
    return _sent(rng, "image damaged", bytes(contents), harmless=True)


def no_image(rng: random.Random) -> Attack:
    """What is no image, with or without an image's first bytes."""
    starts = (
        *(
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"GIF89a",
            b"BM",
            b"RIFF",
            b"\xff",
        ),
        *(b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"\xff\x0a", b"II*\0", b"<svg/>", b"%PDF-1"),
        b"\0\0\0\x0cJXL \r\n\x87\n",
    )
    contents = rng.choice(starts) + rng.randbytes(rng.choice((0, 1, 5, 30, 3000)))
    return _sent(rng, "no image", contents)


def claims_to_be_huge(rng: random.Random) -> Attack:
    """A small file whose header tells of more pixels than memory holds."""
    kind, side = rng.choice(list(FILES)), rng.choice(SIDES)
    return _sent(rng, f"huge {kind}", claim(kind, side, side))


def bomb(rng: random.Random) -> Attack:
    """A small file that is, decoded, as large as it says, or larger."""
    which = rng.choice(("side", "thin", "pixels", "text"))
    return _sent(rng, "bomb", made_bomb(which), harmless=which != "side")


def many(rng: random.Random) -> Attack:
    """Good files with a bad one among them."""
    bad = rng.choice((b"", b"x", PNG[:40], claim("PNG", 30_000, 30_000)))
    contents = [PNG] * rng.randint(1, 20)
    contents.insert(rng.randint(0, len(contents)), bad)
    return _sent(rng, "image among", *contents)


def claim(kind: str, width: int, height: int) -> bytes:
    """Returns a small file whose header tells a size that is not its own.

    Args:
        kind: Of `FILES`.
        width: In pixels, below 2**16.
        height: The same.
    """
    contents = bytearray(FILES[kind])
    if kind == "PNG":
        contents[16:24] = struct.pack(">II", width, height)
        contents[29:33] = struct.pack(">I", zlib.crc32(contents[12:29]))
    elif kind == "JPEG":
        at = contents.index(b"\xff\xc0") + 5
        contents[at : at + 4] = struct.pack(">HH", height, width)
    elif kind == "BMP":
        contents[18:26] = struct.pack("<ii", width, height)
    else:  # Lossless WebP: 14 bits each, after the signature byte.
        width, height = min(width, 2**14), min(height, 2**14)
        at = contents.index(b"VP8L") + 9
        rest = struct.unpack_from("<I", contents, at)[0] & 0xF000_0000
        size = (width - 1) | (height - 1) << 14
        contents[at : at + 4] = struct.pack("<I", rest | size)
    return bytes(contents)


def png(width: int, height: int, inflated: bytes, text_bytes: int = 0) -> bytes:
    """Returns a PNG, of gray levels of one bit.

    Args:
        width: In pixels.
        height: In pixels.
        inflated: What its pixel data inflate to.
        text_bytes: The length of a compressed text beside them.
    """
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    text = b"a\0\0" + zlib.compress(bytes(text_bytes), 9)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(inflated, 9)), (b"IEND", b"")]
    if text_bytes:
        chunks.insert(1, (b"zTXt", text))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def rows(width: int, height: int) -> bytes:
    """Returns what the pixels of a black image of one bit inflate to."""
    return bytes((1 + (width + 7) // 8) * height)


@lru_cache
def made_bomb(which: str) -> bytes:
    """Returns a bomb.

    Args:
        which: "side", as large as it says; "thin", of one row; "pixels" beyond its
            size; a "text" beside it.
    """
    if which == "side":
        return png(30_000, 30_000, rows(30_000, 30_000))
    if which == "thin":
        return png(2**24, 1, rows(2**24, 1))
    if which == "pixels":
        return png(64, 64, bytes(100_000_000))
    return png(16, 16, rows(16, 16), text_bytes=50_000_000)


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _sent(
    rng: random.Random, kind: str, *contents: bytes, harmless: bool = False
) -> Attack:
    """Files for the signature `encoded`, over REST or gRPC."""
    if rng.random() < 0.5:
        message = predict_pb2.PredictRequest()
        message.model_spec.name = "photo"
        message.model_spec.signature_name = "encoded"
        tensor = message.inputs["image_bytes"]
        tensor.dtype = 7  # DT_STRING
        tensor.tensor_shape.dim.add(size=len(contents))
        tensor.string_val.extend(contents)
        return Grpc(kind, PREDICT, message.SerializeToString(), harmless)
    files: list[Any] = [{"b64": base64.b64encode(c).decode()} for c in contents]
    body = {"signature_name": "encoded", "instances": files}
    raw = json.dumps(body).encode()
    return Http(kind, request("/v1/models/photo:predict", raw), harmless)
