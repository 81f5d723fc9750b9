"""Evaluating a generator: which images, which metrics, and how they were computed."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.metrics import (
    frechet,
    gaussian,
    inception_score,
    kernel,
    manifold,
    path_length,
    similarity,
)
from tfgan_models.metrics.extractors import Extractor, extractor
from tfgan_models.metrics.spec import KINDS, Spec

B = TypeVar("B", bound="np.ndarray | Mapping[str, np.ndarray]")

Batch: TypeAlias = Mapping[str, np.ndarray]
"""Images [N, H, W, C] in [-1, 1]: "generated" and, if there are any, "input",
"truth" (what "generated" should be) and "cycled" (the reconstruction of "input")."""

_PER_IMAGE = {
    "l1": (similarity.l1, "generated", "truth"),
    "psnr": (similarity.psnr, "generated", "truth"),
    "ssim": (similarity.ssim, "generated", "truth"),
    "cycle": (similarity.l1, "cycled", "input"),
}
_WITHOUT_BORDER = {"psnr_y": similarity.psnr_y, "ssim_y": similarity.ssim_y}


@dataclasses.dataclass(frozen=True)
class LatentPath:
    """What `path_length.perceptual_path_length` walks through."""

    latents: Callable[..., np.ndarray]
    mapping: Callable[[np.ndarray], np.ndarray]
    synthesis: Callable[..., np.ndarray]


@dataclasses.dataclass(frozen=True)
class Task:
    """A generator's images, and the real ones to compare them with.

    Attributes:
        name: Its name among the model's tasks, such as "a2b".
        batches: (maximum count) -> the generated images, the same on every
            call.
        real: (maximum count) -> real images to compare with, in batches.
        train: (maximum count) -> images it was trained on, in batches.
        inputs: (maximum count) -> the batches without "generated", if images are
            generated from images.
        has: The batches' keys other than "generated".
        path: Its latent space, if it has one.
        border: Pixels at each side of "generated" and "truth" that luma metrics
            leave out: the super-resolution scale; None: there are no such metrics.
        baselines: (maximum count) -> "generated" of baselines, by name; None:
            those that `translation.baseline_tasks` makes of any inputs.
    """

    name: str
    batches: Callable[[int], Iterable[Batch]]
    real: Callable[[int], Iterable[np.ndarray]]
    train: Callable[[int], Iterable[np.ndarray]]
    inputs: Callable[[int], Iterable[Batch]] | None = None
    has: tuple[str, ...] = ()
    path: LatentPath | None = None
    border: int | None = None
    baselines: Mapping[str, Callable[[int], Iterable[Batch]]] | None = None

    def can_tell(self, spec: Spec) -> bool:
        """Whether a metric can be computed for this task."""
        needs = KINDS[spec.kind].needs
        if needs == "path":
            return self.path is not None
        if needs == "border":
            return self.border is not None
        return not needs or needs in self.has


@dataclasses.dataclass(frozen=True)
class Result:
    """A metric's value, and everything needed to compare it with another.

    Attributes:
        spec: What was requested.
        name: Such as "kid5k_lite0".
        value: The value.
        about: Extractor, counts, seed, deviation.
    """

    spec: Spec
    name: str
    value: float
    about: Mapping[str, Any]


RealFeatures = Callable[[Callable[[], Iterable[np.ndarray]], Extractor], np.ndarray]


def extract(
    images: Callable[[], Iterable[np.ndarray]], features: Extractor
) -> np.ndarray:
    """Returns the features of all images, float32 [N, D]."""
    return np.concatenate([features(batch)[0] for batch in images()])


def check(tasks: Sequence[Task], specs: Sequence[Spec], dataset: str) -> None:
    """Refuses metrics that apply to none of the tasks.

    Raises:
        UsageError: There is one.
    """
    reasons = {
        "truth": "its test images have no ground truth",
        "cycled": "there is no reconstruction of the input",
        "path": "its inputs are not latents",
        "border": "it does not enlarge images",
    }
    for spec in specs:
        if not any(task.can_tell(spec) for task in tasks):
            allowed = [k for k, v in KINDS.items() if not v.needs]
            raise UsageError(
                f"{spec.text} cannot be computed for this model on {dataset}: "
                f"{reasons[KINDS[spec.kind].needs]}. Use others, such as "
                f"{', '.join(allowed)}."
            )


def extractors_of(
    specs: Sequence[Spec], inception_weights: str | None = None
) -> dict[str, Extractor]:
    """Loads the extractors that metrics need, by the names that they use.

    Args:
        specs: The metrics.
        inception_weights: See `extractor`; a path.

    Raises:
        UsageError: Weights are not installed or not readable.
        FailureError: Weights could not be downloaded.
    """
    names = {spec.extractor for spec in specs if spec.extractor}
    weights = Path(inception_weights) if inception_weights else None
    return {name: extractor(name, weights) for name in sorted(names)}


def measure(
    task: Task,
    specs: Sequence[Spec],
    extractors: Mapping[str, Extractor],
    seed: int = 0,
    real_features: RealFeatures = extract,
    watch: Callable[[Batch], None] | None = None,
    left_out: Callable[[str], None] | None = None,
) -> list[Result]:
    """Computes metrics of a task in one pass over its images.

    Args:
        task: What to evaluate.
        specs: The metrics; those that do not apply to the task are left out.
        extractors: By the names used in the specs.
        seed: For subsets, pairs and paths.
        real_features: Extracts the features of the real images, or looks them up.
        watch: Receives every batch.
        left_out: Receives the reason if a metric is left out for lack of images;
            None: raises an error instead.

    Returns:
        The metrics in the order of `specs`.

    Raises:
        UsageError: There are too few images for a metric.
    """
    specs = [spec for spec in specs if task.can_tell(spec)]
    seen = _Seen(specs, extractors, task.border)
    most = max((s.count for s in specs if KINDS[s.kind].needs != "path"), default=0)
    for batch in task.batches(most):
        seen.update(batch)
        if watch:
            watch(batch)

    # Several metrics compare with the same real images.
    @functools.cache
    def real(name: str, count: int) -> np.ndarray:
        return real_features(lambda: task.real(count), extractors[name])

    results = []
    for spec in specs:
        try:
            results += _from_features(task, spec, seen, extractors, seed, real)
        except ValueError as error:
            reason = f"{spec.text} of {task.name}: {error}"
            if left_out is None:
                raise UsageError(reason) from error
            left_out(reason)
    return results


class _Seen:
    """What one pass over the generated images collects for all metrics."""

    def __init__(
        self,
        specs: Sequence[Spec],
        extractors: Mapping[str, Extractor],
        border: int | None,
    ) -> None:
        by_features = [s for s in specs if KINDS[s.kind].by_features]
        self._extractors = {
            s.extractor: extractors[s.extractor]
            for s in by_features
            if s.extractor and KINDS[s.kind].needs != "path"
        }
        self._images = max((s.count for s in specs if s.kind == "msssim"), default=0)
        kinds = {s.kind for s in specs}
        self._per_image = {k: f for k, f in _PER_IMAGE.items() if k in kinds} | {
            kind: (functools.partial(function, border=border), "generated", "truth")
            for kind, function in _WITHOUT_BORDER.items()
            if kind in kinds and border is not None
        }
        self._parts: dict[str, list[np.ndarray]] = {}

    def update(self, batch: Batch) -> None:
        for name, extract_from in self._extractors.items():
            # As an image file would store it: some generators leave the range.
            features, logits = extract_from(np.clip(batch["generated"], -1, 1))
            self._add(f"{name} features", features)
            if logits is not None:
                self._add(f"{name} logits", logits)
        for kind, (function, first, second) in self._per_image.items():
            self._add(kind, function(batch[first], batch[second]))
        if sum(map(len, self._parts.get("images", ()))) < self._images:
            self._add("images", to_uint8(batch["generated"]))

    def _add(self, name: str, values: np.ndarray) -> None:
        self._parts.setdefault(name, []).append(values)

    def first(self, name: str, count: int) -> np.ndarray:
        """What was collected under a name for the first `count` images."""
        if name not in self._parts:
            raise UsageError("there is no image, or the extractor has no classes")
        return np.concatenate(self._parts[name])[:count]


def _from_features(
    task: Task,
    spec: Spec,
    seen: _Seen,
    extractors: Mapping[str, Extractor],
    seed: int,
    real_features: Callable[[str, int], np.ndarray],
) -> list[Result]:
    about: dict[str, Any] = {"seed": seed}
    if spec.extractor is None:
        value = _without_features(spec, seen, about)
        return [Result(spec, spec.names()[0], value, about)]
    values: Sequence[float]
    chosen = extractors[spec.extractor]
    about["extractor"] = chosen.description
    if task.path is not None and KINDS[spec.kind].needs == "path":
        values = [_path_length(task.path, spec, chosen, about)]
    else:
        features = seen.first(f"{spec.extractor} features", spec.count)
        about["generated"] = len(features)
        if spec.kind == "is":
            logits = seen.first(f"{spec.extractor} logits", spec.count)
            mean, about["std"] = inception_score.inception_score(logits, seed=seed)
            values = [mean]
        else:
            real = real_features(spec.extractor, spec.count)
            about["real"] = len(real)
            values = _compared(spec.kind, real, features, about)
    names = spec.names(chosen.name)
    return [Result(spec, n, v, about) for n, v in zip(names, values, strict=True)]


def _without_features(spec: Spec, seen: _Seen, about: dict[str, Any]) -> float:
    if spec.kind == "msssim":
        images = seen.first("images", spec.count)
        scales = similarity.scales(*images.shape[1:3])
        floats = images.astype(np.float32) / 127.5 - 1.0
        value, pairs = similarity.diversity(floats, about["seed"])
        about |= {"generated": len(images), "pairs": pairs, "scales": scales}
        return value
    values = seen.first(spec.kind, spec.count)
    about |= {"generated": len(values), "std": float(values.std())}
    return float(values.mean())


def _compared(
    kind: str, real: np.ndarray, generated: np.ndarray, about: dict[str, Any]
) -> Sequence[float]:
    """Metrics of the generated images' features against the real ones'."""
    if kind == "kid":
        size = kernel.fitting_subset(real, generated)
        about |= {"subsets": kernel.SUBSETS, "subset_size": size}
        mean, about["std"] = kernel.kernel_distance(
            real, generated, subset_size=size, seed=about["seed"]
        )
        return [mean]
    if kind == "fid":
        first, second = gaussian.gaussian(real), gaussian.gaussian(generated)
        return [frechet.frechet_distance(first, second)]
    if kind == "pr":
        return manifold.precision_recall(real, generated)
    return manifold.density_coverage(real, generated)


def _path_length(
    path: LatentPath, spec: Spec, features: Extractor, about: dict[str, Any]
) -> float:
    _, space, sampling = spec.kind.split("_")
    about |= {"paths": spec.count, "epsilon": path_length.EPSILON}
    return path_length.perceptual_path_length(
        path.latents,
        path.mapping,
        path.synthesis,
        features.distance,
        space=space,
        sampling=sampling,
        count=spec.count,
        seed=about["seed"],
    )


def limited(batches: Iterable[B], most: int) -> Iterable[B]:
    """Truncates batches, arrays or mappings of arrays, after `most` images."""
    left = most
    for batch in batches:
        size = len(next(iter(batch.values())) if isinstance(batch, Mapping) else batch)
        yield batch if size <= left else _cut(batch, left)
        left -= size
        if left <= 0:
            return


def _cut(batch: Any, count: int) -> Any:
    if isinstance(batch, Mapping):
        return {name: images[:count] for name, images in batch.items()}
    return batch[:count]
