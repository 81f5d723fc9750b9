"""One StyleGAN and one ProGAN in every form in which they can be given."""

from pathlib import Path

import keras
import pytest

from export import signatures, stock
from tests.trainers.generation import networks
from trainers.generation import generators
from trainers.generation.generators import LatentModel, StyleModel

KINDS = ("training", "own.keras", "stock.keras", "saved_model")


def save_all(network: keras.Model, folder: Path) -> Path:
    """Keeps a network in each of `KINDS`."""
    networks.save_training(network, folder / "training")
    network.save(folder / "own.keras")
    stock.to_stock(network.functional()).save(folder / "stock.keras")
    signatures.write_saved_model(network, folder / "saved_model" / "2")
    return folder


@pytest.fixture(scope="session")
def style() -> keras.Model:
    """64 px, without classes."""
    return networks.style()


@pytest.fixture(scope="session")
def labelled() -> keras.Model:
    """16 px, with classes, grey."""
    return networks.style(16, networks.CLASSES, channels=1)


@pytest.fixture(scope="session")
def progressive() -> keras.Model:
    """16 px, with classes."""
    return networks.progressive(networks.CLASSES)


@pytest.fixture(scope="session")
def style_files(style: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all(style, tmp_path_factory.mktemp("style"))


@pytest.fixture(scope="session")
def labelled_files(
    labelled: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return save_all(labelled, tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="session")
def progressive_files(
    progressive: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return save_all(progressive, tmp_path_factory.mktemp("progressive"))


@pytest.fixture(scope="session")
def model(style_files: Path) -> StyleModel:
    """`style` as the commands see it."""
    return generators.find(str(style_files / "own.keras"))


@pytest.fixture(scope="session")
def latent_model(progressive_files: Path) -> LatentModel:
    """`progressive` as the commands see it."""
    return generators.find(str(progressive_files / "own.keras"))
