"""What formats cannot hold is said by name."""

from pathlib import Path

import pytest

from export.formats import graph, refusals
from tfgan_models.errors import UsageError


def refused(directory: Path, signature: str) -> str:
    found = graph.read(directory, signature)
    with pytest.raises(UsageError) as caught:
        refusals.check("ONNX", directory, signature, found)
    return str(caught.value)


def test_image_files(translation: Path) -> None:
    text = refused(translation, "encoded")
    assert "no image files (DecodeImage, EncodePng)" in text
    assert "no loops" in text and "the signature 'encoded' needs" in text
    assert "Convert --signature=serving_default;" in text
    assert "\n" not in text


def test_seeds(with_classes: Path) -> None:
    text = refused(with_classes, "generate")
    assert "no random numbers from seeds (StatelessRandom" in text
    assert "Convert --signature=serving_default;" in text


def test_inputs_that_are_strings(model_base: Path) -> None:
    text = refused(model_base / "mixed" / "1", "scalar")
    assert text.startswith("ONNX has no strings (text), which the signature 'scalar'")
    assert "Nor does it support this" in text


def test_what_formats_hold_passes(translation: Path) -> None:
    found = graph.read(translation, "serving_default")
    refusals.check("ONNX", translation, "serving_default", found)
    assert refusals.reasons_against(found) == []
