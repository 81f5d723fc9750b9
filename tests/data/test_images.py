"""Decoding: every format against pixels known beforehand."""

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from tfgan_models.data import images

# How a stored image must be turned to stand upright, by the EXIF specification.
UPRIGHT = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
GREY = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9))
RGB = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
RGBA = arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(4)))
COLOUR = st.tuples(*[st.integers(0, 255)] * 3)
# The first use of a codec loads it, which takes longer than an example may.
property_test = settings(deadline=None, max_examples=50)


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def over_white(values: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    share = alpha[..., None] / 255.0
    return values * share + 255.0 * (1.0 - share)


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})]
)
@property_test
@given(pixels=RGB)
def test_lossless_rgb_is_exact(kind: str, options: dict, pixels: np.ndarray) -> None:
    decoded = images.decode_image(encode(Image.fromarray(pixels), kind, **options))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@property_test
@given(colour=COLOUR, height=st.integers(1, 40), width=st.integers(1, 40))
def test_lossy_keeps_plain_colours(
    kind: str, colour: tuple[int, int, int], height: int, width: int
) -> None:
    image = Image.new("RGB", (width, height), colour)
    decoded = images.decode_image(encode(image, kind, quality=95))
    assert decoded.shape == (height, width, 3)
    np.testing.assert_allclose(decoded.astype(int) - colour, 0, atol=6)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF"])
@property_test
@given(pixels=GREY)
def test_grey_becomes_three_equal_channels(kind: str, pixels: np.ndarray) -> None:
    decoded = images.decode_image(encode(Image.fromarray(pixels), kind))
    np.testing.assert_array_equal(decoded, np.stack([pixels] * 3, axis=-1))


def test_grey_jpeg() -> None:
    decoded = images.decode_image(encode(Image.new("L", (9, 4), 77), "JPEG"))
    np.testing.assert_array_equal(decoded, np.full((4, 9, 3), 77, np.uint8))


def test_one_bit() -> None:
    bits = np.array([[True, False, True]])
    decoded = images.decode_image(encode(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(decoded[..., 1], [[255, 0, 255]])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
@property_test
@given(palette=st.lists(COLOUR, min_size=4, max_size=4, unique=True))
def test_palette(kind: str, palette: list[tuple[int, int, int]]) -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([value for colour in palette for value in colour])
    image.putdata([0, 1, 2, 3])
    decoded = images.decode_image(encode(image, kind))
    np.testing.assert_array_equal(decoded.reshape(4, 3), palette)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_palette_entry_is_white(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    decoded = images.decode_image(encode(image, kind, transparency=0))
    np.testing.assert_array_equal(decoded, [[[255, 255, 255], [40, 50, 60]]])


@pytest.mark.parametrize(
    ("kind", "options"),
    [("PNG", {}), ("WEBP", {"lossless": True, "exact": True})],
)
@property_test
@given(pixels=RGBA)
def test_alpha_is_laid_over_white(kind: str, options: dict, pixels: np.ndarray) -> None:
    decoded = images.decode_image(encode(Image.fromarray(pixels), kind, **options))
    expected = over_white(pixels[..., :3], pixels[..., 3])
    np.testing.assert_allclose(decoded, expected, atol=1)


def test_grey_with_alpha_is_laid_over_white() -> None:
    image = Image.new("LA", (2, 1))
    image.putdata([(100, 0), (100, 255)])
    decoded = images.decode_image(encode(image, "PNG"))
    np.testing.assert_array_equal(decoded, [[[255] * 3, [100] * 3]])


@property_test
@given(
    pixels=arrays(
        np.uint16,
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3])),
    )
)
def test_16_bit_is_scaled(pixels: np.ndarray) -> None:
    decoded = images.decode_image(tf.io.encode_png(pixels).numpy())
    expected = np.broadcast_to(pixels / 257.0, (*pixels.shape[:2], 3))
    np.testing.assert_allclose(decoded, expected, atol=1)


@pytest.mark.parametrize("value", [0, 257, 256 * 257 // 2, 65535])
def test_16_bit_grey_by_pillow(value: int) -> None:
    image = Image.fromarray(np.full((3, 2), value, np.uint16))
    decoded = images.decode_image(encode(image, "PNG"))
    np.testing.assert_array_equal(decoded, np.full((3, 2, 3), round(value / 257)))


@pytest.mark.parametrize(
    ("ink", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((0, 0, 0, 255), (0, 0, 0)),
    ],
)
def test_cmyk_jpeg(ink: tuple[int, ...], colour: tuple[int, ...]) -> None:
    data = encode(Image.new("CMYK", (8, 8), ink), "JPEG", quality=95)
    decoded = images.decode_image(data).astype(int)
    assert decoded.shape == (8, 8, 3)
    np.testing.assert_allclose(decoded - colour, 0, atol=3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_rotation_is_honoured(kind: str, orientation: int) -> None:
    stored = Image.new("RGB", (48, 16), "white")
    stored.paste("red", (0, 0, 16, 16))
    stored.paste("blue", (0, 8, 16, 16))
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = images.decode_image(encode(stored, kind, exif=exif, quality=95))
    turn = UPRIGHT[orientation]
    upright = np.asarray(stored if turn is None else stored.transpose(turn))
    assert decoded.shape == upright.shape
    # JPEG and WebP blur the edges between the colours.
    assert np.mean(np.abs(decoded.astype(int) - upright)) < 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_first_frame_of_an_animation(kind: str) -> None:
    first, second = (Image.new("RGB", (6, 4), c) for c in ("lime", "blue"))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(first, kind, save_all=True, append_images=[second], **options)
    np.testing.assert_array_equal(
        images.decode_image(data), np.broadcast_to([0, 255, 0], (4, 6, 3))
    )


def test_photo_with_a_second_picture_in_the_file() -> None:
    first, second = (Image.new("RGB", (16, 8), c) for c in ("white", "black"))
    data = encode(first, "MPO", save_all=True, append_images=[second])
    np.testing.assert_array_equal(images.decode_image(data), np.full((8, 16, 3), 255))


@property_test
@given(pixels=RGB)
def test_encode_png_is_lossless(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(
        images.decode_image(images.encode_png(pixels)), pixels
    )


def test_decoding_inside_tf_data(tmp_path: Path) -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    (tmp_path / "x.png").write_bytes(images.encode_png(pixels))
    paths = tf.data.Dataset.from_tensors(str(tmp_path / "x.png"))
    decoded = paths.map(images.decode_path)
    assert decoded.element_spec == tf.TensorSpec([None, None, 3], tf.uint8)
    np.testing.assert_array_equal(decoded.get_single_element(), pixels)
