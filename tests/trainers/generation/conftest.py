"""Generators of all kinds in every form in which they can be given."""

from pathlib import Path

import keras
import pytest

from export.keras_file import plain_keras
from export.signatures import writing
from tests.trainers.generation import networks
from tfgan_models.tasks.generators import LatentModel, StyleModel

KINDS = ("training", "own.keras", "plain.keras", "saved_model")


def save_all(network: keras.Model, folder: Path) -> Path:
    """Keeps a network in each of `KINDS`."""
    networks.save_training(network, folder / "training")
    network.save(folder / "own.keras")
    functional = network.functional() if hasattr(network, "functional") else network
    plain_keras.to_plain_keras(functional).save(folder / "plain.keras")
    writing.write_saved_model(network, folder / "saved_model" / "2")
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


PLAIN = {
    "GAN": networks.dense,
    "CGAN": networks.conditional,
    "DCGAN": networks.convolutional,
    "DCGAN with classes": lambda: networks.convolutional(networks.CLASSES),
}
"""Generators without a w and without growth."""


@pytest.fixture(scope="session", params=PLAIN)
def plain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[keras.Model, Path]:
    """Each of `PLAIN`, and the folder where it is kept."""
    network = PLAIN[request.param]()
    return network, save_all(network, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="session")
def model(style_files: Path) -> StyleModel:
    """`style` as the commands see it."""
    return networks.opened(str(style_files / "own.keras"))


@pytest.fixture(scope="session")
def latent_model(progressive_files: Path) -> LatentModel:
    """`progressive` as the commands see it."""
    return networks.opened(str(progressive_files / "own.keras"))
