"""How large an image the endpoint takes."""

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from export.serving.image_limit import check_images
from export.serving.models import Signature
from export.serving.status import Code, ServingError

LIMIT = 512 * 1024
OPEN = (None, None, None, 3)


def file(width: int, height: int, kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new("1" if kind == "PNG" else "L", (width, height)).save(written, kind)
    return written.getvalue()


def check(
    name: str, array: Any, shape: tuple | None = OPEN, deadline: float = np.inf
) -> None:
    dtype = "string" if array.dtype == object else "float32"
    signature = Signature(None, {name: dtype}, {name: shape}, {}, True)
    check_images(signature, {name: array}, LIMIT, deadline)


def check_files(
    *files: bytes, name: str = "image_bytes", deadline: float = np.inf
) -> None:
    check(name, np.array(files, object), (None,), deadline)


def pixels(*shape: int) -> np.ndarray:
    return np.broadcast_to(np.float32(0), shape)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP"])
def test_files_are_measured(kind: str) -> None:
    check_files(file(1024, 512, kind))
    with pytest.raises(ServingError) as caught:
        check_files(file(1025, 512, kind))
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == (
        "An image of 1025 x 512 pixels is larger than 524288 pixels, the limit "
        "of this endpoint (a side below 256 counts as 256). Make it smaller first, "
        "or start the endpoint with a larger --max_pixels."
    )


def test_of_several_files_the_first_is_named() -> None:
    good, large = file(8, 8), file(900, 900)
    with pytest.raises(ServingError, match=r"^image_bytes\[1\]: An image of 900 x 900"):
        check_files(good, large, large)


def test_narrow_images_count_as_what_networks_continue_them_to() -> None:
    check_files(file(1, 2048))
    for refused in (
        lambda: check_files(file(1, 2049)),
        lambda: check("image", pixels(1, 2049, 1, 3)),
    ):
        with pytest.raises(ServingError, match="An image of 1 x 2049 pixels"):
            refused()


def test_arrays_are_measured_one_image_of_them() -> None:
    check("image", pixels(9, 512, 1024, 3))
    with pytest.raises(ServingError, match="An image of 1024 x 513 pixels"):
        check("image", pixels(1, 513, 1024, 3))


def test_what_is_no_image_of_any_size_is_left_to_the_model() -> None:
    check("image", pixels(1, 1024, 1024, 3), (None, 1024, 1024, 3))
    check("image", pixels(1024, 1024, 3))
    check("x", pixels(1, 1024, 1024, 3), None)
    check("x", pixels(9, 9000), (None, None))
    large = file(900, 900)
    check_files(large, name="text")
    # The model refuses the first, and tells why.
    check_files(b"no image", large)


def test_nothing_is_measured_when_nobody_waits_any_more() -> None:
    check_files(file(900, 900), deadline=time.monotonic() - 1)
