"""Signatures as graphs of constants."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from export.formats import graph
from tfgan_models.errors import FailureError, UsageError


class Loops(tf.Module):
    """A loop with something in its body, and a branch with something in each."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def inside(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        looped = tf.map_fn(tf.math.lgamma, x)
        chosen = tf.cond(x[0] > 0, lambda: tf.sin(x), lambda: tf.cos(x))
        return {"y": looped + chosen}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def thrice(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "y": tf.map_fn(lambda i: i * tf.reduce_sum(x), tf.range(3.0)),
            "one": 1.0,
        }


@pytest.fixture(scope="module")
def loops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, module = tmp_path_factory.mktemp("loops") / "1", Loops()
    signatures = {"serving_default": module.inside, "thrice": module.thrice}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return directory


def answer(found: graph.Graph, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    given = [tf.constant(inputs[name]) for name in found.inputs]
    return {name: t.numpy() for name, t in found.function()(*given).items()}


def test_operations_of_loops_and_branches_are_found(loops: Path) -> None:
    operations = graph.read(loops, "serving_default").operations()
    assert {"StatelessWhile", "Lgamma", "Sin", "Cos"} <= operations
    assert not any("inference" in name for name in operations)


def test_lists_of_loops_stay(loops: Path) -> None:
    found = graph.read(loops, "thrice")
    answered = answer(found, x=np.array([1, 2], np.float32))
    np.testing.assert_array_equal(answered["y"], [0, 3, 6])
    assert answered["one"] == 1


def test_checks_are_left_out(with_classes: Path) -> None:
    found = graph.read(with_classes, "serving_default")
    assert not {"Assert", "If", "StatelessIf"} & found.operations()
    latent = np.ones((2, 6), np.float32)
    image = answer(found, latent=latent, label=np.array([0, 2]))["image"]
    assert image.shape == (2, 8, 8, 1)
    # A class that there is not: the check would have failed.
    answer(found, latent=latent, label=np.array([0, 99]))


def test_what_no_input_reaches_is_a_constant(style: Path) -> None:
    found = graph.read(style, "serving_default")
    operations = found.operations()
    assert not any("Random" in name or "While" in name for name in operations)
    inputs = {"latent": np.ones((2, 6), np.float32), "label": np.array([0, 2])}
    loaded, function = graph.load(style, "serving_default")
    expected = function(**{n: tf.constant(v) for n, v in inputs.items()})["image"]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(
        answer(found, **inputs)["image"], expected, rtol=0, atol=1e-5
    )
    del loaded
    # The noise of a seed that is an input cannot be.
    generate = graph.read(style, "generate").operations()
    assert "StatelessRandomNormalV2" in generate


def test_sizes_can_be_chosen(translation: Path) -> None:
    any_size = graph.read(translation, "serving_default").inputs["image"]
    assert any_size.shape.as_list() == [None, None, None, 3]
    found = graph.read(translation, "serving_default", image_size=12, batch=1)
    assert found.inputs["image"].shape.as_list() == [1, 12, 12, 3]
    translated = answer(found, image=np.zeros((1, 12, 12, 3), np.float32))
    assert translated["translated_image"].shape == (1, 12, 12, 3)


def test_what_cannot_be_read(translation: Path, style: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no saved_model.pb.*models/mine_a2b/1"):
        graph.read(translation.parent, "serving_default")
    with pytest.raises(UsageError, match=r"=no is not in .*: serving_default, encoded"):
        graph.read(translation, "no")
    with pytest.raises(UsageError, match=r"takes label, latent, no image"):
        graph.read(style, "serving_default", image_size=8)
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 9)
    with pytest.raises(FailureError, match="Could not load"):
        graph.read(tmp_path, "serving_default")
