"""Windows of four world maps that cover the same area (TFDS `earth/...`)."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from tfgan_models.data.images import Examples, encode_png

WINDOW = 128
"""Height and width of a window in pixels of the maps (15 km each at the equator)."""

TRAIN_COLUMNS = (0, 2100)
"""First and last-but-one column of the maps that training windows lie in."""

TEST_COLUMNS = (2100, 2700)
"""First and last-but-one column of the maps that test windows lie in."""

TRAIN_WINDOWS = 1000
"""Windows in trainA, and as many others in trainB."""

TEST_WINDOWS = 64
"""Windows in testA; testB holds the same ones in the same order."""

MAPS = Path(__file__).parent / "images" / "earth"
"""Where the maps are: satellite.jpg, relief.jpg, night.jpg and antique.jpg."""

_DESCRIPTION = """\
Windows of 128 x 128 px, less than half of each water, cut from world maps of the same
area: a satellite mosaic (Blue Marble), shaded relief (ETOPO1), city lights at night and
van Schagen's map of 1689. Training windows lie in columns 0..2099 of the maps, test
windows in columns 2100..2699. trainA and trainB show different places; testA and testB
show the same places in the same order, so an unpaired translation can be compared with
the truth. `window` is the row and column of the upper left corner."""

_PAIRS_DESCRIPTION = """\
The windows of the unpaired data set `earth`, each shown in two maps: `input` and
`target` are the same place. Training pairs are the places of trainA, test pairs those
of testA and testB, in their order."""


_IMAGES_DESCRIPTION = """\
The windows of the unpaired data set `earth` as single images of one map. Training
windows are the places of trainA, test windows those of testA and testB, in their
order."""


@dataclasses.dataclass(eq=False)
class EarthConfig(tfds.core.BuilderConfig):
    """Which map is domain A and which is domain B."""

    domain_a: str = ""
    domain_b: str = ""


def _configs() -> list[EarthConfig]:
    return [
        EarthConfig(name=name, domain_a="satellite", domain_b=domain_b)
        for name, domain_b in (
            ("satellite2relief", "relief"),
            ("day2night", "night"),
            ("satellite2antique", "antique"),
        )
    ]


class Earth(tfds.core.GeneratorBasedBuilder):
    """Unpaired training windows and aligned test windows of two world maps."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = _configs()

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(WINDOW, WINDOW, 3), encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(names=["A", "B"]),
                    "window": tfds.features.Tensor(shape=(2,), dtype=np.int32),
                }
            ),
            supervised_keys=("image", "label"),
            # Or the order on disk would be that of hashed keys, not one to rely on.
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Examples]:
        del dl_manager  # The maps come with the package.
        train = land_windows(TRAIN_COLUMNS, 2 * TRAIN_WINDOWS)
        test = land_windows(TEST_COLUMNS, TEST_WINDOWS)
        return {
            "trainA": self._generate_examples("A", train[:TRAIN_WINDOWS]),
            "trainB": self._generate_examples("B", train[TRAIN_WINDOWS:]),
            "testA": self._generate_examples("A", test),
            "testB": self._generate_examples("B", test),
        }

    def _generate_examples(self, label: str, windows: np.ndarray) -> Examples:
        config = self.builder_config
        atlas = read_map(config.domain_a if label == "A" else config.domain_b)
        for key, (row, column) in enumerate(windows):
            image = atlas[row : row + WINDOW, column : column + WINDOW]
            yield (
                key,
                {
                    "image": encode_png(image),
                    "label": label,
                    "window": np.array([row, column], np.int32),
                },
            )


class EarthPairs(tfds.core.GeneratorBasedBuilder):
    """Aligned windows of two world maps, for training and for tests."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = _configs()

    def _info(self) -> tfds.core.DatasetInfo:
        window = tfds.features.Image(shape=(WINDOW, WINDOW, 3), encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description=_PAIRS_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "input": window,
                    "target": window,
                    "window": tfds.features.Tensor(shape=(2,), dtype=np.int32),
                }
            ),
            supervised_keys=("input", "target"),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Examples]:
        del dl_manager  # The maps come with the package.
        return _train_and_test(self._generate_examples)

    def _generate_examples(self, windows: np.ndarray) -> Examples:
        config = self.builder_config
        maps = {"input": read_map(config.domain_a), "target": read_map(config.domain_b)}
        for key, (row, column) in enumerate(windows):
            images = {
                name: encode_png(atlas[row : row + WINDOW, column : column + WINDOW])
                for name, atlas in maps.items()
            }
            yield key, {**images, "window": np.array([row, column], np.int32)}


class EarthImages(tfds.core.GeneratorBasedBuilder):
    """Windows of one world map, for training and for tests."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [EarthConfig(name="satellite", domain_a="satellite")]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_IMAGES_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(WINDOW, WINDOW, 3), encoding_format="png"
                    ),
                    "window": tfds.features.Tensor(shape=(2,), dtype=np.int32),
                }
            ),
            disable_shuffling=True,
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Examples]:
        del dl_manager  # The maps come with the package.
        return _train_and_test(self._generate_examples)

    def _generate_examples(self, windows: np.ndarray) -> Examples:
        atlas = read_map(self.builder_config.domain_a)
        for key, (row, column) in enumerate(windows):
            image = atlas[row : row + WINDOW, column : column + WINDOW]
            yield (
                key,
                {
                    "image": encode_png(image),
                    "window": np.array([row, column], np.int32),
                },
            )


def _train_and_test(examples: Callable[[np.ndarray], Examples]) -> dict[str, Examples]:
    # Drawn as for trainA and trainB: fewer draws would give other places.
    train = land_windows(TRAIN_COLUMNS, 2 * TRAIN_WINDOWS)[:TRAIN_WINDOWS]
    test = land_windows(TEST_COLUMNS, TEST_WINDOWS)
    return {"train": examples(train), "test": examples(test)}


def read_map(name: str) -> np.ndarray:
    """Decodes one of the maps.

    Args:
        name: `satellite`, `relief`, `night` or `antique`.

    Returns:
        The map, uint8 [1050, 2700, 3].
    """
    with Image.open(MAPS / f"{name}.jpg") as image:
        return np.asarray(image.convert("RGB"))


def land_windows(columns: tuple[int, int], count: int) -> np.ndarray:
    """Chooses places of windows of which less than half is water.

    Args:
        columns: First and last-but-one column that the windows may cover.
        count: How many different places.

    Returns:
        Rows and columns of the upper left corners, int64 [count, 2], in the order
        they were drawn: the same on every call.
    """
    relief = read_map("relief").astype(np.int32)
    water = relief[..., 2] - relief[..., 0] > 40
    # Sums over all pixels above and left, with a row and column of zeros in front.
    sums = np.pad(water.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    # RandomState, unlike default_rng, promises the same stream in every NumPy.
    random = np.random.RandomState(columns[0])
    draws = 20 * count
    rows = random.randint(0, water.shape[0] - WINDOW + 1, draws)
    lefts = random.randint(columns[0], columns[1] - WINDOW + 1, draws)
    wet = (
        sums[rows + WINDOW, lefts + WINDOW]
        - sums[rows, lefts + WINDOW]
        - sums[rows + WINDOW, lefts]
        + sums[rows, lefts]
    )
    dry = np.stack([rows, lefts], axis=1)[2 * wet < WINDOW * WINDOW]
    _, first = np.unique(dry, axis=0, return_index=True)
    return dry[np.sort(first)][:count]
