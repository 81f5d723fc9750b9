"""Every format: names are kept, and the answers are the SavedModel's."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from export import convert
from export.formats import graph
from tests.export.formats import models
from tfgan_models.errors import UsageError

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}
IMAGES = ("cyclegan", "pix2pix", "srgan")
"""Systems that take images, of any size."""


@pytest.mark.parametrize("format", SUFFIXES)
def test_names_are_kept(format: str, with_classes: Path, tmp_path: Path) -> None:
    path = tmp_path / f"model{SUFFIXES[format]}"
    compared = convert.convert(with_classes, format, path)
    assert 0 <= compared.difference < 1e-5
    run = convert.load(format, path)
    inputs = {
        "latent": np.random.default_rng(0).normal(size=(1, 6)).astype(np.float32),
        "label": np.array([2]),
    }
    answer = run(inputs)
    _loaded, function = graph.load(with_classes, "serving_default")
    expected = function(**{n: tf.constant(v) for n, v in inputs.items()})
    assert set(answer) == set(expected) == {"image"}
    np.testing.assert_allclose(answer["image"], expected["image"], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("format", SUFFIXES)
@pytest.mark.parametrize("system", models.SYSTEMS)
def test_every_system(system: str, format: str, tmp_path: Path) -> None:
    directory = models.write(system, tmp_path / "1")
    size = 20 if system in IMAGES and format == "litert" else None
    for signature in graph.signatures(directory):
        path = tmp_path / f"{signature}{SUFFIXES[format]}"
        # StackGAN draws from seeds throughout.
        if system == "stackgan" or signature in ("encoded", "generate", "mix"):
            with pytest.raises(UsageError, match="has no image files"):
                convert.convert(directory, format, path, signature)
            assert not path.exists()
        else:
            compared = convert.convert(directory, format, path, signature, size)
            assert 0 <= compared.difference <= compared.bound
            assert path.exists()
