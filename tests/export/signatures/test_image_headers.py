"""Image files are measured before they are decoded, and bombs refused."""

import io
import resource
import struct
import time
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.signatures import image_headers
from export.signatures.super_resolution import SuperResolutionModule
from export.signatures.translation import TranslationModule

WIDTH, HEIGHT = 53, 37
EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
FILES = {
    "png": ("PNG", {}),
    "jpeg": ("JPEG", {"exif": EXIF, "comment": b"\xff\xc0 is not its header"}),
    "progressive": ("JPEG", {"progressive": True}),
    "bmp": ("BMP", {}),
    "webp": ("WEBP", {}),
    "lossless": ("WEBP", {"lossless": True}),
    "extended": ("WEBP", {"exif": EXIF}),
}


def file(kind: str, side: int = 0, **options: Any) -> bytes:
    rng = np.random.default_rng(side)
    shape = (side or HEIGHT, side or WIDTH, 3)
    contents = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, shape, np.uint8)).save(
        contents, kind, **options
    )
    return contents.getvalue()


def patched(contents: bytes, at: int, new: bytes) -> bytes:
    return contents[:at] + new + contents[at + len(new) :]


def png_of(width: int, height: int) -> bytes:
    return patched(file("PNG"), 16, struct.pack(">II", width, height))


def jpeg_of(width: int, height: int) -> bytes:
    contents = file("JPEG")
    start = contents.index(b"\xff\xc0") + 5
    return patched(contents, start, struct.pack(">HH", height, width))


def bmp_of(width: int, height: int) -> bytes:
    return patched(file("BMP"), 18, struct.pack("<ii", width, height))


def lossy_of(width: int, height: int) -> bytes:
    return patched(file("WEBP"), 26, struct.pack("<HH", width, height))


def lossless_of(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    return patched(file("WEBP", lossless=True), 21, struct.pack("<I", bits))


def extended_of(width: int, height: int) -> bytes:
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return patched(file("WEBP", exif=EXIF), 24, sides)


BOMBS = {
    "png": (png_of(20_000, 20_000), "20000 x 20000"),
    "larger png": (png_of(100_000, 100_000), "100000 x 100000"),
    "largest png": (png_of(2**32 - 1, 2**32 - 1), "4294967295 x 4294967295"),
    "thin png": (png_of(2**20, 1), "1048576 x 1"),
    "jpeg": (jpeg_of(30_000, 30_000), "30000 x 30000"),
    "bmp": (bmp_of(100_000, 100_000), "100000 x 100000"),
    "bmp from the top": (bmp_of(30_000, -30_000), "30000 x 30000"),
    "webp": (lossy_of(16_383, 16_383), "16383 x 16383"),
    "lossless": (lossless_of(16_384, 16_384), "16384 x 16384"),
    "extended": (extended_of(100_000, 100_000), "100000 x 100000"),
}


@pytest.fixture(scope="module")
def measured() -> Any:
    return tf.function(
        image_headers.measured,
        input_signature=[tf.TensorSpec([], tf.string)],
        autograph=False,
    )


@pytest.fixture(scope="module", params=[1, 2])
def encoded(request: pytest.FixtureRequest) -> Any:
    """Files -> files: of the same size, and of twice."""
    layers = [keras.Input((None, None, 3)), keras.layers.UpSampling2D(request.param)]
    network = keras.Sequential(layers)
    if request.param == 1:
        module = TranslationModule(network, 4)
    else:
        module = SuperResolutionModule(network, 2)

    def run(*contents: bytes) -> list[bytes]:
        made = module.endpoints["encoded"](tf.constant(contents, tf.string))
        return next(iter(made.values())).numpy().tolist()

    run.scale = request.param
    return run


@pytest.mark.parametrize("kind", FILES)
def test_the_size_is_the_pictures(measured: Any, kind: str) -> None:
    name, options = FILES[kind]
    contents = file(name, **options)
    assert measured(tf.constant(contents)) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_at_once(encoded: Any, kind: str) -> None:
    contents, size = BOMBS[kind]
    assert len(contents) < 10_000
    encoded(file("PNG"))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.monotonic()
    with pytest.raises(
        tf.errors.InvalidArgumentError,
        match=f"An image of {size} pixels is larger than 16777216 pixels",
    ):
        encoded(contents)
    assert time.monotonic() - start < 1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
    assert grown < 100_000  # KB: the smallest of them decoded is 700 MB.


def test_the_largest_size_that_is_decoded(measured: Any) -> None:
    checked = tf.function(image_headers.checked, autograph=False)
    for width, height in ((4096, 4096), (65_536, 256), (1, 65_536), (65_536, 1)):
        contents = png_of(width, height)
        assert checked(tf.constant(contents)).numpy() == contents
    for width, height in ((4097, 4096), (65_537, 256), (1, 65_537), (65_537, 1)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="is larger than"):
            checked(tf.constant(png_of(width, height)))


def test_a_mixed_batch(encoded: Any) -> None:
    files = [file(name, **options) for name, options in FILES.values()]
    for contents in encoded(*files):
        size = (encoded.scale * WIDTH, encoded.scale * HEIGHT)
        assert Image.open(io.BytesIO(contents)).size == size


@pytest.mark.parametrize("kind", FILES)
def test_damaged_files_are_refused_and_do_no_harm(encoded: Any, kind: str) -> None:
    name, options = FILES[kind]
    whole = file(name, **options)
    rng = np.random.default_rng(0)
    cuts = {*range(0, 34, 3), *rng.integers(34, len(whole) // 2, 6).tolist()}
    for cut in cuts:
        with pytest.raises(tf.errors.InvalidArgumentError):
            encoded(whole[:cut])
    for _ in range(20):
        noisy = bytearray(whole)
        for place in rng.integers(0, 60, 3):
            noisy[place] = rng.integers(256)
        try:
            (made,) = encoded(bytes(noisy))
        except tf.errors.InvalidArgumentError:
            continue
        assert made.startswith(b"\x89PNG")
    assert len(encoded(whole)) == 1


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"\xff\x0a" + bytes(40),  # JPEG XL, which cannot be measured.
        b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40),
        b"RIFF\0\0\0\0WEBPJUNK" + bytes(40),
        file("GIF"),
        b"noise" * 20,
    ],
)
def test_other_formats_are_refused(encoded: Any, contents: bytes) -> None:
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"Unknown image file format|none of VP8"
    ):
        encoded(contents)


def test_a_png_file_begins_with_its_size(encoded: Any) -> None:
    contents = file("PNG")
    hidden = contents[:8] + b"\0\0\0\0aaAa\0\0\0\0" + contents[8:]
    with pytest.raises(tf.errors.InvalidArgumentError, match="does not begin with IH"):
        encoded(hidden)


def after(op: tf.Operation) -> set[tf.Operation]:
    """Returns an operation and all that a graph runs before it."""
    found, left = set(), [op]
    while left:
        op = left.pop()
        if op not in found:
            found.add(op)
            left += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
    return found


@pytest.mark.parametrize("reader", ["_png", "_webp"])
def test_nothing_is_found_before_it_is_checked(reader: str) -> None:
    """Else the thread that is faster decides on what a client is told."""
    read = tf.function(getattr(image_headers, reader), autograph=False)
    graph = read.get_concrete_function(tf.TensorSpec([32], tf.int64)).graph
    operations = graph.get_operations()
    checks = {op for op in operations if op.type == "Assert" or "Guard" in op.name}
    checks = {op for op in checks if op.type in ("Assert", "If", "StatelessIf")}
    assert len(checks) == 1
    for output in graph.outputs:
        assert checks <= after(output.op), output.name
    if reader == "_webp":
        # Of these there are none to be sliced if the kind is unknown.
        chosen = [op for op in operations if op.type == "GatherV2"]
        assert chosen
        assert all(checks <= after(op) for op in chosen)
