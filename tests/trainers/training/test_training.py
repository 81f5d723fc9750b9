"""The CycleGAN trainer from flags to files, in this process."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests import precision
from tests.trainers.conftest import saved
from tfgan_models.cyclegan import CycleGAN
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.runs import checkpoints

Train = Callable[..., None]


def test_writes_recipe_checkpoints_samples_and_scalars(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    flags = ("--steps=21", "--checkpoint_every=8", "--eval_every=10")
    train(f"--model_dir={run}", *flags, traced=True)
    printed = capsys.readouterr().out
    recipe = json.loads((run / "recipe.json").read_text())
    assert recipe["steps"] == 21
    shown = json.loads(printed[printed.index("{") : printed.index("}") + 1])
    assert shown.items() - recipe.items() == {("preset", "cpu")}
    assert checkpoints.steps(run / "checkpoints") == [8, 16, 21]
    # 5 + GAP: 2 test images high, real | fake | back wide.
    grids = sorted(path.name for path in (run / "samples").iterdir())
    assert grids == [
        f"step_{step:08d}_{name}.png"
        for step in (10, 20, 21)
        for name in ("a2b", "b2a")
    ]
    with Image.open(run / "samples" / grids[0]) as grid:
        assert grid.size == (3 * 18 + 2, 2 * 18 + 2)
        assert np.asarray(grid).std() > 10
    tags = set()
    for path in (run / "logs").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {f"losses/{name}" for name in CycleGAN.loss_names} < tags
    assert {"samples/a2b", "samples/b2a", "images_per_second"} < tags


@pytest.mark.usefixtures("idle")
def test_a_finished_training_is_not_trained_again(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = (f"--model_dir={tmp_path}", "--steps=2")
    train(*flags)
    before = (tmp_path / "checkpoints/step_00000002/state.index").stat().st_mtime_ns
    train(*flags)
    assert (
        f"Nothing is left to train: {tmp_path} is at step 2, and the recipe ends at "
        "step 2." in capsys.readouterr().out
    )
    after = (tmp_path / "checkpoints/step_00000002/state.index").stat().st_mtime_ns
    assert before == after


def test_goes_on_from_the_checkpoint_before_a_corrupt_one(
    train: Train, tmp_path: Path
) -> None:
    flags = (f"--model_dir={tmp_path}", "--steps=4", "--checkpoint_every=2")
    train(*flags)
    expected = saved(tmp_path, 4)
    newest = tmp_path / "checkpoints/step_00000004/state.data-00000-of-00001"
    newest.write_bytes(newest.read_bytes()[:5000])
    with pytest.warns(UserWarning, match="step_00000004 cannot be read"):
        train(*flags)
    again = saved(tmp_path, 4)
    assert expected.keys() == again.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)


@pytest.mark.usefixtures("idle")
def test_epochs_are_the_longer_domain(train: Train, tmp_path: Path) -> None:
    train(f"--model_dir={tmp_path}", "--epochs=2", "--steps=0")
    assert checkpoints.steps(tmp_path / "checkpoints") == [6]  # 2 x (6 images / 2)


@pytest.mark.usefixtures("idle")
def test_the_time_limit_stops_with_a_checkpoint(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(f"--model_dir={tmp_path}", "--steps=1000000", "--max_minutes=0.001")
    (step,) = checkpoints.steps(tmp_path / "checkpoints")
    assert 0 < step < 1000
    assert f"Time is up at step {step} of 1000000" in capsys.readouterr().out


@pytest.mark.usefixtures("idle")
def test_the_signals_are_given_back(train: Train, tmp_path: Path) -> None:
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    train(f"--model_dir={tmp_path}", "--steps=4")  # two calls of fit
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


def test_stops_at_a_loss_that_is_not_finite(train: Train, tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"Stopped at step \d+: .*=(nan|inf)") as e:
        train(
            f"--model_dir={tmp_path}",
            "--steps=50",
            "--checkpoint_every=1",
            "--learning_rate=1e18",
        )
    assert "\n" not in str(e.value)
    for step in checkpoints.steps(tmp_path / "checkpoints"):
        for name, value in saved(tmp_path, step).items():
            if name.startswith("generators/"):
                assert np.isfinite(value).all(), name


@pytest.mark.usefixtures("idle")
def test_refuses_a_folder_of_another_recipe(train: Train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(f"--model_dir={run}", "--steps=1")
    with pytest.raises(UsageError, match="seed: saved 0, asked 7"):
        train(f"--model_dir={run}", "--steps=1", "--seed=7")
    assert checkpoints.steps(run / "checkpoints") == [1]


@pytest.mark.usefixtures("idle")
def test_fresh_moves_the_old_training_aside(train: Train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(f"--model_dir={run}", "--steps=1")
    train(f"--model_dir={run}", "--steps=2", "--fresh")
    assert checkpoints.steps(run / "checkpoints") == [2]
    (aside,) = (path for path in tmp_path.iterdir() if path != run)
    assert checkpoints.steps(aside / "checkpoints") == [1]


@pytest.mark.usefixtures("idle")
def test_exports_at_the_end(train: Train, tmp_path: Path) -> None:
    train(
        f"--model_dir={tmp_path / 'run'}",
        "--steps=1",
        f"--export_dir={tmp_path / 'models'}",
    )
    for key in ("a2b", "b2a"):
        assert (tmp_path / f"models/run_{key}/1/saved_model.pb").is_file()
        assert (tmp_path / f"models/run_{key}.keras").is_file()


def test_a_unet_with_a_pixel_discriminator(train: Train, tmp_path: Path) -> None:
    train(
        f"--model_dir={tmp_path}",
        "--steps=1",
        "--generator=unet",
        "--downsamplings=3",
        "--discriminator=pixel",
    )
    networks = checkpoints.load_networks(tmp_path)
    assert networks["a2b"].size_multiple == 8


def test_mixed_precision_trains_and_exports_float32(
    train: Train, tmp_path: Path
) -> None:
    try:
        train(
            f"--model_dir={tmp_path / 'run'}",
            "--steps=2",
            "--mixed_precision=bfloat16",
            f"--export_dir={tmp_path / 'models'}",
        )
    finally:
        keras.config.set_dtype_policy("float32")
    network = checkpoints.load_networks(tmp_path / "run")["a2b"]
    assert network.get_config()["dtype"] == "mixed_bfloat16"
    assert all(w.dtype == np.float32 for w in network.get_weights())
    served = tf.saved_model.load(str(tmp_path / "models/run_a2b/1"))
    image = tf.random.stateless_uniform([1, 16, 16, 3], [1, 2], -1.0, 1.0)
    translated = served.signatures["serving_default"](image=image)["translated_image"]
    assert translated.dtype == tf.float32
    exact = precision.in_float64(network)(image)
    precision.assert_rounds_alike(translated, network(image), exact)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--dataset=no/such_set"], "no/such_set"),
        (["--dataset=folder:/no/such/folder"], "/no/such/folder"),
        (
            ["--image_size=18", "--dataset=folder:/no/such/folder"],
            "image_size=18 is not a multiple of 4",
        ),
        (
            ["--generator=unet", "--downsamplings=5"],
            "image_size=16 is not a multiple of 32",
        ),
        (["--batch_size=0"], "--batch_size must be 1 or more"),
        (["--downsamplings=0", "--generator=unet"], "downsamplings=0"),
        (["--identity_weight=-1"], "identity_weight"),
        (["--learning_rate=0"], "learning_rate"),
        (["--model_dir=/dev/null/run"], "--model_dir=/dev/null/run cannot be written"),
    ],
)
def test_a_usage_error_is_one_line(
    train: Train, tmp_path: Path, flags: list[str], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        train(f"--model_dir={tmp_path}", "--steps=1", *flags)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_dry_run_prints_the_recipe_and_writes_nothing(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(f"--model_dir={tmp_path / 'run'}", "--dry_run", "--filters=12")
    assert json.loads(capsys.readouterr().out)["filters"] == 12
    assert not (tmp_path / "run").exists()
