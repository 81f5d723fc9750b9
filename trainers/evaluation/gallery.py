"""The images of a report: samples, best and worst, nearest training images."""

import dataclasses
import heapq
from collections.abc import Callable

import numpy as np
from PIL import Image

from tfgan_models.metrics import manifold, similarity
from tfgan_models.metrics.extractors import Extractor
from trainers.evaluation import grids, report
from trainers.evaluation.measurement import Batch, Task

SHOWN = 8
EXTREMES = 6
NEIGHBOURS = 3
_COLUMNS = ("input", "generated", "cycled", "truth")
_TITLES = {"generated": "generated", "cycled": "reconstructed", "truth": "truth"}
_SHOWN_SIDE = 128
_MOST_SHOWN = 1024
_TRAINING_IMAGES = 5000


class Gallery:
    """Keeps the images worth showing as batches go by, in constant memory.

    Args:
        task: Whose batches are shown.

    Attributes:
        samples: The first images, each a mapping as a batch is.
        seen: Images seen so far.
    """

    def __init__(self, task: Task) -> None:
        self.samples: list[Batch] = []
        # By their error: of the cycle, or if there is none, against the truth.
        self._error = next(
            (
                (name, pair)
                for name, pair in (
                    ("cycle error", ("cycled", "input")),
                    ("L1 to the truth", ("generated", "truth")),
                )
                if set(pair) <= {"generated", *task.has}
            ),
            None,
        )
        self._best: list[tuple[float, int, Batch]] = []
        self._worst: list[tuple[float, int, Batch]] = []
        self.seen = 0

    def watch(self, batch: Batch) -> None:
        """Adds a batch."""
        rows = [
            {key: images[i] for key, images in batch.items()}
            for i in range(len(batch["generated"]))
        ]
        self.samples += rows[: SHOWN - len(self.samples)]
        if self._error:
            first, second = self._error[1]
            errors = similarity.l1(batch[first], batch[second])
            for i, (row, error) in enumerate(zip(rows, errors, strict=True), self.seen):
                # The number keeps images out of the comparison if errors are equal.
                _keep(self._worst, (float(error), i, row))
                _keep(self._best, (-float(error), i, row))
        self.seen += len(rows)

    def pictures(self, task: Task) -> list[report.Picture]:
        """Returns the samples, and the best and worst if errors are known."""
        columns = [c for c in _COLUMNS if c in self.samples[0]]
        caption = " | ".join(_TITLES.get(column, column) for column in columns)
        drawn = [_picture(f"{task.name}: samples", self.samples, columns, caption)]
        if self._error:
            for word, kept, sign in (
                ("worst", self._worst, 1),
                ("best", self._best, -1),
            ):
                ordered = sorted(kept, key=lambda item: item[:2], reverse=True)
                errors = ", ".join(f"{sign * item[0]:.3f}" for item in ordered)
                drawn.append(
                    _picture(
                        f"{task.name}: {word} by {self._error[0]}",
                        [item[2] for item in ordered],
                        columns,
                        f"{caption}; {self._error[0]}s {errors}",
                    )
                )
        return drawn


@dataclasses.dataclass(frozen=True)
class Memory:
    """How close generated images are to training images.

    Attributes:
        picture: Samples, each with its nearest training images.
        table: Median distances, next to those of real test images.
    """

    picture: report.Picture
    table: report.Table


def memorising(
    task: Task,
    samples: list[Batch],
    extractor: Extractor,
    features_of: Callable[..., np.ndarray],
) -> Memory:
    """Finds the training images nearest to samples, to reveal memorisation.

    Args:
        task: Its training and real images.
        samples: Generated images.
        extractor: Its features define the distance.
        features_of: Extracts the features of all images, or looks them up.
    """
    generated = [sample["generated"] for sample in samples]
    candidates = features_of(lambda: task.train(_TRAINING_IMAGES), extractor)
    clipped = np.clip(generated, -1, 1)
    features = np.concatenate([extractor(image[np.newaxis])[0] for image in clipped])
    indices, distances = manifold.nearest(features, candidates, NEIGHBOURS)
    real = features_of(lambda: task.real(_TRAINING_IMAGES), extractor)
    _, real_distances = manifold.nearest(real, candidates)
    found = _at(task, {int(i) for i in indices.flat})
    columns = [generated, *([found[int(i)] for i in column] for column in indices.T)]
    nearest = ", ".join(f"{d:.1f}" for d in distances[:, 0])
    picture = report.Picture(
        f"{task.name}: samples and the nearest training images",
        _png(columns),
        f"generated | nearest training images; distances of the nearest: {nearest}",
    )
    title = f"{task.name}: distance to the nearest of {len(candidates)} training images"
    rows = [
        ["generated samples", str(len(generated)), f"{np.median(distances[:, 0]):.2f}"],
        ["real test images", str(len(real)), f"{np.median(real_distances[:, 0]):.2f}"],
    ]
    return Memory(
        picture,
        report.Table(
            title,
            ["", "images", "median"],
            rows,
            "Samples much closer than real test images are copies. Features: "
            f"{extractor.description}.",
        ),
    )


def _at(task: Task, wanted: set[int]) -> dict[int, np.ndarray]:
    """The training images at these indices."""
    found: dict[int, np.ndarray] = {}
    place = 0
    for batch in task.train(max(wanted) + 1):
        for image in batch:
            if place in wanted:
                found[place] = image
            place += 1
    return found


def _keep(kept: list[tuple[float, int, Batch]], item: tuple[float, int, Batch]) -> None:
    if len(kept) < EXTREMES:
        heapq.heappush(kept, item)
    else:
        heapq.heappushpop(kept, item)


def _picture(
    title: str, rows: list[Batch], columns: list[str], caption: str
) -> report.Picture:
    shown = [[row[column] for row in rows] for column in columns]
    return report.Picture(title, _png(shown), caption)


def _png(columns: list[list[np.ndarray]]) -> bytes:
    """A grid of images; if their sizes differ, of as much of their centres as fits.

    Args:
        columns: Images [H, W, C] from top to bottom, column by column.
    """
    sizes = np.array([image.shape[:2] for column in columns for image in column])
    size = np.minimum(sizes.min(axis=0), _MOST_SHOWN)
    cut = [np.stack([_middle(image, *size) for image in c]) for c in columns]
    return report.png(_enlarged(grids.rows(*cut), size[1]))


def _middle(image: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _enlarged(grid: np.ndarray, side: int) -> np.ndarray:
    """Small images enlarged by a whole factor, so that a screen shows their pixels."""
    factor = max(1, round(_SHOWN_SIDE / side))
    height, width = grid.shape[0] * factor, grid.shape[1] * factor
    return np.asarray(
        Image.fromarray(grid).resize((width, height), Image.Resampling.NEAREST)
    )
