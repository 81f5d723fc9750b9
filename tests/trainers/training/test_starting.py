"""--init_from: a new training begins with another one's networks."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from export.saved_model import export_networks
from tests import gans, growing, srgans
from tests.models import networks
from tfgan_models.adversarial import GANModel
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints, description
from trainers.training import callbacks, starting

Train = Callable[..., None]


def save(model: GANModel, folder: Path) -> Path:
    """Writes a training's folder with one checkpoint."""
    said = description.Description({})
    callbacks.save_model(checkpoints.folder(folder), 1, model, said)
    checkpoints.describe_networks(folder, *callbacks.described(model))
    return folder


def test_all_networks_are_taken(tmp_path: Path) -> None:
    source = gans.cyclegan(seed=0, ema_decay=0.9)
    for network in source.ema_generators.values():
        for weight in network.weights:
            weight.assign(weight + 1.0)
    target = gans.cyclegan(seed=1, ema_decay=0.9)
    told = starting.init_from(target, save(source, tmp_path))
    assert len(told) == 4
    assert all(": all " in line for line in told)
    for name, network in networks(target).items():
        group, place = name.split("/")
        # The averaged generators are what the other training has come to.
        group = group.replace("ema_", "").replace("generators", "ema_generators")
        group = group if "discriminators" not in name else "discriminators"
        expected = networks(source)[f"{group}/{place}"]
        for weight, other in zip(network.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    source, target = gans.cyclegan(seed=0), gans.cyclegan(seed=1, norm="batch")
    folder = save(source, tmp_path)
    told = starting.init_from(target, folder)
    kernel, other = (m.generators["a2b"].weights[0] for m in (source, target))
    np.testing.assert_array_equal(kernel, other)
    name = r"\w+_norm/\w+, "
    assert re.match(
        rf"generator a2b: \d+ of \d+ weights; new: ({name}){{3}}\.", told[0]
    )
    target.generators = {"other": target.generators["a2b"]}
    target.discriminators = {}
    message = (
        "fits: it holds a2b, b2a, a, b, and the networks to train are generator other"
    )
    with pytest.raises(UsageError, match=message):
        starting.init_from(target, folder)


@pytest.mark.usefixtures("idle")
def test_a_training_begins_with_anothers_networks(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(f"--model_dir={first}", "--steps=1")
    capsys.readouterr()
    command = (f"--model_dir={second}", f"--init_from={first}", "--steps=1")
    train(*command, "--discriminator=pixel", "--seed=1")
    told = capsys.readouterr().out
    assert f"From {first}: generator a2b: all " in told
    assert re.search(r": discriminator a: \d of \d+ weights; new: \w+/kernel, ", told)
    # It has begun: what it has learned is kept.
    train(f"--model_dir={second}", f"--init_from={first}")
    assert f"From {first}" not in capsys.readouterr().out
    with pytest.raises(UsageError, match="has no checkpoint of a training"):
        train(f"--model_dir={tmp_path / 'third'}", f"--init_from={tmp_path}")


@pytest.mark.parametrize(
    ("source_steps", "step", "taken"),
    [(2, 0, "srresnet"), (2, 2, "srgan"), (0, 0, "srgan")],
)
def test_srgan_without_a_first_stage(
    source_steps: int, step: int, taken: str, tmp_path: Path
) -> None:
    """It starts where the other run has come to, in whichever stage that is."""
    source = srgans.srgan(source_steps)
    source.begin(step)
    for place, network in enumerate(source.generators.values(), 1):
        for weight in network.weights:
            weight.assign(weight + place)
    target = srgans.srgan(0, ema_decay=0.5)
    told = starting.init_from(target, save(source, tmp_path))
    target.begin(0)
    of = "" if taken == "srgan" else " of srresnet"
    assert re.fullmatch(rf"generator srgan: all \d+ weights{of}", told[1])
    expected = source.generators[taken].get_weights()
    for network in (target.generators["srgan"], target.exported_networks["srgan"]):
        for weight, other in zip(network.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(weight, other)


def test_an_exported_file_is_a_start_too(tmp_path: Path) -> None:
    source, target = gans.cyclegan(seed=0), gans.cyclegan(seed=1)
    export_networks(source.exported_networks, tmp_path, "mine")
    told = starting.init_from(target, tmp_path / "mine_b2a.keras")
    assert told[0].startswith("generator a2b: 0 of ")
    assert re.match(r"generator b2a: (all )?[1-9]\d* (of \d+ )?weights", told[1])
    kernels = (m.generators["b2a"].weights[0].numpy() for m in (source, target))
    np.testing.assert_array_equal(*kernels)
    with pytest.raises(UsageError, match=r"a SavedModel, .* Give the \.keras file"):
        starting.init_from(target, tmp_path / "mine_b2a")


def test_a_lone_network_of_another_name_goes_to_the_first_generator(
    tmp_path: Path,
) -> None:
    source, target = gans.cyclegan(seed=0), gans.cyclegan(seed=1)
    source.generators["b2a"].save(tmp_path / "mine.keras")
    told = starting.init_from(target, tmp_path / "mine.keras")
    assert re.fullmatch(r"generator a2b: all \d+ weights of network", told[0])


def test_scaled_kernels_are_refused(tmp_path: Path) -> None:
    source, target = growing.stylegan(), growing.stylegan()
    export_networks(source.exported_networks, tmp_path, "faces")
    before = [w.numpy() for w in target.generators["generator"].weights]
    with pytest.raises(UsageError, match=r"scaled kernels .* Give the run's --model_d"):
        starting.init_from(target, tmp_path / "faces_generator.keras")
    for weight, old in zip(target.generators["generator"].weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
