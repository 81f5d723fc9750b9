"""A training goes on without what is no checkpoint."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfgan_models.runs import checkpoints, run_log
from trainers.training import callbacks
from trainers.training.extras import Extras


@pytest.mark.usefixtures("idle")
def test_a_full_disk_costs_no_training(
    train: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(callbacks, "LOG_EVERY", 1)
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    (tmp_path / "logs").write_text("not a folder")
    (tmp_path / "samples").mkdir()
    for step in (1, 2):
        for name in ("a2b", "b2a"):
            path = tmp_path / f"samples/step_{step:08d}_{name}.png"
            path.symlink_to("/dev/full")
    train(
        f"--model_dir={tmp_path}",
        "--steps=2",
        "--eval_every=1",
        "--checkpoint_every=1",
        "--metrics=cycle",
    )
    assert checkpoints.steps(tmp_path / "checkpoints") == [1, 2]
    errors = capsys.readouterr().err
    assert errors.count("Training continues, but") == 3
    for kind in ("sample grids", "metrics.jsonl", "TensorBoard's files"):
        assert f"Training continues, but {kind} cannot be written: " in errors
    assert "No space left on device" in errors


def test_folders_removed_while_training_are_made_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = Extras(tmp_path)
    pixels = np.zeros([4, 4, 3], np.uint8)
    for step in (1, 2, 3):
        written.scalars(step, {"losses/g": 1.0})
        written.grids(step, {"fakes": pixels})
        if step == 1:
            shutil.rmtree(tmp_path / "logs")
            shutil.rmtree(tmp_path / "samples")
    assert [p.name for p in sorted((tmp_path / "samples").iterdir())] == [
        "step_00000002_fakes.png",
        "step_00000003_fakes.png",
    ]
    assert [entry.step for entry in run_log.read(tmp_path)] == [1, 2, 3]
    (events,) = (tmp_path / "logs").iterdir()
    written_to = [
        event.step for event in tf.compat.v1.train.summary_iterator(str(events))
    ]
    assert written_to == [0, 2, 2, 3, 3]  # the file's version, a scalar and a grid each
    assert capsys.readouterr().err == ""
