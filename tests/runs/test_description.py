"""Descriptions of models: what they say of our networks, and how they are kept."""

import dataclasses
import json
from pathlib import Path

import keras
import pytest

from tfgan_models import networks
from tfgan_models.errors import FailureError
from tfgan_models.runs import description

ALL = description.Description(
    networks={
        "a2b": description.Network(
            "ResNetGenerator",
            "translate",
            {"image": description.Value((None, None, None, 3), description.RANGE)},
            {"image": description.Value((None, None, None, 3), description.RANGE)},
            channels=3,
            size_multiple=4,
        ),
        "generator": description.Network(
            "StyleGenerator", noise_shapes=((4, 4, 1), (4, 4, 1)), label_size=2
        ),
    },
    system="cyclegan",
    recipe={"batch_size": 1},
    dataset="earth/satellite2relief",
    classes=("sea", "land"),
    steps=3,
    images=12,
    metrics={"last": {"step": 3, "kid": 0.5}},
    parent="runs/other",
    license="CC0",
    description="Mine.",
    notes=("Dropout is off.",),
    signatures={
        "serving_default": description.Signature(
            "Translates.",
            {"image": description.Value((None, None, None, 3), words="Images.")},
            {"files": description.Value((None,), dtype="string")},
        )
    },
)


def test_a_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert description.of_training(tmp_path) is None
    ALL.write(tmp_path / "model.json")
    assert description.of_training(tmp_path) == ALL
    facts = json.loads((tmp_path / "model.json").read_text())
    assert facts["format"] == 1 and facts["task"] == "translate"
    assert facts["paper"]["arxiv"] == "1703.10593"


def test_facts_that_an_earlier_version_lacks_have_their_defaults() -> None:
    facts = json.loads(ALL.to_text())
    del facts["notes"], facts["signatures"], facts["networks"]["a2b"]["name"]
    expected = dataclasses.replace(ALL, notes=(), signatures={})
    assert description.of_text(json.dumps(facts), "model.json") == expected


def test_facts_that_a_later_version_adds_are_passed_over() -> None:
    facts = json.loads(ALL.to_text())
    facts["colour"] = facts["networks"]["a2b"]["colour"] = "red"
    assert description.of_text(json.dumps(facts), "model.json") == ALL


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1}', '{"format": 1, "networks": 3, "classes": []}'],
)
def test_a_damaged_description_is_named(text: str) -> None:
    with pytest.raises(FailureError, match=r"here/model\.json cannot be read"):
        description.of_text(text, "here/model.json")


def test_a_later_format_is_refused() -> None:
    facts = json.loads(ALL.to_text()) | {"format": 2}
    with pytest.raises(FailureError, match="has format 2, and this version"):
        description.of_text(json.dumps(facts), "model.json")


def test_a_keras_file_with_a_description_loads_as_before(tmp_path: Path) -> None:
    path = tmp_path / "small.keras"
    inputs = keras.Input((2,))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(path)
    assert description.of_keras_file(path) is None
    description.into_keras_file(path, ALL)
    assert description.of_keras_file(path) == ALL
    assert keras.models.load_model(path).count_params() == 3


def test_networks_say_what_they_are() -> None:
    said = description.of_network(networks.ResNetGenerator(filters=4, blocks=1))
    assert (said.task, said.size_multiple, said.channels) == ("translate", 4, 3)
    assert said.inputs["image"] == description.Value((None, None, None, 3), (-1, 1))
    said = description.of_network(networks.SRResNet(filters=4, blocks=1))
    assert (said.task, said.scale) == ("upscale", 4)
    said = description.of_network(
        networks.ConditionalMLPGenerator(image_size=8, label_size=3)
    )
    assert (said.task, said.label_size, said.resolution) == ("generate", 3, 8)
    assert said.latent_distribution == "uniform"
    assert said.inputs["labels"].shape == (None, 3)
    said = description.of_network(
        networks.StyleGenerator(resolution=16, latent_size=8, w_size=8)
    )
    assert said.noise_shapes[-2:] == ((16, 16, 1), (16, 16, 1))
    said = description.of_network(networks.PatchDiscriminator(filters=4))
    assert (said.kind, said.task) == ("PatchDiscriminator", "")
