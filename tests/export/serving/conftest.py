"""The gRPC endpoint that the tests of its services share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from export.serving.versions import VersionManager
from tests.export.serving.grpc_client import Client, Kinds, start


@pytest.fixture(scope="session")
def grpc_manager(
    tmp_path_factory: pytest.TempPathFactory, model_base: Path
) -> Iterator[VersionManager]:
    base = tmp_path_factory.mktemp("grpc")
    for name in ("half", "mixed", "models.config"):
        (base / name).symlink_to(model_base / name)
    kinds = Kinds()
    signatures = {"serving_default": kinds.echo, "spin": kinds.spin}
    tf.saved_model.save(kinds, str(base / "kinds" / "1"), signatures)
    with VersionManager(base) as manager:
        yield manager


@pytest.fixture(scope="session")
def client(grpc_manager: VersionManager) -> Iterator[Client]:
    client = start(grpc_manager)
    yield client
    client.channel.close()
    client.server.stop(1)
