"""Small generators, and what to compare pictures with, for the export's tests."""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from export.signatures.writing import write_saved_model
from tfgan_models.networks import ProgressiveGenerator, StyleGenerator

LATENT, W = 6, 5


def style(**options: Any) -> StyleGenerator:
    """A StyleGenerator of 64 px, the smallest with layers after truncation's cutoff."""
    defaults = {
        "resolution": 64,
        "latent_size": LATENT,
        "w_size": W,
        "mapping_layers": 2,
        "fmap_base": 64,
        "fmap_max": 6,
    }
    network = StyleGenerator(**{**defaults, **options})
    randomize(network)
    for dense in network.mapping.denses:
        dense.kernel.assign(dense.kernel / dense.lr_multiplier)
    return network


def progressive(**options: Any) -> ProgressiveGenerator:
    """A ProgressiveGenerator of 16 px."""
    defaults = {
        "resolution": 16,
        "latent_size": LATENT,
        "fmap_base": 64,
        "fmap_max": 6,
    }
    network = ProgressiveGenerator(**{**defaults, **options})
    randomize(network)
    return network


def randomize(network: keras.Model) -> None:
    """Gives every weight a value, so that none is without effect."""
    rng = np.random.default_rng(0)
    for variable in network.variables:
        variable.assign(rng.normal(0, 0.5, variable.shape).astype("float32"))


def latents(count: int) -> np.ndarray:
    """N(0, 1), float32 [count, LATENT]."""
    return np.random.default_rng(1).normal(size=(count, LATENT)).astype("float32")


def pixels(contents: bytes) -> np.ndarray:
    """The levels of a PNG file."""
    return np.asarray(Image.open(io.BytesIO(contents))).astype(int)


def assert_files_show(files: np.ndarray, images: np.ndarray) -> None:
    """Fails unless the PNG files are those of the images, to a level."""
    assert len(files) == len(images)
    levels = np.clip(np.round((images + 1) * 127.5), 0, 255).astype(int)
    for contents, expected in zip(files, levels, strict=True):
        assert contents.startswith(b"\x89PNG")
        shown = pixels(contents).reshape(expected.shape)
        assert np.abs(shown - expected).max() <= 1


def close(a: np.ndarray, b: np.ndarray) -> None:
    """Fails unless two arrays are equal, to what the order of sums can change."""
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def assert_nearly_equal(answer: np.ndarray, expected: np.ndarray) -> None:
    """Fails unless two arrays are equal, to a ten thousandth of their spread."""
    assert expected.std() > 0.1
    np.testing.assert_allclose(answer, expected, rtol=0, atol=1e-4 * expected.std())


class Served:
    """A generator, and its SavedModel loaded."""

    def __init__(self, network: keras.Model, directory: Path) -> None:
        self.network = network
        write_saved_model(network, directory)
        self.directory = directory
        self.loaded = tf.saved_model.load(str(directory))

    def __call__(self, signature: str, **inputs: Any) -> dict[str, Any]:
        function = self.loaded.signatures[signature]
        specs = function.structured_input_signature[1]
        tensors = {n: tf.constant(v, specs[n].dtype) for n, v in inputs.items()}
        return {name: t.numpy() for name, t in function(**tensors).items()}

    def shapes(self) -> dict[str, dict[str, Any]]:
        """Signature -> input and output name -> (dtype, shape)."""
        return {
            name: {
                spec_name: (spec.dtype.name, tuple(spec.shape))
                for spec_name, spec in (
                    function.structured_input_signature[1] | function.structured_outputs
                ).items()
            }
            for name, function in self.loaded.signatures.items()
        }
