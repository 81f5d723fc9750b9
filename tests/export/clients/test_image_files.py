"""Picture files on their way to a model."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.clients import image_files
from tfgan_models.data import images

LEFT_HALF_RED = np.zeros((4, 6, 3), np.uint8)
LEFT_HALF_RED[:, :3, 0] = 255


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def decoded(contents: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(contents)).convert("RGB"))


def lying(kind: str, mode: str = "RGB") -> bytes:
    """A picture that EXIF says is to be turned clockwise by a quarter."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(LEFT_HALF_RED).convert(mode), kind, exif=exif)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_files_become_png_as_in_training(dtype: type) -> None:
    """Which exported models decode."""
    values = np.linspace(0, np.iinfo(dtype).max, 24).reshape(4, 6).astype(dtype)
    tiff = encoded(Image.fromarray(values), "TIFF")
    png = image_files.prepared(tiff)
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        np.testing.assert_array_equal(np.asarray(image), values)
    np.testing.assert_array_equal(images.decode_image(png), images.decode_image(tiff))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_tiff_files_of_32_bits_are_refused(dtype: type) -> None:
    tiff = encoded(Image.fromarray(np.ones([4, 6], dtype)), "TIFF")
    with pytest.raises(image_files.ImageError, match="32 bits; 8 or 16"):
        image_files.prepared(tiff)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pictures_are_turned_as_in_training(kind: str) -> None:
    turned = image_files.prepared(lying(kind))
    assert turned.startswith(b"\x89PNG")
    upright = np.rot90(LEFT_HALF_RED, -1).astype(int)
    assert decoded(turned).shape == upright.shape == (6, 4, 3)
    assert np.abs(decoded(turned) - upright).mean() < 40  # JPEG's colours are coarse.
    np.testing.assert_array_equal(decoded(turned), images.decode_image(lying(kind)))


def test_other_modes_are_turned_too() -> None:
    assert decoded(image_files.prepared(lying("JPEG", "CMYK"))).shape == (6, 4, 3)
    deep = Image.fromarray(np.full((4, 6), 40000, np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = image_files.prepared(encoded(deep, "PNG", exif=exif))
    with Image.open(io.BytesIO(turned)) as image:
        assert (image.size, image.getpixel((0, 0))) == ((4, 6), 40000)


def test_transparency_is_laid_over_white_as_in_training() -> None:
    half = np.zeros((2, 2, 4), np.uint8)
    half[0, 0] = [255, 0, 0, 255]
    contents = encoded(Image.fromarray(half), "PNG")
    prepared = decoded(image_files.prepared(contents))
    np.testing.assert_array_equal(prepared, images.decode_image(contents))
    assert prepared[0, 0].tolist() == [255, 0, 0]
    assert prepared[1, 1].tolist() == [255, 255, 255]


def test_what_needs_nothing_stays_as_it_is() -> None:
    for kind in set(image_files.FORMATS) - {"GIF", "TIFF"}:
        contents = encoded(Image.fromarray(LEFT_HALF_RED), kind)
        assert image_files.prepared(contents) == contents


def test_the_first_frame_of_a_gif_becomes_a_png() -> None:
    red = Image.fromarray(LEFT_HALF_RED)
    blank = Image.new("RGB", red.size)
    contents = encoded(red, "GIF", save_all=True, append_images=[blank], loop=0)
    made = image_files.prepared(contents)
    assert made.startswith(b"\x89PNG")
    np.testing.assert_array_equal(decoded(made), images.decode_image(contents))
    assert decoded(made)[0, 0].tolist() == LEFT_HALF_RED[0, 0].tolist()


def bomb(side: int) -> bytes:
    """A PNG file of some bytes whose header promises side x side pixels."""
    png = bytearray(encoded(Image.fromarray(LEFT_HALF_RED), "PNG"))
    png[16:24] = side.to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(png[12:29]).to_bytes(4, "big")
    return bytes(png)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(image_files.ImageError, match="Not a JPEG, PNG, WebP"):
        image_files.prepared(b"hello")
    with pytest.raises(image_files.ImageError, match="Not a JPEG, PNG, WebP"):
        image_files.prepared(encoded(Image.fromarray(LEFT_HALF_RED), "PPM"))
    with pytest.raises(image_files.ImageError, match="damaged"):
        image_files.prepared(lying("PNG")[:80])
    for side in (4097, 12_000, 30_000):
        with pytest.raises(image_files.ImageError, match=r"16777216. Make it smaller"):
            image_files.prepared(bomb(side))


def test_files_that_cannot_be_read_say_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "gone.png").symlink_to("nowhere")
    (tmp_path / "folder.png").mkdir()
    for name, reason in {
        "empty.png": "empty",
        "gone.png": "No such file",
        "folder.png": "not a file",
    }.items():
        with pytest.raises(image_files.ImageError, match=reason):
            image_files.read_path(tmp_path / name)
    (tmp_path / "large.png").write_bytes(bytes(300))
    monkeypatch.setattr(image_files, "MAX_BYTES", 299)
    with pytest.raises(image_files.ImageError, match="larger than 299 bytes"):
        image_files.read_path(tmp_path / "large.png")


def test_folders_are_walked_in_order(tmp_path: Path) -> None:
    for name in ("b/2.JPG", "b/1.png", "a/3.webp", "a/._3.webp", "a/n.txt", "o/4.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = image_files.walk(tmp_path, besides=tmp_path / "o")
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["a/3.webp", "b/1.png", "b/2.JPG"]
