"""Every trainer as a person starts it: killed, started again, exported, misused.

CycleGAN, ProGAN and StyleGAN are in test_kill.py and test_growing_kill.py.
"""

import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.signatures.signature_doc import FILE
from tests.export.apps import BLOCKED
from tests.trainers import systems
from tests.trainers.conftest import saved
from tests.trainers.systems import CASES, STEPS, Case
from tests.trainers.training.test_growing_kill import kill_after
from tfgan_models.runs import checkpoints
from tfgan_models.systems import SYSTEMS

# Each argument is a file; the answers to the inputs beside it are to be the same.
LOAD = (
    BLOCKED
    + """
import pathlib
import keras

for path in map(pathlib.Path, sys.argv[1:]):
    model = keras.models.load_model(path)
    facts = np.load(path.with_suffix(".npz"))
    inputs = keras.tree.map_structure(lambda tensor: facts[tensor.name], model.input)
    answer = np.asarray(model(inputs, training=False))
    np.testing.assert_allclose(answer, facts["expected"], rtol=0, atol=1e-5)
    print(path.parent.parent.name, path.stem)
"""
)
each_system = pytest.mark.parametrize("case", CASES, ids=str)
Runs = dict[str, Future]


def finish(process: subprocess.Popen) -> str:
    """Waits for a process that is to succeed; returns what it printed."""
    printed, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return printed


def train_whole(case: Case, data: dict[str, Path], folder: Path) -> None:
    """A training that nothing stops, to "whole"."""
    finish(systems.start(case, data, folder / "whole"))


def train_killed(case: Case, data: dict[str, Path], folder: Path) -> None:
    """One that is killed at some moment and started again, to "killed" and "models"."""
    chance = random.Random()
    process = systems.start(case, data, folder / "killed")
    after, delay = chance.randrange(2, STEPS - 4, 2), chance.uniform(0.0, 0.3)
    reached = kill_after(process, folder / "killed", after, delay)
    export = f"--export_dir={folder / 'models'}"
    printed = finish(systems.start(case, data, folder / "killed", export))
    assert f"at step {reached} of {STEPS}" in printed


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        "photos": systems.photos(tmp_path_factory.mktemp("photos")),
        "pairs": systems.pairs(tmp_path_factory.mktemp("pairs")),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all systems, of each one's runs and exports."""
    return tmp_path_factory.mktemp("systems")


@pytest.fixture(scope="module")
def runs(data: dict[str, Path], root: Path) -> Iterator[Runs]:
    """All trainings, two at a time; those that take longest first."""
    with ThreadPoolExecutor(2) as pool:
        yield {
            f"{case.module}/{name}": pool.submit(train, case, data, root / case.module)
            for case in reversed(CASES)
            for name, train in (("killed", train_killed), ("whole", train_whole))
        }


def test_every_system_is_started_somewhere() -> None:
    elsewhere = {"cyclegan", "progan", "stylegan"}
    assert {case.module for case in CASES} == set(SYSTEMS) - elsewhere


def test_bad_flags_are_one_line(data: dict[str, Path], tmp_path: Path) -> None:
    started = [
        systems.start(case, data, tmp_path / case.module, case.bad[0]) for case in CASES
    ]
    for case, process in zip(CASES, started, strict=True):
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 2, (case.module, errors)
        assert case.bad[1] in errors
        assert len(errors.strip().splitlines()) == 1, errors
        assert not (tmp_path / case.module / "recipe.json").exists()


def test_dry_run_prints_the_recipe_and_writes_nothing(
    data: dict[str, Path], tmp_path: Path
) -> None:
    case = CASES[0]
    run = tmp_path / "run"
    recipe = json.loads(finish(systems.start(case, data, run, "--dry_run", "--seed=3")))
    assert (recipe["model"], recipe["seed"]) == (case.module, 3)
    assert not run.exists()


@each_system
def test_killed_and_started_again_is_bit_for_bit_the_same(
    case: Case, runs: Runs, root: Path
) -> None:
    folder = root / case.module
    for name in ("whole", "killed"):
        runs[f"{case.module}/{name}"].result()
    expected, resumed = (saved(folder / run, STEPS) for run in ("whole", "killed"))
    assert expected.keys() == resumed.keys()
    assert len(expected) > 8
    for name, value in expected.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    samples = {p.name: p.read_bytes() for p in (folder / "whole/samples").iterdir()}
    assert any(name.startswith(f"step_{STEPS:08d}") for name in samples)
    for name, contents in samples.items():
        assert (folder / "killed/samples" / name).read_bytes() == contents


@each_system
def test_the_recipe_is_what_the_flags_say(case: Case, runs: Runs, root: Path) -> None:
    runs[f"{case.module}/whole"].result()
    recipe = json.loads((root / case.module / "whole/recipe.json").read_text())
    assert recipe["model"] == case.module
    for flag in case.flags:
        name, value = flag[2:].split("=")
        assert str(recipe[name]) == value


def example(spec: tf.TensorSpec) -> tf.Tensor:
    """Returns two samples of an input of a signature."""
    shape = [2, *(17 if side is None else side for side in spec.shape[1:])]
    if spec.dtype == tf.string:
        contents = io.BytesIO()
        Image.fromarray(np.full((9, 11, 3), 90, np.uint8)).save(contents, "PNG")
        value = b"a red cat" if "caption" in spec.name else contents.getvalue()
        return tf.fill(shape, value)
    if spec.dtype.is_integer:
        return tf.cast(tf.reshape(tf.range(2), shape), spec.dtype)
    drawn = np.random.default_rng(0).uniform(-1, 1, shape)
    return tf.constant(drawn, spec.dtype)


@each_system
def test_every_signature_answers(case: Case, runs: Runs, root: Path) -> None:
    """As it is described beside the model."""
    runs[f"{case.module}/killed"].result()
    folder = root / case.module
    names = {f"killed_{name}" for name in case.networks}
    assert {p.name for p in (folder / "models").iterdir() if p.is_dir()} == names
    for name in names:
        version = folder / "models" / name / "1"
        words = (version / FILE).read_text()
        signatures = tf.saved_model.load(str(version)).signatures
        assert "serving_default" in signatures
        for signature, function in signatures.items():
            assert f"## {signature}\n" in words
            inputs = function.structured_input_signature[1]
            answer = function(**{k: example(spec) for k, spec in inputs.items()})
            for key, value in answer.items():
                assert f"| output | `{key}` |" in words
                assert len(value) == 2
                if value.dtype == tf.string:
                    files = [Image.open(io.BytesIO(f)) for f in value.numpy()]
                    assert all(file.format == "PNG" for file in files)
                else:
                    assert np.isfinite(value).all()
                    assert np.std(value) > 0


def questions(functional: keras.Model) -> dict[str, np.ndarray]:
    """Returns random inputs, by name."""
    rng = np.random.default_rng(0)
    return {
        tensor.name: rng.uniform(
            -1, 1, [2, *(32 if side is None else side for side in tensor.shape[1:])]
        ).astype("float32")
        for tensor in functional.inputs
    }


def test_keras_files_load_in_another_program(runs: Runs, root: Path) -> None:
    """With Keras alone, and with the answers of the training's networks."""
    paths = []
    for case in CASES:
        runs[f"{case.module}/killed"].result()
        networks = checkpoints.load_networks(root / case.module / "killed")
        assert set(networks) == set(case.networks)
        for name, network in networks.items():
            twin = network.functional() if hasattr(network, "functional") else network
            asked = questions(twin)
            given = keras.tree.map_structure(lambda t, a=asked: a[t.name], twin.input)
            answer = np.asarray(twin(given, training=False))
            path = root / case.module / f"models/killed_{name}.keras"
            np.savez(path.with_suffix(".npz"), expected=answer, **asked)
            paths.append(path)
    finished = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, paths)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert finished.returncode == 0, finished.stderr
    expected = [f"{c.module} killed_{name}" for c in CASES for name in c.networks]
    assert finished.stdout.splitlines() == expected
