"""The pictures that the studio has for who brings none."""

import io

import numpy as np
import pytest
from PIL import Image

from export.page import samples


@pytest.mark.parametrize(
    ("name", "side"), [("Satellite", 256), ("Map", 256), ("Emoji", 64)]
)
def test_there_is_something_to_see(name: str, side: int) -> None:
    for _ in range(3):
        piece = Image.open(io.BytesIO(samples.draw(name)))
        assert (piece.mode, piece.size) == ("RGB", (side, side))
        assert np.std(piece) > 5


def test_all_places_are_on_the_map() -> None:
    for left, top in samples.PLACES:
        assert 0 <= left <= 2700 - 256
        assert 0 <= top <= 1050 - 256
