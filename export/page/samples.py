"""Sample images for users without their own: crops of the bundled ones."""

import random
from importlib import resources

from PIL import Image

from export.clients.image_files import to_png

NAMES = ("Satellite", "Map", "Emoji")
PLACES = ((500, 160), (600, 330), (1280, 100), (1560, 300), (2140, 120), (2160, 480))
"""Left and top, in pixels, of places with land and sea."""

_EARTH = {"Satellite": "earth/satellite.jpg", "Map": "earth/relief.jpg"}
_EARTH_SIDE = 256
_EMOJI, _EMOJI_SIDE, _EMOJI_COLUMNS, _EMOJI_ROWS = "emoji/flat_64.png", 64, 40, 38


def draw(name: str) -> bytes:
    """Returns a PNG file, mostly a different one in each call.

    Args:
        name: One of `NAMES`.
    """
    if name in _EARTH:
        file, side = _EARTH[name], _EARTH_SIDE
        left, top = random.choice(PLACES)
    else:
        file, side = _EMOJI, _EMOJI_SIDE
        left = side * random.randrange(_EMOJI_COLUMNS)
        top = side * random.randrange(_EMOJI_ROWS)
    images = resources.files("tfgan_models") / "data" / "images"
    with (images / file).open("rb") as opened, Image.open(opened) as image:
        piece = image.crop((left, top, left + side, top + side))
        return to_png(piece.convert("RGB"))
