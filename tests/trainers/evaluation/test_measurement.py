"""From images to results: what is collected, compared and said of it."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tfgan_models.errors import UsageError
from tfgan_models.metrics import frechet, gaussian, kernel, manifold, similarity, spec
from tfgan_models.metrics.extractors import Extractor
from tfgan_models.metrics.inception_score import inception_score
from trainers.evaluation import feature_cache, measurement

SIZE = 16


class Means(Extractor):
    """An extractor that is quick and known: means of 2 x 2 tiles, logits by colour."""

    def __init__(self, fingerprint: str = "means") -> None:
        super().__init__("means", "means of tiles", fingerprint, network=None)
        object.__setattr__(self, "calls", [])

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.calls.append(len(images))
        tiles = images.reshape(len(images), 2, SIZE // 2, 2, SIZE // 2, 3)
        means = tiles.mean(axis=(2, 4)).reshape(len(images), 12)
        return means.astype(np.float32), 9 * images.mean(axis=(1, 2))

    def distance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.square(a - b).sum(axis=(1, 2, 3))


def images(count: int, seed: int) -> np.ndarray:
    shape = (count, SIZE, SIZE, 3)
    random = np.random.default_rng(seed)
    tint = random.uniform(-0.5, 0.5, (count, 1, 1, 3))
    return (tint + random.uniform(-0.5, 0.5, shape)).astype(np.float32)


INPUT, GENERATED, TRUTH, CYCLED, REAL = (images(40, seed) for seed in range(5))


def batched(*arrays: np.ndarray, size: int = 7) -> Iterator[tuple[np.ndarray, ...]]:
    for start in range(0, len(arrays[0]), size):
        yield tuple(array[start : start + size] for array in arrays)


def task(**changed: object) -> measurement.Task:
    names = ("generated", "input", "truth", "cycled")

    def batches(most: int) -> Iterator[dict[str, np.ndarray]]:
        parts = batched(GENERATED, INPUT, TRUTH, CYCLED)
        whole = (dict(zip(names, part, strict=True)) for part in parts)
        return measurement.limited(whole, most)

    def real(most: int) -> Iterator[np.ndarray]:
        return measurement.limited((part for (part,) in batched(REAL)), most)

    settings = {"name": "a2b", "batches": batches, "real": real, "train": real}
    return measurement.Task(**(settings | {"has": names[1:]} | changed))


def measure(text: str, **options: object) -> dict[str, measurement.Result]:
    results = measurement.measure(
        options.pop("task", None) or task(),
        spec.parse_list(text),
        {"lite0": Means()},
        **options,
    )
    return {result.name: result for result in results}


def test_figures_are_those_of_all_images() -> None:
    found = measure("kid_lite0,fid_lite0,is_lite0,pr_lite0,dc_lite0", seed=3)
    generated, logits = Means()(GENERATED)
    real, _ = Means()(REAL)
    kid, deviation = kernel.kernel_distance(real, generated, subset_size=20, seed=3)
    precision, recall = manifold.precision_recall(real, generated)
    density, coverage = manifold.density_coverage(real, generated)
    expected = {
        "kid_means": kid,
        "fid_means": frechet.frechet_distance(
            gaussian.gaussian(real), gaussian.gaussian(generated)
        ),
        "is_means": inception_score(logits, seed=3)[0],
        "precision_means": precision,
        "recall_means": recall,
        "density_means": density,
        "coverage_means": coverage,
    }
    assert {name: f.value for name, f in found.items()} == pytest.approx(expected)
    assert found["kid_means"].about == {
        "seed": 3,
        "extractor": "means of tiles",
        "generated": 40,
        "real": 40,
        "subsets": 100,
        "subset_size": 20,
        "std": deviation,
    }


def test_features_are_those_of_what_a_file_would_hold() -> None:
    far = (
        [{"generated": 3.0 * GENERATED}],
        [{"generated": np.clip(3 * GENERATED, -1, 1)}],
    )
    ours, clipped = (
        measure("fid_lite0", task=task(batches=lambda most, given=given: given))
        for given in far
    )
    assert ours["fid_means"].value == clipped["fid_means"].value > 0


def test_figures_without_features() -> None:
    found = measure("l1,psnr,ssim,cycle,msssim")
    assert found["l1"].value == pytest.approx(similarity.l1(GENERATED, TRUTH).mean())
    expected = similarity.psnr(GENERATED, TRUTH).mean()
    assert found["psnr"].value == pytest.approx(expected)
    expected = similarity.ssim(GENERATED, TRUTH).mean()
    assert found["ssim"].value == pytest.approx(expected)
    assert found["cycle"].value == pytest.approx(similarity.l1(CYCLED, INPUT).mean())
    pixels = np.round((GENERATED + 1) * 127.5)
    expected, pairs = similarity.diversity(pixels / 127.5 - 1)
    assert found["msssim"].value == pytest.approx(expected, abs=1e-6)
    assert found["msssim"].about["pairs"] == pairs == 20


def test_a_name_with_a_number_takes_so_many_images() -> None:
    found = measure("kid9_lite0,l1,l13,is20_lite0")
    assert found["kid9_means"].about["generated"] == 9
    assert found["kid9_means"].about["real"] == 9
    assert found["is20_means"].about["generated"] == 20
    assert found["l1"].about["generated"] == 40
    expected = similarity.l1(GENERATED[:3], TRUTH[:3]).mean()
    assert found["l13"].value == pytest.approx(expected)


def test_every_image_is_seen_once_and_no_more_than_needed() -> None:
    seen = []
    measure(
        "kid10_lite0,ssim9", watch=lambda batch: seen.append(len(batch["generated"]))
    )
    assert seen == [7, 3]


def test_path_length_of_a_generator_that_is_known() -> None:
    """Its images are w everywhere, and all paths go from w = 0 to w = 1."""
    ends = iter([np.zeros, np.ones] * 10)
    path = measurement.LatentPath(
        latents=lambda count, random: random.normal(size=(count, 4)),
        mapping=lambda z: next(ends)((len(z), 1)),
        synthesis=lambda w, random: np.tile(w[:, :, None, None], (1, SIZE, SIZE, 3)),
    )
    found = measure("ppl_w_full6_lite0", task=task(path=path))
    assert found["ppl_w_full6_means"].value == pytest.approx(SIZE * SIZE * 3, rel=1e-6)
    assert found["ppl_w_full6_means"].about["paths"] == 6


def test_what_a_task_cannot_tell_is_left_out_or_refused() -> None:
    plain = task(has=())
    assert list(measure("l1,cycle,ppl_z_full_lite0,msssim", task=plain)) == ["msssim"]
    for name, reason in (
        ("l1", "no ground truth"),
        ("cycle", "no reconstruction"),
        ("ppl_z_full_lite0", "are not latents"),
    ):
        with pytest.raises(UsageError, match=f"{name} cannot .* on photos: .*{reason}"):
            measurement.check([plain], spec.parse_list(name), "photos")
    measurement.check([plain, task()], spec.parse_list("l1,kid_lite0"), "photos")


def test_too_few_images_are_an_error_or_told() -> None:
    with pytest.raises(UsageError, match=r"pr3_lite0 of a2b: .*at least 4 images"):
        measure("pr3_lite0,l1")
    told: list[str] = []
    assert list(measure("pr3_lite0,l1", left_out=told.append)) == ["l1"]
    assert len(told) == 1
    assert "at least 4 images" in told[0]


def test_limits() -> None:
    whole = [np.arange(3), np.arange(3), np.arange(3)]
    cut = list(measurement.limited(iter(whole), 5))
    assert [len(part) for part in cut] == [3, 2]
    # No batch is drawn that nobody needs: it may be expensive.
    left = iter(whole)
    list(measurement.limited(left, 3))
    assert len(list(left)) == 2


def test_features_of_real_images_are_kept_by_content(tmp_path: Path) -> None:
    cache = feature_cache.FeatureCache(tmp_path / "cache")
    extractor = Means()
    expected = Means()(REAL)[0]

    def real(size: int = 7, shift: float = 0.0) -> Iterator[np.ndarray]:
        return (part + shift for (part,) in batched(REAL, size=size))

    np.testing.assert_array_equal(cache(real, extractor), expected)
    assert sum(extractor.calls) == 40
    # However they come in batches, and in another process too.
    again = feature_cache.FeatureCache(tmp_path / "cache")
    np.testing.assert_array_equal(again(lambda: real(9), extractor), expected)
    assert sum(extractor.calls) == 40
    cache(lambda: real(7, 0.1), extractor)
    assert sum(extractor.calls) == 80
    cache(real, Means("other weights"))
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_a_damaged_or_unwritable_cache_costs_time_only(tmp_path: Path) -> None:
    cache = feature_cache.FeatureCache(tmp_path)

    def real() -> Iterator[np.ndarray]:
        return (part for (part,) in batched(REAL))

    expected = cache(real, Means())
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    np.testing.assert_array_equal(cache(real, Means()), expected)
    assert np.load(path).shape == expected.shape
    (tmp_path / "file").write_text("")
    nowhere = feature_cache.FeatureCache(tmp_path / "file" / "cache")
    np.testing.assert_array_equal(nowhere(real, Means()), expected)
