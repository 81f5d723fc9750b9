"""What can be evaluated: a training, a SavedModel, an endpoint, a folder of images."""

import dataclasses
import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export import client
from export.serving import models
from tfgan_models.data import catalog, folder
from tfgan_models.errors import UsageError
from tfgan_models.runs import checkpoints
from trainers.evaluation import (
    captioned_images,
    grids,
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
        kind: For people: "training", "SavedModel", "endpoint" or "folder of images".
        dataset: The data set's name.
        image_size: Side of the images in pixels; None: each has its own.
        step: The training step, where it is known.
        tasks: What it is measured on.
        model_dir: The training's folder, where it is one.
    """

    kind: str
    dataset: str
    image_size: int | None
    step: int | None
    tasks: list[Task]
    model_dir: Path | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """What was asked for.

    Args:
        model: A path or a URL.
        dataset: None: the one that a training was trained on.
        data_dir: Where TFDS keeps its prepared data sets.
        image_size: None: that of a training's recipe.
        direction: "a2b" or "b2a", what a folder or a model of another name translates.
        which: "latest" or "best" checkpoint of a training.
        aligned: Whether the test images of A and B show the same things in the same
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
    """Finds out what `request.model` is, and makes its tasks.

    Raises:
        UsageError: It is nothing that can be evaluated.
        FailureError: It could not be read, or does not answer.
    """
    if request.model.startswith(("http://", "https://")):
        return _endpoint(request)
    path = Path(request.model).expanduser()
    if (path / "networks.json").is_file():
        return _training(request, path)
    if given := saved_model(path):
        return _saved_model(request, path, given)
    if path.is_dir():
        return _folder(request, path)
    raise UsageError(
        f"--model={request.model} is none of: a trainer's --model_dir, an exported "
        "model (a folder with saved_model.pb or with version numbers), a folder of "
        "images, the URL of a served model (http://localhost:8501/v1/models/NAME)."
    )


def saved_model(path: Path) -> Path | None:
    """Returns the SavedModel at `path`, or its newest version; None where none is."""
    if (path / "saved_model.pb").is_file():
        return path
    versions = models.versions_in(path)
    return versions[max(versions)] if versions else None


def _training(request: Request, path: Path) -> Subject:
    """A checkpoint, evaluated as its trainer does while training."""
    try:
        saved = json.loads((path / "recipe.json").read_text())
        trainer = importlib.import_module(f"trainers.{saved.pop('model')}").TRAINER
        recipe = type(trainer.presets["paper"])(**saved)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise UsageError(
            f"{path / 'recipe.json'} is not the recipe of a trainer: {error}. Give the "
            "--model_dir of a training."
        ) from error
    changed = {"dataset": request.dataset, "image_size": request.image_size}
    given = {key: value for key, value in changed.items() if value is not None}
    recipe = dataclasses.replace(recipe, **given)
    networks = checkpoints.load_networks(path, request.which)
    data = _aligned(trainer.load_data(recipe, request.data_dir), request)
    step = checkpoints.steps(checkpoints.folder(path, request.which))[-1]
    tasks = trainer.tasks(networks, data, recipe)
    return Subject("training", recipe.dataset, recipe.image_size, step, tasks, path)


def _saved_model(request: Request, path: Path, given: Path) -> Subject:
    model = tf.saved_model.load(str(given))
    if "generate" in model.signatures:
        inputs = model.signatures["generate"].structured_input_signature[1]
        if "caption" in inputs:
            return _drawing_captions(request, model)
        return _generator(request, model)
    if "upscaled_image" in _outputs(model):
        return _enlarging(request, model)
    # models/mine_a2b or models/mine_a2b/1: the way back is beside it, by its name.
    named = path if given != path or not path.name.isdigit() else path.parent
    direction = _direction(named.absolute().name, request.direction)
    found = {direction: _translate(model, given)}
    opposite = _opposite(named.absolute().name, direction)
    back = opposite and saved_model(named.absolute().with_name(opposite))
    if back:
        found[translation.OPPOSITE[direction]] = _translate(
            tf.saved_model.load(str(back)), back
        )
    return _translation("SavedModel", request, found)


def _endpoint(request: Request) -> Subject:
    url = request.model.rstrip("/").removesuffix(":predict")
    base, _, name = url.partition("/v1/models/")
    if not name:
        raise UsageError(
            f"--model={request.model} names no served model. Give its address, such as "
            "http://localhost:8501/v1/models/mine_a2b"
        )
    direction = _direction(name, request.direction)
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
    """A subject that translates; each direction for which there is a model."""
    dataset, size = _needed(request)
    return Subject(kind, dataset, size, None, _tasks(request, found, dataset, size))


def _folder(request: Request, path: Path) -> Subject:
    """Images that somebody made; of which inputs, is not known."""
    dataset, size = _needed(request)
    made = translation.images(folder.image_source(path), size)
    # Only what it is to be compared with is taken of it.
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
            f"{splits.test_b.length}; aligned ones are as many. Leave it out."
        )
    return dataclasses.replace(splits, aligned=request.aligned)


def _direction(name: str, default: str) -> str:
    ending = name.split("/")[0][-3:]
    return ending if ending in DIRECTIONS else default


def _opposite(name: str, direction: str) -> str | None:
    """What the model of the opposite direction is called, if names tell directions."""
    plain = name.split("/")[0]
    if not plain.endswith(f"_{direction}"):
        return None
    return plain.removesuffix(direction) + translation.OPPOSITE[direction]


def _generator(request: Request, model: tf.Module) -> Subject:
    """An exported generator of pictures, not truncated."""
    dataset, size = _needed(request)
    splits = catalog.labelled(dataset, request.data_dir)
    inputs = model.signatures["generate"].structured_input_signature[1]
    channels = _checked_shape(model, size)[-1]
    if "label" in inputs and not splits.train.classes:
        raise UsageError(
            f"The generator has classes and the data set {dataset} has none. Give the "
            "data set that it was trained on."
        )

    def images_of(seeds: np.ndarray, classes: np.ndarray) -> np.ndarray:
        given = {"seed": tf.constant(seeds)}
        if "truncation_psi" in inputs:
            given["truncation_psi"] = tf.ones(len(seeds))
        if "label" in inputs:
            given["label"] = tf.constant(classes)
        return model.signatures["generate"](**given)["image"].numpy()

    task = latent_samples.image_task(images_of, splits, size, grey=channels == 1)
    return Subject("SavedModel", dataset, size, None, [task])


def _drawing_captions(request: Request, model: tf.Module) -> Subject:
    """An exported generator of pictures of captions."""
    dataset, size = _needed(request)
    _checked_shape(model, size)
    splits = catalog.captioned(dataset, data_dir=request.data_dir)

    def draw(captions: Sequence[str], seeds: np.ndarray) -> np.ndarray:
        given = {"caption": tf.constant(captions), "seed": tf.constant(seeds)}
        return model.signatures["generate"](**given)["image"].numpy()

    task = captioned_images.task_of_captions(draw, splits, size)
    return Subject("SavedModel", dataset, size, None, [task])


def _enlarging(request: Request, model: tf.Module) -> Subject:
    """An exported network that enlarges images of any size."""
    if request.dataset is None:
        raise UsageError(
            "--dataset is needed for a model that does not say what it was trained on: "
            "photographs to reduce and to enlarge again. Received: dataset=None"
        )

    def upscale(images: np.ndarray) -> np.ndarray:
        answer = model.signatures["serving_default"](image=tf.constant(images))
        return answer["upscaled_image"].numpy()

    given = model.signatures["serving_default"].structured_input_signature[1]
    channels = given["image"].shape[-1]
    scale = upscale(np.zeros((1, 8, 8, channels), np.float32)).shape[1] // 8
    splits = catalog.superres(request.dataset, scale, request.data_dir)
    task = super_resolution_task.task("upscale", upscale, splits)
    return Subject("SavedModel", request.dataset, None, None, [task])


def _checked_shape(model: tf.Module, size: int) -> tuple[int, ...]:
    """The shape [R, R, C] that a generator draws, which goes with `size`."""
    shape = model.signatures["generate"].structured_outputs["image"].shape[1:]
    if size % shape[0]:
        raise UsageError(
            f"The generator draws at {shape[0]} px, of which --image_size must be a "
            f"multiple. Received: {size}"
        )
    return tuple(shape)


def _outputs(model: tf.Module) -> Mapping[str, tf.TensorSpec]:
    """What `serving_default` gives, if there is one."""
    if "serving_default" not in model.signatures:
        return {}
    return model.signatures["serving_default"].structured_outputs


def _translate(model: tf.Module, path: Path) -> translation.Translate:
    """What an exported translation does; `model` was loaded from `path`."""
    if "serving_default" not in model.signatures:
        raise UsageError(f"{path} has no signature serving_default.")
    signature = model.signatures["serving_default"]
    inputs = list(signature.structured_input_signature[1])
    if inputs != ["image"]:
        raise UsageError(
            f"{path} takes neither an image nor a seed: its inputs are {inputs}. Give "
            "the training's folder (--model_dir) instead of what was exported."
        )

    def translate(images: np.ndarray) -> np.ndarray:
        # The signature does not keep the model's variables alive; this function does.
        outputs = model.signatures["serving_default"](image=tf.constant(images))
        return next(iter(outputs.values())).numpy()

    return translate


def _asked(url: str) -> translation.Translate:
    def translate(images: np.ndarray) -> np.ndarray:
        answers = client.translate(url, grids.to_uint8(images))
        if answers.shape[1:3] != images.shape[1:3]:
            height, width = answers.shape[1:3]
            raise UsageError(
                f"{url} answers images of {images.shape[2]} x {images.shape[1]} px by "
                f"{width} x {height} px: it translates none. Give --model the "
                "exported folder, models/NAME, instead."
            )
        return answers.astype(np.float32) / 127.5 - 1.0

    return translate
