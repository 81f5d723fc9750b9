"""Figures while training: logged, the best checkpoint kept, stopped early."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.conftest import saved
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints, run_log
from trainers.evaluation import measurement
from trainers.training import watch

Train = Callable[..., None]
EVALUATE = ("--eval_every=1", "--checkpoint_every=1", "--metrics=cycle")


@pytest.fixture
def scripted(
    idle: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[int, float]], None]:
    """Makes the result of each step what a script says."""

    def use(script: Mapping[int, float]) -> None:
        def measure(task: Any, specs: Any, *rest: Any) -> list[measurement.Result]:
            # b2a differs from a2b: their mean decides.
            offset = 0.1 if task.name == "a2b" else -0.1
            value = script[current[0]] + offset
            return [measurement.Result(specs[0], "cycle", value, {"seed": 0})]

        current = [0]
        judge = watch.QualityWatch.evaluate

        def evaluate(self: watch.QualityWatch) -> None:
            current[0] = self.step
            judge(self)

        monkeypatch.setattr(measurement, "measure", measure)
        monkeypatch.setattr(watch.QualityWatch, "evaluate", evaluate)

    return use


def logged(run: Path, name: str) -> dict[int, float]:
    steps, values = run_log.series(run_log.read(run))[name]
    return dict(zip(steps, values, strict=True))


@pytest.mark.usefixtures("idle")
def test_figures_go_to_the_log_and_tensorboard(train: Train, tmp_path: Path) -> None:
    train(
        f"--model_dir={tmp_path}",
        "--steps=5",
        "--eval_every=2",
        "--metrics=kid_lite0,cycle",
    )
    for direction in ("a2b", "b2a"):
        for name in ("kid_lite0", "cycle"):
            values = logged(tmp_path, f"{name}/{direction}")
            assert list(values) == [2, 4, 5]
            assert len(set(values.values())) == 3
    about = [entry.about for entry in run_log.read(tmp_path) if entry.about][-1]
    assert about["kid_lite0/a2b"]["generated"] == 2
    assert about["kid_lite0/a2b"]["real"] == 2
    assert "EfficientNet-Lite0" in about["kid_lite0/a2b"]["extractor"]
    tags = set()
    for path in (tmp_path / "logs").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"metrics/kid_lite0/a2b", "metrics/cycle/b2a"} <= tags


@pytest.mark.usefixtures("idle")
def test_the_figure_is_that_of_the_exported_networks(
    train: Train, tmp_path: Path, folder: Path
) -> None:
    """EMA generators where they are kept: loaded anew, they give the same result."""
    from tfgan_models.data import catalog
    from trainers import cyclegan
    from trainers.evaluation import translation

    train(f"--model_dir={tmp_path}", "--steps=3", "--ema_decay=0.9", *EVALUATE)
    networks = checkpoints.load_networks(tmp_path)
    tasks = translation.unpaired_tasks(
        {name: translation.translator(n) for name, n in networks.items()},
        catalog.unpaired(f"folder:{folder}"),
        16,
    )
    assert cyclegan.TRAINER.tasks is cyclegan.tasks
    for task in tasks:
        batches = list(task.batches(100))
        assert sum(len(batch["input"]) for batch in batches) == 2
        error = np.mean([np.abs(b["cycled"] - b["input"]).mean() for b in batches])
        assert logged(tmp_path, f"cycle/{task.name}")[3] == pytest.approx(error)


def test_the_best_checkpoint_is_kept_beside_the_latest(
    train: Train, tmp_path: Path, scripted: Callable[..., None]
) -> None:
    scripted({1: 0.9, 2: 0.5, 3: 0.7, 4: 0.6, 5: 0.8, 6: 0.9})
    train(f"--model_dir={tmp_path}", "--steps=6", *EVALUATE)
    assert checkpoints.steps(tmp_path / "best") == [2]
    assert checkpoints.steps(tmp_path / "checkpoints") == [4, 5, 6]
    best = checkpoints.load_networks(tmp_path, "best")
    reader = tf.train.load_checkpoint(str(tmp_path / "best/step_00000002/state"))
    stored = {
        reader.get_tensor(name).tobytes()
        for name in reader.get_variable_to_dtype_map()
        if name.startswith("ema_generators/")
    }
    latest = checkpoints.load_networks(tmp_path)
    for name, network in best.items():
        for weight, other in zip(
            network.get_weights(), latest[name].get_weights(), strict=True
        ):
            assert weight.tobytes() in stored
            assert not np.array_equal(weight, other)


def test_a_resumed_training_knows_the_best_of_before(
    train: Train, tmp_path: Path, scripted: Callable[..., None]
) -> None:
    scripted({1: 0.9, 2: 0.3, 3: 0.7, 4: 0.6, 5: 0.2})
    train(f"--model_dir={tmp_path}", "--steps=5", "--max_minutes=1e9", *EVALUATE)
    assert checkpoints.steps(tmp_path / "best") == [5]
    # Back to step 3, as after a kill: the log and the best are ahead of it.
    for step in (4, 5):
        checkpoints._remove(tmp_path / f"checkpoints/step_{step:08d}")
    scripted({4: 0.6, 5: 0.25})
    train(f"--model_dir={tmp_path}", "--steps=5", "--max_minutes=1e9", *EVALUATE)
    assert checkpoints.steps(tmp_path / "best") == [5]
    assert logged(tmp_path, "cycle/a2b") == pytest.approx(
        {1: 1.0, 2: 0.4, 3: 0.8, 4: 0.7, 5: 0.35}
    )


def test_a_best_checkpoint_of_an_earlier_step_replaces_a_later_one(
    tmp_path: Path,
) -> None:
    for step in (9, 4):
        checkpoints.save(tmp_path, step, {"weight": tf.Variable(0.0)}, kept=1)
    assert checkpoints.steps(tmp_path) == [4]


def test_training_ends_where_nothing_gets_better(
    train: Train,
    tmp_path: Path,
    scripted: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    scripted({1: 0.9, 2: 0.5, 3: 0.7, 4: 0.5, 5: 0.6, 6: 0.1})
    train(f"--model_dir={tmp_path}", "--steps=6", "--early_stop=3", *EVALUATE)
    assert "No better cycle at step 5 of 6" in capsys.readouterr().out
    assert checkpoints.steps(tmp_path / "checkpoints")[-1] == 5
    assert checkpoints.steps(tmp_path / "best") == [2]


def test_the_count_to_an_early_stop_goes_on_after_a_kill(
    train: Train, tmp_path: Path, scripted: Callable[..., None]
) -> None:
    scripted(dict.fromkeys(range(1, 9), 0.5) | {2: 0.4})
    flags = (f"--model_dir={tmp_path}", "--steps=8", "--early_stop=4", *EVALUATE)
    train(*flags)
    assert checkpoints.steps(tmp_path / "checkpoints")[-1] == 6
    for step in (5, 6):
        checkpoints._remove(tmp_path / f"checkpoints/step_{step:08d}")
    train(*flags)
    assert checkpoints.steps(tmp_path / "checkpoints")[-1] == 6
    assert checkpoints.steps(tmp_path / "best") == [2]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--metrics=l1"], "l1 cannot be computed .*no ground truth"),
        (["--metrics=kid"], "kid needs extractor"),
        (["--early_stop=2"], "--early_stop=2 needs a metric"),
        (["--metrics=pr_lite0"], "pr_lite0 of a2b: .*at least 4 images"),
    ],
)
def test_figures_that_cannot_be_are_refused(
    train: Train, tmp_path: Path, flags: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(f"--model_dir={tmp_path}", "--steps=1", "--eval_every=1", *flags)


@pytest.mark.usefixtures("idle")
def test_best_is_refused_where_no_figure_was_computed(
    train: Train, tmp_path: Path
) -> None:
    train(f"--model_dir={tmp_path}", "--steps=1")
    with pytest.raises(UsageError, match="has no best checkpoint"):
        checkpoints.load_networks(tmp_path, "best")


@pytest.mark.slow
def test_the_recipe_and_checkpoints_do_not_depend_on_figures(
    train: Train, tmp_path: Path
) -> None:
    train(f"--model_dir={tmp_path / 'with'}", "--steps=4", *EVALUATE)
    train(f"--model_dir={tmp_path / 'without'}", "--steps=4")
    expected = saved(tmp_path / "without", 4)
    for name, tensor in saved(tmp_path / "with", 4).items():
        np.testing.assert_array_equal(tensor, expected[name])
