"""LiteRT, TensorFlow Lite's successor for phones and boards, written by TensorFlow."""

import tempfile
from pathlib import Path

import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.formats.graph import Graph
from export.formats.samples import Arrays, Runner

SUFFIX = ".tflite"
FIXED = True
"""Whether sizes must be fixed for the conversion."""
_SIGNATURE = "serving_default"


def write(graph: Graph, path: Path) -> None:
    """Writes a signature as `serving_default`; inputs and outputs keep their names.

    Raises:
        Exception: What TensorFlow raises for what it cannot convert.
    """
    module = tf.Module()
    module.function = graph.function()
    # The converter keeps the names only from a SavedModel.
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={_SIGNATURE: module.function})
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[_SIGNATURE]
        )
        path.write_bytes(converter.convert())


def load(path: Path) -> Runner:
    """Returns a function that runs the result."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner(_SIGNATURE)

    def run_signature(inputs: Arrays) -> Arrays:
        return run(**inputs)

    return run_signature
