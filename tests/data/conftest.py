"""Prepared data sets and image folders shared by the tests of the data package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the tests' TFDS data sets are prepared, once a session."""
    return str(tmp_path_factory.mktemp("tfds"))


@pytest.fixture
def save_images() -> Callable[[Path, int], None]:
    """Gives a function that fills a folder with images 0.png, 1.png, ... of value i."""

    def save(folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for value in range(count):
            image = np.full((5, 7, 3), value, np.uint8)
            Image.fromarray(image).save(folder / f"{value:03}.png")

    return save
