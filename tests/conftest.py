"""Two logical CPUs, a quiet TensorFlow and a home of its own for every test run."""

from __future__ import annotations

import gc
import os
import runpy
import tempfile
from pathlib import Path

# Read when keras, TensorFlow and TFDS are imported: must be set before any of them.
_HOME = tempfile.TemporaryDirectory(prefix="tfgan_models_tests_")
os.environ["HOME"] = _HOME.name
os.environ["KERAS_HOME"] = str(Path(_HOME.name) / ".keras")
os.environ["TFDS_DATA_DIR"] = str(Path(_HOME.name) / "tensorflow_datasets")
os.environ["XDG_CACHE_HOME"] = str(Path(_HOME.name) / ".cache")
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# For the processes that tests start, and for this one.
_STARTUP = Path(__file__).parent / "startup"
_PATHS = [str(_STARTUP), str(_STARTUP.parents[1]), os.environ.get("PYTHONPATH")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _PATHS))
runpy.run_path(str(_STARTUP / "sitecustomize.py"))

from typing import TYPE_CHECKING  # noqa: E402

import pytest  # noqa: E402

if TYPE_CHECKING:
    from types import ModuleType

    import tensorflow as tf

LOGICAL_CPUS = 2
LONG = {
    "test_growing_kill.py",
    "test_kill.py",
    "test_models.py",
    "test_readme.py",
    "test_systems.py",
    "test_workers.py",
}


def pytest_configure(config: pytest.Config) -> None:
    """Divides the CPU, but where tests are only handed out to other processes."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration() for _ in range(LOGICAL_CPUS)],
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test as often as `make numerics` asks for."""
    turns = int(os.environ.get("TESTS_TURNS", "1"))
    if turns > 1:
        metafunc.fixturenames.append("turn")
        metafunc.parametrize("turn", range(turns))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has the files that take minutes go first: none is left for one process alone."""
    items.sort(key=lambda item: item.path.name not in LONG)


def pytest_collection_finish() -> None:
    """Has garbage looked for less often, and never in what was imported.

    With its defaults Python spends a tenth of the suite's time on that.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def pytest_unconfigure() -> None:
    """Removes the temporary home."""
    _HOME.cleanup()


@pytest.fixture(scope="session")
def mirrored() -> tf.distribute.MirroredStrategy:
    """Two replicas on the two logical CPUs.

    The only MirroredStrategy of the process: a second one with another model would
    wait for the first one's collectives.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(LOGICAL_CPUS)])


@pytest.fixture(scope="session")
def torch_fidelity() -> ModuleType:
    """The package torch_fidelity."""
    from tests import fidelity

    return fidelity.import_torch_fidelity()
