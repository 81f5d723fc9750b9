"""A small exported model, and a photo."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from export.saved_model import export_networks
from tests.networks.conformance import randomize
from tfgan_models.networks import ResNetGenerator


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of mine_a2b/1, mine_a2b.keras and photo.png, of 22 x 17 pixels."""
    folder = tmp_path_factory.mktemp("tiny")
    network = ResNetGenerator(filters=2, residual_blocks=1)
    randomize(network)
    export_networks({"a2b": network}, folder, "mine")
    levels = np.random.default_rng(0).integers(0, 256, (17, 22, 3), np.uint8)
    Image.fromarray(levels).save(folder / "photo.png")
    return folder
