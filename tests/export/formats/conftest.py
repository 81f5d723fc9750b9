"""Small SavedModels that are converted."""

from pathlib import Path

import pytest

from tests.export.formats import models


@pytest.fixture(scope="session")
def translation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write("cyclegan", tmp_path_factory.mktemp("translation") / "1")


@pytest.fixture(scope="session")
def with_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write("cgan", tmp_path_factory.mktemp("with_classes") / "1")


@pytest.fixture(scope="session")
def style(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write("stylegan", tmp_path_factory.mktemp("style") / "1")
