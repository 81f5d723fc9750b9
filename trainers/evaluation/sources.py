"""What can be evaluated: a run, a SavedModel, an endpoint, a folder of images."""

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export import client
from tfgan_models import loading
from tfgan_models.data import catalog, folder
from tfgan_models.data.images import to_uint8
from tfgan_models.errors import UsageError
from tfgan_models.runs import opening
from tfgan_models.tasks.caption import CaptionPainter
from tfgan_models.tasks.generate import ImageGenerator
from tfgan_models.tasks.model import Model
from tfgan_models.tasks.synthesis import untruncated
from tfgan_models.tasks.translate import Translator
from tfgan_models.tasks.upscale import Upscaler
from trainers.evaluation import (
    captioned_images,
    latent_samples,
    super_resolution_task,
    translation,
)
from trainers.evaluation.measurement import Task, limited

DIRECTIONS = ("a2b", "b2a")


@dataclasses.dataclass(frozen=True)
class Subject:
    """What is evaluated.

    Args:
        kind: For display: "training", "SavedModel", "endpoint" or "folder of images".
        dataset: The data set's name.
        image_size: Side of the images in pixels; None: each has its own.
        step: The training step, if it is known.
        tasks: What it is evaluated on.
        model_dir: The run's folder, if it is one.
    """

    kind: str
    dataset: str
    image_size: int | None
    step: int | None
    tasks: list[Task]
    model_dir: Path | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """What was requested.

    Args:
        model: A path or a URL.
        dataset: None: that of the training run.
        data_dir: Directory for TFDS's prepared data sets.
        image_size: None: that of the run's recipe.
        direction: "a2b" or "b2a", the direction of a folder, or of a model with another
            name.
        which: "latest" or "best" checkpoint of a run.
        aligned: Whether the test images of A and B show the same scenes in the same
            order; None: as the data set says.
    """

    model: str
    dataset: str | None = None
    data_dir: str | None = None
    image_size: int | None = None
    direction: str = "a2b"
    which: str = "latest"
    aligned: bool | None = None


def find(request: Request) -> Subject:
    """Resolves `request.model`, and creates its tasks.

    Raises:
        UsageError: It cannot be evaluated.
        FailureError: It could not be read, or does not respond.
    """
    if request.model.startswith(("http://", "https://")):
        return _endpoint(request)
    path = Path(request.model).expanduser()
    if path.is_dir() and not opening.is_model(path):
        return _folder(request, path)
    found = opening.find(request.model, request.which)
    if found.model_dir is not None:
        return _training(request, found)
    return _exported(request, found)


def _training(request: Request, found: opening.Opened) -> Subject:
    """A checkpoint, evaluated as its trainer does during training."""
    known, path = found.description, Path(found.where).expanduser()
    try:
        trainer = importlib.import_module(f"trainers.{known.system}").TRAINER
        recipe = type(trainer.presets["paper"])(**known.recipe)
    except (ImportError, TypeError) as error:
        raise UsageError(
            f"{path / 'recipe.json'} is not a trainer's recipe: {error}. Give the "
            "--model_dir of a training run."
        ) from error
    changed = {"dataset": request.dataset, "image_size": request.image_size}
    given = {key: value for key, value in changed.items() if value is not None}
    recipe = dataclasses.replace(recipe, **given)
    data = _aligned(trainer.load_data(recipe, request.data_dir), request)
    tasks = trainer.tasks(found.networks, data, recipe)
    return Subject(
        "training", recipe.dataset, recipe.image_size, known.steps, tasks, path
    )


def _exported(request: Request, found: opening.Opened) -> Subject:
    """A SavedModel, a .keras file or converted weights."""
    known = found.description
    request = dataclasses.replace(
        request,
        dataset=request.dataset or known.dataset or None,
        image_size=request.image_size or known.recipe.get("image_size"),
    )
    model = loading.of_network(found, loading.choose(found, None, None))
    return EVALUATED[model.facts.task](request, model)


def _translator(request: Request, model: Translator) -> Subject:
    """A translation model, and the opposite one if it is next to it, by its name."""
    path = Path(model.where).expanduser()
    # models/mine_a2b or models/mine_a2b/1.
    version = path.parent if path.name.isdigit() and path.is_dir() else path
    ending = ".keras" if path.suffix == ".keras" else ""
    named = version.absolute().name.removesuffix(ending)
    direction = _direction(named, request)
    if model.name in DIRECTIONS:
        direction = model.name
    translators = {direction: model.arrays}
    opposite = _opposite(named, direction)
    back = opposite and version.absolute().with_name(opposite + ending)
    if back and back.exists():
        opened = loading.load(back, task="translate")
        translators[translation.OPPOSITE[direction]] = opened.arrays
    return _translation(_kind(model.found), request, translators)


def _kind(found: opening.Opened) -> str:
    return "model" if found.loaded is None else "SavedModel"


def _endpoint(request: Request) -> Subject:
    url = request.model.rstrip("/").removesuffix(":predict")
    base, _, name = url.partition("/v1/models/")
    if not name:
        raise UsageError(
            f"--model={request.model} is not the address of a served model. Give one "
            "such as http://localhost:8501/v1/models/mine_a2b"
        )
    direction = _direction(name, request)
    if not client.is_served(url):
        raise UsageError(f"{base} serves no model {name}.")
    found = {direction: _asked(url)}
    opposite = _opposite(name, direction)
    if opposite and client.is_served(f"{base}/v1/models/{opposite}"):
        found[translation.OPPOSITE[direction]] = _asked(f"{base}/v1/models/{opposite}")
    return _translation("endpoint", request, found)


def _translation(
    kind: str, request: Request, found: Mapping[str, translation.Translate]
) -> Subject:
    """A translation subject, with each direction that has a model."""
    dataset, size = _needed(request)
    return Subject(kind, dataset, size, None, _tasks(request, found, dataset, size))


def _folder(request: Request, path: Path) -> Subject:
    """Images from elsewhere; their inputs are not known."""
    dataset, size = _needed(request)
    made = translation.images(folder.image_source(path), size)
    # Only its real images are used.
    (target,) = _tasks(request, {request.direction: np.asarray}, dataset, size)
    task = Task(
        request.direction,
        lambda most: ({"generated": batch} for batch in limited(made(), most)),
        target.real,
        target.train,
    )
    return Subject("folder of images", dataset, size, None, [task])


def _tasks(
    request: Request,
    found: Mapping[str, translation.Translate],
    dataset: str,
    size: int,
) -> list[Task]:
    """A task for each direction, on a data set of two domains or of pairs."""
    try:
        splits = _aligned(catalog.unpaired(dataset, request.data_dir), request)
    except UsageError as unpaired:
        try:
            pairs = catalog.paired(dataset, request.data_dir)
        except UsageError:
            raise unpaired from None
        return [
            translation.paired_task(
                name, translate, pairs if name == "a2b" else pairs.swapped(), size
            )
            for name, translate in found.items()
        ]
    return translation.unpaired_tasks(found, splits, size)


def _needed(request: Request) -> tuple[str, int]:
    if request.dataset is None or request.image_size is None:
        raise UsageError(
            "--dataset and --image_size are needed for a model that does not say what "
            f"it was trained on. Received: dataset={request.dataset}, "
            f"image_size={request.image_size}"
        )
    return request.dataset, request.image_size


def _aligned(splits: Any, request: Request) -> Any:
    if request.aligned is None or not hasattr(splits, "aligned"):
        return splits
    if request.aligned and splits.test_a.length != splits.test_b.length:
        raise UsageError(
            f"--aligned: the test images of A and B are {splits.test_a.length} and "
            f"{splits.test_b.length}; aligned ones are equally many. Omit it."
        )
    return dataclasses.replace(splits, aligned=request.aligned)


def _direction(name: str, request: Request) -> str:
    ending = name.split("/")[0][-3:]
    return ending if ending in DIRECTIONS else request.direction


def _opposite(name: str, direction: str) -> str | None:
    """The name of the model of the opposite direction, if names contain directions."""
    plain = name.split("/")[0]
    if not plain.endswith(f"_{direction}"):
        return None
    return plain.removesuffix(direction) + translation.OPPOSITE[direction]


def _generator(request: Request, model: ImageGenerator) -> Subject:
    """An image generator, without truncation."""
    dataset, size = _needed(request)
    splits = catalog.labelled(dataset, request.data_dir)
    _check_side(model, size)
    is_labelled = model.facts.label_size > 0
    if is_labelled and not splits.train.classes:
        raise UsageError(
            f"The generator has classes and the data set {dataset} has none. Give the "
            "data set that it was trained on."
        )

    def images_of(seeds: np.ndarray, classes: np.ndarray) -> np.ndarray:
        label = tf.constant(classes, tf.int64) if is_labelled else None
        return untruncated(model.generator, tf.constant(seeds), label).numpy()

    grey = model.facts.channels == 1
    task = latent_samples.image_task(images_of, splits, size, grey=grey)
    return Subject(_kind(model.found), dataset, size, None, [task])


def _painter(request: Request, model: CaptionPainter) -> Subject:
    """A generator of images from captions."""
    dataset, size = _needed(request)
    _check_side(model, size)
    splits = catalog.captioned(dataset, data_dir=request.data_dir)
    task = captioned_images.task_of_captions(model.batch, splits, size)
    return Subject(_kind(model.found), dataset, size, None, [task])


def _upscaler(request: Request, model: Upscaler) -> Subject:
    """A network that enlarges images of any size."""
    if request.dataset is None:
        raise UsageError(
            "--dataset is needed for a model that does not say what it was trained on: "
            "photos to downscale and enlarge again. Received: dataset=None"
        )
    splits = catalog.superres(request.dataset, model.scale, request.data_dir)
    task = super_resolution_task.task("upscale", model.arrays, splits)
    return Subject(_kind(model.found), request.dataset, None, None, [task])


EVALUATED: dict[str, Callable[..., Subject]] = {
    "generate": _generator,
    "translate": _translator,
    "upscale": _upscaler,
    "caption": _painter,
}
"""What an exported model is evaluated on, by its task: (request, model) -> subject."""


def _check_side(model: Model, size: int) -> None:
    """Raises UsageError if `size` does not match the generator's resolution."""
    if size % model.facts.resolution:
        raise UsageError(
            f"The generator's images have {model.facts.resolution} px, and "
            f"--image_size must be a multiple of that. Received: {size}"
        )


def _asked(url: str) -> translation.Translate:
    def translate(images: np.ndarray) -> np.ndarray:
        answers = client.translate(url, to_uint8(images))
        if answers.shape[1:3] != images.shape[1:3]:
            height, width = answers.shape[1:3]
            raise UsageError(
                f"{url} responds to images of {images.shape[2]} x {images.shape[1]} px "
                f"by {width} x {height} px: it does not translate. Give --model the "
                "exported folder, models/NAME, instead."
            )
        return answers.astype(np.float32) / 127.5 - 1.0

    return translate
