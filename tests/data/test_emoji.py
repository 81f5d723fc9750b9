"""The bundled emoji: rows, names and pairs."""

import json
from collections import Counter

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from tfgan_models.data import emoji
from tfgan_models.data.prepared import prepared_builder

SIZES = {
    "line2flat": {"input": 64, "target": 64},
    "flat2render": {"input": 64, "target": 128},
    "render": {"image": 128},
    "flat": {"image": 64},
}
DRAWINGS = {
    "line2flat": {"input": "line_64.png", "target": "flat_64.png"},
    "flat2render": {"input": "flat_64.png", "target": "render_128.webp"},
    "render": {"image": "render_128.webp"},
    "flat": {"image": "flat_64.png"},
}


def load(config: str, data_dir: str) -> dict[str, list[dict]]:
    prepared_builder(f"emoji/{config}", data_dir)
    splits = tfds.load(f"emoji/{config}", data_dir=data_dir)
    return {name: list(tfds.as_numpy(split)) for name, split in splits.items()}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    """The list that comes with the atlases."""
    return json.loads((emoji.ATLASES / "emoji.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("config", SIZES)
def test_every_row_is_its_tile_and_its_name(
    config: str, data_dir: str, rows: list[dict[str, str]]
) -> None:
    splits = load(config, data_dir)
    test = range(0, len(rows), 10)
    train = [i for i in range(len(rows)) if i % 10]
    assert {n: len(s) for n, s in splits.items()} == {"train": 1378, "test": 154}
    atlases = {
        feature: np.asarray(Image.open(emoji.ATLASES / file).convert("RGB"))
        for feature, file in DRAWINGS[config].items()
    }
    for indices, split in ((train, splits["train"]), (test, splits["test"])):
        for index, example in zip(indices, split, strict=True):
            row = rows[index]
            for key in ("name", "subgroup", "codepoint"):
                assert example[key].decode() == row[key]
            assert emoji.GROUPS[example["group"]] == row["group"]
            for feature, size in SIZES[config].items():
                top, left = index // 40 * size, index % 40 * size
                tile = atlases[feature][top : top + size, left : left + size]
                np.testing.assert_array_equal(example[feature], tile)


def test_groups_are_the_eight_of_the_list(rows: list[dict[str, str]]) -> None:
    assert set(emoji.GROUPS) == {row["group"] for row in rows}
    assert len(emoji.GROUPS) == 8


def test_about_a_tenth_of_every_group_is_for_tests(
    rows: list[dict[str, str]],
) -> None:
    whole = Counter(row["group"] for row in rows)
    test = Counter(row["group"] for row in rows[:: emoji.TEST_EVERY])
    for group, count in whole.items():
        assert 0.07 < test[group] / count < 0.13


def test_line_and_render_differ_but_share_the_shape(data_dir: str) -> None:
    """Pairs are of the same emoji: their drawings overlap better than others do."""
    pairs = load("flat2render", data_dir)["test"]
    flat = np.stack([p["input"].min(-1) < 250 for p in pairs])
    render = np.stack([p["target"][::2, ::2].min(-1) < 250 for p in pairs])
    same = np.mean(flat == render)
    others = np.mean(flat == np.roll(render, 1, axis=0))
    assert same > 0.9
    assert same > others + 0.1
