"""Every trainer from its flags to its exports: stopped, started again, misused.

CycleGAN, ProGAN and StyleGAN are in test_kill.py and test_growing_kill.py.
"""

import importlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.signatures.signature_doc import FILE
from tests.export.apps import BLOCKED
from tests.trainers import kills, systems
from tests.trainers.conftest import run_trainer
from tests.trainers.systems import CASES, LONGER, STEPS, Case
from tfgan_models.errors import UsageError
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
# A stage more is what it adds to CycleGAN's loop; the others' loops are CycleGAN's.
killed = [
    pytest.param(case, marks=() if case.module == "srgan" else pytest.mark.slow)
    for case in CASES
]
Data = dict[str, Path]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return {
        "photos": systems.photos(tmp_path_factory.mktemp("photos")),
        "pairs": systems.pairs(tmp_path_factory.mktemp("pairs")),
    }


def train(case: Case, data: Data, run: Path, *more: str) -> None:
    """Trains in this process."""
    trainer = importlib.import_module(f"trainers.{case.module}").TRAINER
    run_trainer(trainer, *systems.flags_of(case, data, run, *more))


@pytest.fixture(scope="module")
def root(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all systems, of each one's training "run" and its exports."""
    root = tmp_path_factory.mktemp("systems")
    for case in CASES:
        export = f"--export_dir={root / case.module / 'models'}"
        train(case, data, root / case.module / "run", export)
        keras.backend.clear_session()
    return root


def test_every_system_is_started_somewhere() -> None:
    elsewhere = {"cyclegan", "progan", "stylegan"}
    assert {case.module for case in CASES} == set(SYSTEMS) - elsewhere


@each_system
def test_a_bad_flag_is_one_line(case: Case, data: Data, tmp_path: Path) -> None:
    flag, message = case.bad
    with pytest.raises(UsageError) as error:
        train(case, data, tmp_path, flag)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "recipe.json").exists()


def test_dry_run_prints_the_recipe_and_writes_nothing(
    data: Data, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[0]
    train(case, data, tmp_path / "run", "--dry_run", "--seed=3")
    recipe = json.loads(capsys.readouterr().out)
    assert (recipe["model"], recipe["seed"]) == (case.module, 3)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("case", killed, ids=str)
def test_killed_and_started_again_is_bit_for_bit_the_same(
    case: Case, data: Data, tmp_path: Path
) -> None:
    """In one process and in two, of which the first is killed at a random moment."""

    def start(name: str) -> subprocess.Popen:
        flags = systems.flags_of(case, data, tmp_path / name, *case.longer)
        return kills.start(case.module, *flags)

    whole, killed = start("whole"), start("killed")
    chance = kills.chance()
    after, delay = chance.randrange(2, LONGER - 4, 2), chance.uniform(0.0, 0.3)
    reached = kills.kill_after(killed, tmp_path / "killed", after, delay)
    kills.finish(whole)
    printed = kills.finish(start("killed"))
    assert f"at step {reached} of {LONGER}" in printed
    kills.assert_same(tmp_path / "whole", tmp_path / "killed", LONGER)
    kills.assert_same_pictures(tmp_path / "whole", tmp_path / "killed", LONGER)


@each_system
def test_goes_on_bit_for_bit(
    case: Case,
    data: Data,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As if it had been stopped after the first checkpoint."""
    run = tmp_path / "run"
    shutil.copytree(root / case.module / "run", run)
    shutil.rmtree(run / "samples")
    first, *later = checkpoints.steps(run / "checkpoints")
    for step in later:
        shutil.rmtree(run / f"checkpoints/step_{step:08d}")
    train(case, data, run)
    assert f"at step {first} of {STEPS}" in capsys.readouterr().out
    kills.assert_same(root / case.module / "run", run, STEPS)
    for path in (run / "samples").glob("step_*"):
        expected = root / case.module / "run/samples" / path.name
        assert path.read_bytes() == expected.read_bytes()


@each_system
def test_the_recipe_is_what_the_flags_say(case: Case, root: Path) -> None:
    recipe = json.loads((root / case.module / "run/recipe.json").read_text())
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
def test_every_signature_answers(case: Case, root: Path) -> None:
    """As it is described beside the model."""
    folder = root / case.module
    names = {f"run_{name}" for name in case.networks}
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


def test_keras_files_load_in_another_program(root: Path) -> None:
    """With Keras alone, and with the answers of the training's networks."""
    paths = []
    for case in CASES:
        networks = checkpoints.load_networks(root / case.module / "run")
        assert set(networks) == set(case.networks)
        for name, network in networks.items():
            twin = network.functional() if hasattr(network, "functional") else network
            asked = questions(twin)
            given = keras.tree.map_structure(lambda t, a=asked: a[t.name], twin.input)
            answer = np.asarray(twin(given, training=False))
            path = root / case.module / f"models/run_{name}.keras"
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
    expected = [f"{c.module} run_{name}" for c in CASES for name in c.networks]
    assert finished.stdout.splitlines() == expected
