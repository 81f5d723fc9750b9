"""Networks that are neither translations nor generators, as they are served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from export import check
from export.saved_model import export_networks
from export.serving import server_config
from export.serving.models import Model
from export.serving.status import ServingError
from export.signatures import generic, saved_signatures, warmup
from export.signatures.writing import write_saved_model
from tests.export.generators import assert_nearly_equal, randomize
from tests.export.served import Ask, served
from tfgan_models.errors import UsageError
from tfgan_models.networks import (
    PatchDiscriminator,
    PixelDiscriminator,
    StyleDiscriminator,
)

CLASSES = 3


def several() -> keras.Model:
    """Two inputs, one of them without a name, and two outputs; of one size."""
    photo = keras.Input((12, 16, 3), name="my photo:0")
    amount = keras.Input((2,))
    x = layers.Conv2D(4, 3, strides=2, name="features")(photo)
    pooled = layers.GlobalAveragePooling2D()(x)
    joined = layers.Concatenate()([pooled, amount])
    classes = layers.Dense(5, name="classes", dtype="float64")(joined)
    return keras.Model([photo, amount], {"a": x, "b": classes})


def fixed() -> keras.Model:
    """A generator of one size, as people build them: a name of Keras's own."""
    image = keras.Input((256, 256, 3))
    x = layers.Conv2D(4, 4, strides=4, activation="gelu")(image)
    x = layers.Conv2DTranspose(3, 4, strides=4, activation="tanh", name="painted")(x)
    return keras.Model(image, x)


def style() -> keras.Model:
    return StyleDiscriminator(16, label_size=CLASSES, fmap_base=64, fmap_max=6)


@dataclass(frozen=True)
class Case:
    """A network, and what its signature must be.

    Attributes:
        build: Makes it.
        inputs: Name -> shape of one sample; None: any.
        outputs: Name -> shape of one sample.
        merged: Whether requests can be.
    """

    build: Callable[[], keras.Model]
    inputs: Mapping[str, tuple[int | None, ...]]
    outputs: Mapping[str, tuple[int | None, ...]]
    merged: bool


IMAGES = {"image": (None, None, 3)}
LOGITS = {"logits": (None, None, 1)}
CASES = {
    "patch": Case(lambda: PatchDiscriminator(4, 2), IMAGES, LOGITS, False),
    "deep": Case(lambda: PatchDiscriminator(2, 6, norm="batch"), IMAGES, LOGITS, False),
    "pixel": Case(
        lambda: PixelDiscriminator(4, channels=6),
        {"image": (None, None, 6)},
        LOGITS,
        False,
    ),
    "style": Case(
        style,
        {"image": (16, 16, 3), "labels": (CLASSES,)},
        {"score": (1,)},
        True,
    ),
    "several": Case(
        several,
        {"my_photo_0": (12, 16, 3), "input_1": (2,)},
        {"features": (5, 7, 4), "classes": (5,)},
        True,
    ),
    "fixed": Case(fixed, {"input": (256, 256, 3)}, {"painted": (256, 256, 3)}, True),
}


@dataclass(frozen=True)
class Exported:
    """A case's network, where it was exported to."""

    case: Case
    network: keras.Model
    folder: Path
    endpoint: Ask

    @property
    def version(self) -> Path:
        return self.folder / "mine_key" / "1"

    def ask(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What the endpoint answers."""
        return self.endpoint("mine_key", **inputs)


@pytest.fixture(scope="module", params=CASES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    case = CASES[request.param]
    network = case.build()
    randomize(network)
    for variable in network.variables:
        if variable.name == "moving_variance":
            variable.assign(np.abs(variable.numpy()) + 0.5)
    folder = tmp_path_factory.mktemp(request.param)
    export_networks({"key": network}, folder, "mine")
    with served(folder) as ask:
        yield Exported(case, network, folder, ask)


def requests(exported: Exported, count: int, side: int = 200) -> dict[str, np.ndarray]:
    """Inputs of several samples, none like another."""
    rng = np.random.default_rng(3)
    return {
        name: rng.normal(size=(count, *(side if s is None else s for s in shape)))
        .clip(-1, 1)
        .astype("float32")
        for name, shape in exported.case.inputs.items()
    }


def own_answer(network: keras.Model, inputs: Mapping[str, np.ndarray]) -> list[Any]:
    """What the network itself says, in the order of its outputs."""
    if isinstance(network, StyleDiscriminator):
        alone = [
            network(image[np.newaxis], labels=labels[np.newaxis])
            for image, labels in zip(inputs["image"], inputs["labels"], strict=True)
        ]
        return [np.concatenate(alone)]
    values = list(inputs.values())
    if len(values) == 1:
        (values,) = values
    return [np.asarray(x) for x in keras.tree.flatten(network(values, training=False))]


def test_signature_and_words(exported: Exported) -> None:
    case = exported.case
    (signature,) = saved_signatures.read(exported.version).values()
    for said, wanted in (
        (signature.input_shapes, case.inputs),
        (signature.output_shapes, case.outputs),
    ):
        assert said == {name: (None, *shape) for name, shape in wanted.items()}
    assert {*signature.inputs.values(), *signature.outputs.values()} == {"float32"}
    words = (exported.version / "assets.extra/signatures.md").read_text()
    for name in (*case.inputs, *case.outputs):
        assert f"put | `{name}` | float32 | [N, " in words
    alone = "The minibatch standard deviation is that of each image alone"
    assert (alone in words) == isinstance(exported.network, StyleDiscriminator)


def test_a_server_would_take_it(exported: Exported) -> None:
    report: list[str] = []
    assert check.check(exported.folder, report.append) == []
    assert "warm-up" not in "\n".join(report)
    batching = server_config.batching_parameters(exported.version)
    assert (batching is not None) == exported.case.merged


def test_answers_are_the_networks(exported: Exported) -> None:
    inputs = requests(exported, 3)
    answers = exported.ask(**inputs)
    expected = own_answer(exported.network, inputs)
    assert len(answers) == len(exported.case.outputs)
    for name, wanted in zip(exported.case.outputs, expected, strict=True):
        assert answers[name].dtype == np.float32
        assert_nearly_equal(answers[name], wanted)
    alone = exported.ask(**{name: value[1:2] for name, value in inputs.items()})
    for name, value in alone.items():
        np.testing.assert_allclose(value, answers[name][1:2], rtol=0, atol=1e-4)


def test_the_keras_file_answers_alike(exported: Exported) -> None:
    inputs = requests(exported, 2)
    answers = exported.ask(**inputs)
    twin = keras.models.load_model(exported.folder / "mine_key.keras")
    values = list(inputs.values())
    if isinstance(twin.input, dict):
        values = dict(zip(twin.input, values, strict=True))
    elif not isinstance(twin.input, list):
        (values,) = values
    made = keras.tree.flatten(twin.predict(values, verbose=0))
    names = generic.output_names(twin, list(inputs))
    for name, value in zip(names, made, strict=True):
        np.testing.assert_allclose(value, answers[name], rtol=0, atol=1e-4)


def test_what_does_not_fit_is_refused_and_nothing_dies(exported: Exported) -> None:
    """A convolution of the wrong rank would end the process."""
    inputs = requests(exported, 2)
    name, value = next(iter(inputs.items()))
    for wrong in (value[0], value[..., :1], value[..., np.newaxis], value[:0]):
        with pytest.raises(ServingError):
            exported.ask(**{**inputs, name: wrong})
    if len(inputs) > 1:
        with pytest.raises(ServingError, match="the same number for each input"):
            exported.ask(**{**inputs, name: value[:1]})
    assert exported.ask(**inputs)


def test_warm_up_is_large_enough_for_many_halvings(tmp_path: Path) -> None:
    """PatchDiscriminator of 6 layers leaves nothing of less than 192 px."""
    network = PatchDiscriminator(2, 6)
    directory = tmp_path / "1"
    assert write_saved_model(network, directory) == 256
    warmup.write(directory, "deep", 256)
    (request,) = warmup.read(directory)
    assert warmup.arrays(request)["image"].shape == (1, 256, 256, 3)
    signature = Model(directory).signature("serving_default")
    for side in (191, 100, 3, 0):
        for shape in ((1, side, 256, 3), (1, 256, side, 3)):
            with pytest.raises(
                ServingError, match="image must be at least 192 in each"
            ):
                signature.run({"image": np.zeros(shape, "float32")})
    answer = signature.run({"image": np.zeros((2, 192, 256, 3), "float32")})
    assert answer["logits"].shape == (2, 1, 2, 1)
    words = (directory / "assets.extra/signatures.md").read_text()
    assert "the image. At least 192 in each direction. |" in words


def test_names_are_usable_and_distinct() -> None:
    first, second = (keras.Input((2,), name=name) for name in ("a.b", "a-b"))
    third = keras.Input((2,), name="3d")
    dense = layers.Dense(2, name="a_b")
    outputs = [dense(first), dense(second), third]
    model = keras.Model([first, second, third], outputs)
    inputs = generic.input_names(model)
    assert inputs == ["a_b", "a_b_1", "x3d"]
    assert generic.output_names(model, inputs) == [
        "a_b_output",
        "a_b_output_1",
        "x3d_output",
    ]


def test_an_answer_that_is_not_one_for_each_sample_is_not_merged(
    tmp_path: Path,
) -> None:
    given = keras.Input((4,), name="given")
    mean = keras.ops.mean(layers.Dense(3)(given), axis=0)
    export_networks({"x": keras.Model(given, mean)}, tmp_path, "mine")
    assert server_config.batching_parameters(tmp_path / "mine_x/1") is None
    assert check.check(tmp_path, lambda _: None) == []


def test_what_cannot_be_served_is_named() -> None:
    class Subclassed(keras.Model):
        def call(self, inputs: Any) -> Any:
            return inputs

    with pytest.raises(UsageError, match=r"'sub' cannot be exported.*keras\.Model\("):
        generic.GenericModule(Subclassed(name="sub"))
    image = keras.Input((None, None, 3))
    flat = layers.Flatten()(layers.Conv2D(2, 9, strides=2000)(image))
    picky = keras.ops.concatenate([image[:, :7, :, 0], image[:, :, :7, 0]], axis=1)
    for outputs in (picky, [flat, picky]):
        with pytest.raises(UsageError, match="'picky' accepts none of the heights"):
            generic.GenericModule(keras.Model(image, outputs, name="picky"))


def test_each_discriminator_has_words_of_its_own() -> None:
    for network in (PatchDiscriminator(2, 1), PixelDiscriminator(2), style()):
        doc = generic.GenericModule(network).doc
        assert "real" in " ".join(doc.values.values())
    module = generic.GenericModule(several())
    assert module.doc.values["my_photo_0"].endswith("input 'my photo:0'.")
    assert module.doc.values["input_1"].endswith("input without a name.")
    assert module.doc.values["classes"].endswith("layer 'classes'.")
    assert module.side is None
    assert isinstance(module, tf.Module)
