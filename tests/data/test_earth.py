"""The bundled maps: windows, their places and their order."""

import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfgan_models.data import earth
from tfgan_models.data.prepared import prepared_builder

WATER = 40


@pytest.fixture(scope="module")
def examples(data_dir: str) -> dict[str, list[dict]]:
    """All examples of satellite2relief, by split."""
    prepared_builder("earth/satellite2relief", data_dir)
    splits = tfds.load("earth/satellite2relief", data_dir=data_dir)
    return {name: list(tfds.as_numpy(split)) for name, split in splits.items()}


def windows(examples: list[dict]) -> np.ndarray:
    return np.stack([example["window"] for example in examples])


def test_sizes_and_features(examples: dict[str, list[dict]]) -> None:
    counts = {name: len(split) for name, split in examples.items()}
    assert counts == {"trainA": 1000, "trainB": 1000, "testA": 64, "testB": 64}
    for name, split in examples.items():
        for example in split:
            assert example["image"].shape == (128, 128, 3)
            assert example["image"].dtype == np.uint8
            assert example["label"] == "AB".index(name[-1])
            assert example["window"].dtype == np.int32


def test_windows_stay_in_their_columns(examples: dict[str, list[dict]]) -> None:
    for name, split in examples.items():
        rows, columns = windows(split).T
        assert rows.min() >= 0
        assert rows.max() + 128 <= 1050
        first, end = (0, 2100) if name.startswith("train") else (2100, 2700)
        assert columns.min() >= first
        assert columns.max() + 128 <= end
        # They are spread over the area rather than gathered in one place.
        assert np.ptp(rows) > 600
        assert np.ptp(columns) > 0.8 * (end - first - 128)


def test_less_than_half_water(examples: dict[str, list[dict]]) -> None:
    relief = earth.read_map("relief").astype(int)
    water = relief[..., 2] - relief[..., 0] > WATER
    for split in examples.values():
        for row, column in windows(split):
            assert water[row : row + 128, column : column + 128].mean() < 0.5


def test_training_domains_show_different_places(
    examples: dict[str, list[dict]],
) -> None:
    places = {
        tuple(w) for name in ("trainA", "trainB") for w in windows(examples[name])
    }
    assert len(places) == 2000


def test_tests_are_aligned_in_order(examples: dict[str, list[dict]]) -> None:
    np.testing.assert_array_equal(
        windows(examples["testA"]), windows(examples["testB"])
    )
    assert len({tuple(w) for w in windows(examples["testA"])}) == 64


@pytest.mark.parametrize("split", ["trainA", "trainB", "testA", "testB"])
def test_pixels_are_those_of_the_map(
    examples: dict[str, list[dict]], split: str
) -> None:
    atlas = earth.read_map("satellite" if split.endswith("A") else "relief")
    for example in examples[split]:
        row, column = example["window"]
        np.testing.assert_array_equal(
            example["image"], atlas[row : row + 128, column : column + 128]
        )


@pytest.mark.parametrize(
    ("config", "map_a", "map_b"),
    [
        ("satellite2relief", "satellite", "relief"),
        ("day2night", "satellite", "night"),
        ("satellite2antique", "satellite", "antique"),
    ],
)
def test_each_config_shows_its_maps(config: str, map_a: str, map_b: str) -> None:
    assert config in earth.Earth.builder_configs
    chosen = earth.Earth.builder_configs[config]
    assert (chosen.domain_a, chosen.domain_b) == (map_a, map_b)
    assert earth.read_map(chosen.domain_b).shape == (1050, 2700, 3)


def test_windows_are_always_the_same() -> None:
    places = earth.land_windows((2100, 2700), 64)
    np.testing.assert_array_equal(places, earth.land_windows((2100, 2700), 64))
    # A change here is a change of the data set: it needs a new version number.
    digest = hashlib.sha256(places.astype("<i4").tobytes()).hexdigest()
    assert digest[:16] == "c47f1e9a54d5fb5d"
