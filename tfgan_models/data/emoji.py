"""Emoji drawn as lines, in flat colour and in 3D (TFDS `emoji/...`)."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from tfgan_models.data.images import Examples, encode_png

GROUPS = (
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
)
"""Unicode's groups of emoji, in its order: the class labels."""

TEST_EVERY = 10
"""Rows 0, 10, 20, ... are the test split: the rows are sorted by code point, so this
takes about a tenth of every group, and the same emoji in every config."""

ATLASES = Path(__file__).parent / "images" / "emoji"
"""Where the atlases are, and emoji.json, whose row i describes tile i of each."""

_COLUMNS = 40
_FILES = {
    "line": ("line_64.png", 64),
    "flat": ("flat_64.png", 64),
    "render": ("render_128.webp", 128),
}
_DESCRIPTION = """\
1532 Fluent emoji by Microsoft (MIT) on white: high-contrast lines and flat colour at
64 px, 3D renders at 128 px. Row i shows the same emoji in every drawing. `name` is the
CLDR short name, `group` and `subgroup` are Unicode's."""


@dataclasses.dataclass(eq=False)
class EmojiConfig(tfds.core.BuilderConfig):
    """Which drawing each image feature shows.

    Attributes:
        drawings: Feature name to `line`, `flat` or `render`.
    """

    drawings: dict[str, str] = dataclasses.field(default_factory=dict)


class Emoji(tfds.core.GeneratorBasedBuilder):
    """Emoji in one drawing, or pairs of two drawings of the same emoji."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [
        EmojiConfig(name="line2flat", drawings={"input": "line", "target": "flat"}),
        EmojiConfig(name="flat2render", drawings={"input": "flat", "target": "render"}),
        EmojiConfig(name="render", drawings={"image": "render"}),
        EmojiConfig(name="flat", drawings={"image": "flat"}),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        images = {
            feature: tfds.features.Image(
                shape=(_FILES[drawing][1], _FILES[drawing][1], 3),
                encoding_format="png",
            )
            for feature, drawing in self.builder_config.drawings.items()
        }
        paired = "target" in images
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    **images,
                    "name": tfds.features.Text(),
                    "group": tfds.features.ClassLabel(names=GROUPS),
                    "subgroup": tfds.features.Text(),
                    "codepoint": tfds.features.Text(),
                }
            ),
            supervised_keys=("input", "target") if paired else ("image", "group"),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Examples]:
        del dl_manager  # The atlases come with the package.
        rows = np.arange(len(read_rows()))
        is_test = rows % TEST_EVERY == 0
        return {
            "train": self._generate_examples(rows[~is_test]),
            "test": self._generate_examples(rows[is_test]),
        }

    def _generate_examples(self, indices: np.ndarray) -> Examples:
        rows = read_rows()
        tiles = {
            feature: read_tiles(drawing)
            for feature, drawing in self.builder_config.drawings.items()
        }
        for index in indices.tolist():
            images = {
                feature: encode_png(tile[index]) for feature, tile in tiles.items()
            }
            yield index, {**images, **rows[index]}


def read_rows() -> list[dict[str, str]]:
    """Reads what is known of the emoji.

    Returns:
        A dict with `codepoint`, `name`, `group` and `subgroup` for each, in the order
        of the tiles.
    """
    return json.loads((ATLASES / "emoji.json").read_text(encoding="utf-8"))


def read_tiles(drawing: str) -> np.ndarray:
    """Decodes all emoji of one drawing.

    Args:
        drawing: `line`, `flat` or `render`.

    Returns:
        The images on white, uint8 [1532, S, S, 3]; S is 128 for `render`, else 64.
    """
    file, size = _FILES[drawing]
    with Image.open(ATLASES / file) as image:
        atlas = np.asarray(image.convert("RGB"))
    rows = atlas.shape[0] // size
    tiles = atlas.reshape(rows, size, _COLUMNS, size, 3).swapaxes(1, 2)
    return tiles.reshape(-1, size, size, 3)[: len(read_rows())]
