"""What every generator that draws from latents is measured on and compared with."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainers.evaluation import test_measurement
from tests.trainers.training.test_growing import class_folder
from tfgan_models.data import catalog
from tfgan_models.metrics import spec
from trainers import evaluate
from trainers.evaluation import latent_samples, measurement, sources, translation


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return class_folder(tmp_path_factory.mktemp("classes"))


def task(
    photos: Path, size: int = 20, grey: bool = False, path: object = None
) -> measurement.Task:
    """Drawing noise that has nothing to do with the photos."""
    channels = 1 if grey else 3

    def noise(seeds: np.ndarray, classes: np.ndarray) -> np.ndarray:
        shape = (len(seeds), size // 2, size // 2, channels)
        return np.random.default_rng(seeds[0]).uniform(-1, 1, shape)

    splits = catalog.labelled(f"folder:{photos}")
    return latent_samples.image_task(noise, splits, size, path, grey)


@pytest.mark.parametrize("grey", [False, True])
def test_the_mean_image_is_that_of_all_training_images(
    photos: Path, grey: bool
) -> None:
    mean = translation.baseline_tasks(task(photos, grey=grey), 5)["mean image"]
    pixels = [np.asarray(Image.open(file)) for file in sorted(photos.glob("*/*.png"))]
    assert len(pixels) == 12
    expected = np.mean(pixels, axis=0) / 127.5 - 1.0
    if grey:
        expected = expected @ np.array([[0.299], [0.587], [0.114]])
    for count in (5, 40):
        made = np.concatenate([batch["generated"] for batch in mean.batches(count)])
        assert made.shape == (count, *expected.shape)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made - expected, 0.0, atol=1e-5)


def test_a_task_of_images_names_its_baselines(photos: Path) -> None:
    path = measurement.LatentPath(np.zeros, np.zeros, np.zeros)
    own = task(photos, path=path)
    found = translation.baseline_tasks(own, 5)
    assert list(found) == ["mean image", "training images"]
    # Path lengths are the generator's, not the blur's.
    assert own.path is path
    assert found["mean image"].path is None


def test_the_evaluation_prints_what_a_blur_would_get(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = task(photos, size=test_measurement.SIZE)
    subject = sources.Subject("SavedModel", "noise", 16, None, [own])
    specs = spec.parse_list(
        "kid12_lite0,fid12_lite0,is12_lite0,pr12_lite0,dc12_lite0,msssim12"
    )
    means = test_measurement.Means()
    results = evaluate.evaluate(subject, specs, {"lite0": means}, 0, tmp_path, "mine")
    measured = {f.name: f.value for f in results["images"]["mean image"]}
    assert list(measured) == [f.name for f in results["images"]["model"]]
    assert all(np.isfinite(value) for value in measured.values())
    # All alike: of one class, as similar as can be, and recalling nothing.
    assert measured["is12_means"] == pytest.approx(1.0, abs=1e-6)
    assert measured["msssim12"] == pytest.approx(1.0, abs=1e-6)
    assert measured["recall12_means"] == 0.0
    # What they lack for FID is the real features' spread.
    real = np.concatenate([means(batch)[0] for batch in own.real(12)])
    spread = np.trace(np.cov(real, rowvar=False))
    assert measured["fid12_means"] == pytest.approx(spread, rel=1e-3)
    printed = capsys.readouterr().out
    header = next(line for line in printed.splitlines() if "made of" in line)
    assert " ".join(header.split()) == "model mean image training images made of"
