"""A training's folder: one run at a time, of one recipe and the same data."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import pytest
import tensorflow as tf

from tests import gans
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints
from trainers.training import folder_lock, loop, run_folder

Train = Callable[..., None]

HOLD = """
import sys, time
from pathlib import Path
from trainers.training import folder_lock
with folder_lock.held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_killed_ones_folder_taken_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout.readline() == b"held\n"
        named = rf"in use by process {holder.pid} on \S+, started 20"
        with pytest.raises(UsageError, match=named), folder_lock.held(tmp_path):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with folder_lock.held(tmp_path):
        told = capsys.readouterr().out
        assert f"Taking over {tmp_path}, left by process {holder.pid} on" in told
    with folder_lock.held(tmp_path):
        assert capsys.readouterr().out == ""
    assert folder_lock.is_empty(tmp_path)


def test_runs_that_do_not_fit_are_refused(
    train: Train, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, run = tmp_path / "photos", tmp_path / "run"
    shutil.copytree(folder, photos)

    def go_on(*flags: str, path: Path | str = photos) -> str:
        train(
            f"--dataset=folder:{path}",
            f"--model_dir={run}",
            "--epochs=1",
            "--steps=0",
            *flags,
        )
        return capsys.readouterr().out

    # 6 images, 2 a step.
    assert "Resuming" not in go_on()
    assert checkpoints.steps(run / "checkpoints") == [3]
    with (
        folder_lock.held(run),
        pytest.raises(UsageError, match="is in use by process"),
    ):
        go_on()
    # Started by a version that recorded nothing; the same folder, written otherwise.
    (run / "data.json").unlink()
    assert "is at step 3, and the recipe ends at step 3" in go_on(
        path=f"{photos}/./../photos/"
    )
    assert set(json.loads((run / "data.json").read_text())["test_a"]) == {
        "testA/0.png",
        "testA/1.png",
    }

    (photos / "trainA/0.png").rename(photos / "trainA/new.png")
    for i in range(1, 5):
        (photos / f"trainA/{i}.png").unlink()
        (photos / f"trainB/{i}.png").unlink()
    shutil.copy(photos / "testA/1.png", photos / "testB/1.png")
    with pytest.raises(UsageError) as error:
        go_on()
    assert (
        "(train_a: 1 added (trainA/new.png), 5 removed (trainA/0.png, trainA/1.png, "
        "trainA/2.png, ...); train_b: 4 removed (trainB/1.png, trainB/2.png, "
        "trainB/3.png, ...)" in str(error.value)
    )
    assert "--change" in str(error.value)
    told = go_on("--change")
    assert "Resuming although the data have changed: train_a: 1 added" in told
    assert f"{run} is at step 3, and the recipe ends at step 1" in told
    assert "changed" not in go_on()
    assert checkpoints.steps(run / "checkpoints") == [3]


def test_one_folder_has_one_default_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/f").mkdir(parents=True)
    for written in (
        "data/f",
        "data/f/",
        "./data/f",
        "data/../data/f",
        tmp_path / "data/f",
    ):
        found = run_folder.default("gan", f"folder:{written}")
        assert found == Path("runs/gan-data-f"), written
    assert run_folder.default("gan", "folder:/a/b") == Path("runs/gan-a-b")
    assert run_folder.default("gan", "earth/day2night") == Path(
        "runs/gan-earth-day2night"
    )
    # One that was begun by how the path was written.
    (tmp_path / "runs/gan-.-data-f").mkdir(parents=True)
    assert run_folder.default("gan", "folder:./data/f") == Path("runs/gan-.-data-f")


@pytest.mark.usefixtures("idle")
def test_a_training_goes_on_by_its_own_recipe(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Presets change from one version to the next; what was begun does not."""
    run = tmp_path / "run"
    train(f"--model_dir={run}", "--steps=2", "--learning_rate=0.5")
    capsys.readouterr()
    train(f"--model_dir={run}")
    told = capsys.readouterr().out
    assert told.startswith(
        f"Resuming with the recipe in {run}; unlike the cpu preset: learning_rate=0.5, "
        "steps=2\n"
    )
    assert '"preset"' not in told
    assert "is at step 2, and the recipe ends at step 2" in told
    refused = r"learning_rate: saved 0.5, asked 0.0005.*Give --change to resume with"
    with pytest.raises(UsageError, match=refused):
        train(f"--model_dir={run}", "--preset=cpu", "--steps=2")
    with pytest.raises(UsageError, match=r"\(seed: saved 0, asked 1\).*without --pres"):
        train(f"--model_dir={run}", "--seed=1")


def test_a_training_goes_on_for_longer_and_with_other_weights(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    train(f"--model_dir={run}", "--steps=2")
    with pytest.raises(UsageError, match=r"\(steps: saved 2, asked 1\)"):
        train(f"--model_dir={run}", "--steps=1")
    capsys.readouterr()
    train(f"--model_dir={run}", "--steps=4")
    told = capsys.readouterr().out
    assert "Resuming with another recipe: steps: saved 2, asked 4\n" in told
    # Half of the new training is over: the rate begins to fall.
    assert f"Resuming {run} at step 2 of 4, at a learning rate of 0.0005\n" in told
    assert "Trained to step 4." in told
    heavier = (f"--model_dir={run}", "--steps=6", "--cycle_weight=9")
    with pytest.raises(UsageError, match=r"cycle_weight: saved 3.0, asked 9.0; steps"):
        train(*heavier)
    train(*heavier, "--change", "--learning_rate=0.003")
    told = capsys.readouterr().out
    assert f"Resuming {run} at step 4 of 6, at a learning rate of 0.002\n" in told
    assert json.loads((run / "recipe.json").read_text())["cycle_weight"] == 9.0
    train(f"--model_dir={run}")
    assert "is at step 6, and the recipe ends at step 6" in capsys.readouterr().out


def test_rates_that_are_numbers_are_the_recipes_and_not_the_checkpoints() -> None:
    model = gans.cyclegan(optimizer=lambda: keras.optimizers.Adam(0.25))
    rates = loop._constant_rates(model)
    assert rates == [(model.generator_optimizer, 0.25), (rates[1][0], 0.25)]
    assert rates[1][0] is model.discriminator_optimizer
    model.generator_optimizer.learning_rate = 0.5
    assert loop._constant_rates(model)[0][1] == 0.5
    falling = keras.optimizers.schedules.ExponentialDecay(0.25, 1, 0.5)
    model = gans.cyclegan(optimizer=lambda: keras.optimizers.Adam(falling))
    assert loop._constant_rates(model) == []


def test_rates_are_told_on_several_replicas(
    mirrored: tf.distribute.MirroredStrategy,
) -> None:
    falling = keras.optimizers.schedules.ExponentialDecay(0.125, 1, 0.5)
    for given, rate in ((0.25, 0.25), (falling, 0.125)):
        with mirrored.scope():
            model = gans.cyclegan(
                optimizer=lambda given=given: keras.optimizers.Adam(given)
            )
        for optimizer, number in loop._constant_rates(model):
            optimizer.learning_rate = number
        assert loop._rate(model.generator_optimizer) == rate
