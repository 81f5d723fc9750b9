"""Trainings and exports of an earlier version still open, resume and serve.

`c179826.zip` was made by `make.sh` from the commit of that name, before there was a
model.json.
"""

import dataclasses
import shutil
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from export.signatures import saved_signatures
from export.signatures.examples import examples
from tests.trainers.systems import photos
from tfgan_models.adversarial import GANModel
from tfgan_models.runs import checkpoints, description
from trainers import cgan
from trainers.training import loop, recipe

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)

STYLE_NOISE = ((4, 4, 1),) * 2 + ((8, 8, 1),) * 2
KNOWN: dict[str, dict[str, Any]] = {
    "pix2pix": {
        "key": "generator",
        "task": "translate",
        "size_multiple": 4,
        "metrics": {
            kind: {"step": 2, "l1/a2b": pytest.approx(0.9999, abs=1e-4)}
            for kind in ("last", "best")
        },
    },
    "cgan": {
        "key": "generator",
        "task": "generate",
        "label_size": 2,
        "latent_size": 4,
        "latent_distribution": "uniform",
        "resolution": 16,
    },
    # Half of what it is to become: 16 px were being faded in.
    "stylegan": {
        "key": "generator",
        "task": "generate",
        "label_size": 2,
        "latent_distribution": "normal",
        "resolution": 8,
        "noise_shapes": STYLE_NOISE,
    },
    "srgan": {"key": "srgan", "task": "upscale", "scale": 4},
    "stackgan": {
        "key": "generator",
        "task": "caption",
        "resolution": 32,
        "latent_size": 2,
        "reads_text": False,
    },
}
"""What is known of each training from its recipe, networks, log and checkpoint."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    with zipfile.ZipFile(Path(__file__).with_name("c179826.zip")) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("system", KNOWN)
def test_a_training_is_described(made: Path, system: str) -> None:
    networks, said = checkpoints.load_described(made / "runs" / system)
    known = dict(KNOWN[system])
    key, metrics = known.pop("key"), known.pop("metrics", {})
    facts = said.networks[key]
    assert {name: getattr(facts, name) for name in known} == known
    assert (facts.channels, facts.kind) == (3, type(networks[key]).__name__)
    assert (said.system, said.steps, said.images) == (system, 2, 4)
    assert said.metrics == metrics
    data = "folder:pairs" if system == "pix2pix" else "folder:photos"
    assert (said.dataset, said.recipe["dataset"]) == (data, data)
    assert (said.classes, said.parent, said.license) == ((), "", "")


@pytest.mark.parametrize("system", KNOWN)
def test_an_export_serves(made: Path, system: str) -> None:
    """Every signature answers; the network of the checkpoint draws the same."""
    key = KNOWN[system]["key"]
    directory = made / "models" / f"{system}_{key}" / "1"
    assert description.of_saved_model(directory) is None
    loaded = tf.saved_model.load(str(directory))
    for name, signature in saved_signatures.read(directory).items():
        given = examples(signature.inputs, signature.input_shapes)
        given = {k: tf.constant(v) for k, v in given.items()}
        answer = loaded.signatures[name](**given)
        assert set(answer) == set(signature.outputs)
        if name == "serving_default" and system in ("pix2pix", "cgan", "srgan"):
            network = checkpoints.load_networks(made / "runs" / system)[key]
            image = _called(network, given)
            np.testing.assert_allclose(*answer.values(), image, atol=1e-4)
    path = made / "models" / f"{system}_{key}.keras"
    assert keras.models.load_model(path).count_params() > 0


def _called(network: keras.Model, given: dict[str, tf.Tensor]) -> tf.Tensor:
    if "latent" not in given:
        return tf.clip_by_value(network(given["image"], training=False), -1.0, 1.0)
    labels = tf.one_hot(given["label"], network.label_size)
    return network(given["latent"], labels=labels, training=False)


def test_a_training_goes_on(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(made / "runs/cgan", tmp_path / "cgan")
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    photos(Path("photos"))
    found = recipe.parsed(recipe.read(run), "cgan", cgan.CGANRecipe)
    assert found is not None
    longer = dataclasses.replace(found, steps=3)
    monkeypatch.setattr(GANModel, "run_eagerly", property(lambda _: True, lambda *_: 0))
    outcome = loop.train(
        cgan.TRAINER,
        longer,
        cgan.TRAINER.load_data(longer, None),
        tf.distribute.OneDeviceStrategy("CPU:0"),
        run,
        loop.Cadence(checkpoint_every=10, eval_every=10),
        words={"license": "CC0"},
    )
    assert outcome.step == 3
    said = description.of_training(run)
    assert said == checkpoints.load_described(run)[1] == outcome.description
    assert (said.steps, said.images, said.license) == (3, 6, "CC0")
    assert said.classes == ("cat", "dog")
    # The earlier checkpoint is described as it was, with what has been said since.
    before = checkpoints.place(run / "checkpoints", 2)
    shutil.rmtree(checkpoints.place(run / "checkpoints", 3))
    assert not (before / description.FILE).exists()
    said = checkpoints.load_described(run)[1]
    assert (said.steps, said.images, said.license) == (2, 4, "CC0")
