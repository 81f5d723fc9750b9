"""The words that go with every SavedModel."""

import re
from pathlib import Path
from typing import Any

import keras
import pytest
import tensorflow as tf

from export.signatures import signature_doc
from export.signatures.captions import CaptionModule
from export.signatures.generation import LatentModule, StyleModule
from export.signatures.super_resolution import SuperResolutionModule
from export.signatures.translation import TranslationModule
from export.signatures.writing import write_saved_model
from tests.export import generators
from tests.export.signatures.test_captions import stack
from tfgan_models import systems
from tfgan_models.networks import (
    ConditionalMLPGenerator,
    DCGANGenerator,
    MLPGenerator,
    ResNetGenerator,
    SRResNet,
    UNetGenerator,
)
from tfgan_models.runs import description
from tfgan_models.runs.description import Description


def unet(**options: Any) -> keras.Model:
    return UNetGenerator(5, 2, **options)


def translation(network: keras.Model) -> TranslationModule:
    return TranslationModule(network, network.size_multiple)


def told(module: Any, network: keras.Model, **facts: Any) -> str:
    """What is written beside a SavedModel."""
    said = Description(
        {"key": description.of_network(network)},
        signatures=signature_doc.signatures(module),
        notes=tuple(signature_doc.behaviour(network)),
        **facts,
    )
    return signature_doc.text(said)


CASES = {
    "unet": (translation, unet),
    "resnet": (translation, lambda: ResNetGenerator(2, 1)),
    "style": (StyleModule, lambda: generators.style(label_size=3)),
    "progressive": (LatentModule, lambda: generators.progressive(label_size=3)),
    "mlp": (LatentModule, lambda: MLPGenerator(6, latent_size=4, units=8)),
    "conditional": (LatentModule, lambda: ConditionalMLPGenerator(6, label_size=3)),
    "dcgan": (LatentModule, lambda: DCGANGenerator(16, filters=4, label_size=3)),
    "srresnet": (
        lambda network: SuperResolutionModule(network, 2),
        lambda: SRResNet(2, 4, residual_blocks=1),
    ),
    "stack": (CaptionModule, stack),
    "stack_of_vectors": (CaptionModule, lambda: stack(encoder=False)),
}
"""Every module and a network it serves, with classes where there can be any."""


@pytest.mark.parametrize(("module", "build"), CASES.values(), ids=CASES)
def test_everything_is_described(module: Any, build: Any) -> None:
    """Name, dtype and shape as a server's metadata has them, and words for each."""
    network = build()
    served = module(network)
    text = told(served, network)
    name = type(network).__name__
    system, role = systems.of_network(name)
    title = f"Network: {name}, the {role} of {system.model} (arXiv:{system.arxiv})."
    assert title in text
    sections = text.split("## ")[1:]
    assert [section.splitlines()[0] for section in sections] == list(served.endpoints)
    for section, function in zip(sections, served.endpoints.values(), strict=True):
        concrete = getattr(function, "get_concrete_function", lambda f=function: f)()
        arguments, options = concrete.structured_input_signature
        specs = [
            *((spec.name, spec) for spec in (*arguments, *options.values())),
            *concrete.structured_outputs.items(),
        ]
        rows = re.findall(
            r"^\| (?:in|out)put \| `(.*)` \| (.*) \| \[(.*)\] \| (.*) \|$",
            section,
            re.M,
        )
        assert [row[0] for row in rows] == [name for name, _ in specs]
        for (_, dtype, shape, words), (_, spec) in zip(rows, specs, strict=True):
            assert dtype == spec.dtype.name
            assert shape.count(",") == len(spec.shape) - 1
            assert shape.startswith("N")
            assert len(words.split()) > 1


def test_it_is_beside_the_model_and_of_no_harm(tmp_path: Path) -> None:
    network = unet()
    write_saved_model(network, tmp_path / "1")
    written = (tmp_path / "1/assets.extra/signatures.md").read_text()
    assert written == told(translation(network), network)
    said = description.of_saved_model(tmp_path / "1")
    assert signature_doc.text(said) == written
    assert said.signatures["encoded"].outputs["translated_bytes"].dtype == "string"
    assert said.network.size_multiple == 32
    assert "| input | `image` | float32 | [N, H, W, 3] |" in written
    assert "| output | `translated_bytes` | string | [N] |" in written
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    assert set(loaded.signatures) == {"serving_default", "encoded"}


@pytest.mark.parametrize(
    ("options", "said", "unsaid"),
    [
        ({"inference_norm": "image"}, "uses each image's own mean", "moving averages"),
        ({}, "Batch normalisation uses the moving averages", "own mean"),
        ({"norm": "instance"}, "Instance normalisation uses", "Batch norm"),
        (
            {"norm": "none"},
            "The same request always has the same response",
            "normalisation",
        ),
    ],
)
def test_pix2pix_tells_how_it_normalises(
    options: dict[str, str], said: str, unsaid: str
) -> None:
    network = unet(**options)
    notes = "\n".join(signature_doc.behaviour(network))
    assert said in notes
    assert unsaid not in notes
    assert "Dropout is off" in notes
    assert "Dropout" not in "".join(
        signature_doc.behaviour(unet(dropout=0.0, **options))
    )


def test_a_latents_distribution_is_told() -> None:
    network = generators.progressive()
    assert "N(0, 1)" in told(LatentModule(network), network)
    network.latent_distribution = "uniform"
    text = told(LatentModule(network), network)
    assert "uniformly from [-1, 1)" in text
    assert "N(0, 1)" not in text


def test_where_a_model_comes_from_is_told_where_it_is_known() -> None:
    network = unet()
    text = told(
        translation(network),
        network,
        system="pix2pix",
        dataset="earth/satellite2relief",
        classes=("sea", "land"),
        license="CC0",
        description="Of seas.\n# And lands",
    )
    for line in (
        "System: Pix2Pix (arXiv:1611.07004)",
        "Description: Of seas. # And lands",
        "License: CC0",
        "Data set: earth/satellite2relief",
        "Classes, from 0: sea, land",
    ):
        assert f"\n\n{line}\n\n" in text
    assert text.index("Network: ") < text.index("Description: ")
    for name in ("System", "Description", "License", "Data set", "Classes"):
        assert name not in told(translation(network), network)


@pytest.mark.parametrize("missing", ["encoded", "image", "translated_bytes"])
def test_what_has_no_words_is_refused(missing: str) -> None:
    network = unet()
    served = translation(network)
    signatures, values = (
        {k: v for k, v in words.items() if k != missing}
        for words in (served.doc.signatures, served.doc.values)
    )
    served.doc = signature_doc.Doc(signatures, values)
    with pytest.raises(ValueError, match=f"{missing!r} is missing"):
        signature_doc.signatures(served)
