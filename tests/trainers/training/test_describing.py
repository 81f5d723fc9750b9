"""model.json while training: what the model is, at every step that is kept."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tfgan_models.errors import FailureError
from tfgan_models.runs import checkpoints, description
from tfgan_models.runs.description import Description

pytestmark = pytest.mark.usefixtures("idle")
Train = Callable[..., None]
EVALUATE = ("--checkpoint_every=2", "--eval_every=3", "--metrics=cycle")


def said(folder: Path) -> Description:
    found = description.of_training(folder)
    assert found is not None
    return found


def test_a_training_says_what_it_makes(
    train: Train, tmp_path: Path, folder: Path
) -> None:
    run, parent = tmp_path / "run", tmp_path / "parent"
    train(f"--model_dir={parent}", "--steps=1")
    begun = (f"--init_from={parent}", "--description=Seas.", "--license=CC0")
    train(f"--model_dir={run}", "--steps=4", *begun, *EVALUATE)
    whole = said(run)
    assert (whole.system, whole.task) == ("cyclegan", "translate")
    assert sorted(whole.networks) == ["a2b", "b2a"]
    assert whole.networks["a2b"].size_multiple == 4
    assert whole.recipe["filters"] == 4
    assert (whole.dataset, whole.classes) == (f"folder:{folder}", ())
    assert (whole.steps, whole.images) == (4, 8)
    assert (whole.description, whole.license) == ("Seas.", "CC0")
    assert (said(parent).parent, whole.parent) == ("", str(parent))
    assert whole.metrics["last"].keys() == {"step", "cycle/a2b", "cycle/b2a"}
    assert whole.metrics["last"]["step"] == 4
    # The newest checkpoint has the results that were measured after it was written.
    assert checkpoints.load_described(run)[1] == whole
    first = said(run / "checkpoints/step_00000002")
    assert (first.steps, first.images, first.metrics) == (2, 4, {})
    best = checkpoints.load_described(run, "best")[1]
    assert best.metrics["last"] == best.metrics["best"] == whole.metrics["best"]
    assert best.metrics["best"]["step"] == best.steps

    train(f"--model_dir={run}", "--steps=5", "--license=MIT")
    assert said(run) == dataclasses.replace(
        whole, steps=5, images=10, license="MIT", recipe=whole.recipe | {"steps": 5}
    )
    assert "license" not in json.loads((run / "recipe.json").read_text())


def test_a_training_of_earlier_code_gets_one(train: Train, tmp_path: Path) -> None:
    flags = (f"--model_dir={tmp_path}", "--steps=2", *EVALUATE)
    train(*flags)
    expected = said(tmp_path)
    for path in tmp_path.rglob(description.FILE):
        path.unlink()
    upgraded = checkpoints.load_described(tmp_path)[1]
    assert upgraded == expected
    assert expected.metrics["best"]["step"] == 2
    train(*flags)
    assert said(tmp_path) == expected


def test_a_full_disk_ends_what_has_not_begun(train: Train, tmp_path: Path) -> None:
    (tmp_path / ".unfinished_model.json").symlink_to("/dev/full")
    with pytest.raises(
        FailureError, match=r"No space left on device\. Free some space"
    ):
        train(f"--model_dir={tmp_path}", "--steps=1")
