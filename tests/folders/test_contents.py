"""What is found in folders: images by their headers, links, everything else."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from tfgan_models.errors import UsageError
from tfgan_models.folders import headers
from tfgan_models.folders.contents import read_images
from tfgan_models.folders.files import ImageFile


def save(path: Path, kind: str = "PNG", size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Image.new("RGB", (size, size)), kind))


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(kind: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    return encode(Image.fromarray(pixels), kind)


def test_broken_files_are_named_in_one_warning_and_skipped(tmp_path: Path) -> None:
    kinds = {
        "JPEG": "jpg",
        "PNG": "png",
        "WEBP": "webp",
        "BMP": "bmp",
        "GIF": "gif",
        "TIFF": "tif",
    }
    for kind, suffix in kinds.items():
        data = noise(kind)
        (tmp_path / f"good.{suffix}").write_bytes(data)
        (tmp_path / f"cut.{suffix}").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.jpeg").touch()
    (tmp_path / "text.PNG").write_text("no image")
    with pytest.warns(UserWarning) as caught:
        paths = read_images(tmp_path).paths
    assert [path.name for path in paths] == sorted(f"good.{s}" for s in kinds.values())
    assert len(caught) == 1
    message = str(caught[0].message)
    assert f"{tmp_path}: skipped 8 of 14 images" in message
    assert "empty.jpeg (empty file)" in message
    assert "text.PNG (not a JPEG, PNG, WebP, BMP, GIF or TIFF image)" in message
    for suffix in kinds.values():
        assert f"cut.{suffix} (" in message
    assert "()" not in message
    assert "good" not in message


def test_folder_without_a_readable_image(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="it has no image"):
        read_images(tmp_path)
    (tmp_path / "a.jpg").touch()
    with pytest.raises(UsageError, match=r"can be read: a\.jpg \(empty file\)"):
        read_images(tmp_path)


def test_other_and_hidden_files_are_counted(tmp_path: Path) -> None:
    good = [tmp_path / "b.PNG", tmp_path / "below" / "a.png"]
    for path in good:
        save(path)
    for name in ("notes.txt", "more.txt", "Thumbs.db", "README", "._b.PNG"):
        (tmp_path / name).write_text("x")
    for name in ("folder.png", ".ipynb_checkpoints", "@eaDir", "below/__MACOSX"):
        save(tmp_path / name / "c.txt")
    for name in (".ipynb_checkpoints", "@eaDir", "below/__MACOSX"):
        save(tmp_path / name / "c.png")
    found = read_images(tmp_path)
    assert list(found.paths) == good
    assert found.passed_over == {
        ".txt": 3,
        ".db": 1,
        "without an extension": 1,
        "hidden files": 1,
        ".ipynb_checkpoints/": 1,
        "@eaDir/": 1,
        "__MACOSX/": 1,
    }


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "deep" / "a.png")
    folder = tmp_path / "set"
    save(folder / "cat" / "b.png")
    (folder / "dog").symlink_to(tmp_path / "elsewhere")
    (folder / "cat" / "c.png").symlink_to(tmp_path / "elsewhere/deep/a.png")
    (folder / "cat" / "round").symlink_to(folder)
    found = read_images(folder)
    assert [str(path.relative_to(folder)) for path in found.paths] == [
        "cat/b.png",
        "cat/c.png",
        "dog/deep/a.png",
    ]
    assert found.passed_over == {"round/ (a link to a folder that contains it)": 1}


def test_a_link_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.warns(UserWarning, match=r"1 of 2 .*b\.png \(a broken link"):
        assert len(read_images(tmp_path).paths) == 1


def test_tiff_of_values_of_32_bits_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a.tiff", "TIFF")
    floats = Image.fromarray(np.ones((4, 4), np.float32))
    (tmp_path / "b.tif").write_bytes(encode(floats, "TIFF"))
    with pytest.warns(UserWarning, match=r"b\.tif \(its values have 32 bits"):
        assert [path.name for path in read_images(tmp_path).paths] == ["a.tiff"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_shapes_are_upright(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.new("RGB", (48, 16)), kind, exif=exif)
    (tmp_path / f"a.{kind}").with_suffix(".png").write_bytes(data)
    assert read_images(tmp_path).shapes == ((16, 48) if orientation < 5 else (48, 16),)


def test_orientation_after_the_pixels_of_a_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.new("RGB", (48, 16)), "PNG", exif=exif)
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    late = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    (tmp_path / "a.png").write_bytes(late)
    assert read_images(tmp_path).shapes == ((48, 16),)


def test_sound_files_are_read_by_their_headers_and_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    read = headers.read

    def spy(file: ImageFile) -> headers.Header:
        opened.append(file.path.name)
        return read(file)

    def never(data: bytes) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(headers, "read", spy)
    for kind in ("png", "jpeg", "webp", "bmp", "gif"):
        save(tmp_path / f"a.{kind}", kind)
    with monkeypatch.context() as patched:
        patched.setattr(headers, "decode_image", never)
        first = read_images(tmp_path)
    assert len(opened) == 5
    opened.clear()
    assert read_images(tmp_path) == first
    assert opened == []
    save(tmp_path / "a.gif", "gif", size=3)
    (tmp_path / "b.png").write_bytes(noise("PNG")[:200])
    for _ in range(2):
        opened.clear()
        with pytest.warns(UserWarning, match=r"b\.png"):
            changed = read_images(tmp_path)
        assert "b.png" in opened
        assert changed.shapes[1] == (3, 3)
    assert opened == ["b.png"]  # what is broken may have been mended


def test_memory_that_is_damaged_or_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "set" / "a.png")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    expected = read_images(tmp_path / "set")
    (memory,) = (tmp_path / "cache").rglob("*.json")
    for text in ("", "[]", '{"made_by": "x", "files": {}}'):
        memory.write_text(text)
        assert read_images(tmp_path / "set") == expected
    held = json.loads(memory.read_text())
    del held["files"]["a.png"][2:]
    memory.write_text(json.dumps(held))
    assert read_images(tmp_path / "set") == expected
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert read_images(tmp_path / "set") == expected


@settings(deadline=None, max_examples=50)
@given(data=st.binary(max_size=64), length=st.integers(0, 200))
def test_damaged_content_is_never_decoded_to_another_shape(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, length: int
) -> None:
    assume(not data.endswith(headers._PNG_END))  # found when it is decoded
    path = tmp_path_factory.getbasetemp() / "damaged.png"
    path.write_bytes(noise("PNG")[:length] + data)
    with pytest.raises(UsageError, match=r"damaged\.png \(.+\)"):
        read_images(_only(path))


def _only(path: Path) -> Path:
    folder = path.parent / "damaged"
    folder.mkdir(exist_ok=True)
    path.replace(folder / path.name)
    return folder
