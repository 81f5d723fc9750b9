"""The description of a trained model: model.json, next to its weights and in exports.

    <model_dir>/model.json                          of the newest checkpoint
    <model_dir>/checkpoints/step_00001200/model.json  of that one
    <version>/assets.extra/model.json               in a SavedModel
    model.json                                      in a .keras file, which is a ZIP

It is the only source of such facts: `tfgan_models.runs.upgrade` makes one for models
that were written before it.
"""

import dataclasses
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import keras

import tfgan_models
from tfgan_models.errors import FailureError
from tfgan_models.runs import files
from tfgan_models.systems import SYSTEMS

FILE = "model.json"
FORMAT = 1
IN_SAVED_MODEL = Path("assets.extra", FILE)
"""TensorFlow Serving reads only known files of that folder."""

RANGE = (-1.0, 1.0)
"""Of images."""

Shape = tuple[int | None, ...]


@dataclasses.dataclass(frozen=True)
class Value:
    """An input or an output of a network or a signature.

    Attributes:
        shape: With None for the batch, and for free sizes.
        range: Least and largest value; None: any.
        dtype: By TensorFlow's names.
        words: Its documentation; "" if its name is enough.
    """

    shape: Shape
    range: tuple[float, float] | None = None
    dtype: str = "float32"
    words: str = ""


@dataclasses.dataclass(frozen=True)
class Signature:
    """A signature of a SavedModel.

    Attributes:
        purpose: What it does.
        inputs: By name.
        outputs: By name.
    """

    purpose: str
    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]


@dataclasses.dataclass(frozen=True)
class Network:
    """A network, with the facts that its task has.

    Attributes:
        kind: Its class, such as "ResNetGenerator".
        task: What it does, one of `tfgan_models.systems.TASKS`; "": none of them.
        inputs: By name.
        outputs: By name.
        channels: Of the images that it outputs; 0 if it outputs none.
        size_multiple: Translate: what height and width are multiples of.
        scale: Upscale: the factor, in each direction.
        resolution: Generate, caption: side of the images, the one grown to so far.
        latent_size: Generate, caption: of a latent.
        latent_distribution: Generate, caption: one of `sampling.DISTRIBUTIONS`.
        label_size: Generate: classes; 0 for none.
        noise_shapes: Generate: [h, w, 1] for each style layer up to `resolution`.
        reads_text: Caption: whether it has a text encoder.
        name: Its own, as Keras has it.
    """

    kind: str
    task: str = ""
    inputs: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    outputs: Mapping[str, Value] = dataclasses.field(default_factory=dict)
    channels: int = 0
    size_multiple: int = 1
    scale: int = 1
    resolution: int = 0
    latent_size: int = 0
    latent_distribution: str = "normal"
    label_size: int = 0
    noise_shapes: tuple[tuple[int, int, int], ...] = ()
    reads_text: bool = False
    name: str = ""


@dataclasses.dataclass(frozen=True)
class Description:
    """A run, or its export, or a model converted for this package.

    Attributes:
        networks: By name, such as "a2b"; a single one in an export.
        system: Its name in `tfgan_models.systems`; "" if it has none.
        recipe: The run's numbers.
        dataset: The data set's name.
        classes: Names of the classes; () if there are none or they are not known.
        steps: Training steps.
        images: Images seen in them.
        metrics: "last" and "best": the step, and values by name.
        parent: What the run started from (`--init_from`).
        license: The model's license.
        description: The user's own words.
        notes: Other remarks, a sentence or two each.
        signatures: Of a SavedModel, by name.
        package: The version of this package that wrote it.
    """

    networks: Mapping[str, Network]
    system: str = ""
    recipe: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    dataset: str = ""
    classes: tuple[str, ...] = ()
    steps: int = 0
    images: int = 0
    metrics: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    parent: str = ""
    license: str = ""
    description: str = ""
    notes: tuple[str, ...] = ()
    signatures: Mapping[str, Signature] = dataclasses.field(default_factory=dict)
    package: str = tfgan_models.__version__

    @property
    def task(self) -> str:
        """The task of its networks; "" if they have none."""
        return next((n.task for n in self.networks.values() if n.task), "")

    @property
    def network(self) -> Network:
        """The only network of an export."""
        (network,) = self.networks.values()
        return network

    def only(self, name: str) -> Self:
        """Returns the description of one of the networks."""
        return dataclasses.replace(self, networks={name: self.networks[name]})

    def to_text(self) -> str:
        """Returns it in the form of model.json."""
        paper = SYSTEMS.get(self.system)
        facts = {
            "format": FORMAT,
            **dataclasses.asdict(self),
            "task": self.task,
            "paper": paper and {"title": paper.title, "arxiv": paper.arxiv},
        }
        return json.dumps(facts, indent=1) + "\n"

    def write(self, path: Path) -> None:
        """Writes model.json, under a temporary name first."""
        files.write_text(path, self.to_text())


def of_text(text: str | bytes, where: object) -> Description:
    """Parses model.json.

    Args:
        text: Its contents.
        where: The file, for the error.

    Raises:
        FailureError: It is damaged, or of a later version of this package.
    """
    try:
        facts = json.loads(text)
        if facts["format"] > FORMAT:
            raise FailureError(
                f"{where} has format {facts['format']}, and this version of "
                f"tfgan_models reads {FORMAT} and earlier ones. Upgrade tfgan_models."
            )
        networks = {
            name: _network(network) for name, network in facts.pop("networks").items()
        }
        known = _known(Description, facts)
        for name in known.keys() & {"classes", "notes"}:
            known[name] = tuple(known[name])
        known["signatures"] = {
            name: Signature(signature["purpose"], **_ends(signature))
            for name, signature in facts.get("signatures", {}).items()
        }
        return Description(networks, **known)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FailureError(
            f"{where} cannot be read: {error}. Restore it, or remove it: what is known "
            "without it is then derived."
        ) from error


def of_training(folder: Path) -> Description | None:
    """Returns the description in a run's folder, or in that of one of its checkpoints.

    Returns:
        None if there is none.
    """
    return _of_file(folder / FILE)


def of_saved_model(directory: Path) -> Description | None:
    """Returns the description in a SavedModel; None if there is none."""
    return _of_file(directory / IN_SAVED_MODEL)


def of_keras_file(path: Path) -> Description | None:
    """Returns the description in a .keras file; None if there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return of_text(archive.read(FILE), path)
    except (KeyError, OSError, zipfile.BadZipFile):
        return None


def into_keras_file(path: Path, description: Description) -> None:
    """Adds a description to a .keras file, which Keras still reads."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(FILE, description.to_text())


def of_network(network: keras.Model) -> Network:
    """Describes a network of ours, from its attributes.

    Args:
        network: Any model; little is known about other classes.
    """
    facts: dict[str, Any] = {
        "name": network.name,
        "channels": getattr(network, "channels", 0),
        "resolution": getattr(network, "grown", getattr(network, "resolution", 0)),
        "latent_size": getattr(network, "latent_size", 0),
        "latent_distribution": getattr(network, "latent_distribution", "normal"),
        "label_size": getattr(network, "label_size", 0),
    }
    kind = type(network).__name__
    if hasattr(network, "embedding_size") and hasattr(network, "text_encoder"):
        reads_text = network.text_encoder is not None
        inputs = {"embedding": network.embedding_size, "latent": network.latent_size}
        return _drawing(kind, "caption", inputs, facts | {"reads_text": reads_text})
    if draws_from_latents(network):
        inputs = {"latent": network.latent_size}
        if network.label_size:
            inputs["labels"] = network.label_size
        if hasattr(network, "synthesis"):
            facts["noise_shapes"] = tuple(network.synthesis.noise_shapes(network.grown))
        return _drawing(kind, "generate", inputs, facts)
    inputs, outputs = values(network)
    images = [v.shape[-1] for v in outputs.values() if len(v.shape) == 4]
    known: dict[str, Any] = {
        "name": network.name,
        "inputs": inputs,
        "outputs": outputs,
        "channels": (images or [0])[0] or 0,
    }
    if hasattr(network, "size_multiple"):
        multiple = network.size_multiple
        return Network(kind, "translate", size_multiple=multiple, **known)
    if hasattr(network, "scale"):
        return Network(kind, "upscale", scale=network.scale, **known)
    return Network(kind, **known)


def draws_from_latents(network: Any) -> bool:
    """Whether a network maps latents, and possibly classes, straight to images.

    It has the attributes `latent_size`, `label_size` (0: no classes), `resolution`,
    `grown` and `channels`, is called with (latent [N, latent_size], labels=one-hot
    [N, label_size] or None), and returns images [N, grown, grown, channels].
    """
    # Text-to-image networks have a latent too.
    return (
        hasattr(network, "latent_size")
        and hasattr(network, "label_size")
        and not hasattr(network, "embedding_size")
    )


def values(network: keras.Model) -> tuple[dict[str, Value], dict[str, Value]]:
    """Returns the inputs and outputs of a functional model by name; {} for others."""
    inputs = getattr(network, "inputs", None) or []
    outputs = getattr(network, "outputs", None) or []
    made = _values(getattr(network, "output_names", []), outputs)
    return _values([tensor.name for tensor in inputs], inputs), made


def leaves(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """Yields the layers of a network and of the networks in it."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer


def _values(names: Sequence[str], tensors: Sequence[Any]) -> dict[str, Value]:
    return {
        name: Value(tuple(t.shape), RANGE if len(t.shape) == 4 else None, str(t.dtype))
        for name, t in zip(names, tensors, strict=False)
    }


def _drawing(
    kind: str, task: str, inputs: Mapping[str, int], facts: Mapping[str, Any]
) -> Network:
    """A network that generates square images from vectors."""
    side, channels = facts["resolution"], facts["channels"]
    return Network(
        kind,
        task,
        {name: Value((None, size)) for name, size in inputs.items()},
        {"image": Value((None, side, side, channels), RANGE)},
        **facts,
    )


def _of_file(path: Path) -> Description | None:
    try:
        return of_text(path.read_bytes(), path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FailureError(f"{path} cannot be read: {error.strerror}.") from error


def _network(facts: dict[str, Any]) -> Network:
    known = _known(Network, facts) | _ends(facts)
    known["noise_shapes"] = tuple(map(tuple, facts["noise_shapes"]))
    return Network(**known)


def _ends(facts: Mapping[str, Any]) -> dict[str, dict[str, Value]]:
    return {
        ends: {name: _value(value) for name, value in facts[ends].items()}
        for ends in ("inputs", "outputs")
    }


def _value(facts: Mapping[str, Any]) -> Value:
    known = _known(Value, facts)
    known["shape"] = tuple(facts["shape"])
    known["range"] = facts["range"] and tuple(facts["range"])
    return Value(**known)


def _known(kind: type, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that a class has; later versions may have added others."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in facts.items() if name in names}
