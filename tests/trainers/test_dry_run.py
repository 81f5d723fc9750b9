"""What is told and checked before a training begins, and by --dry_run alone."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainers.kills import ROOT
from tfgan_models.errors import UsageError
from trainers import cyclegan
from trainers.training import loop

PROGRAM = """
import sys
from absl import flags
from trainers import {module}
from trainers.training import app

app.define_flags({module}.TRAINER)
flags.FLAGS(sys.argv)
app.main({module}.TRAINER)
print("with TensorFlow:", "tensorflow" in sys.modules, file=sys.stderr)
"""


def dry_run(module: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module), "--dry_run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_dry_run_tells_what_is_in_the_folder_without_tensorflow(folder: Path) -> None:
    finished = dry_run("cyclegan", f"--dataset=folder:{folder}")
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["model"] == "cyclegan"
    assert finished.stderr.splitlines()[1:] == [
        f"Found in {folder}:",
        "  trainA: 6 images, 20 x 20 px",
        "  trainB: 5 images, 20 x 20 px",
        "  testA: 2 images, 20 x 20 px",
        "  testB: 2 images, 20 x 20 px",
        "with TensorFlow: False",
    ]


@pytest.mark.parametrize(
    ("module", "flag", "message"),
    [
        ("pix2pix", "--downsamplings=7", "is not a multiple of 128"),
        ("dcgan", "--image_size=48", "--image_size must be a power of two"),
        ("stylegan", "--image_size=250", "--image_size must be a power of two"),
        ("srgan", "--scale=3", "--scale must be 2 or 4"),
        ("gan", "--virtual_devices=3", "must be a multiple of the 3 replicas"),
    ],
)
def test_dry_run_checks_the_recipe_before_the_folder(
    module: str, flag: str, message: str
) -> None:
    finished = dry_run(module, "--preset=cpu", flag, "--dataset=folder:/no/such")
    assert message in finished.stderr.splitlines()[-1]


@pytest.mark.parametrize("generator", ["resnet", "unet"])
def test_the_check_knows_what_the_generators_need(generator: str) -> None:
    recipe = cyclegan.CycleGANRecipe(
        generator=generator, filters=1, residual_blocks=1, downsamplings=3
    )
    multiple = cyclegan._generator(recipe, "g").size_multiple
    cyclegan.check(dataclasses.replace(recipe, image_size=3 * multiple))
    with pytest.raises(UsageError, match=f"is not a multiple of {multiple}, which"):
        cyclegan.check(dataclasses.replace(recipe, image_size=3 * multiple + 2))


def test_a_training_begins_with_what_is_in_the_folder(
    train: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(*_: object) -> None:
        raise UsageError("enough")

    monkeypatch.setattr(loop, "train", stop)
    with pytest.raises(UsageError, match="enough"):
        train(f"--model_dir={tmp_path}", "--steps=1")
    told = capsys.readouterr().out
    assert "}\nFound in " in told
    assert "  trainA: 6 images, 20 x 20 px\n" in told
