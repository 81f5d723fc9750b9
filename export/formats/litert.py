"""LiteRT, TensorFlow Lite's successor: written by TensorFlow, for phones and boards."""

import tempfile
from pathlib import Path

import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.formats.graph import Graph
from export.formats.samples import Arrays, Runner

SUFFIX = ".tflite"
FIXED = True
"""Whether sizes must be known when a signature is converted."""
_SIGNATURE = "serving_default"


def write(graph: Graph, path: Path) -> None:
    """Writes a signature as `serving_default`; inputs and outputs keep their names.

    Raises:
        Exception: What TensorFlow raises for what it cannot convert.
    """
    module = tf.Module()
    module.function = graph.function()
    # Only from a SavedModel does the converter keep the names.
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder, signatures={_SIGNATURE: module.function})
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[_SIGNATURE]
        )
        path.write_bytes(converter.convert())


def load(path: Path) -> Runner:
    """Returns a function that runs what was written."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    run = interpreter.get_signature_runner(_SIGNATURE)

    def run_signature(inputs: Arrays) -> Arrays:
        return run(**inputs)

    return run_signature
