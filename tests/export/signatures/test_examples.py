"""Example inputs: valid for every signature that this package exports."""

import io
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from export.serving.models import Model
from export.signatures import saved_signatures, warmup
from export.signatures.examples import SIDE, example, examples, png_file
from export.signatures.writing import write_saved_model
from tests.export.generators import progressive, style
from tests.stackgans import stackgan
from tfgan_models.errors import FailureError
from tfgan_models.networks import ResNetGenerator, SRResNet

NETWORKS = {
    "grey": lambda: ResNetGenerator(channels=1, filters=2, residual_blocks=0),
    "enlarging": lambda: SRResNet(filters=2, residual_blocks=1),
    "latent": lambda: progressive(resolution=8),
    "classes": lambda: style(resolution=8, label_size=3),
    "captions": lambda: stackgan(text=True).generator,
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_every_signature_takes_its_examples_and_its_warm_up(
    make: Callable[[], keras.Model], tmp_path: Path
) -> None:
    directory = tmp_path / "7"
    write_saved_model(make(), directory)
    warmup.write(directory, "mine")
    model = Model(directory)
    signatures = saved_signatures.read(directory)
    assert set(signatures) == set(model.signatures)
    requests = warmup.read(directory)
    assert [r.model_spec.signature_name for r in requests] == sorted(signatures)
    for request in requests:
        assert request.model_spec.name == "mine"
        signature = model.signatures[request.model_spec.signature_name]
        outputs = signature.run(warmup.arrays(request))
        assert {len(array) for array in outputs.values()} == {1}
        outputs = signature.run(examples(signature.inputs, signature.shapes, 3))
        assert {len(array) for array in outputs.values()} == {3}
        numbers = [array for array in outputs.values() if array.dtype == np.float32]
        assert all(np.isfinite(array).all() for array in numbers)
        said = saved_signatures.read(directory)[request.model_spec.signature_name]
        assert said.inputs == dict(signature.inputs)
        assert said.input_shapes == dict(signature.shapes)
        assert said.outputs == dict(signature.outputs)


def test_pictures_are_smooth_and_in_range() -> None:
    image = example("image", "float32", [None, None, None, 3], 2)
    assert image.dtype == np.float32
    assert image.shape == (2, SIDE, SIDE, 3)
    assert -1 <= image.min() < -0.9
    assert 0.9 < image.max() <= 1
    assert np.abs(np.diff(image, axis=1)).max() < 0.05
    assert (image[..., 0] != image[..., 1]).any()
    assert example("image", "float32", (None, 8, 9, 4)).shape == (1, 8, 9, 4)
    shown = np.asarray(Image.open(io.BytesIO(png_file(5, 7))))
    assert shown.shape == (5, 7, 3)


def test_names_say_what_is_valid() -> None:
    latent = example("latent", "float32", (None, 5), 2)
    np.testing.assert_array_equal(latent, [[-1, -0.5, 0, 0.5, 1]] * 2)
    assert example("w", "float32", (None, 2, 3)).shape == (1, 2, 3)
    np.testing.assert_allclose(example("truncation_psi", "float32", (None,), 2), 0.7)
    (file,) = example("image_bytes", "string", (None,))
    assert Image.open(io.BytesIO(file)).size == (SIDE, SIDE)
    assert example("caption", "string", (None,), 2).tolist() == [b"a red heart"] * 2
    for name in ("seed", "label", "cutoff"):
        assert example(name, "int64", (None,), 2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("dtype", "shape", "expected"),
    [
        ("float64", (None, None), np.zeros((2, 1))),
        ("int32", (), np.zeros(())),
        ("bool", None, np.zeros(2)),
        ("bfloat16", (4, None), np.zeros((4, 1))),
    ],
)
def test_other_names_are_zeros(
    dtype: str, shape: tuple[int | None, ...] | None, expected: np.ndarray
) -> None:
    made = example("x", dtype, shape, 2)
    assert made.dtype == tf.as_dtype(dtype).as_numpy_dtype
    np.testing.assert_array_equal(made.astype(float), expected)
    strings = example("x", "string", shape, 2)
    assert strings.dtype == object
    assert strings.shape == expected.shape
    assert set(strings.ravel()) == {b""}


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailureError, match=r"saved_model.pb cannot be read"):
        saved_signatures.read(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"noise")
    with pytest.raises(FailureError, match=r"saved_model.pb cannot be read"):
        saved_signatures.read(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(FailureError, match=r"saved_model.pb has no model"):
        saved_signatures.read(tmp_path)
