"""What can be evaluated, and the report of it."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from export import client, saved_model
from tests.export.conftest import REPOSITORY, serving
from tests.trainers.generation.test_generate_upscale import save_training
from tfgan_models.errors import FailureError, UsageError
from tfgan_models.metrics import similarity, spec
from tfgan_models.networks import ResNetGenerator
from trainers import evaluate
from trainers.evaluation import grids, measurement, sources, translation

SIZE = 16


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpaired data set of 16 px: 12 training and 6 test images of A and B."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(7)
    for split, count in (("trainA", 12), ("trainB", 12), ("testA", 6), ("testB", 6)):
        (root / split).mkdir()
        for i in range(count):
            tint = random.integers(0, 156, 3)
            pixels = (tint + random.integers(0, 100, (SIZE, SIZE, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(root / split / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def networks() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(1)
    return {name: ResNetGenerator(4, 1) for name in ("a2b", "b2a")}


@pytest.fixture(scope="module")
def models(
    networks: dict[str, keras.Model], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Both networks exported as mine_a2b and mine_b2a."""
    base = tmp_path_factory.mktemp("models")
    saved_model.export_networks(networks, base, "mine")
    return base


def pixels(photos: Path, split: str) -> np.ndarray:
    files = sorted((photos / split).iterdir())
    return np.stack([np.asarray(Image.open(file)) for file in files])


def floats(photos: Path, split: str) -> np.ndarray:
    return pixels(photos, split).astype(np.float32) / 127.5 - 1.0


def request(photos: Path, model: object, **options: object) -> sources.Request:
    return sources.Request(str(model), f"folder:{photos}", image_size=SIZE, **options)


def generated(task: measurement.Task) -> dict[str, np.ndarray]:
    batches = list(task.batches(100))
    return {key: np.concatenate([b[key] for b in batches]) for key in batches[0]}


def test_saved_models_find_their_way_back(
    photos: Path, models: Path, networks: dict[str, keras.Model]
) -> None:
    for path in (models / "mine_a2b", models / "mine_a2b" / "1"):
        subject = sources.find(request(photos, path))
        assert subject.kind == "SavedModel"
        assert [task.name for task in subject.tasks] == ["a2b", "b2a"]
    a2b = generated(subject.tasks[0])
    np.testing.assert_allclose(a2b["input"], floats(photos, "testA"), atol=1e-6)
    expected = networks["a2b"](a2b["input"]).numpy()
    np.testing.assert_allclose(a2b["generated"], expected, atol=1e-5)
    back = networks["b2a"](expected).numpy()
    np.testing.assert_allclose(a2b["cycled"], back, atol=1e-5)
    assert "truth" not in a2b


def test_a_saved_model_alone_translates_as_it_is_named(
    photos: Path, models: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine_b2a").symlink_to(models / "mine_b2a")
    (task,) = sources.find(request(photos, tmp_path / "mine_b2a")).tasks
    assert task.name == "b2a"
    assert task.has == ("input",)
    (tmp_path / "other").symlink_to(models / "mine_b2a")
    subject = sources.find(request(photos, tmp_path / "other", direction="b2a"))
    (task,) = subject.tasks
    np.testing.assert_allclose(
        generated(task)["input"], floats(photos, "testB"), atol=1e-6
    )


def test_an_endpoint_answers_what_the_saved_model_does(
    photos: Path, models: Path, tmp_path: Path
) -> None:
    expected = sources.find(request(photos, models / "mine_a2b")).tasks[0]
    with serving(f"--model_base={models}") as (_, _, address):
        url = f"{address}/v1/models/mine_a2b"
        subject = sources.find(request(photos, url))
        assert subject.kind == "endpoint"
        assert [task.name for task in subject.tasks] == ["a2b", "b2a"]
        served = generated(subject.tasks[0])
        np.testing.assert_allclose(
            served["generated"], generated(expected)["generated"], atol=1.01 / 127.5
        )
        with pytest.raises(UsageError, match="serves no model nobody"):
            sources.find(request(photos, f"{address}/v1/models/nobody"))
        with pytest.raises(UsageError, match="is not the address of a served model"):
            sources.find(request(photos, address))
        with pytest.raises(UsageError, match="answered 4"):
            client.translate(f"{address}/v1/models/nobody", pixels(photos, "testA"))
    with pytest.raises(FailureError, match="does not respond"):
        sources.find(request(photos, url))


def test_a_folder_of_images_is_compared_with_the_target(
    photos: Path,
) -> None:
    subject = sources.find(request(photos, photos / "trainA", direction="a2b"))
    (task,) = subject.tasks
    np.testing.assert_allclose(
        generated(task)["generated"].mean(), floats(photos, "trainA").mean(), atol=1e-6
    )
    real = np.concatenate(list(task.real(100)))
    np.testing.assert_allclose(real, floats(photos, "testB"), atol=1e-6)
    (task,) = sources.find(request(photos, photos / "trainA", direction="b2a")).tasks
    real = np.concatenate(list(task.real(100)))
    np.testing.assert_allclose(real, floats(photos, "testA"), atol=1e-6)


def test_aligned_test_images_are_the_truth(photos: Path, models: Path) -> None:
    subject = sources.find(request(photos, models / "mine_a2b", aligned=True))
    truth = generated(subject.tasks[0])["truth"]
    np.testing.assert_allclose(truth, floats(photos, "testB"), atol=1e-6)
    (photos / "testB/5.png").rename(photos / "5.png")
    try:
        with pytest.raises(UsageError, match="of A and B are 6 and 5"):
            sources.find(request(photos, models / "mine_a2b", aligned=True))
    finally:
        (photos / "5.png").rename(photos / "testB/5.png")


def test_pairs_are_data_too(photos: Path, models: Path, tmp_path: Path) -> None:
    """A|B side by side: no data set of two domains, but of pairs."""
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        for a, b in zip(
            pixels(photos, f"{split}A"), pixels(photos, f"{split}B"), strict=True
        ):
            name = f"{len(list((tmp_path / split).iterdir()))}.png"
            Image.fromarray(np.hstack([a, b])).save(tmp_path / split / name)
    a2b, b2a = sources.find(request(tmp_path, models / "mine_a2b")).tasks
    np.testing.assert_allclose(
        generated(a2b)["truth"], floats(photos, "testB"), atol=1e-6
    )
    np.testing.assert_allclose(
        generated(b2a)["input"], floats(photos, "testB"), atol=1e-6
    )
    (task,) = sources.find(request(tmp_path, photos / "trainA")).tasks
    real = np.concatenate(list(task.real(100)))
    np.testing.assert_allclose(real, floats(photos, "testB"), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nowhere"}, "nowhere is none of: a training run's --model_dir"),
        ({"model": "{models}/mine_a2b", "dataset": None}, "are needed for a model"),
        ({"model": "{models}/mine_a2b", "image_size": None}, "image_size=None"),
        ({"model": "{broken}"}, "recipe.json is not a trainer's recipe"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    photos: Path, models: Path, tmp_path: Path, options: dict, message: str
) -> None:
    broken = save_training({"a2b": ResNetGenerator(2, 1)}, tmp_path / "broken")
    (broken / "recipe.json").write_text('{"model": "biggan"}')
    model = options.pop("model").format(models=models, broken=broken)
    settings = {"dataset": f"folder:{photos}", "image_size": SIZE} | options
    with pytest.raises(UsageError, match=message):
        sources.find(sources.Request(model, **settings))


def test_baselines_are_what_they_are_called(photos: Path, models: Path) -> None:
    subject = sources.find(request(photos, models / "mine_a2b", aligned=True))
    found = translation.baseline_tasks(subject.tasks[0], 6)
    inputs, truth = floats(photos, "testA"), floats(photos, "testB")
    for name, expected in (
        ("untranslated", inputs),
        (
            "mean colour",
            np.full_like(inputs, 0) + floats(photos, "trainB").mean((0, 1, 2)),
        ),
    ):
        made = generated(found[name])
        np.testing.assert_allclose(made["generated"], expected, atol=1e-5)
        np.testing.assert_allclose(made["truth"], truth, atol=1e-6)
        assert "cycled" not in made
    matched = generated(found["histogram matching"])["generated"]
    reference = floats(photos, "trainB")
    np.testing.assert_allclose(
        np.quantile(matched, [0.1, 0.5, 0.9], axis=(0, 1, 2)),
        np.quantile(reference, [0.1, 0.5, 0.9], axis=(0, 1, 2)),
        atol=0.02,
    )
    training = generated(found["training images"])["generated"]
    np.testing.assert_allclose(training, reference[:6], atol=1e-6)


def test_the_report_says_what_was_measured(
    photos: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    subject = sources.find(request(photos, models / "mine_a2b", aligned=True))
    specs = spec.parse_list("kid_lite0,l1,cycle,pr5_lite0")
    results = evaluate.evaluate(
        subject, specs, measurement.extractors_of(specs), 3, tmp_path, "mine"
    )
    a2b = generated(subject.tasks[0])
    expected = similarity.l1(a2b["generated"], a2b["truth"]).mean()
    measured = {f.name: f for f in results["a2b"]["model"]}
    assert measured["l1"].value == pytest.approx(expected)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["data set"] == f"folder:{photos}"
    stored = written["tasks"]["a2b"]
    assert stored["model"]["l1"]["value"] == measured["l1"].value
    assert stored["model"]["kid_lite0"]["seed"] == 3
    assert set(stored) == {
        "model",
        "untranslated",
        "histogram matching",
        "mean colour",
        "training images",
    }
    assert "cycle" not in stored["untranslated"]
    printed = capsys.readouterr().out
    (row,) = [line for line in printed.splitlines() if line.startswith("l1 ↓")][:1]
    assert f"{expected:.4g}" in row
    assert "6 generated, seed 3" in row
    page = (tmp_path / "evaluation.html").read_text()
    for text in (
        "a2b: samples",
        "a2b: worst by cycle error",
        "b2a: best by cycle error",
        "a2b: samples and the nearest training images",
        "EfficientNet-Lite0",
    ):
        assert text in page
    assert page.count("data:image/png;base64,") == 8


def test_the_nearest_training_image_of_a_copy_is_its_original(
    photos: Path, models: Path
) -> None:
    from trainers.evaluation import gallery

    subject = sources.find(request(photos, photos / "trainB"))
    (task,) = subject.tasks
    kept = gallery.Gallery(task)
    for batch in task.batches(4):
        kept.watch(batch)
    lite0 = measurement.extractors_of(spec.parse_list("kid_lite0"))["lite0"]
    memory = gallery.memorising(task, kept.samples, lite0, measurement.extract)
    (copies, real) = memory.table.rows
    assert float(copies[2]) == pytest.approx(0.0, abs=0.02)
    assert float(real[2]) > 1.0
    # 4 rows of 4 images of 16 px, 8 times as large: the first two columns are equal.
    with Image.open(io.BytesIO(memory.picture.png)) as image:
        grid = np.asarray(image)[::8, ::8]
    step = SIZE + grids.GAP
    columns = [grid[:, grids.GAP + i * step :][:, :SIZE] for i in range(4)]
    np.testing.assert_array_equal(columns[0], columns[1])
    assert not np.array_equal(columns[0], columns[2])


def test_worst_and_best_are_those_of_all_images(photos: Path, models: Path) -> None:
    from trainers.evaluation import gallery

    subject = sources.find(request(photos, models / "mine_a2b"))
    kept = gallery.Gallery(subject.tasks[0])
    for batch in subject.tasks[0].batches(100):
        kept.watch(batch)
    a2b = generated(subject.tasks[0])
    errors = np.sort(similarity.l1(a2b["cycled"], a2b["input"]))
    samples, worst, best = kept.pictures(subject.tasks[0])
    assert samples.caption == "input | generated | reconstructed"
    for picture, expected in ((worst, errors[::-1][:6]), (best, errors[:6])):
        shown = [float(e) for e in picture.caption.split("errors ")[1].split(", ")]
        np.testing.assert_allclose(shown, expected, atol=6e-4)


def test_few_images_are_warned_of_and_have_no_fid(
    capsys: pytest.CaptureFixture[str],
) -> None:
    specs = spec.parse_list(evaluate.DEFAULT)
    kid_alone = [s for s in specs if s.kind != "fid"]
    reasons: list[str] = []

    def chosen(count: int, left_out: Callable | None) -> list[spec.Spec]:
        batches = [np.zeros((10, 1, 1, 3))] * (count // 10)
        task = measurement.Task("a2b", iter, lambda most: batches, iter)
        return list(evaluate._worthwhile(task, specs, left_out))

    assert chosen(100, reasons.append) == specs
    assert capsys.readouterr().out == "" and reasons == []
    assert chosen(90, reasons.append) == kid_alone
    assert "Warning: a2b has 90 real images" in capsys.readouterr().out
    assert len(reasons) == 1 and reasons[0].startswith("fid5k_lite0 of a2b: it needs")
    assert chosen(90, None) == specs  # what was asked for
    assert "Warning: a2b has 90 real images" in capsys.readouterr().out


def test_the_command_evaluates_a_training(
    train: Callable[..., None], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train(f"--model_dir={run}", "--steps=2", "--metrics=cycle", "--eval_every=1")
    command = (sys.executable, "-W", "error", "-m", "trainers.evaluate")
    result = subprocess.run(
        [*command, f"--model={run}", "--which=best"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    for told in (
        f"Loading {run}\n",
        "a2b: evaluating the model\n",
        "b2a: evaluating a baseline, untranslated\n",
    ):
        assert told in result.stderr
        assert told not in result.stdout
    assert result.stdout.startswith("Warning: a2b has 2 real images")
    assert "Left out: fid5k_lite0 of a2b: it needs at least 100 " in result.stdout
    measured = json.loads((run / "evaluation/evaluation.json").read_text())["tasks"]
    assert set(measured["a2b"]["model"]) == {"kid5k_lite0", "cycle"}
    written = json.loads((run / "evaluation/evaluation.json").read_text())
    assert written["kind"] == "training"
    assert written["step"] in ("1", "2")
    page = (run / "evaluation/evaluation.html").read_text()
    assert "<h2>Training</h2>" in page
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert result.returncode == 2
    assert "--model is required" in result.stderr
