"""ONNX: whole numbers divided as TensorFlow does."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from export.formats import graph, onnx


class Divides(tf.Module):
    """x // y and x % y, of integers and of floats."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int32, "x"),
            tf.TensorSpec([None], tf.int32, "y"),
            tf.TensorSpec([None], tf.float32, "z"),
        ]
    )
    def divide(self, x: tf.Tensor, y: tf.Tensor, z: tf.Tensor) -> dict[str, tf.Tensor]:
        return {
            "whole": x // y,
            "rest": x % y,
            "float_whole": z // 4.0,
            "float_rest": z % 4.0,
        }


@pytest.fixture(scope="module")
def divides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory, module = tmp_path_factory.mktemp("divides") / "1", Divides()
    tf.saved_model.save(
        module, str(directory), signatures={"serving_default": module.divide}
    )
    return directory


def test_division_rounds_down(divides: Path, tmp_path: Path) -> None:
    path = tmp_path / "divides.onnx"
    onnx.write(graph.read(divides, "serving_default"), path)
    x = np.array([-201, -200, -1, 0, 1, 201, 201, -201], np.int32)
    y = np.array([4, 4, 4, 4, 4, 4, -4, -4], np.int32)
    z = np.array([-201.5, -1, 0, 5.5], np.float32)
    answer = onnx.load(path)({"x": x, "y": y, "z": z})
    np.testing.assert_array_equal(answer["whole"], x // y)
    np.testing.assert_array_equal(answer["rest"], x % y)
    np.testing.assert_array_equal(answer["float_whole"], z // 4)
    np.testing.assert_array_equal(answer["float_rest"], z % 4)
